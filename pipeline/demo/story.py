"""What the steps of the story share: the commands that officials use, the calendar, and the applications filed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Protocol

import yaml

from pipeline.demo.clerk import Clerk
from pipeline.demo.preparation import Prepared, entries_of
from pipeline.demo.simulated_calendar import SimulatedCalendar
from pipeline.demo.story_cases import Case, Rows, write_case
from pipeline.demo.story_days import choose
from pipeline.demo.story_telling import Teller
from pipeline.domain.calendar import CHINA, local_date
from pipeline.domain.catalog import Release
from pipeline.domain.parties import CENTER
from pipeline.province.calendar_files import load_calendar


class Adapters(Protocol):
    """Who starts and stops the parties' adapters."""

    def start_adapter(self, party: str) -> None:
        """Start a party's adapter."""

    def stop_adapter(self, party: str) -> None:
        """End a party's adapter, as if its machine were off."""


class Story:
    """What the steps share: commands, calendar, adapters, and the ids of what was filed."""

    def __init__(
        self, prepared: Prepared, clerk: Clerk, calendar: SimulatedCalendar, adapters: Adapters, teller: Teller
    ) -> None:
        self.prepared = prepared
        self.clerk = clerk
        self.calendar = calendar
        self.adapters = adapters
        self.teller = teller
        self.first = self.county = self.third = ""  # the ids of the three applications, once they are filed
        self.draw = ""  # that of the spot check
        self.cases: dict[str, Case] = {}
        known = load_calendar(prepared.installation.calendar)
        self.days = choose(known, local_date(calendar.now()))
        self.next_day = known.after(self.days.start, 1)
        self.back = known.after(self.days.start, 2)

    @property
    def requester(self) -> str:
        """The province whose applications these are."""
        return self.prepared.sample.application["requester"]

    def say(self, step: str, when: int | None = None, **facts: Any) -> None:
        """Tell a step that happened at `when` (ms), or just now."""
        self.teller.tell(step, self.calendar.now() if when is None else when, facts)

    def on_desk(self) -> Any:
        """What `hedx review list` says of the county's application; None when it is not on the desk."""
        items = self.clerk.ask("review", "list")
        return next((item for item in items if item["application_id"] == self.county), None)

    def reports(self, count: int) -> Any:
        """The reports on the center's desk; None before there are `count`."""
        waiting = self.clerk.ask("catalog", "review", "list")
        return waiting if len(waiting) >= count else None

    def history(self) -> Any:
        """The changes of the county's application, as the center has them."""
        return self.shown()["history"]

    def shown(self) -> Any:
        """What `hedx review show` says of the county's application, on the desk or not."""
        return self.clerk.ask("review", "show", f"{self.requester}/{self.county}")

    def file(self, name: str, households: Sequence[str], rows: Rows, *, county: bool = False) -> Any:
        """File an application of the requester's with `hedx apply submit`; returns what that says."""
        sample, folder = self.prepared.sample, self.prepared.form.parent
        release, today = Release.of(1, entries_of(sample)), local_date(self.calendar.now())
        case = write_case(folder, name, sample, households, rows, today, release, county=county)
        files = (case.form, "--roster", case.roster, "--evidence", case.documents)
        filed = self.clerk.ask("apply", "submit", *files, "--party", self.requester)
        self.cases[filed["application_id"]] = case
        return filed

    def status(self, application_id: str, *, complete: bool = False) -> Any:
        """What `hedx apply status` says; with `complete`, None until all is there."""
        found = self.clerk.ask("apply", "status", application_id, "--party", self.requester, ends=(0, 2))
        return None if complete and not found["complete"] else found

    def evidence(self, request: str) -> Any:
        """What the province's list says of a request for documents; None before it came."""
        words = ("--party", self.requester, "--lang", self.teller.lang)
        asked = self.clerk.ask("evidence", "requests", "--all", *words)
        return next((one for one in asked if one["request"] == request), None)

    def on_evidence_desk(self, request: str) -> Any:
        """What the center's list says of a request for documents."""
        asked = self.clerk.ask("evidence", "list", "--party", CENTER)
        return next((one for one in asked if one["request"] == request), None)

    def judged(self, request: str) -> Any:
        """The request once the center's judgement is at the province."""
        found = self.evidence(request)
        return found if found["state"] not in ("open", "replied", "overdue") else None

    def extension(self, *words: str) -> Any:
        """What `hedx apply extension` says of the county's application."""
        return self.clerk.ask("apply", "extension", self.county, *words, "--party", self.requester)

    def extended(self) -> Any:
        """The delay that was agreed; None before the center has signed it."""
        return next((delay for delay in self.extension() if delay["standing"] == "extended"), None)

    def withdrawal(self) -> Any:
        """The third application once its withdrawal is confirmed, acknowledged by a provider, and certified."""
        found = self.status(self.third)
        return found if found["state"] == "withdrawn" and found["acknowledged"] and "certificate" in found else None

    def acknowledged(self, provider: str) -> Any:
        """The third application once `provider` has acknowledged its withdrawal; None before."""
        found = self.status(self.third)
        return found if provider in found["acknowledged"] else None

    def certified(self, version: int) -> Any:
        """The county's application with its certificate of that version; None before."""
        found = self.status(self.county)
        return found if found.get("version") == version else None

    def last_deadline(self) -> int:
        """When the last limit of the county's application ends, in ms."""
        return int(max(one["deadline"] for one in self.status(self.county)["due"]))

    def take_away(self, party: str, category: str, until: int, because: str) -> None:
        """Let a register of `party` be away until an instant (ms), for a reason: its provider file says so."""
        file = self.prepared.installation.provider_file(party)
        spec = yaml.safe_load(file.read_text("utf-8"))
        spec["resources"][category] |= {
            "unavailable_until": dt.datetime.fromtimestamp(until / 1000, CHINA).isoformat(),
            "because": because,
        }
        self.adapters.stop_adapter(party)
        file.write_text(yaml.safe_dump(spec, allow_unicode=True, sort_keys=False), "utf-8")
        self.adapters.start_adapter(party)

    def on(self, instant: int) -> None:
        """Let it be `instant` (ms): a fresh revocation list goes out, as the center's timer would have done each day."""
        self.calendar.jump_to(instant)
        self.clerk.ask("ca", "publish")
