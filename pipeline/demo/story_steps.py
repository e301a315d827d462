"""The whole procedure, step by step, on a simulated calendar and with the commands that officials use.

Three applications of 云南: one of the province, finished early and disputed later; one of a county, which an officer must
look at; one that is withdrawn on its way. Nothing that is told is made up here: every fact is read from a command.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

from pipeline.demo.clerk import StoryFailed
from pipeline.demo.story import Story
from pipeline.demo.story_cases import mortgage_home, owner, plain_households
from pipeline.demo.story_days import at
from pipeline.domain.calendar import local_date
from pipeline.domain.parties import CENTER, MINISTRY, PROVINCES
from pipeline.stages.clock import local_time

OUTAGE: Final = "机房供电线路因暴雨中断，抢修中"
APPROVAL: Final = "省级民政部门同意文件齐全"
ACCEPTED: Final = "材料齐全，与名单一致"
OFFICER: Final = "center-officer"
NEIGHBOUR, NEIGHBOUR_CODE = "山东", "37"
"""Who asks for more time, and whose register changes."""
SILENT, SILENT_CODE = "江苏", "32"
"""Whose adapter is off when the county's application is started."""


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
    home = owner(story.prepared.sample).household
    filed = story.file("first", [home, *plain_households(story.prepared.sample, 2, [home])], rows)
    story.first = filed["application_id"]
    done = story.clerk.until("the first application's certificate", lambda: story.status(story.first, complete=True))
    facts = ("application_id", "state", "persons", "version", "certificate", "by_status")
    story.say("completed", requester=story.requester, **{key: done[key] for key in facts})


def inspected(story: Story) -> None:
    """Article 6: what the center can see of each province as it is connected; the dated results stay on record."""
    parties = [row["party"] for row in story.clerk.ask("party", "list") if row["party"] not in (CENTER, MINISTRY)]
    found = [story.clerk.ask("party", "inspect", party, "--kind", "conformance", ends=(0, 10)) for party in parties]
    failed = {one["party"]: [name for name, how in one["checks"].items() if how == "failed"] for one in found}
    if not all(one["passed"] for one in found):
        raise StoryFailed(f"inspections found: {failed}")
    checks = sum(how == "passed" for one in found for how in one["checks"].values())
    story.say("inspected", parties=parties, checks=checks, inspections=[one["number"] for one in found])


def drawn(story: Story) -> None:
    """Article 9: a spot check among persons already queried, its commitment published first."""
    story.on(at(story.days.filing, 11))
    month = f"{story.days.filing:%Y-%m}"
    draw = story.clerk.ask("evidence", "draw", "--month", month, "--officer", OFFICER)
    story.draw = draw["draw"]
    [request] = draw["requests"]
    asked = story.clerk.until("the request at the province", lambda: story.evidence(request))
    story.say(
        "drawn",
        asked["asked_at"],
        draw=story.draw,
        persons=draw["persons"],
        request=asked["request"],
        application_id=asked["application"],
        requester=story.requester,
        wanted=asked["open"],
        due=local_time(asked["due"]),
    )


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


def answered(story: Story) -> None:
    """Article 9: an officer of the province releases the documents, within 5 working days; the center looks at them."""
    story.on(at(story.days.start, 10))
    [request] = [asked["request"] for asked in story.clerk.ask("evidence", "requests", "--party", story.requester)]
    story.clerk.ask("evidence", "release", request, "--all", "--party", story.requester)
    story.clerk.until("the reply at the center", lambda: story.on_evidence_desk(request)["state"] == "replied")
    replied, folder = story.calendar.now(), story.prepared.form.parent / "documents-received"
    opened = story.clerk.ask("evidence", "open", request, "--output", folder)
    story.clerk.ask("evidence", "accept", request, "--reason", ACCEPTED, "--officer", OFFICER)
    judged = story.clerk.until("the judgement at the province", lambda: story.judged(request))
    if replied > judged["due"] or opened["faults"] or opened["missing"]:
        raise StoryFailed(f"documents are late, missing or altered: {opened}")
    story.say(
        "answered",
        replied,
        request=request,
        requester=story.requester,
        documents=len(opened["documents"]),
        in_mandate=sum(document["in_mandate"] for document in opened["documents"]),
        asked=local_time(judged["asked_at"]),
        due=local_time(judged["due"]),
        verdict=judged["state"],
    )


def verified(story: Story) -> None:
    """The draw's seed is published, and the province draws again: the same persons."""
    file = story.prepared.form.parent / "draw.json"
    revealed = story.clerk.ask("evidence", "reveal", story.draw, "--output", file)
    again = story.clerk.ask("evidence", "verify", file, "--party", story.requester)
    story.say(
        "verified",
        draw=again["draw"],
        seed=revealed["seed"],
        population=again["population"],
        persons=len(again["drawn"]),
        holds=again["holds"],
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


def rechecked(story: Story) -> None:
    """Article 10: a disputed result is asked again; a property record has changed in between."""
    story.on(at(story.next_day, 11))
    mortgage_home(story.prepared.sample, NEIGHBOUR_CODE)
    who = owner(story.prepared.sample).document_number
    [number] = [p["number"] for p in story.cases[story.first].persons if p["document_number"] == who]
    disputed = ("--person", number, "--row", 2, "--reason", "当事人称房屋已办理抵押登记")
    filed = story.clerk.ask("apply", "recheck", story.first, *disputed, "--party", story.requester)
    recheck = filed["application_id"]
    story.clerk.until("the re-check's answers", lambda: story.status(recheck, complete=True))
    found = story.clerk.ask("apply", "differences", recheck, "--party", story.requester)
    if not found["differences"]:
        raise StoryFailed("the re-check found no difference")
    entry = story.clerk.ask("catalog", "show", NEIGHBOUR_CODE, "real_estate")
    names = {item["item"]: item["name"] for item in entry["items"]}
    changes = [{**change, "name": names.get(change["item"], change["item"])} for change in found["differences"]]
    facts = {key: found[key] for key in ("application_id", "original", "attempt", "compared")}
    story.say("rechecked", **facts, changes=changes)


def certificate(story: Story) -> None:
    """Article 10: the last limit is over, and the certificate says who did not answer."""
    story.on(at(story.back, 18, 1))
    story.clerk.until("the extended answers", lambda: story.status(story.county)["bundles"] >= 2)
    story.on(story.last_deadline() + 60_000)
    found = story.clerk.until("certificate version 1", lambda: story.certified(1))
    if found["state"] != "incomplete" or not found["not_answered"]:
        raise StoryFailed(f"a certificate with gaps was expected, not {found}")
    story.say("certificate", **_certificate(found))


def supplement(story: Story) -> None:
    """Article 10: what comes late is not lost: the adapter is back, and the certificate has a second version."""
    story.on(at(story.days.end, 9))
    story.adapters.start_adapter(SILENT_CODE)
    found = story.clerk.until("certificate version 2", lambda: story.certified(2))
    if found["state"] != "supplemented" or found["not_answered"]:
        raise StoryFailed(f"a whole certificate was expected, not {found}")
    called_off = story.clerk.until("the last acknowledgement", lambda: story.acknowledged(SILENT_CODE))
    story.say("supplement", **_certificate(found), acknowledged=called_off["acknowledged"])


def _certificate(found: Any) -> dict[str, Any]:
    keys = ("application_id", "state", "version", "certificate", "by_status")
    missing = [{key: one[key] for key in ("provider", "category", "status", "count")} for one in found["not_answered"]]
    return {**{key: found[key] for key in keys}, "missing": missing, "whole": not missing}


STEPS: Final[tuple[Callable[[Story], None], ...]] = (
    joined,
    catalog,
    completed,
    inspected,
    drawn,
    received,
    held,
    approved,
    started,
    answered,
    verified,
    extended,
    withdrawn,
    rechecked,
    certificate,
    supplement,
)
"""In this order; each tells what its name says."""


def tell(story: Story) -> None:
    """All steps. Raises StoryFailed at the first one that does not come out."""
    for step in STEPS:
        step(story)
