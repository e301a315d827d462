"""The whole procedure as one story, on a simulated calendar and with the commands that officials use.

Three applications of 云南: one of the province, finished early and disputed later; one of a county, which an officer must
look at; one that is withdrawn on its way. Nothing that is told is made up here: every fact is read from a command.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from pipeline.demo.clerk import Clerk, StoryFailed
from pipeline.demo.preparation import Prepared, entries_of
from pipeline.demo.simulated_calendar import SimulatedCalendar
from pipeline.demo.story_cases import Rows, owner_household, plain_households, write_case
from pipeline.demo.story_days import at, choose, make_up_years
from pipeline.demo.story_telling import Teller
from pipeline.domain.calendar import local_date
from pipeline.domain.catalog import Release
from pipeline.province.calendar_files import load_calendar
from pipeline.stages.clock import local_time

OFFICER: Final = "center-officer"
NEIGHBOUR: Final = "山东"
"""Who asks for more time, and whose register changes."""
SILENT: Final = "江苏"
"""Whose adapter is off when the county's application is started."""


class Adapters(Protocol):
    """Who starts and stops the parties' adapters."""

    def start_adapter(self, party: str) -> None:
        """Start a party's adapter."""

    def stop_adapter(self, party: str) -> None:
        """End a party's adapter, as if its machine were off."""


class Story:
    """Goes through the procedure step by step; `tell` raises StoryFailed at the first step that does not come out."""

    def __init__(
        self, prepared: Prepared, clerk: Clerk, calendar: SimulatedCalendar, adapters: Adapters, teller: Teller
    ) -> None:
        self.prepared = prepared
        self.clerk = clerk
        self.calendar = calendar
        self.adapters = adapters
        self.teller = teller
        self.first = self.county = self.third = ""  # the ids of the three applications, once they are filed
        installation = prepared.installation
        today = local_date(calendar.now())
        years = make_up_years(load_calendar(installation.calendar), today, installation.calendar)
        self.made_up_years = years
        self.days = choose(load_calendar(installation.calendar), today)

    @property
    def requester(self) -> str:
        """The province whose applications these are."""
        return self.prepared.sample.application["requester"]

    def tell(self) -> None:
        """All of it."""
        for step in STEPS:
            step(self)

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
        release = Release.of(1, entries_of(self.prepared.sample))
        today = local_date(self.calendar.now())
        folder = self.prepared.form.parent
        case = write_case(folder, name, self.prepared.sample, households, rows, today, release, county=county)
        return self.clerk.ask("apply", "submit", case.form, "--roster", case.roster, "--party", self.requester)

    def status(self, application_id: str, *, complete: bool = False) -> Any:
        """What `hedx apply status` says; with `complete`, None until all is there."""
        found = self.clerk.ask("apply", "status", application_id, "--party", self.requester, ends=(0, 2))
        return None if complete and not found["complete"] else found

    def on(self, instant: int) -> None:
        """Let it be `instant` (ms): a fresh revocation list goes out, as the center's timer would have done each day."""
        self.calendar.jump_to(instant)
        self.clerk.ask("ca", "publish")


def joined(story: Story) -> None:
    """Article 4."""
    parties = [row["party"] for row in story.clerk.ask("party", "list") if row["party"] != "center"]
    story.say("joined", parties=parties)


def catalog(story: Story) -> None:
    """Articles 12 and 13: reports of every provider, reviewed, and release 1."""
    clerk, sample = story.clerk, story.prepared.sample
    for party in sample.parties:
        clerk.ask("catalog", "report", sample.catalog / f"{party}.yaml", "--party", party)
    waiting = clerk.until("all reports on the desk", lambda: story.reports(len(sample.parties)))
    for report in waiting:
        clerk.ask("catalog", "review", "accept", report["report"], "--officer", OFFICER)
    published = clerk.ask("catalog", "publish", "--yes", "--officer", OFFICER)
    story.say(
        "catalog",
        release=published["release"],
        entries=published["entries"],
        reports=[report["report"] for report in waiting],
    )


def completed(story: Story) -> None:
    """The province's own application, which the rules let pass: finished, and disputed later."""
    story.on(at(story.days.filing, 9))
    rows = (("部中心", "household_registration", ""), (NEIGHBOUR, "real_estate", ""))
    owner = owner_household(story.prepared.sample)
    others = plain_households(story.prepared.sample, 2, [owner])
    filed = story.file("first", [owner, *others], rows)
    story.first = filed["application_id"]
    done = story.clerk.until("the first application's certificate", lambda: story.status(story.first, complete=True))
    facts = ("application_id", "state", "persons", "version", "certificate", "by_status")
    story.say("completed", requester=story.requester, **{key: done[key] for key in facts})


def received(story: Story) -> None:
    """Article 10: a county's application comes in, in the afternoon before days off."""
    story.on(at(story.days.filing, 16, 30))
    rows = (
        ("部中心", "household_registration", ""),
        (NEIGHBOUR, "vehicles", ""),
        (SILENT, "real_estate", ""),
    )
    filed = story.file("county", plain_households(story.prepared.sample, 3), rows, county=True)
    story.county = filed["application_id"]
    story.clerk.until("the application on the desk", story.on_desk)
    shown = story.shown()
    facts = {"requester": shown["requester"], "application_id": story.county, "persons": shown["person_count"]}
    unit = shown["form"]["unit_consent"]
    story.say(
        "received",
        shown["received_at"],
        **facts,
        unit=unit["unit"],
        consent=unit["document"],
        received=local_time(shown["received_at"]),
    )


def held(story: Story) -> None:
    """Articles 3 and 9: the rules do not decide about a county's need; an officer does."""
    item = story.on_desk()
    held_at = next(change["at"] for change in story.history() if change["event"] == "hold")
    story.say("held", held_at, application_id=story.county, reasons=item["faults"], due=local_time(item["due"]))


def approved(story: Story) -> None:
    """The first working day after the days off: an officer decides, two of them where the rules ask for two."""
    story.on(at(story.days.start, 9, 30))
    officers = []
    for officer in (OFFICER, "center-officer-2"):
        decided = story.clerk.ask(
            "review", "approve", story.county, "--reason", "省级民政部门同意文件齐全", "--officer", officer
        )
        officers.append(decided["officer"])
        if decided["code"] == "started":
            break
    approved_at = next(change["at"] for change in story.history() if change["event"] == "approve")
    story.say("approved", approved_at, application_id=story.county, officers=officers)


def started(story: Story) -> None:
    """Article 10: within 2 working days of receipt, day 0 being the day of receipt."""
    shown = story.shown()
    began = next(change["at"] for change in shown["history"] if change["event"] == "start")
    if began > shown["start_due"]:
        raise StoryFailed(f"started {local_time(began)}, and due was {local_time(shown['start_due'])}")
    limit = story.clerk.ask("calendar", "due", local_date(shown["received_at"]), "2", ends=(0, 2))
    story.say(
        "started",
        began,
        application_id=story.county,
        day0=local_date(shown["received_at"]).isoformat(),
        due=local_time(shown["start_due"]),
        started=local_time(began),
        counted=limit["days"],
    )


STEPS: Final[tuple[Callable[[Story], None], ...]] = (
    joined,
    catalog,
    completed,
    received,
    held,
    approved,
    started,
)
"""In this order. Each tells what its name says."""
