"""A small worker: `worker.py remote|local FOLDER`; signs, unseals, prints its application's locked keys, and waits."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.crypto import signed, suite
from pipeline.crypto.keys import CaseKeys, Identity, public_sealing_key
from pipeline.crypto.keystore import load_identity
from pipeline.crypto.sealing import new_seal, unseal
from pipeline.signer.client import open_identity
from pipeline.signer.protocol import SignerRefused

NOW = 1_800_000_000_000


def work(identity: Identity) -> tuple[CaseKeys, bytes]:
    """Use every key once; returns an application's keys, and their locked form."""
    public = x509.load_der_x509_certificate(identity.sealing_certificate).public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    secret, seal = new_seal("53", [public_sealing_key(suite.point(public))])
    assert unseal(seal, "53", identity.sealing) == secret
    signed.sign("envelope", b"root", identity.signer, audience="center", now=NOW)
    keys, locked = identity.vault.create()
    secret, seal = new_seal("00", [keys.reply_key])
    assert unseal(seal, "00", keys.unsealer) == secret
    return keys, locked


def main(kind: str, folder: Path) -> None:
    """Work, then wait for the end of stdin."""
    with ExitStack() as stack:
        identity: Identity = stack.enter_context(open_identity(folder)) if kind == "remote" else load_identity(folder)
        keys, locked = work(identity)
        if kind == "remote":
            try:
                identity.signer.sign(b"what no party signs")
            except SignerRefused as refusal:
                sys.stderr.write(f"{refusal}\n")
        sys.stdout.write(f"{locked.hex()}\n")
        sys.stdout.flush()
        sys.stdin.read()
        assert keys.reply_key.kid, "kept until now"


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
