"""evidence: documents that the center asks a province for (调阅, Art. 9). Handlers of the `applications` stage.

A request has a state of its own beside its application's, so that documents of a closed or archived application are asked
for just as well, and nothing here ever touches an application. It is due in five working days, is pressed on every working
day after that, and never lapses: it ends when an officer has judged what came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from pipeline.crypto.bundles import header_of, parse_bundle
from pipeline.domain.calendar import EVIDENCE_WORKING_DAYS, CalendarUnknown, local_date, start_of_day
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.faults import fault
from pipeline.domain.parties import PROVINCES
from pipeline.domain.records import (
    Acted,
    EvidenceArrived,
    EvidenceAsked,
    EvidenceJudged,
    EvidenceKind,
    EvidenceReply,
    EvidenceRequest,
    EvidenceState,
)
from pipeline.stages import topics
from pipeline.stages.acts import REASON_LIMIT, Act, sign_act
from pipeline.stages.bounds import TIMES, WORDS, within
from pipeline.stages.casework import Casework
from pipeline.stages.effects import Output
from pipeline.stages.evidence_casework import (
    OVER,
    STATE,
    desk_key,
    key_of,
    load,
    note,
    post,
    put_on_desk,
    request_of,
    save,
    set_timer,
    tell,
)
from pipeline.stages.keys import application_key
from pipeline.stages.office import Office
from pipeline.stages.reasons import listed

MOST_NUMBERS: Final = range(501)
"""Roster numbers of one request: a section's."""
MOST_PARTS: Final = 4_000
"""Bundles of one request: some 1.8 GB of documents. Their digests are in its state, which has to fit one record."""
REPLY_LIMIT: Final = 256 * 1024
"""Bytes of a signed reply: it is in the state, and on the desk."""
_MOST_SAID: Final = range(MOST_PARTS + 1)
_DAY: Final = 24 * 3600 * 1000
_REMEMBERED: Final = 400 * _DAY
_MISSING: Final[Mapping[EvidenceKind, str]] = {
    "identity": "evidence_identity_missing",
    "consent": "evidence_consent_missing",
    "guardianship": "evidence_guardianship_missing",
    "mandate": "evidence_mandate_missing",
    "other": "evidence_other_missing",
}


def asked(office: Office, work: Casework, partition: int, record: EvidenceAsked) -> None:
    """An officer asks for documents: sign the request, start its clock, put it on the desk. Once for each id, judged or not.

    Raises InvalidMessage `record_out_of_bounds`, `calendar_unknown` when the working days ahead are not known, and
    `act_invalid` for a reason that is too long.
    """
    within(record, request_id=WORDS, application_id=WORDS, requester=WORDS, officer=WORDS, at=TIMES)
    within(record, numbers=MOST_NUMBERS, kinds=range(len(_MISSING) + 1))
    if record["requester"] not in PROVINCES or len(record["reason"]) > REASON_LIMIT:
        raise InvalidMessage("record_out_of_bounds", "requester or reason")
    key = key_of(record["requester"], record["application_id"], record["request_id"])
    if work.overlay.get(partition, STATE + key) is not None:
        return
    try:
        due = office.calendar.due(work.now, EVIDENCE_WORKING_DAYS)
        warn_at = office.calendar.warn_at(due)
    except CalendarUnknown as error:
        raise InvalidMessage("calendar_unknown", str(error.year)) from None
    request = EvidenceRequest(
        request_id=record["request_id"],
        application_id=record["application_id"],
        requester=record["requester"],
        numbers=sorted(set(record["numbers"])),
        kinds=record["kinds"],
        draw=record["draw"],
        reason=record["reason"],
        due=due,
        reminder=0,
        at=work.now,
    )
    state = EvidenceState(
        request=tell(work, request),
        request_id=record["request_id"],
        application_id=record["application_id"],
        requester=record["requester"],
        asked_at=work.now,
        due=due,
        reminders=0,
        parts=[],
        reply=None,
        replied_at=None,
    )
    save(work, partition, key, state)
    set_timer(work, partition, key, max(warn_at, work.now))
    put_on_desk(work, state, request, "open", [])
    note(work, "evidence_requested", state, count=len(request["numbers"]), by=record["officer"])


def due(office: Office, work: Casework, partition: int, key: bytes, at: int) -> None:
    """A request that nobody has replied to is near its end, or past it: then it is put to the province again, signed.

    Pressed on each working day, for as long as it takes.
    """
    if work.overlay.get(partition, STATE + key) == OVER + at.to_bytes(8, "big"):
        work.overlay.put(partition, STATE + key, None)
    state = load(work, partition, key)
    if state is None or state["reply"] is not None:
        return
    request = request_of(state)
    if at <= state["due"]:
        put_on_desk(work, state, request, "warn", [])
        note(work, "evidence_warned", state)
        set_timer(work, partition, key, state["due"] + 1)
        return
    state["reminders"] += 1
    state["request"] = tell(work, {**request, "reminder": state["reminders"], "at": work.now})
    save(work, partition, key, state)
    put_on_desk(work, state, request, "overdue", [])
    note(work, "evidence_overdue", state, count=state["reminders"])
    try:
        again = start_of_day(office.calendar.after(local_date(work.now), 1))
    except CalendarUnknown:
        again = work.now + _DAY  # the end of the files is no reason to let it lapse
    set_timer(work, partition, key, again)


def arrived(office: Office, work: Casework, partition: int, record: EvidenceArrived) -> None:
    """A part of a document, sealed as it came; the topic keeps it, here it is counted.

    Raises InvalidMessage `evidence_unknown` for what nobody asked for, and `evidence_too_many`.
    """
    within(record, application_id=WORDS, requester=WORDS, received_at=TIMES)
    header = header_of(record["bundle"])
    key = application_key(record["requester"], record["application_id"]) + b"/" + (header.answers or b"")
    state = load(work, partition, key)
    if state is None:
        raise InvalidMessage("evidence_unknown", record["application_id"])
    digest = parse_bundle(record["bundle"]).leaf
    if digest in state["parts"]:
        return
    if len(state["parts"]) >= MOST_PARTS:
        raise InvalidMessage("evidence_too_many", f"{MOST_PARTS} bundles for one request")
    state["parts"].append(digest)
    save(work, partition, key, state)


def replied(office: Office, work: Casework, partition: int, record: Acted, act: Act) -> None:
    """The province says what it released and what is missing; from here on it waits for an officer of the center.

    A later reply takes the place of an earlier one. Raises InvalidMessage `evidence_unknown` and `record_out_of_bounds`.
    """
    reply = cast("EvidenceReply", act.record)
    within(reply, request_id=WORDS, application_id=WORDS, released=_MOST_SAID, missing=_MOST_SAID)
    within({"reply": act.raw}, reply=range(REPLY_LIMIT + 1))
    for found in reply["missing"]:
        within(found, reason=range(REASON_LIMIT + 1))
    key = key_of(reply["requester"], reply["application_id"], reply["request_id"])
    state = load(work, partition, key)
    if state is None:
        raise InvalidMessage("evidence_unknown", reply["application_id"])
    late = record["received_at"] > state["due"]
    state["reply"], state["replied_at"] = act.raw, record["received_at"]
    save(work, partition, key, state)
    missing = listed(fault(_MISSING[found["kind"]], found["number"]) for found in reply["missing"])
    put_on_desk(work, state, request_of(state), "overdue" if late else "open", missing)
    note(
        work,
        "evidence_replied",
        state,
        subject=act.digest,
        count=len(reply["released"]),
        code="late" if late else "in_time",
        by=reply["requester"],
    )


def judged(office: Office, work: Casework, partition: int, record: EvidenceJudged) -> None:
    """An officer accepts or questions what came: the request ends, and the province is told. Raises `evidence_unknown`."""
    within(record, request_id=WORDS, application_id=WORDS, requester=WORDS, officer=WORDS, at=TIMES)
    within(record, reason=range(REASON_LIMIT + 1))
    key = key_of(record["requester"], record["application_id"], record["request_id"])
    state = load(work, partition, key)
    if state is None:
        raise InvalidMessage("evidence_unknown", record["application_id"])
    raw = sign_act("evidence-judged", record, work.signer, record["requester"], work.now)
    post(work, raw, state)
    forgotten_at = work.now + _REMEMBERED
    work.overlay.put(partition, STATE + key, OVER + forgotten_at.to_bytes(8, "big"))
    set_timer(work, partition, key, forgotten_at)
    work.outputs.append(Output(topics.DESK, desk_key(record["request_id"]), None))
    note(work, f"evidence_{record['verdict']}", state, by=record["officer"])
