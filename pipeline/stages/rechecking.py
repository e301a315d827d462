"""rechecking: a re-check (复核, Art. 10) asks its original, in the original's own partition, whether it may go on.

Three records on hedx.center.applications: `RecheckAsked` (key: the original), `RecheckJudged` (key: the re-check),
`RecheckEnded` (key: the original; written by `Case.change`). That persons and rows are the original's own is proved by
signed objects beside them (`stages.origins`) before it is asked; here is what only the center's state knows: that the
original was certified, by which certificate, and which attempts there were.

Keys of the state: `c` and that of the application, what stays of a certified one; `c` timers drop it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.codec import framing
from pipeline.domain.faults import fault
from pipeline.domain.lifecycle import CERTIFIED, Event, Facts
from pipeline.domain.parties import CENTER
from pipeline.domain.records import (
    ApplicationState,
    ClosedCase,
    Fault,
    Mandate,
    Recheck,
    RecheckAsked,
    RecheckEnded,
    RecheckJudged,
    RecheckNoted,
)
from pipeline.domain.subqueries import FIRST, MOST_ATTEMPTS
from pipeline.stages import certify, topics
from pipeline.stages.bounds import WORDS, within
from pipeline.stages.casework import Case, Casework
from pipeline.stages.effects import Output, timer_key
from pipeline.stages.keys import application_key
from pipeline.stages.office import Office

KEPT: Final = 400 * 24 * 3600 * 1000
"""How long after its supplement window a re-check still finds its original (ms): more than a year."""
TIMER: Final = b"c"
"""Kind of the timer that drops what stays of an application; also the prefix of its key."""
REJECTED: Final = "rejected"


# ---- the re-check's side --------------------------------------------------------------------------------------------------


def has_asked(case: Case, mandate: Mandate) -> bool:
    """Whether the application may be judged now: no re-check, or one whose original has been asked.

    False: it has just been asked, and its answer will bring the application here again.
    """
    recheck, state = mandate["recheck"], case.state
    if recheck is None or state["recheck"] is not None:
        return True
    recheck = Recheck(**{**recheck, "reason": ""})  # the requester's own words stay in the mandate, and in no state
    state["recheck"] = recheck
    record = RecheckAsked(application_id=state["application_id"], requester=state["requester"], recheck=recheck)
    key = application_key(state["requester"], recheck["original"])
    case.work.outputs.append(Output(topics.APPLICATIONS, key, framing.encode("RecheckAsked", record)))
    return False


# ---- the original's side --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Original:
    """What is known of an original, whether the center still works on it or not."""

    case: Case | None
    closed: ClosedCase | None

    @property
    def record(self) -> ApplicationState | ClosedCase:
        found = self.closed if self.case is None else self.case.state
        assert found is not None, "one of the two"
        return found


def asked(office: Office, work: Casework, partition: int, record: RecheckAsked) -> None:
    """Judge a re-check of ours: answer it, and remember it when it may go on.

    Raises InvalidMessage `record_out_of_bounds`.
    """
    within(record, application_id=WORDS, requester=WORDS)
    key = application_key(record["requester"], record["recheck"]["original"])
    original = _find(work, partition, key)
    faults = [fault("recheck_original_unknown")] if original is None else _judge(original, record)
    if original is not None and not faults:
        _note(work, partition, key, original, record)
    judged = RecheckJudged(application_id=record["application_id"], requester=record["requester"], faults=faults)
    answer_to = application_key(record["requester"], record["application_id"])
    work.outputs.append(Output(topics.APPLICATIONS, answer_to, framing.encode("RecheckJudged", judged)))


def ended(office: Office, work: Casework, partition: int, record: RecheckEnded) -> None:
    """A re-check of ours is over: the original is closed again when it was the last one open.

    A number that nobody was asked under is given again; one of a re-check that was withdrawn is not.
    """
    within(record, application_id=WORDS, requester=WORDS, recheck=WORDS)
    key = application_key(record["requester"], record["application_id"])
    original = _find(work, partition, key)
    known = None if original is None else _noted(original.record, record["recheck"])
    if original is None or known is None or not known["open"]:
        return
    known["open"] = False
    kept = original.record
    if record["outcome"] == REJECTED:
        kept["rechecks"].remove(known)
        kept["attempts"] = max((noted["attempt"] for noted in kept["rechecks"]), default=FIRST)
    case = original.case
    if case is not None and case.state["state"] == "under_recheck":
        whole = certify.fold(case.state, work.now)["complete"]
        facts = Facts(whole=whole, version=case.state["version"], rechecks_open=open_rechecks(case.state))
        case.change(Event.RECHECK_END, by=CENTER, code=f"recheck_{record['outcome']}", facts=facts)
    _save(work, partition, key, original)


def open_rechecks(state: ApplicationState) -> int:
    """How many re-checks of an application are not over."""
    return sum(noted["open"] for noted in state["rechecks"])


def leave_behind(case: Case) -> None:
    """Keep, of a certified application that is let go of, what a later re-check needs."""
    state = case.state
    if state["certificate_digest"] is None or state["recheck"] is not None or state["withdrawal"] is not None:
        return
    closed = ClosedCase(
        application_id=state["application_id"],
        requester=state["requester"],
        mandate_digest=state["mandate_digest"],
        certificate_digest=state["certificate_digest"],
        attempts=state["attempts"],
        rechecks=state["rechecks"],
        expires_at=case.work.now + KEPT,
    )
    _put(case.work, case.partition, case.key, closed)
    case.work.overlay.put(case.partition, timer_key(closed["expires_at"], TIMER + case.key), b"\0")


def is_closed(case: Case) -> bool:
    """Whether the application was certified and let go of: what is sent of it again is no new application."""
    return case.work.overlay.get(case.partition, TIMER + case.key) is not None


def closed_mandate(case: Case) -> bytes:
    """Digest of the mandate of an application that `is_closed`."""
    data = case.work.overlay.get(case.partition, TIMER + case.key)
    assert data is not None, "it is closed"
    closed: ClosedCase = framing.decode_as("ClosedCase", data)  # type: ignore[assignment]
    return closed["mandate_digest"]


def forget(office: Office, work: Casework, partition: int, key: bytes, due: int) -> None:
    """What stayed of an application is dropped, with the mark that its withdrawal was declined."""
    work.overlay.put(partition, TIMER + key, None)
    work.overlay.put(partition, b"l" + key, None)


def _judge(original: _Original, record: RecheckAsked) -> list[Fault]:
    """Every reason against a re-check that the original knows of."""
    kept, recheck = original.record, record["recheck"]
    if original.case is not None and original.case.state["recheck"] is not None:
        return [fault("recheck_of_recheck")]
    if original.case is not None and original.case.state["state"] not in CERTIFIED:
        return [fault("recheck_not_certified", state=original.case.state["state"])]
    if _noted(kept, record["application_id"]) is not None:
        return []
    faults: list[Fault] = []
    if recheck["mandate_digest"] != kept["mandate_digest"]:
        faults.append(fault("recheck_mandate"))
    if recheck["certificate"] != kept["certificate_digest"]:
        faults.append(fault("recheck_certificate"))
    if recheck["attempt"] <= kept["attempts"]:  # a number may be left out: one was withdrawn before it was asked about
        faults.append(fault("recheck_attempt", stated=recheck["attempt"], expected=kept["attempts"] + 1))
    if kept["attempts"] >= MOST_ATTEMPTS:
        faults.append(fault("recheck_too_many", limit=MOST_ATTEMPTS))
    return faults


def _note(work: Casework, partition: int, key: bytes, original: _Original, record: RecheckAsked) -> None:
    kept = original.record
    if _noted(kept, record["application_id"]) is not None:
        return
    attempt = record["recheck"]["attempt"]
    kept["rechecks"].append(RecheckNoted(application_id=record["application_id"], attempt=attempt, open=True))
    kept["attempts"] = attempt
    if original.case is not None:
        original.case.change(Event.RECHECK, by=record["requester"], code=f"attempt_{attempt}")
    _save(work, partition, key, original)


def _noted(kept: ApplicationState | ClosedCase, application_id: str) -> RecheckNoted | None:
    known: Sequence[RecheckNoted] = kept["rechecks"]
    return next((noted for noted in known if noted["application_id"] == application_id), None)


def _find(work: Casework, partition: int, key: bytes) -> _Original | None:
    case = work.case_at(partition, key)
    if case is not None:
        return _Original(case, None)
    data = work.overlay.get(partition, TIMER + key)
    return None if data is None else _Original(None, framing.decode_as("ClosedCase", data))  # type: ignore[arg-type]


def _save(work: Casework, partition: int, key: bytes, original: _Original) -> None:
    if original.case is not None:
        original.case.save()
    elif original.closed is not None:
        _put(work, partition, key, original.closed)


def _put(work: Casework, partition: int, key: bytes, closed: ClosedCase) -> None:
    work.overlay.put(partition, TIMER + key, framing.encode("ClosedCase", closed))
