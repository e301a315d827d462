"""What must be true of a course, judged from the list of what was done, from plain SQL and from the bytes on the topics.

It has no code in common with what it judges: what is asked of whom is `tests.oracle`'s, sets of persons are counted here,
and which states may follow each other is written down here, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import cbor2

from pipeline.center import desk
from pipeline.codec import framing
from pipeline.crypto import cose
from pipeline.crypto.bundles import Bundle, parse_bundle
from pipeline.domain.parties import inbox
from pipeline.province.casefile import CaseFile, Certificate
from pipeline.stages import topics
from pipeline.stages.keys import application_key
from tests import oracle
from tests.courses import DAY, Course, Filed
from tests.delaying import outbox_rows, parked
from tests.officer import local_history, notices, on_desk
from tests.scenario import PARTIES, codes, kept, local_codes

Key = tuple[str, int, int, str]
"""(household, roster number, schedule row, provider), as `tests.oracle` has it."""

FOLLOWS: Mapping[str, frozenset[str]] = {
    "drafted": frozenset({"filed"}),
    "filed": frozenset({"under_review", "rejected", "withdrawn"}),
    "under_review": frozenset({"accepted", "held", "rejected", "withdrawn"}),
    "held": frozenset({"held", "accepted", "rejected", "withdrawn"}),
    "accepted": frozenset({"started", "withdrawn"}),
    "started": frozenset({"partly_answered", "completed", "incomplete", "withdrawn"}),
    "partly_answered": frozenset({"partly_answered", "completed", "incomplete", "withdrawn"}),
    "completed": frozenset({"completed", "supplemented", "under_recheck", "archived"}),
    "incomplete": frozenset({"incomplete", "supplemented", "under_recheck", "archived"}),
    "supplemented": frozenset({"supplemented", "under_recheck", "archived"}),
    "under_recheck": frozenset({"under_recheck", "completed", "incomplete", "supplemented"}),
    "withdrawn": frozenset({"withdrawn", "archived"}),
    "rejected": frozenset({"archived"}),
}
"""State -> what it may become (Art. 10)."""
PARTLY = {"accepted", "started", "partly_answered"}
CERTIFIED = {"completed", "incomplete", "supplemented", "under_recheck"}
OVER = CERTIFIED | {"withdrawn", "rejected"}
SIGNED = 14 * DAY
"""How long (s) a signature holds that nobody has received."""
SHORT = 20 * DAY
"""A course of at most so many seconds is over before anybody's mandate, request or supplement window is."""


class Watch:
    """What was passed on of withdrawn applications and closed rows when join had read that they are."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._seen: dict[tuple[str, int, str, int], frozenset[bytes]] = {}  # application, section, provider, row

    def look(self) -> None:
        """Note what is new; nothing more may have come of what was noted before."""
        passed_on = _passed_on(self._course)
        for place in _called_off(self._course):
            now = frozenset(passed_on.get(place, ()))
            before = self._seen.setdefault(place, now)
            assert now == before, f"passed on after it was withdrawn or closed: {place}"


def _called_off(course: Course) -> Iterator[tuple[str, int, str, int]]:
    """(application, section, provider, row) of what join has read as withdrawn or closed."""
    broker = course.network.broker
    asked: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for message in broker.messages(topics.JOIN):
        if message.offset >= broker.committed("hedx.join", topics.JOIN, message.partition):
            continue
        name, record = framing.decode(message.value or b"")
        if name == "SectionExpected":
            place = record["application_id"], record["section"]
            asked[place] = [(query["provider"], query["row"]) for query in record["sub_queries"]]
        elif name == "SectionWithdrawn":
            place = record["application_id"], record["section"]
            yield from ((*place, *query) for query in asked.get(place, ()))
        elif name == "SectionExtended" and record["closed"]:
            place = record["application_id"], record["section"]
            yield from ((*place, record["provider"], row) for row in record["rows"])


def _passed_on(course: Course) -> dict[tuple[str, int, str, int], set[bytes]]:
    found: dict[tuple[str, int, str, int], set[bytes]] = {}
    for requester in {filed.requester for filed in course.applications}:
        for bundle in bundles_on(course, inbox(requester, "responses")):
            header = bundle.header
            for row in header.rows if header.kind == "relay" else ():
                place = header.application_id, header.section, header.provider or "", row
                found.setdefault(place, set()).add(bundle.records[0])
    return found


def bundles_on(course: Course, topic: str) -> Iterator[Bundle]:
    """Every bundle ever written to an inbox; nothing is verified."""
    for message in course.network.broker.messages(topic):
        for raw in cbor2.loads(message.value or b"")[1]:
            yield parse_bundle(raw)


# -- the end of a course -----------------------------------------------------------------------------------------------


def judge_at_rest(course: Course) -> None:
    """Everything works again and deadlines are over; windows are still open, and what is held is held."""
    waiting = {w.application_id for w in on_desk(course.network) if w.item["kind"] == "review"}
    for filed in course.applications:
        state = case_of(course, filed).state
        here, there = _histories(course, filed)
        _follow(["drafted", *here])
        center = _center_state(course, filed)
        if center is not None:
            _follow(["drafted", *there])
            assert center == state or {center, state} <= PARTLY, f"{filed.id}: center {center}, requester {state}"
        assert state in OVER | {"held"}, f"{filed.id} is {state}"
        assert (filed.id in waiting) == (state == "held"), f"{filed.id} is {state}, on the desk: {filed.id in waiting}"
        if state == "held":
            since = max(notice["at"] for notice in notices(course.network, filed.application, "held"))
            due = (course.now - since) // 1000 > 12 * DAY
            assert not due or notices(course.network, filed.application, "escalated"), f"{filed.id} is held for ever"
        _judge_result(course, filed, state)


def judge_in_the_end(course: Course) -> None:
    """All windows are over: nothing is kept, nothing is under way, nobody waits."""
    for filed in course.applications:
        state = case_of(course, filed).state
        assert state in OVER - {"under_recheck"}, f"{filed.id} is {state} in the end"
        assert _center_state(course, filed) is None, f"the center still has {filed.id}"
        _judge_result(course, filed, state)
    for party in PARTIES:
        assert outbox_rows(course.network, party) == 0, f"{party} sends for ever"
        assert parked(course.network, party) == [], f"{party} has parked for ever"
    assert on_desk(course.network) == [], "something lies on the desk for ever"
    for stage, prefix in (("applications", b""), ("join", b"j"), ("join", b"@")):
        assert kept(course.network, stage, prefix) == 0, f"{stage} keeps {prefix!r}"


def judge_dead_letters(course: Course) -> None:
    """What was put aside is what the course itself brought about."""
    events = Counter(done.what for done in course.log)
    twice = events["again"] + events["rewrapped"]
    late = events["stopped"] + events["suspended"] + twice
    allowed_at_center = {"expired": late, "section_unknown": twice, "party_suspended": events["suspended"]}
    allowed_at_party = {"expired": late}
    for where, found, allowed in (
        ("center", codes(course.network), allowed_at_center),
        *((party, local_codes(course.network, party), allowed_at_party) for party in PARTIES),
    ):
        unexplained = {code for code in found if not allowed.get(code)}
        assert not unexplained, f"dead letters at {where}: {sorted(unexplained)}"


# -- one application ----------------------------------------------------------------------------------------------------


def case_of(course: Course, filed: Filed) -> CaseFile:
    """The application as its requester holds it."""
    return course.network.case(filed.application)


def _center_state(course: Course, filed: Filed) -> str | None:
    key = application_key(filed.requester, filed.id)
    case = desk.case_in(key, course.network.broker.messages(topics.changelog("applications")))
    return None if case is None else case.state["state"]


def _histories(course: Course, filed: Filed) -> tuple[list[str], list[str]]:
    here = [state for _, state, _ in local_history(case_of(course, filed))]
    key = application_key(filed.requester, filed.id)
    case = desk.case_in(key, course.network.broker.messages(topics.changelog("applications")))
    return here, [] if case is None else ["filed", *(change["state"] for change in case.state["history"])]


def _follow(states: list[str]) -> None:
    steps = [step for step in pairwise(states) if step[0] != step[1]]
    unknown = [step for step in steps if step[1] not in FOLLOWS.get(step[0], ())]
    assert not unknown, f"changes that are in no table: {unknown} of {states}"


def _judge_result(course: Course, filed: Filed, state: str) -> None:
    case = case_of(course, filed)
    certificate = case.certificate()
    if state == "rejected":
        assert certificate is None
        _explain_rejection(course, filed)
        return
    if certificate is None:
        assert state == "held" or filed.withdrawn_at is not None, f"{filed.id} has no certificate and is {state}"
        assert case.acceptance() is None, f"{filed.id} was accepted and has no certificate"
        return
    assert case.is_complete(), f"{filed.id}: bundles that its certificate names never came"
    assert state != "withdrawn" or filed.withdrawn_at is not None
    _judge_versions(case)
    wanted = _wanted(course, filed)
    found = oracle.from_dossiers(case.dossiers())
    assert found.keys() == wanted.keys(), f"{filed.id}: other sub-queries than asked"
    told = Counter((key[3], key[2], DONE.get(result["status"], result["status"])) for key, result in found.items())
    assert _counted(certificate) == told, f"{filed.id}: certificate and dossiers differ"
    _judge_masks(certificate, filed)
    for key, result in found.items():
        _explain(course, filed, key, result, wanted[key])


def _wanted(course: Course, filed: Filed) -> dict[Key, Any]:
    sample = course.sample
    return oracle.expected(
        filed.application,
        filed.persons,
        providers=sample.providers,
        catalog=sample.catalog,
        databases=sample.databases,
        now=course.now,
    )


def _counted(certificate: Certificate) -> Counter[tuple[str, int, str]]:
    found: Counter[tuple[str, int, str]] = Counter()
    for section in certificate.sections.values():
        for line in section["lines"]:
            for part in line["parts"]:
                found[line["provider"], line["row"], part["status"]] += part["count"]
    return found


DONE = {"found": "done", "no_record": "done"}
STATUSES = frozenset({"refused", "unavailable", "expired", "withdrawn"})


def _judge_masks(certificate: Certificate, filed: Filed) -> None:
    """Every person of every section in exactly one part of every line."""
    persons = 0
    for section in certificate.sections.values():
        everyone = set(range(section["person_count"]))
        persons += len(everyone)
        for line in section["lines"]:
            parts = [everyone if p["members"] is None else _bits(p["members"]) for p in line["parts"]]
            assert sum(map(len, parts)) == len(everyone), f"{filed.id}: somebody twice, or not at all"
            assert set().union(*parts) == everyone
    assert persons == len(filed.persons)


def _bits(mask: bytes) -> set[int]:
    return {8 * n + bit for n, byte in enumerate(mask) for bit in range(8) if byte >> bit & 1}


def _judge_versions(case: CaseFile) -> None:
    """1, 2, 3, …; what is done stays done."""
    rows = case.connection.execute(
        "SELECT version, signed FROM result WHERE application_id = ? ORDER BY version", (case.application_id,)
    ).fetchall()
    assert [version for version, _ in rows] == list(range(1, len(rows) + 1)), "versions are not contiguous"
    before: Counter[tuple[str, str]] = Counter()
    for _, raw in rows:
        result = framing.decode_as("ApplicationResult", cose.decode(raw).payload)
        done: Counter[tuple[str, str]] = Counter()
        for line in result["statuses"]:
            done[line["provider"], line["category"]] += line["count"] if line["status"] == "done" else 0
        assert before <= done, "what was done is done no more"
        before = done


def _explain(course: Course, filed: Filed, key: Key, result: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Plain SQL says the same, or something that was done says why not."""
    provider, row = key[3], key[2]
    if result == wanted:
        return
    status, code = result["status"], result["code"]
    assert status in STATUSES, f"{filed.id} {key}: {result} is not {wanted}"
    log = course.log
    if status == "withdrawn":
        explained = filed.withdrawn_at is not None and case_of(course, filed).state == "withdrawn"
    elif status == "unavailable" and code == "force_majeure":
        explained = (provider, row) in filed.closed
    elif status == "unavailable" and code == "provider_suspended":
        explained = any(done.what == "suspended" and done.about == provider for done in log)
    elif status == "unavailable":
        explained = any(done.what == "away" and done.about == (provider, None) for done in log)
    elif status == "expired":
        explained = _may_expire(course, filed)
    else:
        explained = False
    assert explained, f"{filed.id} {key}: {status} {code} without a reason; it should be {wanted['status']}"


def _may_expire(course: Course, filed: Filed) -> bool:
    """Whoever stands still comes back in the end: what is expired then was withdrawn, or missed its window."""
    is_long = course.log[-1].at - filed.at > SHORT * 1000
    return is_long or case_of(course, filed).state == "withdrawn"


def _explain_rejection(course: Course, filed: Filed) -> None:
    rejection = case_of(course, filed).rejection()
    assert rejection is not None
    found = {fault["code"] for fault in rejection["faults"]}
    explained: set[str] = set()
    if "reject" in filed.decisions:
        explained.add("refused_by_officer")
    if filed.in_parts or any(done.what == "stopped" for done in course.log):
        explained.add("sections_missing")
    if any(done.what == "stopped" for done in course.log) and course.now - filed.at >= SIGNED * 1000:
        explained.add("section_unreadable")  # it lay at the door until the mandate's signature was over
    if filed.original is not None:
        explained |= {code for code in found if code.startswith("recheck_")}
    assert found <= explained, f"{filed.id} is rejected: {sorted(found - explained)}"


def described(course: Course) -> Iterable[str]:
    """The course in words, for a failing test."""
    for done in course.log:
        yield f"{done.at} {done.what} {done.about if done.about is not None else ''}"
