"""Inspections of connected parties (入网检测, 巡检, Art. 6): checks over facts, each passed, failed or not applicable.

The facts are what the center sees without the party's help; what happens inside a province (its rooms, its staff) is for
inspectors on the spot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from pipeline.center.registry import Registry
from pipeline.center.registry_membership import ITS_OWN, InspectionKind
from pipeline.crypto.certificates import common_name
from pipeline.crypto.trust import Trust
from pipeline.crypto.trust_log import TrustLog
from pipeline.domain.catalog import Release
from pipeline.domain.records import LifecycleEvent

DAY: Final = 24 * 3600 * 1000
WINDOW: Final = 30 * DAY
"""How far back the answers of a party are looked at."""
LATE_PER_MILLE: Final = 50
"""So many of 1,000 answers may come after their section was closed."""
EXPIRY: Final = 7 * DAY
"""A certificate must be good for so long still."""

Outcome = Literal["passed", "failed", "not_applicable"]


@dataclass(frozen=True, slots=True)
class InspectionFacts:
    """What is known of one party. Times in ms; `certificates`: usage → end of the newest valid one."""

    party: str
    now: int
    applied: bool
    filed: bool
    suspended: bool
    certificates: Mapping[str, int]
    witnessed: bool
    seal_key_until: int | None
    addresses: int
    head: int
    cosigned: int
    release: int | None
    categories: Sequence[str] = ()
    answers: Answers = field(default_factory=lambda: Answers())


@dataclass(frozen=True, slots=True)
class Answers:
    """Bundles of answers of one provider within the window."""

    in_time: int = 0
    late: int = 0
    refused: int = 0
    """Contradicting an earlier one, or outside what was asked."""


Found = tuple[Outcome, dict[str, object]]


def application_on_record(facts: InspectionFacts) -> Found:
    """Art. 4: 书面申请."""
    return _when(facts.party not in ITS_OWN, facts.applied)


def filing_on_record(facts: InspectionFacts) -> Found:
    """Art. 4: 报民政部社会救助司备案."""
    return _when(facts.party not in ITS_OWN, facts.filed)


def not_suspended(facts: InspectionFacts) -> Found:
    """A suspended party is not connected."""
    return _when(True, not facts.suspended)


def certificates_valid(facts: InspectionFacts) -> Found:
    """Art. 5: to sign, to be sealed to, and to connect, each good for a week still."""
    missing = sorted({"sign", "encrypt", "tls"} - facts.certificates.keys())
    ends = [usage for usage, end in sorted(facts.certificates.items()) if end - facts.now < EXPIRY]
    return _when(True, not missing and not ends, missing=missing, ending=ends)


def certificates_witnessed(facts: InspectionFacts) -> Found:
    """Its certificates are in the trust log as far as that is witnessed: others believe them."""
    return _when(True, facts.witnessed)


def seal_key_fresh(facts: InspectionFacts) -> Found:
    """Its adapter makes a new key to seal to in time."""
    until = facts.seal_key_until
    return _when(True, until is not None and until > facts.now, until=until)


def addresses_registered(facts: InspectionFacts) -> Found:
    """Art. 5: 将电子政务外网的IP地址及时报送部收入认定中心备案."""
    return _when(facts.party not in ITS_OWN, facts.addresses > 0, addresses=facts.addresses)


def log_cosigned(facts: InspectionFacts) -> Found:
    """Its adapter is connected and has seen the newest head of the trust log."""
    return _when(facts.head > 0, facts.cosigned >= facts.head, head=facts.head, cosigned=facts.cosigned)


def catalog_reported(facts: InspectionFacts) -> Found:
    """Art. 13: 应及时上报可供其他省份查询的本区域各级信息资源."""
    return _when(
        facts.release is not None, bool(facts.categories), release=facts.release, resources=len(facts.categories)
    )


def answers_punctual(facts: InspectionFacts) -> Found:
    """Art. 10: 按照资源目录所列的反馈期限反馈查询结果; late is what came after its section was closed."""
    answers = facts.answers
    total = answers.in_time + answers.late
    punctual = answers.late * 1000 <= total * LATE_PER_MILLE
    return _when(total > 0, punctual, in_time=answers.in_time, late=answers.late)


def answers_sound(facts: InspectionFacts) -> Found:
    """No answer contradicted an earlier one or went beyond what was asked."""
    answers = facts.answers
    total = answers.in_time + answers.late + answers.refused
    return _when(total > 0, answers.refused == 0, refused=answers.refused)


Check = Callable[[InspectionFacts], Found]
CONFORMANCE: Final[tuple[Check, ...]] = (
    application_on_record,
    filing_on_record,
    not_suspended,
    certificates_valid,
    certificates_witnessed,
    seal_key_fresh,
    addresses_registered,
    log_cosigned,
)
"""Before a party's inboxes are used (入网前检测)."""
INSPECTION: Final[tuple[Check, ...]] = (*CONFORMANCE, catalog_reported, answers_punctual, answers_sound)
"""Afterwards, at any time (不定期巡检)."""


def examine(kind: InspectionKind, facts: InspectionFacts) -> tuple[dict[str, str], dict[str, dict[str, object]]]:
    """Every check of a kind: outcomes by name, and what lies behind each."""
    found = {check.__name__: check(facts) for check in (CONFORMANCE if kind == "conformance" else INSPECTION)}
    return {n: outcome for n, (outcome, _) in found.items()}, {n: detail for n, (_, detail) in found.items() if detail}


def gather(
    registry: Registry,
    trust: Trust,
    log: TrustLog,
    release: Release | None,
    events: Iterable[LifecycleEvent],
    *,
    party: str,
    now: int,
) -> InspectionFacts:
    """The facts of a party as of `now`. Raises ConfigError for one that is not registered."""
    member = registry.member(party)
    valid = [each for each in registry.status(common_name(party)) if each.state(now) == "valid"]
    newest = log.newest()
    return InspectionFacts(
        party=party,
        now=now,
        applied=registry.paper(party, "application") is not None,
        filed=registry.paper(party, "filing") is not None,
        suspended=member.suspended,
        certificates={usage: max(e.not_after for e in valid if e.usage == usage) for usage in {e.usage for e in valid}},
        witnessed=bool(valid) and all(log.has(party, each.digest) for each in valid),
        seal_key_until=trust.seal_key_until(party),
        addresses=sum(each.in_force(now) for each in member.addresses),
        head=0 if newest is None else newest.size,
        cosigned=log.cosigned_by(party),
        release=None if release is None else release.number,
        categories=[] if release is None else [c for c in release.categories() if party in release.offers(c)],
        answers=answers_of(party, events, now - WINDOW),
    )


def answers_of(party: str, events: Iterable[LifecycleEvent], since: int) -> Answers:
    """How a provider answered since (ms), from hedx.events, where one application's events stand in order.

    Every event counts once: a stage that repeats a step writes it again under the same id.
    """
    closed: set[tuple[str | None, int | None]] = set()
    seen: set[str] = set()
    counts = {"in_time": 0, "late": 0, "refused": 0}
    for event in events:
        if event["event_id"] in seen:
            continue
        seen.add(event["event_id"])
        place = event["application_id"], event["section"]
        if event["kind"] == "section_closed":
            closed.add(place)
        elif event["provider"] == party and event["at"] >= since:
            if event["kind"] == "answer_accepted":
                counts["late" if place in closed else "in_time"] += 1
            elif event["kind"] in ("answer_conflict", "answer_out_of_scope"):
                counts["refused"] += 1
    return Answers(**counts)


def _when(applies: bool, holds: bool, **detail: object) -> Found:
    outcome: Outcome = "not_applicable" if not applies else "passed" if holds else "failed"
    return outcome, {name: value for name, value in detail.items() if value not in (None, [])}
