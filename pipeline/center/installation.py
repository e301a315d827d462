"""Where one installation keeps what: keys, anchors, stores, slots. Only paths and their reading; no Kafka."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.codec import framing
from pipeline.crypto.authority import create_authority, issue, issue_transport, load_roots, write_authority
from pipeline.crypto.certificates import common_name
from pipeline.crypto.keys import LocalIdentity
from pipeline.crypto.keystore import load_identity, write_identity, write_transport
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER
from pipeline.domain.records import TrustEntry
from pipeline.stages.membership import trust_entry

LOOPBACK = ("127.0.0.1", "localhost")
"""Where the embedded broker is found."""


@dataclass(frozen=True, slots=True)
class Installation:
    """A data folder: `authority/`, `parties/<party>/`, `principals/<principal>/`, `center.entry`, `slots/`, `state/`."""

    folder: Path

    @property
    def authority(self) -> Path:
        """The certificate authority's keys and certificates."""
        return self.folder / "authority"

    @property
    def slots(self) -> Path:
        """Lock files of the center's workers."""
        return self.folder / "slots"

    @property
    def state(self) -> Path:
        """RocksDB folders of the center's workers; wiped and restored from the changelogs."""
        return self.folder / "state"

    def party(self, party: str) -> Path:
        """Everything one party keeps."""
        return self.folder / "parties" / party

    def identity(self, party: str) -> LocalIdentity:
        """A party's keys. Raises ConfigError when they are not here."""
        return load_identity(self.party(party) / "identity")

    def identity_folder(self, party: str) -> Path:
        """A party's keys and certificates, for a signer process; its `signer.sock`, if it has one, lies beside."""
        return self.party(party) / "identity"

    def transport(self, principal: str) -> Path:
        """The TLS files of a Kafka principal (`P37`, `center`, `broker`, `admin`, `ops`)."""
        return self.folder / "principals" / principal

    def store(self, party: str) -> Path:
        """A party's own database."""
        return self.party(party) / "store.db"

    def provider_file(self, party: str) -> Path:
        """The description of a party's databases."""
        return self.party(party) / "provider.yaml"

    def database_url(self, party: str) -> str | None:
        """URL of a party's databases, from `database.url`; None for a party that only asks."""
        path = self.party(party) / "database.url"
        return path.read_text().strip() if path.exists() else None

    def roots(self) -> list[bytes]:
        """The authority's certificates, DER; no keys are read."""
        return load_roots(self.authority)

    def center(self) -> TrustEntry:
        """The center's own trust entry, as every party is given it when it joins."""
        path = self.folder / "center.entry"
        if not path.exists():
            raise ConfigError(f"{path} is missing: set the installation up first")
        return framing.decode_as("TrustEntry", path.read_bytes())  # type: ignore[return-value]

    def tag_secret(self) -> bytes:
        """The center's secret under which persons are marked within one application."""
        return (self.party(CENTER) / "tag.secret").read_bytes()

    def trust_entries(self) -> list[TrustEntry]:
        """The entries of all parties whose keys are here (static trust: one machine sets all of them up)."""
        parties = sorted(path.parent.name for path in (self.folder / "parties").glob("*/identity"))
        return [trust_entry(self.identity(party), 1) for party in parties]

    def is_set_up(self) -> bool:
        """Whether `set_up` has been here."""
        return (self.folder / "center.entry").exists()


def set_up(installation: Installation, parties: Sequence[str], now: int) -> None:
    """Make the authority, and keys and certificates for the center and `parties`. Does nothing when done already."""
    if installation.is_set_up():
        return
    installation.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = create_authority(now)
    write_authority(installation.authority, authority)
    for party in (CENTER, *parties):
        write_identity(installation.party(party) / "identity", issue(authority, party, now))
    for principal in ("broker", "admin", "ops", *map(common_name, (CENTER, *parties))):
        hosts = LOOPBACK if principal == "broker" else ()
        transport = issue_transport(authority, principal, now, hosts)
        write_transport(installation.transport(principal), transport, authority.certificates)
    _write(installation.party(CENTER) / "tag.secret", secrets.token_bytes(32))
    entry = trust_entry(installation.identity(CENTER), 1)
    _write(installation.folder / "center.entry", framing.encode("TrustEntry", entry))


def _write(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
