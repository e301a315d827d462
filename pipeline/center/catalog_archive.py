"""Old releases of the catalog: kept on the topic for more than a year, then in a file that proves itself.

An archive file holds a release's records as the center signed them and the certificates that it signed them under:
whoever has the root certificates can rebuild the release from it, without a network and years later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from pipeline.crypto import cbor, signed
from pipeline.crypto.trust import Trust
from pipeline.domain.catalog import Release
from pipeline.domain.catalog_changes import OpenApplication
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.domain.records import CatalogEntry, CatalogManifest
from pipeline.stages import topics
from pipeline.stages.anchor import verified
from pipeline.stages.effects import Output
from pipeline.stages.membership import signing_entry
from pipeline.stages.reference import MANIFEST, manifest_digest

FORMAT: Final = "hedx/catalog-archive/1"


@dataclass(frozen=True, slots=True)
class Archived:
    """A release rebuilt from its file. `published_at`: ms."""

    release: Release
    published_at: int


@dataclass(frozen=True, slots=True)
class Horizon:
    """Whether an old release may leave the topic. `since`: when the next one was published, ms; `why_not`: None if it may."""

    number: int
    since: int
    why_not: str | None


def published(rows: Mapping[bytes, bytes], trust: Trust) -> dict[int, int]:
    """Release → when it was published (ms), by the manifests among the records of hedx.catalog, ascending.

    A manifest that does not verify is none: no reader takes it either.
    """
    found = {}
    for key, value in rows.items():
        if key.endswith(b"/" + MANIFEST.encode()) and key.count(b"/") == 1:
            with suppress(InvalidMessage):
                manifest: Any = verified(value, "catalog", "CatalogManifest", trust, CENTER)
                found[manifest["release"]] = manifest["published_at"]
    return dict(sorted(found.items()))


def horizons(
    rows: Mapping[bytes, bytes],
    applications: Iterable[OpenApplication],
    trust: Trust,
    *,
    older_than: int,
    now: int,
) -> list[Horizon]:
    """Every release but the newest, and whether it may be archived: replaced `older_than` ms ago, and nothing open under it."""
    times = published(rows, trust)
    open_under: dict[int, int] = {}
    for application in applications:
        open_under[application.release] = open_under.get(application.release, 0) + 1
    found = []
    for number, following in zip(list(times)[:-1], list(times)[1:], strict=True):
        since = times[following]
        why_not = None
        if open_under.get(number):
            why_not = f"{open_under[number]} applications are open under it"
        elif now - since < older_than:
            why_not = f"it was in force until {(now - since) // 86_400_000} days ago"
        found.append(Horizon(number, since, why_not))
    return found


def archive(rows: Mapping[bytes, bytes], number: int, trust: Trust) -> bytes:
    """The archive file of release `number`. Raises ConfigError when the records do not make the whole release."""
    records = [[key, value] for key, value in sorted(_records(rows, number).items())]
    thumbprints = dict.fromkeys(signed.peek(value).thumbprint for _, value in records)
    witnesses = [trust.listed(thumbprint)[1] for thumbprint in thumbprints]
    file = cbor.dumps({"format": FORMAT, "release": number, "records": records, "witnesses": witnesses})
    try:
        _rebuilt(number, records, trust)
    except InvalidMessage as error:
        raise ConfigError(f"release {number} cannot be archived: {error}") from error
    return file


def open_archive(raw: bytes, roots: Sequence[bytes]) -> Archived:
    """The release that an archive file holds. `roots`: the root certificate and the issuing CAs', DER.

    Raises InvalidMessage: `archive_invalid`, `manifest_mismatch`, `key_contradicts_entry`, and those of `signed.verify`.
    """
    number, records, witnesses = _read(raw)
    center = signing_entry(CENTER, witnesses)
    return _rebuilt(number, records, Trust(roots, [center]))


def tombstones(rows: Mapping[bytes, bytes], number: int) -> list[Output]:
    """Records that take release `number` off the topic, its manifest first: from then on nobody takes it for whole."""
    manifest = f"{number}/{MANIFEST}".encode()
    keys = sorted(_records(rows, number), key=lambda key: (key != manifest, key))
    return [Output(topics.CATALOG, key, None) for key in keys]


def _records(rows: Mapping[bytes, bytes], number: int) -> dict[bytes, bytes]:
    start = f"{number}/".encode()
    return {key: value for key, value in rows.items() if key.startswith(start)}


def _rebuilt(number: int, records: Sequence[Sequence[bytes]], trust: Trust) -> Archived:
    entries: dict[str, CatalogEntry] = {}
    digests: dict[str, bytes] = {}
    manifest: CatalogManifest | None = None
    for key, value in records:
        name = key.removeprefix(f"{number}/".encode()).decode("utf-8", "replace")
        if name == MANIFEST:
            manifest = verified(value, "catalog", "CatalogManifest", trust, CENTER)  # type: ignore[assignment]
            continue
        entry: CatalogEntry = verified(value, "catalog", "CatalogEntry", trust, CENTER)  # type: ignore[assignment]
        if f"{entry['provider']}/{entry['category']}" != name or entry["release"] != number:
            raise InvalidMessage("key_contradicts_entry", f"release {number}")
        entries[name], digests[name] = entry, signed.peek(value).digest
    if (
        manifest is None
        or (manifest["release"], manifest["entries"]) != (number, len(entries))
        or manifest["digest"] != manifest_digest(digests)
    ):
        raise InvalidMessage("manifest_mismatch", f"release {number}")
    return Archived(Release.of(number, entries.values()), manifest["published_at"])


def _read(raw: bytes) -> tuple[int, list[list[bytes]], list[bytes]]:
    match cbor.loads(raw, 4):
        case {
            "format": str() as name,
            "release": int() as number,
            "records": [*records],
            "witnesses": [*witnesses],
        } as parts if name == FORMAT and len(parts) == 4 and all(isinstance(w, bytes) for w in witnesses):
            if all(isinstance(r, list) and [*map(type, r)] == [bytes, bytes] for r in records):
                return number, records, witnesses
    raise InvalidMessage("archive_invalid", f"not of {FORMAT}")
