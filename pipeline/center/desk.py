"""The officer's desk (Art. 9): what waits there, what an officer may see of it, and how a decision is made and answered.

What waits is on hedx.center.desk. The application itself, its history and its sections, sealed as they came, are in the
state of the `applications` stage, whose changelog is read for the one application that is looked at. Reading a form or a
roster is in the center's access log before it is given out.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal, cast

from confluent_kafka.admin import AdminClient

from pipeline.codec import framing
from pipeline.crypto import cose
from pipeline.crypto.bundles import parse_bundle
from pipeline.crypto.keys import Identity
from pipeline.crypto.trust import Trust
from pipeline.domain.errors import ConfigError
from pipeline.domain.records import (
    Application,
    ApplicationState,
    DeskItem,
    LifecycleEvent,
    Mandate,
    OfficerDecided,
    Person,
    SectionReceived,
)
from pipeline.kafka.clients import Extra, admin_config, murmur2_partition
from pipeline.kafka.posting import Poster
from pipeline.kafka.readers import read_table
from pipeline.kafka.tailing import CommittedLog, partitions_of
from pipeline.province import access
from pipeline.province.database import transaction
from pipeline.stages import topics
from pipeline.stages.deciding import APPLIED, REFUSED
from pipeline.stages.effects import Message, Output
from pipeline.stages.keys import application_key
from pipeline.stages.local import Access
from pipeline.stages.opening import SectionOpener

_REVIEW = b"review/"


@dataclass(frozen=True, slots=True)
class Waiting:
    """An application on the desk."""

    requester: str
    application_id: str
    item: DeskItem

    @property
    def name(self) -> str:
        """`requester/id`."""
        return f"{self.requester}/{self.application_id}"

    @property
    def digest(self) -> bytes | None:
        """Of the mandate: what tells this application from another one under the same id."""
        return self.item["subject"]


@dataclass(slots=True)
class HeldCase:
    """What the center keeps of one application. `sections` by number; empty when it does not need them any more."""

    state: ApplicationState
    item: DeskItem | None = None
    sections: dict[int, SectionReceived] = field(default_factory=dict)

    @property
    def mandate(self) -> Mandate | None:
        """What the requester signed; None where no section is kept."""
        for section in self.sections.values():
            if section["mandate"]:
                return cast("Mandate", framing.decode_as("Mandate", cose.decode(section["mandate"]).payload))
        return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a decision. `code`: the state after it, `second_officer_needed`, or why it was refused."""

    applied: bool
    code: str


# ---- looking -----------------------------------------------------------------------------------------------------------


def waiting(table: Mapping[bytes, bytes]) -> list[Waiting]:
    """The applications on the desk, the most pressing first; `table` is that of hedx.center.desk."""
    found = []
    for key, value in table.items():
        if key.startswith(_REVIEW):
            requester, _, application_id = key.removeprefix(_REVIEW).decode().partition("/")
            found.append(Waiting(requester, application_id, cast("DeskItem", framing.decode_as("DeskItem", value))))
    return sorted(found, key=lambda w: (w.item["due"] or 0, w.item["since"], w.name))


def read_desk(bootstrap: str, extra: Extra | None = None) -> list[Waiting]:
    """`waiting`, from Kafka as of now."""
    return waiting(read_table(bootstrap, topics.DESK, extra=extra))


def place_of(application: str, desk: Iterable[Waiting]) -> tuple[str, str]:
    """(requester, id) of an application given as `requester/id`, or as the id of one that is on the desk.

    Raises ConfigError for an id that is not on the desk, or there from more than one requester.
    """
    requester, slash, application_id = application.partition("/")
    if slash:
        return requester, application_id
    found = [one for one in desk if one.application_id == application]
    if len(found) == 1:
        return found[0].requester, application
    if found:
        raise ConfigError(f"which one: {', '.join(one.name for one in found)}?")
    raise ConfigError(
        f"{application} is not on the desk; one that is not there is named with its province: 53/{application}"
    )


def seen(desk: Iterable[Waiting], requester: str, application_id: str, shown: str | None = None) -> bytes | None:
    """Digest of the mandate that a decision is bound to; None where the application is not on the desk.

    `shown`: hexadecimal digits it begins with, as the officer was shown them. Raises ConfigError when it is another one.
    """
    found = [one.digest for one in desk if (one.requester, one.application_id) == (requester, application_id)]
    digest = found[0] if found else None
    if shown is not None and not (shown and digest is not None and digest.hex().startswith(shown.lower())):
        raise ConfigError(f"{application_id} is not the application that was shown (hedx review show)")
    return digest


def case_in(key: bytes, changelog: Iterable[Message]) -> HeldCase | None:
    """The application with the state key `key`, from the records of the stage's changelog; None when it is not there."""
    kept: dict[bytes, bytes] = {}
    for message in changelog:
        name = message.key or b""
        if name[1:].startswith(key) and name[:1] in (b"a", b"s", b"d"):
            if message.value is None:
                kept.pop(name, None)
            else:
                kept[name] = message.value
    state = kept.pop(b"a" + key, None)
    if state is None:
        return None
    case = HeldCase(cast("ApplicationState", framing.decode_as("ApplicationState", state)))
    if item := kept.pop(b"d" + key, None):
        case.item = cast("DeskItem", framing.decode_as("DeskItem", item))
    for name, value in kept.items():
        if name.startswith(b"s") and len(name) == len(key) + 5:
            section = cast("SectionReceived", framing.decode_as("SectionReceived", value))
            case.sections[section["section"]] = section
    return case


def read_case(bootstrap: str, requester: str, application_id: str, extra: Extra | None = None) -> HeldCase:
    """`case_in`, from Kafka as of now. Raises ConfigError when the center does not know the application (any more)."""
    key, topic = application_key(requester, application_id), topics.changelog("applications")
    partition = murmur2_partition(key, partitions_of(AdminClient(admin_config(bootstrap, extra)), topic))
    log = CommittedLog(bootstrap, topic, [partition], extra)
    try:
        messages: list[Message] = []
        while not log.reached_end:
            messages += [m for m in log.poll(0.1) if (m.key or b"")[1:].startswith(key)]
    finally:
        log.close()
    case = case_in(key, messages)
    if case is None:
        raise ConfigError(f"the center keeps no application {application_id} of {requester}")
    return case


def open_roster(case: HeldCase, center: Identity, trust: Trust) -> tuple[Application, list[Person]]:
    """The form and the persons, from the sections as they came, every signature verified as of then.

    Raises ConfigError when the center does not keep all sections (any more), InvalidMessage where one does not verify.
    """
    opener = SectionOpener(center.sealing)
    forms: list[Application] = []
    persons: list[Person] = []
    for number in range(1, case.state["sections"] + 1):
        section = case.sections.get(number)
        if section is None or section["bundle"] is None:
            raise ConfigError(f"section {number} of {case.state['application_id']} is not kept (any more)")
        bundle = parse_bundle(section["bundle"])
        warrant = opener.warrant(bundle, trust, seen_at=section["received_at"])
        opened = opener.section(bundle, warrant)
        forms += [opened.head["application"]] if opened.head["application"] else []
        persons += [cast("Person", framing.read("Person", person)) for person in opened.persons]
    return forms[0], persons


def open_logged(
    case: HeldCase,
    center: Identity,
    trust: Trust,
    log: sqlite3.Connection,
    *,
    roster: bool,
    now: int,
    by: str | None = None,
) -> tuple[Application, list[Person]]:
    """The form and, with `roster`, the persons (else none), after a row in the center's access log says so.

    `log`: of `database.access_log`; `by`: who reads, by default the operating system's user.
    """
    form, persons = open_roster(case, center, trust)
    detail = {"what": "roster" if roster else "form", "persons": len(persons)}
    unit, purpose = form["approving_authority"], form["purpose"]
    noted = Access("read", case.state["application_id"], case.state["requester"], unit, purpose, detail)
    with transaction(log):
        access.record(log, noted, actor=by or access.user(), at=now)
    return form, persons if roster else []


# ---- deciding ----------------------------------------------------------------------------------------------------------


def decision_about(
    requester: str,
    application_id: str,
    decision: Literal["approve", "reject", "hold", "delay"],
    *,
    officer: str,
    account: str,
    reason: str,
    now: int,
    until: int | None = None,
    mandate_digest: bytes | None = None,
) -> OfficerDecided:
    """The record of a decision, with an id of its own. `until` (ms): of a delay.

    `account`: of the operating system; `mandate_digest`: of what the officer saw.
    """
    return OfficerDecided(
        decision_id=uuid.uuid4().hex,
        application_id=application_id,
        requester=requester,
        decision=decision,
        mandate_digest=mandate_digest,
        officer=officer,
        account=account,
        reason=reason,
        until=until,
        at=now,
    )


def as_output(decision: OfficerDecided) -> Output:
    """The record on its way to the stage that owns the application."""
    key = application_key(decision["requester"], decision["application_id"])
    return Output(topics.APPLICATIONS, key, framing.encode("OfficerDecided", decision))


def outcome_in(decision_id: str, events: Iterable[Message]) -> Outcome | None:
    """What became of a decision, where one of these records of hedx.events tells."""
    for message in events:
        event = cast("LifecycleEvent", framing.decode_as("LifecycleEvent", message.value or b""))
        if event["event_id"] == decision_id and event["kind"] in (APPLIED, REFUSED):
            return Outcome(event["kind"] == APPLIED, event["code"] or "")
    return None


def decide(bootstrap: str, decision: OfficerDecided, seconds: float, extra: Extra | None = None) -> Outcome | None:
    """Send a decision and wait until the stage has answered it; None when it has not within `seconds`.

    It is then still on its way: the stage carries it out as soon as it runs. Raises Retryable when the brokers do not
    take it.
    """
    events = CommittedLog(bootstrap, topics.EVENTS, extra=extra, from_end=True)
    poster = Poster(bootstrap, extra=extra)
    try:
        poster.send([as_output(decision)])
        deadline = monotonic() + seconds
        while monotonic() < deadline:
            outcome = outcome_in(decision["decision_id"], events.poll(0.1))
            if outcome is not None:
                return outcome
    finally:
        poster.close()
        events.close()
    return None
