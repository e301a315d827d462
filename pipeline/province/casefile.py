"""An application as its requester holds it: state, certificate, dossiers. Read-only."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from pipeline.codec import framing
from pipeline.crypto import signed
from pipeline.crypto.trust import Trust
from pipeline.domain.dossiers import AnswerKey, Dossier, assemble
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER
from pipeline.domain.records import (
    Acceptance,
    Answer,
    Application,
    ApplicationResult,
    Person,
    Rejection,
    ResourceAnswer,
    SectionCertificate,
)
from pipeline.province.store import form_of


@dataclass(frozen=True, slots=True)
class Certificate:
    """The newest result, verified: its digest and what it says."""

    digest: bytes
    result: ApplicationResult
    sections: dict[int, SectionCertificate]


class CaseFile:
    """One application in a party's store. Raises ConfigError for an unknown id."""

    def __init__(self, connection: sqlite3.Connection, application_id: str, trust: Trust) -> None:
        self._db = connection
        self._trust = trust
        row = connection.execute(
            "SELECT form, state, filed_at, persons, acceptance, rejection, mandate_digest FROM application"
            " WHERE application_id = ?",
            (application_id,),
        ).fetchone()
        if row is None:
            raise ConfigError(f"no application {application_id} in this store")
        self.application_id = application_id
        self.form: Application = form_of(row[0])
        self.state: str = row[1]
        self.filed_at: int = row[2]
        self.persons: int = row[3]
        self._acceptance: bytes | None = row[4]
        self._rejection: bytes | None = row[5]
        self.mandate_digest: bytes = row[6]

    def acceptance(self) -> Acceptance | None:
        """What the center promised, verified as of when it signed."""
        return self._notice(self._acceptance, "acceptance", "Acceptance")  # type: ignore[return-value]

    def rejection(self) -> Rejection | None:
        """Why the center rejected, verified as of when it signed."""
        return self._notice(self._rejection, "rejection", "Rejection")  # type: ignore[return-value]

    def certificate(self) -> Certificate | None:
        """The newest certificate, its signature and those of all its sections verified; None before the first."""
        row = self._db.execute(
            "SELECT signed FROM result WHERE application_id = ? ORDER BY version DESC LIMIT 1", (self.application_id,)
        ).fetchone()
        if row is None:
            return None
        outer = self._verify(row[0], "certificate")
        result: ApplicationResult = framing.decode_as("ApplicationResult", outer.payload)  # type: ignore[assignment]
        sections: dict[int, SectionCertificate] = {}
        for section in result["sections"]:
            payload = self._verify(section["certificate"], "section-certificate").payload
            sections[section["section"]] = framing.decode_as("SectionCertificate", payload)  # type: ignore[assignment]
        return Certificate(outer.digest, result, sections)

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

    def roster(self) -> list[list[Person]]:
        """The persons by section, as they were filed."""
        sections: dict[int, list[Person]] = {}
        rows = self._db.execute(
            "SELECT section, record FROM person WHERE application_id = ? ORDER BY section, idx", (self.application_id,)
        )
        for section, record in rows:
            sections.setdefault(section, []).append(framing.read("Person", record))  # type: ignore[arg-type]
        return [sections[number] for number in sorted(sections)]

    def answers(self) -> dict[AnswerKey, ResourceAnswer]:
        """Every answer held, by (section, provider, row, index)."""
        rows = self._db.execute(
            "SELECT section, provider, record FROM bundle JOIN answer USING (digest) WHERE application_id = ?",
            (self.application_id,),
        )
        found: dict[AnswerKey, ResourceAnswer] = {}
        for section, provider, record in rows:
            answer: Answer = framing.read("Answer", record)  # type: ignore[assignment]
            for result in answer["results"]:
                found[section, provider, result["row"], answer["index"]] = result
        return found

    def dossiers(self) -> list[Dossier]:
        """One dossier per household. Raises ConfigError before the application is complete."""
        certificate = self.certificate()
        if certificate is None or self.missing():
            raise ConfigError(f"application {self.application_id} is not complete yet")
        return assemble(self.roster(), certificate.sections, self.answers())

    def progress(self) -> tuple[int, int]:
        """(bundles held, sections certified) so far."""
        sections = self._db.execute(
            "SELECT count(DISTINCT section) FROM certificate WHERE application_id = ?", (self.application_id,)
        ).fetchone()[0]
        return len(self._held()), sections

    def _held(self) -> set[bytes]:
        rows = self._db.execute("SELECT digest FROM bundle WHERE application_id = ?", (self.application_id,))
        return {row[0] for row in rows}

    def _notice(self, raw: bytes | None, typ: str, name: str) -> object:
        return None if raw is None else framing.decode_as(name, self._verify(raw, typ).payload)

    def _verify(self, raw: bytes, typ: str) -> signed.Signed:
        """Kept objects outlive their own lifetime: they are verified as of when they were signed."""
        at = signed.peek(raw).claims.issued_at
        return signed.verify(raw, typ, self._trust, now=at, issuer=CENTER)
