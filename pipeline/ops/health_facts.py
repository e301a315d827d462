"""What an installation's folder says about its health: read here, judged in `ops.health`. No key is opened."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from cryptography import x509

from pipeline.center.installation import Installation
from pipeline.center.registry import Registry
from pipeline.center.registry_rows import owner_of
from pipeline.codec import framing
from pipeline.crypto import signed
from pipeline.crypto.certificates import instant
from pipeline.crypto.enrolment import certificates_in
from pipeline.crypto.revocation import Revocations, read_crl
from pipeline.domain.records import SealKey
from pipeline.ops.health import Facts, HeldCertificate, HeldFile, HeldList, HeldSealKey, Pending

SECRET = {".key", ".p12", ".secret", ".db"}
"""Suffixes of files that only their owner may read; `passphrase` as well."""


def gather(installation: Installation, now: int) -> Facts:
    """All facts there are: of the registry where it is kept, of every party and principal whose keys are here."""
    registered: list[HeldCertificate] = []
    if installation.has_registry():
        with installation.registry() as registry:
            registered = list(_registered(registry, now))
    knows_authority = installation.authority.is_dir() or installation.is_set_up()  # not before a party's first install
    crl = _revocation_list(installation) if knows_authority else None
    revoked_serials = {f"{serial:040x}" for serial in (() if crl is None else crl.by_serial)}
    installed = {(each.party, each.usage): each for each in _installed(installation, revoked_serials)}
    elsewhere = [each for each in registered if (each.party, each.usage) not in installed]
    return Facts(
        now=now,
        certificates=[*(_authorities(installation) if knows_authority else ()), *installed.values(), *elsewhere],
        revocation_list=None if crl is None else HeldList(crl.number, crl.this_update, crl.next_update),
        seal_keys=list(_seal_keys(installation)),
        files=list(_files(installation)),
        pending=list(_pending(installation)),
    )


def in_use(installation: Installation, party: str | None, principals: Iterable[str]) -> list[HeldCertificate]:
    """The certificates that one process uses: `party`'s to sign and encrypt, and for TLS those of `principals`."""
    found = [] if party is None else list(_identity(installation.identity_folder(party), set()))
    files = [installation.transport(principal) / "tls.pem" for principal in dict.fromkeys(principals)]
    return found + [
        _held(owner_of(path.parent.name), "tls", path.read_bytes(), set()) for path in files if path.exists()
    ]


def _registered(registry: Registry, now: int) -> Iterator[HeldCertificate]:
    """Of every holder and usage the newest that is not revoked, else the newest; suspended parties get none."""
    newest: dict[tuple[str, str], HeldCertificate] = {}
    for each in registry.status():
        key = each.owner, each.usage
        revoked = each.state(now) == "revoked"
        if key not in newest or (newest[key].revoked and not revoked):
            newest[key] = HeldCertificate(each.owner, each.usage, each.serial, each.not_after, revoked)
    suspended = registry.suspended()
    yield from (each for each in newest.values() if each.party not in suspended)


def _installed(installation: Installation, revoked: set[str]) -> Iterator[HeldCertificate]:
    for folder in sorted(installation.party("").glob("*/identity")):
        yield from _identity(folder, revoked)
    for path in sorted(installation.transport("").glob("*/tls.pem")):
        yield _held(owner_of(path.parent.name), "tls", path.read_bytes(), revoked)


def _identity(folder: Path, revoked: set[str]) -> Iterator[HeldCertificate]:
    for usage in ("sign", "encrypt"):
        if (folder / f"{usage}.der").exists():
            yield _held(folder.parent.name, usage, (folder / f"{usage}.der").read_bytes(), revoked)


def _held(party: str, usage: str, data: bytes, revoked: set[str]) -> HeldCertificate:
    der = certificates_in(data)[0]
    certificate = x509.load_der_x509_certificate(der)
    end = instant(certificate.not_valid_after_utc)
    serial = f"{certificate.serial_number:040x}"
    return HeldCertificate(party, usage, serial, end, serial in revoked)


def _authorities(installation: Installation) -> Iterator[HeldCertificate]:
    """The root, and of the issuing CAs the newest: an earlier one may end."""
    newest: dict[str, HeldCertificate] = {}
    for der in installation.roots():
        certificate = x509.load_der_x509_certificate(der)
        usage = "root" if certificate.subject == certificate.issuer else "issuing"
        held = _held("ca", usage, der, set())
        if usage not in newest or newest[usage].not_after < held.not_after:
            newest[usage] = held
    yield from newest.values()


def _revocation_list(installation: Installation) -> Revocations | None:
    newest = installation.newest_crl()
    if newest is None:
        return None
    authorities = [x509.load_der_x509_certificate(der) for der in installation.roots()]
    return read_crl(newest, [each for each in authorities if each.subject != each.issuer])


def _seal_keys(installation: Installation) -> Iterator[HeldSealKey]:
    """Each party's newest, from its statements."""
    for folder in sorted(installation.party("").glob("*/identity/seal")):
        records: list[SealKey] = [_statement(path) for path in folder.glob("*.cose")]
        if records:
            newest = max(records, key=lambda record: record["number"])
            party = folder.parent.parent.name
            yield HeldSealKey(party, newest["number"], newest["not_before"], newest["not_after"])


def _statement(path: Path) -> SealKey:
    return framing.decode_as("SealKey", signed.peek(path.read_bytes()).payload)  # type: ignore[return-value]


def _files(installation: Installation) -> Iterator[HeldFile]:
    """The folder itself and every secret below it; where a passphrase is a link, what it leads to."""
    paths = [installation.folder]
    for part in (installation.authority, installation.party(""), installation.transport("")):
        found = part.rglob("*") if part.is_dir() else ()
        paths += sorted(path for path in found if path.is_file() and _is_secret(path))
    for path in paths:
        status = path.stat()
        name = str(path) if path == installation.folder else str(path.relative_to(installation.folder))
        yield HeldFile(name, status.st_mode & 0o777, status.st_uid == os.getuid(), folder=path == installation.folder)


def _is_secret(path: Path) -> bool:
    return path.suffix in SECRET or path.name == "passphrase"


def _pending(installation: Installation) -> Iterator[Pending]:
    folders = [*installation.party("").glob("*/pending"), *installation.transport("").glob("*/pending")]
    for folder in sorted(folders):
        for path in sorted(folder.glob("*.csr")):
            yield Pending(owner_of(folder.parent.name), path.stem, int(path.stat().st_mtime * 1000))
