"""What a party keeps: the view its stages read, and their effects written in one transaction with the offsets.

Rows about persons are encrypted here, on their way in, under the application's own data key.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.codec import framing
from pipeline.crypto import cose
from pipeline.crypto.bundles import SealedBundle
from pipeline.crypto.keys import Identity
from pipeline.domain import lifecycle
from pipeline.domain.errors import ConfigError
from pipeline.domain.lifecycle import Event, Facts
from pipeline.domain.parties import CENTER
from pipeline.domain.printing import harmless
from pipeline.domain.records import Application, LifecycleState, Mandate
from pipeline.kafka.allowance import Allowance
from pipeline.province import access, outbox, parking
from pipeline.province.case_keys import CaseKeyFolder
from pipeline.province.database import transaction
from pipeline.province.filing import Filing
from pipeline.province.sealed_rows import ANSWER, FORM, PERSON, SALT, SealedRows
from pipeline.stages.acts import ACTS, Act
from pipeline.stages.local import Access, Delivered, Filed, LocalEffects, Posted

log = logging.getLogger(__name__)

Positions = Mapping[tuple[str, int], int]
"""(topic, partition) -> offset of the next record to read."""


_DAY = 24 * 3600 * 1000
_TOLD = {"held": Event.HOLD, "escalated": Event.ESCALATE, "withdrawn": Event.WITHDRAW}
"""What a review notice of the center's tells of the life of an application."""
_OVER = frozenset({"completed", "incomplete", "supplemented", "under_recheck", "withdrawn", "rejected", "archived"})
"""States in which an application is over, as far as its original is concerned if it is a re-check."""
PROCESS = "process:adapter"
"""Who acts, in the access log, where no person does."""


@dataclass(frozen=True, slots=True)
class _Case:
    """An application of our own, its keys open."""

    filed: Filed
    mandate: Mandate
    rows: SealedRows


class Store:
    """One party's store on one thread's connection. Implements `stages.local.View`.

    The keys of its applications are in the folder `keys` beside the database.
    """

    def __init__(self, connection: sqlite3.Connection, identity: Identity) -> None:
        self.connection = connection
        self._identity = identity
        self._keys = CaseKeyFolder.beside(connection)
        self._cases: dict[str, _Case] = {}
        self._lost: set[str] = set()
        self._allowance = Allowance("store")

    # -- view --------------------------------------------------------------------------------------------------------

    def seen(self, issuer: str, envelope_id: bytes) -> bytes | None:
        """The digest of the envelope with this id, if it was worked on."""
        return self._one("SELECT digest FROM seen WHERE issuer = ? AND id = ?", issuer, envelope_id)

    def mandate_of(self, requester: str, reply_key: bytes) -> bytes | None:
        """The digest of the requester's mandate this reply key was first seen under."""
        query = "SELECT mandate_digest FROM reply_key WHERE requester = ? AND key = ?"
        return self._one(query, requester, reply_key)

    def has_answered(self, mandate_digest: bytes, section: int, version: int) -> bool:
        """Whether this section was answered already."""
        query = "SELECT 1 FROM answered WHERE mandate_digest = ? AND section = ? AND version = ?"
        return self.connection.execute(query, (mandate_digest, section, version)).fetchone() is not None

    def filed(self, application_id: str) -> Filed | None:
        """Our own application with this id; without a reply key when there is none (any more) to open answers with."""
        row = self.connection.execute(
            "SELECT mandate_digest, mandate, held_by_unit, shredded_at FROM application WHERE application_id = ?",
            (application_id,),
        ).fetchone()
        if row is None:
            return None
        digest, mandate, held_by_unit, shredded_at = row
        if shredded_at is None and not held_by_unit:
            if application_id in self._cases or self._keys.holds(application_id):
                return self._case(application_id).filed
            if application_id not in self._lost:
                log.error("the keys of application %s are lost: its answers are kept sealed", application_id)
            self._lost.add(application_id)
        self._cases.pop(application_id, None)  # what was opened before is not used again
        return Filed(application_id, digest, None, mandate_in(mandate))

    def is_withdrawn(self, requester: str, mandate_digest: bytes) -> bool:
        """Whether the requester has withdrawn what it mandated."""
        query = "SELECT 1 FROM called_off WHERE requester = ? AND mandate_digest = ?"
        return self.connection.execute(query, (requester, mandate_digest)).fetchone() is not None

    def closed_rows(self, requester: str, mandate_digest: bytes) -> frozenset[int]:
        """Rows of a mandate that were closed by agreement."""
        return parking.closed_rows(self.connection, requester, mandate_digest)

    def crossed_rows(self, mandate_digest: bytes, section: int, version: int) -> frozenset[int]:
        """Open rows of unsettled answers that name closed ones beside them."""
        return parking.crossed_rows(self.connection, mandate_digest, section, version)

    def act(self, typ: str, digest: bytes) -> Mapping[str, Any] | None:
        """The record of an act that is kept, of this type and with this digest."""
        query = "SELECT signed FROM act WHERE typ = ? AND digest = ?"
        found = self.connection.execute(query, (typ, digest)).fetchone()
        return None if found is None else framing.decode_as(ACTS[typ].record, cose.decode(found[0]).payload)

    def has_withdrawn(self, application_id: str) -> bool:
        """Whether we signed a withdrawal of our own application."""
        query = "SELECT 1 FROM act WHERE typ = 'withdrawal' AND application_id = ? AND issuer = ?"
        return self.connection.execute(query, (application_id, self._identity.party)).fetchone() is not None

    def sections_taken(self, requester: str, mandate_digest: bytes) -> tuple[set[int], set[int]]:
        """Sections of a mandate that were taken in: (answered, with rows that are parked)."""
        parked = parking.sections(self.connection, requester, mandate_digest)
        taken = self.connection.execute("SELECT section FROM answered WHERE mandate_digest = ?", (mandate_digest,))
        return {row[0] for row in taken} - parked, parked

    def is_parked(self, mandate_digest: bytes, section: int, version: int) -> bool:
        """Whether some of this section waits for a register."""
        query = "SELECT 1 FROM parked WHERE mandate_digest = ? AND section = ? AND version = ?"
        return self.connection.execute(query, (mandate_digest, section, version)).fetchone() is not None

    def told_until(self, mandate_digest: bytes, row: int) -> int | None:
        """Until when (ms) the requester was last told that a row will wait; None when it was not told."""
        query = "SELECT until FROM delay_told WHERE mandate_digest = ? AND row = ?"
        found = self.connection.execute(query, (mandate_digest, row)).fetchone()
        return None if found is None else found[0]

    def send(self, act: Act, bundle: SealedBundle, now: int) -> None:
        """Keep an act of our own, and put it into the outbox towards the center, in one transaction."""
        with transaction(self.connection) as db:
            self.keep_act(act, now)
            outbox.put(db, [Posted("requests", bundle)])

    def positions(self, topic: str) -> dict[int, int]:
        """Partition -> offset of the next record to read, of partitions read before."""
        return dict(self.connection.execute("SELECT partition, next FROM position WHERE topic = ?", (topic,)))

    # -- writing -----------------------------------------------------------------------------------------------------

    def file(self, filing: Filing, release: int, now: int) -> None:
        """Keep a new application, and put its bundles into the outbox, in one transaction.

        Its keys are on the disk before that ends. Raises sqlite3.IntegrityError when its id is taken, and ConfigError when
        the unit's reply key was given with another application.
        """
        application_id = filing.application["application_id"]
        rows = SealedRows(filing.keys.data_key, application_id)
        with transaction(self.connection) as db:
            self._check_reply_key(filing)
            db.execute(
                "INSERT INTO application VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'filed', NULL, NULL, NULL, NULL, NULL)",
                (
                    application_id,
                    rows.seal(FORM, form_text(filing.application).encode()),
                    filing.mandate_raw,
                    filing.mandate_digest,
                    filing.held_by_unit,
                    release,
                    now,
                    sum(map(len, filing.sections)),
                ),
            )
            self._file_sections(filing, rows)
            signer = self._identity.signer
            db.execute(
                "INSERT OR IGNORE INTO witness VALUES (?, ?, ?)", (signer.thumbprint, signer.party, signer.certificate)
            )
            self._happened(application_id, lifecycle.advance("drafted", Event.FILE), signer.party, now)
            self._begin_recheck(filing.application, now)
            outbox.put(db, [Posted("requests", bundle) for bundle in filing.bundles])
            self._keys.write(application_id, filing.locked_keys)  # left behind by a crash now, it is cleaned away

    def _begin_recheck(self, application: Application, now: int) -> None:
        """Let the original of a re-check know of it. Raises ConfigError where it has no certificate."""
        recheck, requester = application["recheck"], application["requester"]
        if recheck is None:
            return
        row = (application["application_id"], recheck["original"], recheck["attempt"])
        self.connection.execute("INSERT INTO recheck VALUES (?, ?, ?)", row)
        state = self._state(recheck["original"])
        if state is not None:
            try:
                transition = lifecycle.advance(state, Event.RECHECK)
            except lifecycle.NotAllowed as error:
                raise ConfigError(f"the original {recheck['original']}: {error}") from None
            self._happened(recheck["original"], transition, requester, now, f"attempt_{recheck['attempt']}")

    def _end_recheck(self, application_id: str, outcome: str, now: int) -> None:
        """A re-check is over: its original is closed again when no other one is open."""
        query = "SELECT original FROM recheck WHERE application_id = ?"
        row = self.connection.execute(query, (application_id,)).fetchone()
        state = None if row is None else self._state(row[0])
        if state != "under_recheck":
            return
        [original] = row
        others = "SELECT state FROM recheck JOIN application USING (application_id) WHERE original = ?"
        still_open = sum(found not in _OVER for (found,) in self.connection.execute(others, (original,)))
        facts = self._certified(original, rechecks_open=still_open)
        transition = lifecycle.advance(state, Event.RECHECK_END, facts)
        self._happened(original, transition, CENTER, now, f"recheck_{outcome}")

    def _certified(self, application_id: str, rechecks_open: int) -> Facts:
        """What guards ask of an application that is certified."""
        query = "SELECT signed, version FROM result WHERE application_id = ? ORDER BY version DESC LIMIT 1"
        raw, version = self.connection.execute(query, (application_id,)).fetchone()
        whole = framing.decode_as("ApplicationResult", cose.decode(raw).payload)["complete"]
        return Facts(whole=whole, version=version, rechecks_open=rechecks_open)

    def _state(self, application_id: str) -> LifecycleState | None:
        row = self.connection.execute("SELECT state FROM application WHERE application_id = ?", (application_id,))
        found = row.fetchone()
        return None if found is None else found[0]

    def _check_reply_key(self, filing: Filing) -> None:
        if not filing.held_by_unit:
            return
        key = mandate_in(filing.mandate_raw)["reply_key"]
        for application_id, raw in self.connection.execute("SELECT application_id, mandate FROM application"):
            if mandate_in(raw)["reply_key"] == key:
                raise ConfigError(f"the reply key was given with {application_id}: providers take it for one mandate")

    def _file_sections(self, filing: Filing, rows: SealedRows) -> None:
        application_id = filing.application["application_id"]
        roots = [section["root"] for section in mandate_in(filing.mandate_raw)["sections"]]
        for number, (root, salt, persons) in enumerate(zip(roots, filing.salts, filing.sections, strict=True), start=1):
            sealed = rows.group(SALT, root).seal(0, salt)
            self.connection.execute("INSERT INTO section VALUES (?, ?, ?)", (application_id, number, sealed))
            group = rows.group(PERSON, root)
            self.connection.executemany(
                "INSERT INTO person VALUES (?, ?, ?, ?)",
                [
                    (application_id, number, index, group.seal(index, framing.write("Person", person)))
                    for index, person in enumerate(persons)
                ],
            )

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
            db.executemany("INSERT OR IGNORE INTO reply_key VALUES (?, ?, ?)", effects.reply_keys)
            db.executemany("INSERT OR IGNORE INTO answered VALUES (?, ?, ?)", effects.answered)
            self._outcome(effects, now)
            for delivered in effects.delivered:
                self._deliver(delivered, now)
            for accessed in effects.accesses:
                access.record(db, accessed, actor=PROCESS, at=now)
            db.executemany(
                "INSERT OR IGNORE INTO witness VALUES (?, ?, ?)",
                [(found.thumbprint, found.party, found.certificate) for found in effects.witnesses],
            )
            self._park(effects, now)
            outbox.put(db, effects.posts)
            outbox.receipted(db, effects.receipted)
            outbox.settled(db, effects.settled)
            parking.arrived(db, effects.settled)
            db.executemany(
                "INSERT INTO dead_letter VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        m.topic,
                        m.partition,
                        m.offset,
                        error.code,
                        harmless(error.detail),
                        m.key,
                        m.value,
                        now,
                        m.timestamp,
                    )
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

    def _park(self, effects: LocalEffects, now: int) -> None:
        """What waits, what does not any more, and what is called off: before anything new goes into the outbox."""
        db = self.connection
        for mandate_digest, section, version, rows in effects.unparked:
            parking.unpark(db, mandate_digest, section, version, rows)
        parking.park(db, effects.parked)
        for request, bundle, at in effects.resealed:
            parking.reseal(db, request, bundle, at)
        db.executemany("INSERT OR REPLACE INTO delay_told VALUES (?, ?, ?)", effects.told)
        for answered_again in effects.reanswered:
            outbox.drop(db, parking.uncross(db, answered_again))
        for called in effects.called_off:
            parking.drop(db, called.requester, called.mandate_digest, called.rows)
            outbox.call_off(db, called.requester, called.mandate_digest, called.rows)
            if called.rows is not None:
                mixed = outbox.naming(db, called.requester, called.mandate_digest, called.rows)
                parking.close(db, called.requester, called.mandate_digest, called.rows, mixed)
            else:
                row = (called.requester, called.mandate_digest, now)
                db.execute("INSERT OR IGNORE INTO called_off VALUES (?, ?, ?)", row)

    def note_suspension(self, suspended: bool) -> None:
        """Keep whether the center has suspended this party, for who exports without Kafka."""
        with transaction(self.connection) as db:
            db.execute("DELETE FROM standing WHERE name = 'suspended'")
            db.executemany("INSERT INTO standing VALUES (?)", [("suspended",)] if suspended else [])

    def forget_expired(self, now: int, grace: int = 24 * 3600 * 1000) -> None:
        """Drop the ids of envelopes that expired more than `grace` ms ago, and keys that belong to nothing (any more)."""
        for application_id in list(self._cases):
            self.filed(application_id)
        with transaction(self.connection) as db:
            db.execute("DELETE FROM seen WHERE expires_at < ?", (now - grace,))
            parking.forget(db, now)
            self._keys.clean(db, now)

    def _outcome(self, effects: LocalEffects, now: int) -> None:
        db = self.connection
        for acceptance, raw in effects.acceptances:
            application_id = acceptance["application_id"]
            db.execute(
                "UPDATE application SET accepted_at = CASE acceptance WHEN :raw THEN accepted_at ELSE :now END,"
                " acceptance = :raw WHERE application_id = :id",
                {"raw": raw, "now": now, "id": application_id},
            )
            self._hear(application_id, Event.START, CENTER, now)
        for rejection, raw in effects.rejections:
            db.execute(
                "UPDATE application SET rejected_at = COALESCE(rejected_at, :now),"  # told again, the first stands
                " rejection = COALESCE(rejection, :raw) WHERE application_id = :id",
                {"raw": raw, "now": now, "id": rejection["application_id"]},
            )
            if rejection["application_id"] is not None:
                self._hear(rejection["application_id"], Event.REJECT, CENTER, now, rejection["faults"][0]["code"])
        db.executemany(
            "INSERT OR IGNORE INTO certificate VALUES (?, ?, ?, ?)",
            [(c["application_id"], c["section"], c["version"], raw) for c, raw in effects.certificates],
        )
        for result, raw in sorted(effects.results, key=lambda found: found[0]["version"]):
            db.execute(
                "INSERT OR IGNORE INTO result VALUES (?, ?, ?, ?)",
                (result["application_id"], result["version"], raw, now),
            )
            facts = Facts(whole=result["complete"], version=result["version"])
            event = Event.CERTIFY if result["version"] == 1 else Event.SUPPLEMENT
            self._hear(result["application_id"], event, CENTER, now, facts=facts)
        for act in effects.acts:
            self.keep_act(act, now)

    def keep_act(self, act: Act, now: int) -> None:
        """Keep a signed act, ours or another's, inside the caller's transaction, and what it changes of the state."""
        record = act.record
        self.connection.execute(
            "INSERT OR IGNORE INTO act VALUES (?, ?, ?, ?, ?, ?, ?)",
            (act.digest, act.typ, act.issuer, record.get("requester"), record.get("application_id"), now, act.raw),
        )
        if act.typ == "review" and record["kind"] in _TOLD:
            code = record["faults"][0]["code"] if record["faults"] else None
            self._hear(record["application_id"], _TOLD[record["kind"]], CENTER, now, code)

    def acts(self, application_id: str, typ: str) -> list[tuple[bytes, int]]:
        """(signed object, when it came) of the acts of one type about an application, in the order in which they came."""
        query = "SELECT signed, at FROM act WHERE application_id = ? AND typ = ? ORDER BY at, digest"
        return self.connection.execute(query, (application_id, typ)).fetchall()

    def _hear(
        self,
        application_id: str,
        event: Event,
        by: str,
        now: int,
        code: str | None = None,
        facts: Facts | None = None,
    ) -> None:
        """What the center says of an application of ours, with all that must have happened before it."""
        row = self.connection.execute("SELECT state FROM application WHERE application_id = ?", (application_id,))
        found = row.fetchone()
        if found is not None:
            for transition in lifecycle.hear(found[0], event, facts):
                self._happened(application_id, transition, by, now, code if transition.event is event else None)

    def _happened(
        self, application_id: str, transition: lifecycle.Transition, by: str, now: int, code: str | None = None
    ) -> None:
        if transition.event is Event.DELIVER and transition.after == transition.state:
            return  # one bundle more
        self.connection.execute(
            "UPDATE application SET state = ? WHERE application_id = ?", (transition.after, application_id)
        )
        self.connection.execute(
            "INSERT INTO history (application_id, at, by, event, state, code) VALUES (?, ?, ?, ?, ?, ?)",
            (application_id, now, by, transition.event.value, transition.after, code),
        )
        if transition.after in _OVER and transition.state not in _OVER:
            self._end_recheck(application_id, transition.after, now)

    def _deliver(self, delivered: Delivered, now: int) -> None:
        """Keep a bundle: that it came, its answers encrypted, or as it is when nobody opens it here.

        Between a step and this transaction the application may have been shredded; then nothing but that it came is kept.
        """
        db, application_id, digest = self.connection, delivered.application_id, delivered.digest
        db.execute(
            "INSERT OR IGNORE INTO bundle VALUES (?, ?, ?, ?, ?)",
            (digest, application_id, delivered.section, delivered.provider, delivered.outcome),
        )
        filed = self.filed(application_id)
        if filed is None:
            raise ValueError(f"a bundle of {application_id}, which is not an application of ours")
        if filed.reply_key is not None:
            self._keep_answers(delivered, now)
        elif delivered.relay is not None and not self._is_shredded(application_id):
            row = (digest, application_id, delivered.relay)
            db.execute("INSERT OR IGNORE INTO sealed_bundle VALUES (?, ?, ?)", row)
        self._hear(application_id, Event.DELIVER, delivered.provider, now)

    def _keep_answers(self, delivered: Delivered, now: int) -> None:
        if not delivered.answers:
            return
        case = self._case(delivered.application_id)
        group = case.rows.group(ANSWER, delivered.digest)
        self.connection.executemany(
            "INSERT OR IGNORE INTO answer VALUES (?, ?, ?)",
            [(delivered.digest, index, group.seal(index, record)) for index, record in delivered.answers],
        )
        detail = {
            "bundle": delivered.digest.hex(),
            "provider": delivered.provider,
            "section": delivered.section,
            "answers": len(delivered.answers),
        }
        access.record(self.connection, access_under(case.mandate, "opened", detail), actor=PROCESS, at=now)

    def _case(self, application_id: str) -> _Case:
        """Keys and rows of an application that is not shredded. Raises ConfigError when its key file is not there."""
        if application_id not in self._cases:
            digest, raw = self.connection.execute(
                "SELECT mandate_digest, mandate FROM application WHERE application_id = ?", (application_id,)
            ).fetchone()
            keys = self._identity.vault.open(self._keys.read(application_id))
            filed, rows = Filed(application_id, digest, keys.unsealer), SealedRows(keys.data_key, application_id)
            self._cases[application_id] = _Case(filed, mandate_in(raw), rows)
        return self._cases[application_id]

    def _is_shredded(self, application_id: str) -> bool:
        query = "SELECT 1 FROM application WHERE application_id = ? AND shredded_at IS NOT NULL"
        return self.connection.execute(query, (application_id,)).fetchone() is not None

    def _one(self, query: str, *parameters: object) -> bytes | None:
        row = self.connection.execute(query, parameters).fetchone()
        return None if row is None else row[0]


def form_text(form: Application) -> str:
    """A form as JSON, as it is stored and stands in packs; digests in hex."""
    return json.dumps(form, ensure_ascii=False, default=bytes.hex)


def form_of(data: bytes) -> Application:
    """A stored form, the inverse of `form_text`."""
    form: Application = json.loads(data)
    written: dict[str, Any] | None = form["recheck"]  # type: ignore[assignment]
    if written is not None:
        digests = {key: bytes.fromhex(written[key]) for key in ("mandate_digest", "certificate")}
        form["recheck"] = {**written, **digests}  # type: ignore[typeddict-item]
    return form


def mandate_in(raw: bytes) -> Mandate:
    """What a mandate of our own says; we signed it, and its digest is kept beside it."""
    return framing.decode_as("Mandate", cose.decode(raw).payload)  # type: ignore[return-value]


def access_under(mandate: Mandate, act: str, detail: Mapping[str, object]) -> Access:
    """A row for the access log about what is done under a mandate."""
    return Access(
        act, mandate["application_id"], mandate["requester"], mandate["entrusting_unit"], mandate["purpose"], detail
    )
