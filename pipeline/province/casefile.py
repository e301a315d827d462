"""An application as its requester holds it: state and certificate for everybody, persons and answers for who has the keys.

State, decisions and certificate stand in clear and are verified on every reading. Form, roster and dossiers need the party's
identity, and every reading of them is on the disk, in the access log, before it is given out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.codec import framing
from pipeline.crypto import cose, signed
from pipeline.crypto.keys import Identity
from pipeline.crypto.trust import Trust
from pipeline.domain.coverage import accepted
from pipeline.domain.dossiers import AnswerKey, Dossier, assemble
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.domain.pending import so_far
from pipeline.domain.records import (
    Acceptance,
    Answer,
    Application,
    ApplicationResult,
    Change,
    Coverage,
    Mandate,
    Person,
    Rejection,
    ResourceAnswer,
    SectionCertificate,
)
from pipeline.kafka.clock import wall_clock
from pipeline.province import access
from pipeline.province.case_keys import CaseKeyFolder
from pipeline.province.database import snapshot, transaction
from pipeline.province.sealed_rows import ANSWER, FORM, PERSON, SALT, SealedRows
from pipeline.province.store import access_under, form_of, mandate_in
from pipeline.stages.membership import signing_entry
from pipeline.stages.notices import sign_record

_OPENING = frozenset({"read", "exported", "sealed_pack", "form_exported", "exported_partial"})


@dataclass(frozen=True, slots=True)
class Certificate:
    """The newest result, verified: its digest and what it says."""

    digest: bytes
    result: ApplicationResult
    sections: dict[int, SectionCertificate]


class CaseFile:
    """One application in a party's store. Raises ConfigError for an unknown id.

    `identity` may be left out by who asks for its state only; `by`: who reads, in the access log (default: the operating
    system's user); `clock`: ms.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        application_id: str,
        trust: Trust,
        identity: Identity | None = None,
        *,
        by: str | None = None,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        self.connection = connection
        self._trust = trust
        self._identity = identity
        self._by = by or access.user()
        self._clock = clock
        row = connection.execute(
            "SELECT state, filed_at, persons, acceptance, rejection, mandate, mandate_digest, held_by_unit, shredded_at,"
            " accepted_at, rejected_at FROM application WHERE application_id = ?",
            (application_id,),
        ).fetchone()
        if row is None:
            raise ConfigError(f"no application {application_id} in this store")
        self.application_id = application_id
        self.state: str = row[0]
        self.filed_at: int = row[1]
        self.persons: int = row[2]
        self._acceptance: bytes | None = row[3]
        self._rejection: bytes | None = row[4]
        self.mandate_raw: bytes = row[5]
        self.mandate_digest: bytes = row[6]
        self.held_by_unit = bool(row[7])
        self.shredded_at: int | None = row[8]
        self._accepted_at: int | None = row[9]
        self._rejected_at: int | None = row[10]

    def beside(self, application_id: str) -> CaseFile:
        """Another application of the same store, for the same reader. Raises ConfigError for an unknown id."""
        return CaseFile(self.connection, application_id, self._trust, self._identity, by=self._by, clock=self._clock)

    def now(self) -> int:
        """The reader's clock (ms)."""
        return self._clock()

    # -- in clear ----------------------------------------------------------------------------------------------------

    def mandate(self) -> Mandate:
        """What we signed. Raises InvalidMessage `mandate_mismatch` when it is not what was filed, and certified."""
        certificate = self.certificate()
        certified = self.mandate_digest if certificate is None else certificate.result["mandate_digest"]
        if not cose.decode(self.mandate_raw).digest == self.mandate_digest == certified:
            raise InvalidMessage("mandate_mismatch", self.application_id)
        return mandate_in(self.mandate_raw)

    def acceptance(self) -> Acceptance | None:
        """What the center promised, verified as of when it came."""
        return self._notice(self._acceptance, self._accepted_at, "acceptance", "Acceptance")  # type: ignore[return-value]

    def acceptance_raw(self) -> bytes | None:
        """The acceptance as the center signed it; None before it came."""
        return self._acceptance

    def accepted_coverage(self) -> dict[tuple[str, int], Coverage]:
        """(provider, row) → what the catalog said at acceptance; empty before the acceptance came."""
        acceptance = self.acceptance()
        return {} if acceptance is None else accepted(acceptance["sub_queries"])

    def rejection(self) -> Rejection | None:
        """Why the center rejected, verified as of when it came."""
        return self._notice(self._rejection, self._rejected_at, "rejection", "Rejection")  # type: ignore[return-value]

    def certificate(self) -> Certificate | None:
        """The newest certificate, its signature and those of all its sections verified; None before the first."""
        row = self.connection.execute(
            "SELECT signed, received_at FROM result WHERE application_id = ? ORDER BY version DESC LIMIT 1",
            (self.application_id,),
        ).fetchone()
        if row is None:
            return None
        raw, received_at = row
        outer = self._verify(raw, "certificate", received_at)
        result: ApplicationResult = framing.decode_as("ApplicationResult", outer.payload)  # type: ignore[assignment]
        sections: dict[int, SectionCertificate] = {}
        for section in result["sections"]:
            payload = self._verify(section["certificate"], "section-certificate", received_at).payload
            sections[section["section"]] = framing.decode_as("SectionCertificate", payload)  # type: ignore[assignment]
        return Certificate(outer.digest, result, sections)

    def history(self) -> list[Change]:
        """Every change of its state that we know of, in the order in which we learned of it."""
        query = "SELECT at, by, event, state, code FROM history WHERE application_id = ? ORDER BY number"
        return [
            Change(at=at, by=by, event=event, state=state, code=code)
            for at, by, event, state, code in self.connection.execute(query, (self.application_id,))
        ]

    def result_raw(self) -> bytes | None:
        """The newest certificate as the center signed it."""
        row = self.connection.execute(
            "SELECT signed FROM result WHERE application_id = ? ORDER BY version DESC LIMIT 1", (self.application_id,)
        ).fetchone()
        return None if row is None else row[0]

    def missing(self) -> set[bytes]:
        """Digests of bundles the certificate names and the store does not hold yet."""
        certificate = self.certificate()
        if certificate is None:
            return set()
        named = {digest for section in certificate.result["sections"] for digest in section["bundles"]}
        return named - self._held()

    def is_complete(self) -> bool:
        """Whether there is a certificate and every bundle it names is here."""
        return self.certificate() is not None and not self.missing()

    def suspended(self) -> bool:
        """Whether the center has suspended our party, as far as the adapter has heard."""
        return self.connection.execute("SELECT 1 FROM standing WHERE name = 'suspended'").fetchone() is not None

    def progress(self) -> tuple[int, int]:
        """(bundles held, sections certified) so far."""
        sections = self.connection.execute(
            "SELECT count(DISTINCT section) FROM certificate WHERE application_id = ?", (self.application_id,)
        ).fetchone()[0]
        return len(self._held()), sections

    def sign(self, typ: str, name: str, record: Mapping[str, object]) -> bytes:
        """A statement of the party's own, for itself. Raises ConfigError without an identity."""
        if self._identity is None:
            raise ConfigError("what a party states is signed with its identity")
        signer = self._identity.signer
        witness = (signer.thumbprint, signer.party, signer.certificate)
        self.connection.execute("INSERT OR IGNORE INTO witness VALUES (?, ?, ?)", witness)
        return sign_record(typ, name, record, signer, signer.party, self._clock())

    def own(self, raw: bytes, typ: str, name: str, signed_at: int) -> Mapping[str, Any]:
        """What `sign` signed, verified again. Raises InvalidMessage.

        Without a network only the center's certificates are at hand: our own is then the one that the store kept, which must
        still lead to the root and name us.
        """
        requester = mandate_in(self.mandate_raw)["requester"]
        if requester not in self._trust.parties():
            query = "SELECT certificate FROM witness WHERE party = ?"
            kept_here = [row[0] for row in self.connection.execute(query, (requester,))]
            self._trust.update(signing_entry(requester, kept_here))
        kept = signed.verify_kept(raw, typ, self._trust, witness=signed_at, issuer=requester, audience=requester)
        return framing.decode_as(name, kept.payload)

    # -- under the application's keys --------------------------------------------------------------------------------

    def form(self) -> Application:
        """The application's form, as it was filed. In the access log."""
        rows = self.rows()
        with snapshot(self.connection):
            form = self.sealed_form(rows)
        self._log_read("form")
        return form

    def roster(self) -> list[list[Person]]:
        """The persons by section, as they were filed. In the access log."""
        rows = self.rows()
        with snapshot(self.connection):
            roster = [[_person(record) for record in section] for section in self.sealed_roster(rows)]
        self._log_read("roster")
        return roster

    def dossiers(self) -> list[Dossier]:
        """One dossier per household. Raises ConfigError before the application is complete. In the access log."""
        rows, sections = self.rows(), self.whole()
        with snapshot(self.connection):
            dossiers = self.assembled(rows, sections)
        self._log_read("dossiers")
        return dossiers

    def whole(self) -> dict[int, SectionCertificate]:
        """The section certificates of a complete application. Raises ConfigError before that."""
        certificate = self.certificate()
        if certificate is None or self.missing():
            raise ConfigError(f"application {self.application_id} is not complete yet")
        return certificate.sections

    def rows(self) -> SealedRows:
        """The keys of its rows. Raises ConfigError without an identity, or when the keys are destroyed."""
        self._check_kept()
        if self._identity is None:
            raise ConfigError("persons and answers are read with the party's identity")
        locked = CaseKeyFolder.beside(self.connection).read(self.application_id)
        return SealedRows(self._identity.vault.open(locked).data_key, self.application_id)

    def _log_read(self, what: str) -> None:
        with transaction(self.connection):
            self.note("read", {"what": what, "persons": self.persons})

    def note(self, act: str, detail: Mapping[str, object]) -> int:
        """Append to the access log inside the caller's transaction; returns the row's number.

        Raises ConfigError for a reading or an export of what was shredded meanwhile.
        """
        if act in _OPENING:
            self._check_kept()
            mandate = self.mandate()
        else:
            mandate = mandate_in(self.mandate_raw)  # whatever it is by now, what is refused or destroyed is noted
        found = access_under(mandate, act, detail)
        return access.record(self.connection, found, actor=self._by, at=self._clock())

    def sealed_form(self, rows: SealedRows) -> Application:
        """The form; for who notes it in the access log."""
        return form_of(rows.open(FORM, self._check_kept()))

    def sealed_roster(self, rows: SealedRows) -> list[list[bytes]]:
        """The `Person` records of each section as they were written; for who notes it in the access log."""
        self._check_kept()
        query = "SELECT idx, record FROM person WHERE application_id = ? AND section = ? ORDER BY idx"
        sections: list[list[bytes]] = []
        for number, stated in enumerate(self.mandate()["sections"], start=1):
            group = rows.group(PERSON, stated["root"])
            found = self.connection.execute(query, (self.application_id, number))
            sections.append([group.open(index, record) for index, record in found])
        return sections

    def salts(self, rows: SealedRows) -> list[bytes]:
        """The salt of each section's root; for who notes it in the access log."""
        query = "SELECT salt FROM section WHERE application_id = ? ORDER BY section"
        found = self.connection.execute(query, (self.application_id,)).fetchall()
        stated = self.mandate()["sections"]
        return [rows.group(SALT, s["root"]).open(0, salt) for s, (salt,) in zip(stated, found, strict=True)]

    def assembled(self, rows: SealedRows, sections: Mapping[int, SectionCertificate]) -> list[Dossier]:
        """The dossiers under the certificates of `whole`; for who notes it in the access log."""
        if self.held_by_unit:
            raise ConfigError(f"the entrusting unit holds the reply key of {self.application_id}: export it --sealed")
        roster = [[_person(record) for record in section] for section in self.sealed_roster(rows)]
        return assemble(roster, sections, self._answers(rows, sections), self.accepted_coverage())

    def assembled_so_far(self, rows: SealedRows) -> list[Dossier]:
        """What is here before the certificate, nothing of it certified; for who notes it in the access log.

        Section and provider of a bundle that no section certificate names are those of the store's row.
        """
        acceptance = self.acceptance()
        if acceptance is None or self.held_by_unit:
            raise ConfigError(f"of application {self.application_id} nothing can be read yet")
        roster = [[_person(record) for record in section] for section in self.sealed_roster(rows)]
        certificates = self._sections_so_far()
        query = "SELECT digest, section, provider FROM bundle WHERE application_id = ?"
        answers = self._answers_of(rows, self.connection.execute(query, (self.application_id,)).fetchall())
        sections = so_far(self.mandate()["sections"], acceptance, certificates, answers)
        return assemble(roster, sections, answers, accepted(acceptance["sub_queries"]))

    def _sections_so_far(self) -> dict[int, SectionCertificate]:
        """The newest certificate of each section that has one: nothing says when it came but itself."""
        query = "SELECT section, signed FROM certificate WHERE application_id = ? ORDER BY section, version"
        found: dict[int, SectionCertificate] = {}
        for section, raw in self.connection.execute(query, (self.application_id,)).fetchall():
            payload = self._verify(raw, "section-certificate", signed.peek(raw).claims.issued_at).payload
            found[section] = framing.decode_as("SectionCertificate", payload)  # type: ignore[assignment]
        return found

    def _check_kept(self) -> bytes:
        """The form as it is stored. Raises ConfigError when the application is shredded, perhaps since it was looked up."""
        query = "SELECT form FROM application WHERE application_id = ?"
        [form] = self.connection.execute(query, (self.application_id,)).fetchone()
        if form is None:
            raise ConfigError(f"application {self.application_id} is shredded: nothing opens it any more")
        return bytes(form)

    def _answers(self, rows: SealedRows, sections: Mapping[int, SectionCertificate]) -> dict[AnswerKey, ResourceAnswer]:
        """Every answer held, by (section, provider, row, index).

        Section and provider are those under which the signed certificate names the bundle, not those of the store's row,
        which nothing protects.
        """
        return self._answers_of(
            rows,
            [(ref["digest"], section, ref["provider"]) for section in sections for ref in sections[section]["bundles"]],
        )

    def _answers_of(self, rows: SealedRows, named: Iterable[tuple[bytes, int, str]]) -> dict[AnswerKey, ResourceAnswer]:
        found: dict[AnswerKey, ResourceAnswer] = {}
        for digest, section, provider in named:
            group = rows.group(ANSWER, digest)
            for index, record in self.connection.execute("SELECT idx, record FROM answer WHERE digest = ?", (digest,)):
                answer: Answer = framing.read("Answer", group.open(index, record))  # type: ignore[assignment]
                for result in answer["results"]:
                    found.setdefault((section, provider, result["row"], answer["index"]), result)  # the first stands
        return found

    def _held(self) -> set[bytes]:
        rows = self.connection.execute("SELECT digest FROM bundle WHERE application_id = ?", (self.application_id,))
        return {row[0] for row in rows}

    def _notice(self, raw: bytes | None, received_at: int | None, typ: str, name: str) -> object:
        if raw is None:
            return None
        if received_at is None:
            raise ConfigError(f"the store does not say when the {typ} of {self.application_id} came")
        return framing.decode_as(name, self._verify(raw, typ, received_at).payload)

    def _verify(self, raw: bytes, typ: str, received_at: int) -> signed.Signed:
        """Kept objects outlive their own lifetime: they are verified as of when they came."""
        return signed.verify_kept(raw, typ, self._trust, witness=received_at, issuer=CENTER)


def _person(record: bytes) -> Person:
    return framing.read("Person", record)  # type: ignore[return-value]
