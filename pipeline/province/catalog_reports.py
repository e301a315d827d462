"""A party's own reports for the catalog (资源上报, Art. 13): signed, kept, and sent through its outbox like all it says."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.codec import framing
from pipeline.crypto import cose, signed
from pipeline.crypto.keys import Identity
from pipeline.crypto.trust import Trust
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER
from pipeline.domain.records import CatalogDecision, CatalogEntry, CatalogReport
from pipeline.province import outbox
from pipeline.province.database import transaction
from pipeline.province.store import Store
from pipeline.stages.acts import Act, post_act, sign_act
from pipeline.stages.cataloguing import LARGEST
from pipeline.stages.local import Posted


@dataclass(frozen=True, slots=True)
class OwnReport:
    """A report of ours and the center's decision about it, None while it waits. `sent_at`: ms."""

    report: CatalogReport
    digest: bytes
    sent_at: int
    decision: CatalogDecision | None


def file_report(
    store: Store, identity: Identity, entries: Sequence[CatalogEntry], retire: Sequence[str], now: int
) -> Act:
    """Sign the next report, keep it and put it into the outbox, in one transaction. Raises ConfigError when it is too large.

    What is wrong with it is for the caller to ask first (`catalog_checks`).
    """
    party = identity.party
    with transaction(store.connection) as db:
        report = CatalogReport(
            party=party, number=_last_number(db, party) + 1, entries=list(entries), retire=list(retire), at=now
        )
        raw = sign_act("catalog-report", report, identity.signer, CENTER, now)
        if len(raw) > LARGEST:
            raise ConfigError(f"the report takes {len(raw)} bytes, more than {LARGEST}: report some categories later")
        act = Act("catalog-report", party, cose.decode(raw).digest, raw, now, report)
        store.keep_act(act, now)
        outbox.put(db, [Posted("requests", post_act(raw, party, CENTER, "", ""))])
    return act


def own_reports(connection: sqlite3.Connection, party: str, trust: Trust) -> list[OwnReport]:
    """Our reports, the newest first, each signature verified as of when it was put here."""
    decisions: dict[bytes, CatalogDecision] = {}
    for raw, at in _kept(connection, "catalog-decision", CENTER):
        payload = signed.verify_kept(raw, "catalog-decision", trust, witness=at, issuer=CENTER).payload
        decision: CatalogDecision = framing.decode_as("CatalogDecision", payload)  # type: ignore[assignment]
        decisions[decision["report"]] = decision
    found = []
    for raw, at in _kept(connection, "catalog-report", party):
        digest = cose.decode(raw).digest
        found.append(OwnReport(_report(raw), digest, at, decisions.get(digest)))
    return sorted(found, key=lambda one: -one.report["number"])


def _last_number(connection: sqlite3.Connection, party: str) -> int:
    return max((_report(raw)["number"] for raw, _ in _kept(connection, "catalog-report", party)), default=0)


def _kept(connection: sqlite3.Connection, typ: str, issuer: str) -> list[tuple[bytes, int]]:
    query = "SELECT signed, at FROM act WHERE typ = ? AND issuer = ? ORDER BY at"
    return connection.execute(query, (typ, issuer)).fetchall()


def _report(raw: bytes) -> CatalogReport:
    """What we signed ourselves."""
    return framing.decode_as("CatalogReport", cose.decode(raw).payload)  # type: ignore[return-value]
