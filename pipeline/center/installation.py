"""Where one installation keeps what: keys, anchors, stores, slots. Only paths and their reading; no Kafka."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.center.anchor_files import read_anchor, write_anchor
from pipeline.center.registry import Registry
from pipeline.crypto import suite
from pipeline.crypto.authority import Authority, create_issuing, create_root
from pipeline.crypto.authority_files import load_authority, load_roots, write_authority, write_root
from pipeline.crypto.certificates import common_name
from pipeline.crypto.enrolment import note_requests
from pipeline.crypto.keys import LocalIdentity, LocalSigner, SealingKey, Signer
from pipeline.crypto.keystore import Transport, write_identity, write_transport
from pipeline.crypto.requests import SERVERS, SERVICES, USAGES, certificate_request, read_request
from pipeline.crypto.vault import LocalVault
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER, PROVINCES
from pipeline.domain.records import TrustEntry
from pipeline.stages.anchor import Anchor, Seen
from pipeline.stages.clock import local_date
from pipeline.stages.effects import Output
from pipeline.stages.reference import make_anchor

LOOPBACK = ("127.0.0.1", "localhost")
"""Where the embedded broker is found."""


@dataclass(frozen=True, slots=True)
class Installation:
    """A data folder: `authority/`, `anchor/`, `parties/<party>/`, `principals/<principal>/`, `slots/`, `state/`.

    In `authority/` are the issuing CA, `registry.db` and, where nobody took it away, `root/`.
    """

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

    @property
    def calendar(self) -> Path:
        """The operator's own calendar files, one a year; need not be there."""
        return self.folder / "calendar"

    @property
    def rules(self) -> Path:
        """The provinces' own rule files (Art. 14); need not be there."""
        return self.folder / "rules"

    def party(self, party: str) -> Path:
        """Everything one party keeps."""
        return self.folder / "parties" / party

    def identity_folder(self, party: str) -> Path:
        """A party's keys and certificates, for a signer process; its `signer.sock`, if it has one, lies beside."""
        return self.party(party) / "identity"

    def transport(self, principal: str) -> Path:
        """The TLS files of a principal (`P37`, `center`, or a service such as `ops`)."""
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
        """The authority's certificates, DER: where it is, its own; elsewhere those of the anchor. No keys are read."""
        return load_roots(self.authority) if self.authority.is_dir() else self.anchor().roots

    def anchor(self) -> Anchor:
        """What a party is given by hand when it joins. Raises ConfigError when it is not here."""
        return read_anchor(self.folder / "anchor")

    def seen_file(self, party: str | None = None) -> Path:
        """Where a party's processes, or with None those of nobody in particular, keep what they have seen of trust."""
        return (self.folder if party is None else self.party(party)) / "reference.seen"

    def tag_secret(self) -> bytes:
        """The center's secret under which persons are marked within one application."""
        return (self.party(CENTER) / "tag.secret").read_bytes()

    def trust_entries(self) -> list[TrustEntry]:
        """The entries of all parties, as the registry has them."""
        with self.registry() as registry:
            return registry.entries()

    def registry(self) -> Registry:
        """The registry of the center. Close it, or use it as a context manager."""
        return Registry(self.authority / "registry.db")

    def has_registry(self) -> bool:
        """Whether the registry is kept here: at the center, that is."""
        return (self.authority / "registry.db").exists()

    def newest_crl(self) -> bytes | None:
        """The newest revocation list known here, DER: the registry's, else what this machine's processes have seen."""
        if self.has_registry():
            with self.registry() as registry:
                newest = registry.newest_crl()
            return None if newest is None else newest["crl"]
        files = [self.folder / "reference.seen", *self.party("").glob("*/reference.seen")]
        seen = [Seen.from_json(path.read_text(encoding="utf-8")).crl for path in files if path.exists()]
        held = max((crl for crl in seen if crl is not None), key=lambda crl: crl["number"], default=None)
        return held["crl"] if held is not None else self.anchor().crl if self.is_set_up() else None

    def issuing(self) -> Authority:
        """The issuing CA with its key. Raises ConfigError where that is not kept."""
        return load_authority(self.authority)

    def publication(self, signer: Signer, now: int) -> list[Output]:
        """All of hedx.trust as of `now`, with a fresh revocation list; for one transaction. Needs the issuing CA's key."""
        with self.registry() as registry:
            return registry.publication(signer, now, self.issuing())

    def make_folder(self) -> None:
        """Make the folder itself, closed to all others."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def is_set_up(self) -> bool:
        """Whether `set_up` has been here."""
        return (self.folder / "anchor").exists()


def set_up(installation: Installation, parties: Sequence[str], now: int) -> None:
    """Make the authority, and keys and certificates for the center and `parties`. Does nothing when done already.

    One machine plays all parts here: each key is made in its party's folder, and its certificate is asked for and
    issued as anywhere else. Every party is registered under the loopback address. Raises ConfigError where an authority
    was founded by `hedx ca init`, or a set-up was interrupted: neither is ever overwritten.
    """
    if installation.is_set_up():
        return
    if (installation.authority / "issuing.key").exists():
        raise ConfigError(f"{installation.authority} holds an authority already, and no anchor: see docs/authority.md")
    installation.make_folder()
    root = create_root(now)
    authority = create_issuing(root, now)
    write_root(installation.authority / "root", root)
    write_authority(installation.authority, authority)
    with installation.registry() as registry, registry.together():
        for principal in SERVICES:
            _enrol_service(installation, registry, authority, principal, now)
        registry.register(CENTER, now)
        signer = _enrol_party(installation, registry, authority, CENTER, now)
        for party in parties:
            _note_papers(registry, party, now)
            registry.register(party, now, LOOPBACK[:1])
            _enrol_party(installation, registry, authority, party, now)
        [entry] = [entry for entry in registry.entries() if entry["party"] == CENTER]
        leaves, crl = registry.leaves(), registry.crl(authority, now)
    _write(installation.party(CENTER) / "tag.secret", secrets.token_bytes(32))
    anchor = make_anchor(authority.certificates, entry, leaves, crl, signer, now)
    write_anchor(installation.folder / "anchor", anchor)


def _note_papers(registry: Registry, party: str, now: int) -> None:
    """The papers of a made-up party (Art. 4), which say that they are made up."""
    if party in PROVINCES:
        day = local_date(now)
        registry.record_paper(party, "application", "联网书面申请（演示）", "", day, day, now)
        registry.record_paper(party, "filing", "联网备案（演示）", f"演示〔{day.year}〕{party}号", day, day, now)


def _enrol_service(
    installation: Installation, registry: Registry, authority: Authority, principal: str, now: int
) -> None:
    key, hosts = suite.generate_key(), LOOPBACK if principal in SERVERS else ()
    request = read_request(certificate_request(principal, key, "tls", hosts))
    transport = Transport(principal, key, registry.issue(authority, request, now).der)
    write_transport(installation.transport(principal), transport, authority.certificates)


def _enrol_party(installation: Installation, registry: Registry, authority: Authority, party: str, now: int) -> Signer:
    principal, folder = common_name(party), installation.party(party)
    keys = {usage: suite.generate_key() for usage in USAGES}
    requests = [read_request(certificate_request(principal, keys[usage], usage)) for usage in USAGES]
    note_requests(folder, [request.der for request in requests])
    made = {request.usage: registry.issue(authority, request, now).der for request in requests}
    sealing = SealingKey(keys["encrypt"])
    signer = LocalSigner(party, keys["sign"], made["sign"])
    write_identity(folder / "identity", LocalIdentity(party, signer, sealing, LocalVault(sealing), made["encrypt"]))
    transport = Transport(principal, keys["tls"], made["tls"])
    write_transport(installation.transport(principal), transport, authority.certificates)
    return signer


def _write(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
