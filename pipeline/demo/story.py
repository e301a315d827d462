"""The whole procedure as one story, on a simulated calendar and with the commands that officials use.

Three applications of 云南: one of the province, finished early and disputed later; one of a county, which an officer must
look at; one that is withdrawn on its way. Nothing that is told is made up here: every fact is read from a command.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import yaml

from pipeline.demo.clerk import Clerk, StoryFailed
from pipeline.demo.preparation import Prepared, entries_of
from pipeline.demo.simulated_calendar import SimulatedCalendar
from pipeline.demo.story_cases import Rows, owner_household, plain_households, write_case
from pipeline.demo.story_days import at, choose, make_up_years
from pipeline.demo.story_telling import Teller
from pipeline.domain.calendar import CHINA, local_date
from pipeline.domain.catalog import Release
from pipeline.domain.parties import CENTER, MINISTRY, PROVINCES
from pipeline.province.calendar_files import load_calendar
from pipeline.stages.clock import local_time

OUTAGE: Final = "机房供电线路因暴雨中断，抢修中"
APPROVAL: Final = "省级民政部门同意文件齐全"
OFFICER: Final = "center-officer"
NEIGHBOUR, NEIGHBOUR_CODE = "山东", "37"
"""Who asks for more time, and whose register changes."""
SILENT, SILENT_CODE = "江苏", "32"
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
        known = load_calendar(installation.calendar)
        self.days = choose(known, today)
        self.next_day = known.after(self.days.start, 1)
        self.back = known.after(self.days.start, 2)

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


def joined(story: Story) -> None:
    """Article 4: each province has applied in writing, and its connection is filed with 民政部社会救助司."""
    today = local_date(story.calendar.now())
    parties = [row["party"] for row in story.clerk.ask("party", "list") if row["party"] not in (CENTER, MINISTRY)]
    filings = []
    for party in parties:
        name = PROVINCES[party].full_name
        papers = ("--document", f"{name}联网申请", "--number", f"{PROVINCES[party].name}民核〔{today.year}〕1号")
        story.clerk.ask("party", "application", party, *papers, "--date", today - dt.timedelta(days=40))
        papers = ("--document", f"{name}联网备案", "--number", f"民助备〔{today.year}〕{party}号")
        filed = story.clerk.ask("party", "filing", party, *papers, "--date", today - dt.timedelta(days=20))
        filings.append(filed["document_number"])
    story.say("joined", parties=parties, filings=filings)


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
    """The first working day after the days off: an officer decides, two of them where the rules ask for two.

    Meanwhile one province's register is away, for a reason that it gives (Art. 10), and another's adapter is off.
    """
    story.on(at(story.days.start, 9, 30))
    story.take_away(NEIGHBOUR_CODE, "vehicles", at(story.back, 18), OUTAGE)
    story.adapters.stop_adapter(SILENT_CODE)
    officers = []
    for officer in (OFFICER, "center-officer-2"):
        decided = story.clerk.ask("review", "approve", story.county, "--reason", APPROVAL, "--officer", officer)
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


def extended(story: Story) -> None:
    """Article 10: a province cannot answer in time and says why and until when; the requester agrees; the center signs."""
    told = story.clerk.until("the delay at the requester", lambda: story.extension())
    [delay] = told
    story.extension(PROVINCES[delay["provider"]].name, "agree", "--reason", "同意延期")
    agreed = story.clerk.until("the signed extension", lambda: story.extended())
    story.say(
        "extended",
        application_id=story.county,
        provider=agreed["provider"],
        reason=agreed["reason"],
        until=local_time(agreed["agreed_until"]),
        rows=agreed["rows"],
        standing=agreed["standing"],
    )


def withdrawn(story: Story) -> None:
    """Article 10: an application is taken back while a provider still owes its answer."""
    story.on(at(story.next_day, 9))
    households = plain_households(story.prepared.sample, 4)[3:]
    filed = story.file("third", households, (("部中心", "marriage", ""), (SILENT, "social_insurance", "")))
    story.third = filed["application_id"]
    story.clerk.until("its first answers", lambda: story.status(story.third)["state"] == "partly_answered")
    reason = "该户已自愿退出救助申请"
    story.clerk.ask("apply", "withdraw", story.third, "--reason", reason, "--party", story.requester)
    found = story.clerk.until("the withdrawal's acknowledgement", story.withdrawal)
    facts = ("application_id", "state", "acknowledged", "not_acknowledged", "by_status")
    story.say("withdrawn", **{key: found[key] for key in facts})


def certificate(story: Story) -> None:
    """Article 10: the last limit is over, and the certificate says who did not answer."""
    story.on(at(story.back, 18, 1))
    story.clerk.until("the extended answers", lambda: story.status(story.county)["bundles"] >= 2)
    story.on(story.last_deadline() + 60_000)
    found = story.clerk.until("certificate version 1", lambda: story.certified(1))
    if found["complete"] or not found["not_answered"]:
        raise StoryFailed(f"a certificate with gaps was expected, not {found}")
    story.say("certificate", **_certificate(found))


def supplement(story: Story) -> None:
    """Article 10: what comes late is not lost: the adapter is back, and the certificate has a second version."""
    story.adapters.start_adapter(SILENT_CODE)
    found = story.clerk.until("certificate version 2", lambda: story.certified(2))
    if not found["complete"] or found["not_answered"]:
        raise StoryFailed(f"a whole certificate was expected, not {found}")
    story.say("supplement", **_certificate(found))


def _certificate(found: Any) -> dict[str, Any]:
    keys = ("application_id", "state", "version", "certificate", "complete", "by_status")
    missing = [{key: one[key] for key in ("provider", "category", "status", "count")} for one in found["not_answered"]]
    return {**{key: found[key] for key in keys}, "missing": missing}


STEPS: Final[tuple[Callable[[Story], None], ...]] = (
    joined,
    catalog,
    completed,
    received,
    held,
    approved,
    started,
    extended,
    withdrawn,
    certificate,
    supplement,
)
"""In this order. Each tells what its name says."""
