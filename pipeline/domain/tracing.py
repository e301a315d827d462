"""Trace context (W3C, https://www.w3.org/TR/trace-context/): which trace something belongs to, and which span it follows.

All of it is a function of what is traced, so that pure stages can write it and a repeated step writes the same:

- an application's trace is its id, an envelope's that carries several applications the envelope's;
- a span is an event, one of hedx.events or one of an adapter's: its id is the first 8 bytes of a SHA-256 over
  the stage and what happened to whom.

What a header says is a hint that nobody signed. A reader takes a span from it, never a trace: `follow` goes by what the
content says it is about, and what does not fit, is malformed or comes twice counts as nothing.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

HEADER: Final = "traceparent"
LONGEST: Final = 256
"""Bytes of a header that are looked at; those of version 00 have 55."""

_FORM = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_SAMPLED = b"-01"
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span of a trace: 16 bytes and 8 bytes, neither all zero."""

    trace_id: bytes
    span_id: bytes

    def header(self) -> bytes:
        """The value of `traceparent`, version 00, sampled."""
        return b"00-" + self.trace_id.hex().encode() + b"-" + self.span_id.hex().encode() + _SAMPLED

    def headers(self) -> Headers:
        """The Kafka headers of a record that follows this span."""
        return ((HEADER, self.header()),)


def parse(value: bytes | None) -> TraceContext | None:
    """What a `traceparent` says, or None where it does not say it as the standard has it.

    Version 00 has exactly its four parts; of a later one the first four are read, whatever follows; `ff` is none.
    """
    if value is None or len(value) > LONGEST:
        return None
    found = _FORM.fullmatch(value)
    if found is None or found[1] == b"ff" or (found[1] == b"00" and found[5] is not None):
        return None
    context = TraceContext(bytes.fromhex(found[2].decode()), bytes.fromhex(found[3].decode()))
    return None if context.trace_id == _NO_TRACE or context.span_id == _NO_SPAN else context


def read(headers: Iterable[tuple[str, bytes]]) -> TraceContext | None:
    """The context that a record's headers name; None where they name none, none that holds, or more than one."""
    values = [value for name, value in headers if name == HEADER]
    return parse(values[0]) if len(values) == 1 else None


def trace_of(application_id: str) -> bytes:
    """The trace of an application: its UUID; of an id that is none (any party chooses its own), 16 bytes of its SHA-256."""
    try:
        made = uuid.UUID(application_id)
    except ValueError:
        made = None
    if made is None or str(made) != application_id or made.int == 0:
        return hashlib.sha256(application_id.encode("utf-8", "surrogatepass")).digest()[:16]
    return made.bytes


def event_id(
    stage: str,
    kind: str,
    *,
    application_id: str | None = None,
    section: int | None = None,
    party: str | None = None,
    provider: str | None = None,
    code: str | None = None,
    by: str | None = None,
    subject: bytes = b"",
) -> str:
    """The id of an event, 32 hex digits: a function of all of it, so that a repeated step gives the same id."""
    words = (stage, kind, application_id or "", str(section), party or "", provider or "", code or "", by or "")
    return hashlib.sha256("\0".join(words).encode() + b"\0" + subject).hexdigest()[:32]


def span_of(event: str) -> bytes:
    """The span that an event is: the first 8 bytes of its id, where that is a hash; else of its id's SHA-256."""
    if _HASH.fullmatch(event) is None or event.startswith("0" * 16):
        return hashlib.sha256(event.encode("utf-8", "surrogatepass")).digest()[:8]
    return bytes.fromhex(event[:16])


_HASH = re.compile(r"[0-9a-f]{32}")


def happened(application_id: str, event: str) -> TraceContext:
    """The context of an event of an application."""
    return TraceContext(trace_of(application_id), span_of(event))


def follow(context: TraceContext | None, application_id: str, requester: str) -> TraceContext:
    """What something about an application follows: `context` where that is of its trace, else the application's root."""
    if context is not None and context.trace_id == trace_of(application_id):
        return context
    return sent(application_id, requester)


# -- spans that both ends of a bundle know by its clear header alone, however many share its envelope ---------------------


def sent(application_id: str, requester: str) -> TraceContext:
    """The root: the requester's adapter sends an application."""
    return happened(application_id, event_id("outbox", "sent", application_id=application_id, party=requester))


def asked(application_id: str, section: int, requester: str, provider: str) -> TraceContext:
    """The center asks a provider about a section."""
    about = {"application_id": application_id, "section": section, "party": requester, "provider": provider}
    return happened(application_id, event_id("applications", "dispatched", **about))  # type: ignore[arg-type]


def answered(application_id: str, section: int, requester: str, provider: str) -> TraceContext:
    """A provider's adapter answers about a section."""
    about = {"application_id": application_id, "section": section, "party": requester, "provider": provider}
    return happened(application_id, event_id("answer", "answered", **about))  # type: ignore[arg-type]


def sealed(envelope_id: bytes) -> TraceContext:
    """An envelope that carries several applications, or none: a trace of its own, with the sealing as its root."""
    trace = envelope_id if len(envelope_id) == 16 and envelope_id != _NO_TRACE else hashlib.sha256(envelope_id).digest()
    return TraceContext(trace[:16], span_of(event_id("envelope", "sealed", subject=envelope_id)))


def of_bundle(kind: str, application_id: str, section: int, requester: str, provider: str | None) -> TraceContext:
    """The span behind a bundle, by its clear header: who asked, who answered, else the application's root."""
    if kind == "request" and provider is not None:
        return asked(application_id, section, requester, provider)
    if kind == "answer" and provider is not None:
        return answered(application_id, section, requester, provider)
    return sent(application_id, requester)
