"""The registry's papers of membership: written application and filing (Art. 4), inspections (Art. 6). Nothing is taken back.

What is recorded here happened on paper or was found by a check; a correction is a further line, and the newest counts.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.center.registry_file import RegistryFile, transaction
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER, MINISTRY, PROVINCES, is_party
from pipeline.domain.review_text import text_fault

PaperKind = Literal["application", "filing"]
"""application: the party's written application (书面申请); filing: its filing with 民政部社会救助司 (备案)."""

InspectionKind = Literal["conformance", "inspection"]
"""conformance: before a party is connected (入网前检测); inspection: unscheduled, afterwards (不定期巡检)."""

ITS_OWN = frozenset({CENTER, MINISTRY})
"""The center and its own resources: nobody applies to itself."""


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper on record. `number`: the document's (文号), empty for an application without one; `at`: ms, when recorded."""

    party: str
    kind: PaperKind
    document: str
    number: str
    date: dt.date
    at: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """A dated result. `checks`: name → outcome `passed`, `failed` or `not_applicable`; `details` by name of a check."""

    number: int
    party: str
    kind: InspectionKind
    at: int
    passed: bool
    checks: dict[str, str]
    details: dict[str, dict[str, object]]


class Membership(RegistryFile):
    """Who applied, what was filed, what inspections found."""

    def record_paper(self, party: str, kind: PaperKind, document: str, number: str, date: dt.date, today: dt.date, now: int) -> Paper:  # fmt: skip
        """Record a paper of a province. Raises ConfigError for a wrong party, an empty text or a date that cannot be."""
        if party not in PROVINCES:
            raise ConfigError(f"{party} is no province: only a provincial agency applies to be connected (Art. 4)")
        for name, text in (("document", document), ("number", number)):
            code = text_fault(text, 200)
            if code is not None and not (name == "number" and kind == "application" and code == "missing"):
                raise ConfigError(f"--{name}: {code.replace('_', ' ')}")
        if date > today:
            raise ConfigError(f"--date: {date} is in the future")
        with transaction(self._db):
            applied = self.paper(party, "application")
            if kind == "filing" and applied is None:
                raise ConfigError(f"{party} has no written application on record: record that first (Art. 4)")
            if kind == "filing" and applied is not None and date < applied.date:
                raise ConfigError(f"--date: the filing is older than the application of {applied.date}")
            row = (party, kind, document, number, date.isoformat(), now)
            self._db.execute("INSERT INTO paper VALUES (NULL, ?, ?, ?, ?, ?, ?)", row)
            self._note(now, party, f"{kind} recorded", f"{document} {number}".strip() + f", {date}")
        return Paper(party, kind, document, number, date, now)

    def paper(self, party: str, kind: PaperKind) -> Paper | None:
        """The newest paper of a kind."""
        row = self._row("SELECT * FROM paper WHERE party = ? AND kind = ? ORDER BY id DESC LIMIT 1", party, kind)
        if row is None:
            return None
        return Paper(party, kind, row["document"], row["number"], dt.date.fromisoformat(row["date"]), row["at"])

    def check_papers(self, party: str) -> None:
        """Whether a party may be connected: applied in writing, and filed (Art. 4). Raises ConfigError naming what lacks."""
        if party in ITS_OWN:
            return
        lacks = [
            words
            for kind, words in (
                ("application", f"its written application (hedx party application {party} …)"),
                ("filing", f"its filing with 民政部社会救助司 (hedx party filing {party} …)"),
            )
            if self.paper(party, kind) is None  # type: ignore[arg-type]
        ]
        if lacks:
            raise ConfigError(f"{party} cannot be connected before these are on record (Art. 4): {'; '.join(lacks)}")

    def note_founding(self, party: str, now: int) -> None:
        """Note that a party is connected without papers on record: it was before this registry was kept."""
        self._note(now, party, "founding", "no papers on record")

    def record_inspection(
        self,
        party: str,
        kind: InspectionKind,
        checks: Mapping[str, str],
        details: Mapping[str, Mapping[str, object]],
        now: int,
    ) -> Inspection:
        """Record what an inspection found; it passed when no check failed. Raises ConfigError for an unknown party."""
        if not is_party(party):
            raise ConfigError(f"{party} is no party")
        passed = "failed" not in checks.values()
        with transaction(self._db):
            found = json.dumps({"checks": dict(checks), "details": details}, ensure_ascii=False, sort_keys=True)
            row = (party, kind, now, int(passed), found)
            number = self._db.execute("INSERT INTO inspection VALUES (NULL, ?, ?, ?, ?, ?)", row).lastrowid or 0
            failed = ", ".join(name for name, outcome in checks.items() if outcome == "failed")
            self._note(now, party, kind, f"number {number}, {failed or 'passed'}")
        return Inspection(number, party, kind, now, passed, dict(checks), {k: dict(v) for k, v in details.items()})

    def inspections(self, party: str | None = None) -> Sequence[Inspection]:
        """Every inspection, oldest first; of one party, or of all: the material of a bulletin (通报, Art. 6)."""
        rows = self._db.execute("SELECT * FROM inspection WHERE ?1 IS NULL OR party = ?1 ORDER BY id", (party,))
        return [
            Inspection(row["id"], row["party"], row["kind"], row["at"], bool(row["passed"]), **json.loads(row["found"]))
            for row in rows
        ]
