"""What a party keeps: the view its stages read, and their effects written in one transaction with the offsets."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping

from pipeline.codec import framing
from pipeline.crypto.keys import Identity
from pipeline.domain.records import Application
from pipeline.kafka.allowance import Allowance
from pipeline.kafka.rejections import harmless
from pipeline.province import outbox
from pipeline.province.database import transaction
from pipeline.province.filing import Filing
from pipeline.stages.local import Delivered, Filed, LocalEffects, Posted

Positions = Mapping[tuple[str, int], int]
"""(topic, partition) -> offset of the next record to read."""


_DAY = 24 * 3600 * 1000


class Store:
    """One party's store on one thread's connection. Implements `stages.local.View`."""

    def __init__(self, connection: sqlite3.Connection, identity: Identity) -> None:
        self.connection = connection
        self._identity = identity
        self._filed: dict[str, Filed] = {}
        self._allowance = Allowance("store")

    # -- view --------------------------------------------------------------------------------------------------------

    def seen(self, issuer: str, envelope_id: bytes) -> bytes | None:
        """The digest of the envelope with this id, if it was worked on."""
        return self._one("SELECT digest FROM seen WHERE issuer = ? AND id = ?", issuer, envelope_id)

    def mandate_of(self, reply_key: bytes) -> bytes | None:
        """The digest of the mandate this reply key was first seen under."""
        return self._one("SELECT mandate_digest FROM reply_key WHERE key = ?", reply_key)

    def has_answered(self, mandate_digest: bytes, section: int, version: int) -> bool:
        """Whether this section was answered already."""
        query = "SELECT 1 FROM answered WHERE mandate_digest = ? AND section = ? AND version = ?"
        return self.connection.execute(query, (mandate_digest, section, version)).fetchone() is not None

    def filed(self, application_id: str) -> Filed | None:
        """Our own application with this id."""
        if application_id not in self._filed:
            row = self.connection.execute(
                "SELECT mandate_digest, reply_key FROM application WHERE application_id = ?", (application_id,)
            ).fetchone()
            if row is None:
                return None
            self._filed[application_id] = Filed(application_id, row[0], self._identity.vault.open(row[1]).unsealer)
        return self._filed[application_id]

    def positions(self, topic: str) -> dict[int, int]:
        """Partition -> offset of the next record to read, of partitions read before."""
        return dict(self.connection.execute("SELECT partition, next FROM position WHERE topic = ?", (topic,)))

    # -- writing -----------------------------------------------------------------------------------------------------

    def file(self, filing: Filing, release: int, now: int) -> None:
        """Keep a new application, and put its bundles into the outbox, in one transaction."""
        form = filing.application
        application_id = form["application_id"]
        with transaction(self.connection) as db:
            db.execute(
                "INSERT INTO application VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'filed', NULL, NULL)",
                (
                    application_id,
                    json.dumps(form, ensure_ascii=False).encode(),
                    filing.mandate_raw,
                    filing.mandate_digest,
                    filing.locked_keys,
                    release,
                    now,
                    sum(map(len, filing.sections)),
                ),
            )
            db.executemany(
                "INSERT INTO section VALUES (?, ?, ?)",
                [(application_id, number, salt) for number, salt in enumerate(filing.salts, start=1)],
            )
            db.executemany(
                "INSERT INTO person VALUES (?, ?, ?, ?)",
                [
                    (application_id, number, index, framing.write("Person", person))
                    for number, section in enumerate(filing.sections, start=1)
                    for index, person in enumerate(section)
                ],
            )
            outbox.put(db, [Posted("requests", bundle) for bundle in filing.bundles])

    def apply(self, effects: LocalEffects, positions: Positions, now: int) -> None:
        """Carry out a step's effects, all of them and the offsets, or nothing.

        Dead letters of nobody's are kept whole as far as the allowance goes; the others are counted, by day.
        """
        sifted = self._allowance.sift(effects.dead, now)
        with transaction(self.connection) as db:
            db.executemany(
                "INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?)",
                [(seen.issuer, seen.id, seen.digest, seen.expires_at) for seen in effects.seen],
            )
            db.executemany("INSERT OR IGNORE INTO reply_key VALUES (?, ?)", effects.reply_keys)
            db.executemany("INSERT OR IGNORE INTO answered VALUES (?, ?, ?)", effects.answered)
            self._outcome(effects, now)
            for delivered in effects.delivered:
                self._deliver(delivered)
            outbox.put(db, effects.posts)
            outbox.receipted(db, effects.receipted)
            outbox.settled(db, effects.settled)
            db.executemany(
                "INSERT INTO dead_letter VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (m.topic, m.partition, m.offset, error.code, harmless(error.detail), m.key, m.value, now)
                    for m, error in sifted.kept
                ],
            )
            db.executemany(
                "INSERT INTO dead_letter_withheld VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET count = count + excluded.count",
                [(*kind, now // _DAY, count) for kind, count in sifted.withheld.items()],
            )
            db.executemany(
                "INSERT OR REPLACE INTO position VALUES (?, ?, ?)",
                [(topic, partition, following) for (topic, partition), following in positions.items()],
            )
        self._allowance.settle(sifted, now)

    def forget_expired(self, now: int, grace: int = 24 * 3600 * 1000) -> None:
        """Drop the ids of envelopes that expired more than `grace` ms ago."""
        with transaction(self.connection) as db:
            db.execute("DELETE FROM seen WHERE expires_at < ?", (now - grace,))

    def _outcome(self, effects: LocalEffects, now: int) -> None:
        db = self.connection
        for acceptance, raw in effects.acceptances:
            db.execute(
                "UPDATE application SET acceptance = ?, state = CASE state WHEN 'filed' THEN 'accepted' ELSE state END"
                " WHERE application_id = ?",
                (raw, acceptance["application_id"]),
            )
        for rejection, raw in effects.rejections:
            db.execute(
                "UPDATE application SET rejection = ?, state = 'rejected' WHERE application_id = ?",
                (raw, rejection["application_id"]),
            )
        db.executemany(
            "INSERT OR IGNORE INTO certificate VALUES (?, ?, ?, ?)",
            [(c["application_id"], c["section"], c["version"], raw) for c, raw in effects.certificates],
        )
        for result, raw in effects.results:
            db.execute(
                "INSERT OR IGNORE INTO result VALUES (?, ?, ?, ?)",
                (result["application_id"], result["version"], raw, now),
            )
            db.execute(
                "UPDATE application SET state = 'certified' WHERE application_id = ?", (result["application_id"],)
            )

    def _deliver(self, delivered: Delivered) -> None:
        self.connection.execute(
            "INSERT OR IGNORE INTO bundle VALUES (?, ?, ?, ?, ?)",
            (
                delivered.digest,
                delivered.application_id,
                delivered.section,
                delivered.provider,
                delivered.outcome,
            ),
        )
        self.connection.executemany(
            "INSERT OR IGNORE INTO answer VALUES (?, ?, ?)",
            [(delivered.digest, index, record) for index, record in delivered.answers],
        )

    def _one(self, query: str, *parameters: object) -> bytes | None:
        row = self.connection.execute(query, parameters).fetchone()
        return None if row is None else row[0]


def form_of(data: bytes) -> Application:
    """A stored form."""
    form: Application = json.loads(data)
    return form
