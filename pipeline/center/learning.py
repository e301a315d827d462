"""How a registry takes over what hedx.trust knows and it does not: after it was restored from a backup, or lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipeline.center.addresses import Address, to_json
from pipeline.center.recovery import Published
from pipeline.crypto.certificates import common_name, instant
from pipeline.crypto.requests import Usage
from pipeline.crypto.suite import H
from pipeline.domain.records import LogLeaf, TrustEntry


@dataclass(frozen=True, slots=True)
class Learnt:
    """How much was new."""

    leaves: int
    certificates: int
    entries: int
    revocations: int


def learn(db: sqlite3.Connection, published: Published) -> Learnt:
    """Take everything over that is newer than what `db` has; inside a transaction of the caller's."""
    leaves = _leaves(db, published.leaves)
    certificates = _certificates(db, published)
    entries = sum(_entry(db, entry) for entry in published.entries)
    revocations = _revocations(db, published)
    held = published.revocations
    row = (held.number, held.der, held.this_update, held.next_update)
    db.execute("INSERT OR IGNORE INTO crl VALUES (?, ?, ?, ?)", row)
    return Learnt(leaves, certificates, entries, revocations)


def _leaves(db: sqlite3.Connection, leaves: list[LogLeaf]) -> int:
    held: int = db.execute("SELECT count(*) FROM leaf").fetchone()[0]
    for leaf in leaves[held:]:
        row = (leaf["index"], leaf["kind"], leaf["party"], leaf["digest"], leaf["request"], leaf["at"])
        db.execute("INSERT INTO leaf VALUES (?, ?, ?, ?, ?, ?)", row)
    return max(0, len(leaves) - held)


def _certificates(db: sqlite3.Connection, published: Published) -> int:
    """Those that entries list, in the order of the log: the newest stays the newest."""
    listed: dict[bytes, tuple[str, Usage, bytes]] = {}
    for entry in published.entries:
        principal = common_name(entry["party"])
        for usage, ders in _by_usage(entry).items():
            listed |= {H(der): (principal, usage, der) for der in ders}
    held = {row[0] for row in db.execute("SELECT digest FROM certificate")}
    new = [
        leaf for leaf in published.leaves if leaf["kind"] == "certificate" and leaf["digest"] in listed.keys() - held
    ]
    for leaf in new:
        _certificate(db, leaf, *listed[leaf["digest"]])
    return len(new)


def _by_usage(entry: TrustEntry) -> Mapping[Usage, list[bytes]]:
    return {
        "sign": entry["signing_certificates"],
        "encrypt": entry["sealing_certificates"],
        "tls": entry["transport_certificates"],
    }


def _certificate(db: sqlite3.Connection, leaf: LogLeaf, principal: str, usage: Usage, der: bytes) -> None:
    made = x509.load_der_x509_certificate(der)
    point = H(made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    bounds = [instant(moment) for moment in (made.not_valid_before_utc, made.not_valid_after_utc)]
    serial, request = f"{made.serial_number:040x}", leaf["request"] or leaf["digest"]
    db.execute(
        "INSERT INTO certificate SELECT ?, ?, ?, ?, ?, ?, ?, count(*) + 1, ?, ?, ?, NULL, NULL FROM certificate",
        (serial, principal, usage, der, leaf["digest"], request, point, leaf["at"], *bounds),
    )


def _entry(db: sqlite3.Connection, entry: TrustEntry) -> bool:
    """When an address was filed is not published: it counts as filed when it came into force."""
    held = db.execute("SELECT number FROM entry WHERE party = ?", (entry["party"],)).fetchone()
    if held is not None and held[0] >= entry["number"]:
        return False
    addresses = [Address(each["address"], each["since"], each["until"], each["since"]) for each in entry["addresses"]]
    values = (entry["number"], entry["name"], to_json(addresses), int(entry["suspended"]), entry["minimum_suite"])
    if held is None:
        db.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)", (entry["party"], *values))
    else:
        columns = "number = ?, name = ?, addresses = ?, suspended = ?, minimum_suite = ?"
        db.execute(f"UPDATE entry SET {columns} WHERE party = ?", (*values, entry["party"]))  # noqa: S608
    return True


def _revocations(db: sqlite3.Connection, published: Published) -> int:
    """Also of certificates that nobody here has: the next list must name them again."""
    count = 0
    for number, line in published.revocations.by_serial.items():
        serial = f"{number:040x}"
        known = db.execute("SELECT revoked_at FROM certificate WHERE serial = ?", (serial,)).fetchone()
        if known is None:
            row = (serial, line.at, line.reason)
            count += db.execute("INSERT OR IGNORE INTO revoked_elsewhere VALUES (?, ?, ?)", row).rowcount
        elif known[0] is None:
            change = "UPDATE certificate SET revoked_at = ?, reason = ? WHERE serial = ?"
            count += db.execute(change, (line.at, line.reason, serial)).rowcount
    return count
