"""The ceremonies of the authority: founding it, and giving it a new issuing CA while the earlier one still counts.

Both need the root's folder, which may be a removable medium and is otherwise locked away.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from pipeline.center.anchor_files import write_anchor
from pipeline.center.installation import Installation
from pipeline.crypto.authority import Authority, create_issuing, create_root
from pipeline.crypto.authority_files import load_root, switch_to_next, write_authority, write_next, write_root
from pipeline.crypto.certificates import instant
from pipeline.crypto.keystore import write_durably
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER


@dataclass(frozen=True, slots=True)
class Shown:
    """A CA certificate as two officers compare it, aloud."""

    name: str
    fingerprint: str  # SHA-256, in hex, pairs joined by colons
    not_after: int  # ms


def found(installation: Installation, root: Path, now: int) -> Authority:
    """Make the root in the folder `root` and the issuing CA in the installation. Raises ConfigError when one is there."""
    if (installation.authority / "issuing.key").exists():
        raise ConfigError(f"{installation.authority} holds an issuing CA already: hedx ca renew-issuing renews it")
    installation.make_folder()
    made = create_root(now)
    authority = create_issuing(made, now)
    write_root(root, made)
    write_authority(installation.authority, authority)
    installation.registry().close()
    secret = installation.party(CENTER) / "tag.secret"
    if not secret.exists():
        secret.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_durably(secret, secrets.token_bytes(32))
    return authority


def renew_issuing(installation: Installation, root: Path, now: int) -> Authority:
    """Make a new issuing CA; lists and certificates go on being signed by the one before until `switch_issuing`.

    So nobody who has not got the new anchor yet is left without a list. Returns the new one, and raises ConfigError.
    """
    before, held = installation.issuing(), load_root(root)
    if held.certificate != before.root:
        raise ConfigError(f"the root in {root} is not the one of this authority")
    authority = create_issuing(held, now, before)
    write_next(installation.authority, authority)
    if (installation.folder / "anchor").exists():
        write_anchor(installation.folder / "anchor", replace(installation.anchor(), roots=authority.certificates))
    return authority


def switch_issuing(installation: Installation) -> Authority:
    """Sign with the new issuing CA from now on, which all parties have to know by then. Raises ConfigError."""
    switch_to_next(installation.authority)
    return installation.issuing()


def shown(certificate: x509.Certificate) -> Shown:
    """What to compare of a CA certificate."""
    digest = certificate.fingerprint(hashes.SHA256()).hex().upper()
    pairs = ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))
    end = certificate.not_valid_after_utc.astimezone(UTC)
    return Shown(_common_name(certificate), pairs, instant(end))


def _common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
