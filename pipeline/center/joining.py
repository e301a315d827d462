"""The anchor that a party is handed when it joins: made at the center, taken over at the party."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.center.anchor_files import AUTHORITIES, read_anchor, write_anchor
from pipeline.center.installation import Installation
from pipeline.crypto.keys import Signer
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER
from pipeline.signer.client import open_identity
from pipeline.stages.anchor import Anchor, trust_of
from pipeline.stages.reference import make_anchor


def anchor_now(installation: Installation, signer: Signer, now: int) -> Anchor:
    """The anchor of a party that joins `now`, signed by the center. Raises ConfigError before the center has joined."""
    with installation.registry() as registry:
        center = next((entry for entry in registry.entries() if entry["party"] == CENTER), None)
        if center is None:
            raise ConfigError("the center itself has no certificates yet: let it join first")
        crl = registry.crl(installation.issuing(), now)
        return make_anchor(installation.roots(), center, registry.leaves(), crl, signer, now)


def hand_out_anchor(installation: Installation, folder: Path, now: int) -> None:
    """Lay out in `folder` the anchor of a party that joins `now`, as the center's signer signs it. Raises ConfigError."""
    with open_identity(installation.identity_folder(CENTER)) as center:
        write_anchor(folder, anchor_now(installation, center.signer, now))


def take_anchor(installation: Installation, folder: Path) -> x509.Certificate:
    """Take over the anchor in `folder`; the root's certificate, to be compared with the center by voice.

    An anchor that is here already only learns the issuing CAs that came since: everything else has grown since it was
    handed over. Raises ConfigError when the two have different roots, or the new one does not hold by itself.
    """
    given = read_anchor(folder)
    trust_of(given)
    root = _root(given.roots)
    here = installation.folder / "anchor"
    if not here.exists():
        write_anchor(here, given)
        return root
    held = installation.anchor()
    if _root(held.roots) != root:
        raise ConfigError(f"{here} is of another root: take it away by hand if the exchange really has a new one")
    roots = list(dict.fromkeys([*given.roots, *held.roots]))
    pem = b"".join(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in roots)
    (here / AUTHORITIES).write_bytes(pem)
    return root


def _root(roots: list[bytes]) -> x509.Certificate:
    certificates = [x509.load_der_x509_certificate(der) for der in roots]
    return next(each for each in certificates if each.subject == each.issuer)
