"""What the handlers of documents work with: one request's state, its timer, its place on the desk, its post (Art. 9)."""

from __future__ import annotations

import hashlib
from typing import Final, cast

from pipeline.codec import framing
from pipeline.crypto import cose
from pipeline.domain.parties import CENTER
from pipeline.domain.records import (
    DeskItem,
    EvidenceRequest,
    EvidenceState,
    Fault,
)
from pipeline.stages import topics
from pipeline.stages.acts import post_act, sign_act
from pipeline.stages.casework import Casework
from pipeline.stages.effects import Output, timer_key
from pipeline.stages.keys import application_key

STATE, TIMER = b"e", b"e"
OVER: Final = b"over"
"""A request that was judged: this and when (ms, 8 bytes) it is forgotten. Until then its id asks nothing again."""


def mark(request_id: str) -> bytes:
    """What a bundle's header has in `answers` to say which request its document is for: SHA-256 of the request's id."""
    return hashlib.sha256(request_id.encode()).digest()


def desk_key(request_id: str) -> bytes:
    """Key of a request on hedx.center.desk."""
    return f"evidence/{request_id}".encode()


def key_of(requester: str, application_id: str, request_id: str) -> bytes:
    """State key, behind `STATE`, of a request."""
    return application_key(requester, application_id) + b"/" + mark(request_id)


def load(work: Casework, partition: int, key: bytes) -> EvidenceState | None:
    """A request that is not over; None for others."""
    data = work.overlay.get(partition, STATE + key)
    return (
        None
        if data is None or data.startswith(OVER)
        else cast("EvidenceState", framing.decode_as("EvidenceState", data))
    )


def save(work: Casework, partition: int, key: bytes, state: EvidenceState) -> None:
    """Keep a request as it is now."""
    work.overlay.put(partition, STATE + key, framing.encode("EvidenceState", state))


def set_timer(work: Casework, partition: int, key: bytes, at: int) -> None:
    """When a request is looked at next (ms)."""
    work.overlay.put(partition, timer_key(at, TIMER + key), b"\0")


def request_of(state: EvidenceState) -> EvidenceRequest:
    """The newest request, as this stage signed it."""
    return cast("EvidenceRequest", framing.decode_as("EvidenceRequest", cose.decode(state["request"]).payload))


def tell(work: Casework, request: EvidenceRequest) -> bytes:
    """Sign a request and post it to the province; returns the signed object."""
    raw = sign_act("evidence-request", request, work.signer, request["requester"], work.now)
    bundle = post_act(raw, CENTER, request["requester"], request["requester"], request["application_id"], work.entropy)
    work.mailbag.add(request["requester"], "responses", bundle)
    return raw


def post(work: Casework, raw: bytes, state: EvidenceState) -> None:
    """Post a signed act to the province."""
    to = state["requester"]
    work.mailbag.add(to, "responses", post_act(raw, CENTER, to, to, state["application_id"], work.entropy))


def put_on_desk(
    work: Casework, state: EvidenceState, request: EvidenceRequest, stage: str, missing: list[Fault]
) -> None:
    """Show a request to the officers as it stands: the reply where there is one, else the newest request."""
    item = DeskItem(
        kind="evidence",
        application_id=state["application_id"],
        party=state["requester"],
        since=state["asked_at"],
        due=state["due"],
        stage=stage,  # type: ignore[typeddict-item]
        faults=missing,
        approvals=[],
        persons=len(request["numbers"]),
        subject=state["reply"] or state["request"],
    )
    work.outputs.append(Output(topics.DESK, desk_key(state["request_id"]), framing.encode("DeskItem", item)))


def note(
    work: Casework,
    kind: str,
    state: EvidenceState,
    *,
    subject: bytes = b"",
    count: int = 1,
    code: str | None = None,
    by: str | None = None,
) -> None:
    """An event about a request; `by`: who."""
    work.events.add(
        kind,
        subject=mark(state["request_id"]) + state["reminders"].to_bytes(4, "big") + subject,
        application_id=state["application_id"],
        party=state["requester"],
        count=count,
        code=code,
        by=by,
    )
