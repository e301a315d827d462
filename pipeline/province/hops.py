"""An adapter's own hops: an application is sent, a request answered, a result delivered. Nothing is unsealed for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.crypto.envelopes import clear_headers
from pipeline.crypto.headers import Header
from pipeline.domain import tracing
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.tracing import TraceContext
from pipeline.kafka.hops import Hop
from pipeline.stages.effects import Message, Output
from pipeline.stages.local import Delivered, LocalEffects, Posted

REQUESTS = ".requests"
"""How the topics end in which applications lie."""


def of_sending(outputs: Sequence[Output], at: int) -> Iterator[Hop]:
    """The applications in envelopes of ours that the brokers have; sent again, they are told of again."""
    sections: dict[tuple[str, str], set[int]] = {}
    for output in outputs:
        for header in _headers(output.value) if output.topic.endswith(REQUESTS) else ():
            if header.kind == "application":
                sections.setdefault((header.application_id, header.requester), set()).add(header.section)
    for (application_id, requester), numbers in sections.items():
        span = tracing.sent(application_id, requester)
        yield Hop(at, "outbox", "sent", application_id, span, None, party=requester, count=len(numbers))


def of_answers(posts: Sequence[Posted], at: int) -> Iterator[Hop]:
    """The requests to which there are answers in our outbox now, or refusals; one for each section. Each post is looked at once."""
    answers: dict[tuple[str, int, str], Header] = {}
    persons: dict[tuple[str, int, str], int] = {}
    for header in (post.bundle.header for post in posts):
        about = header.application_id, header.section, header.requester
        persons[about] = max(persons.get(about, 0), int.from_bytes(header.members, "little").bit_count())
        if header.kind == "answer" and header.provider is not None:
            answers.setdefault(about, header)
    for about, header in answers.items():
        provider = header.provider or ""
        yield Hop(
            at,
            "answer",
            "answered",
            header.application_id,
            tracing.answered(*about, provider),
            tracing.asked(*about, provider),
            header.section,
            header.requester,
            provider,
            persons[about],
            header.code,
        )


def of_delivery(party: str, effects: LocalEffects, messages: Sequence[Message], at: int) -> Iterator[Hop]:
    """What we hold now of applications of ours: answers, certificates of the whole, rejections."""
    for delivered in effects.delivered:
        yield _delivered(party, delivered, at)
    read = (tracing.read(message.headers) for message in messages)  # written by the center: nobody else may
    known = {context.trace_id: context for context in read if context is not None}
    for result, raw in effects.results:
        code = "complete" if result["complete"] else "incomplete"
        yield _told("result_received", party, result["application_id"], raw, known, code, at)
    for rejection, raw in effects.rejections:
        application_id = rejection["application_id"]
        if application_id is not None:
            first = next((found["code"] for found in rejection["faults"]), None)
            yield _told("rejection_received", party, application_id, raw, known, first, at)


def _delivered(party: str, one: Delivered, at: int) -> Hop:
    about = {
        "application_id": one.application_id,
        "section": one.section,
        "party": party,
        "provider": one.provider,
        "subject": one.digest,
    }
    accepted = tracing.event_id("join", "answer_accepted", code=one.code, **about)  # type: ignore[arg-type]
    own = tracing.event_id("deliver", "delivered", **about)  # type: ignore[arg-type]
    return Hop(
        at,
        "deliver",
        "delivered",
        one.application_id,
        tracing.happened(one.application_id, own),
        tracing.happened(one.application_id, accepted),
        one.section,
        party,
        one.provider,
        len(one.answers) or 1,
    )


def _told(
    kind: str,
    party: str,
    application_id: str,
    raw: bytes,
    known: dict[bytes, TraceContext],
    code: str | None,
    at: int,
) -> Hop:
    own = tracing.event_id("deliver", kind, application_id=application_id, party=party, subject=raw)
    parent = tracing.follow(known.get(tracing.trace_of(application_id)), application_id, party)
    span = tracing.happened(application_id, own)
    return Hop(at, "deliver", kind, application_id, span, parent, party=party, code=code)


def _headers(value: bytes | None) -> list[Header]:
    try:
        return clear_headers(value or b"")
    except InvalidMessage:  # it is ours, and sent: what a line of the log would say of it is not worth a stop
        return []
