"""Where an application or a message left its marks on Kafka: events, places of messages, dead letters. Nothing is opened.

An envelope shows what it carries by the clear headers of its bundles; what its Kafka headers say is not gone by. How much was
read of what is in `Scan.looked`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from pipeline.center.deadletter_facts import Letter, act_in, is_act, place_of, read_letter, settled
from pipeline.codec import framing
from pipeline.crypto.envelopes import clear_headers
from pipeline.domain import tracing
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER, MINISTRY, PROVINCES, InboxKind, inbox
from pipeline.domain.records import DeadLetterAct, LifecycleEvent
from pipeline.kafka.clients import murmur2_partition
from pipeline.kafka.scanning import Scan
from pipeline.ops.trace_story import Noted, Story
from pipeline.stages import topics
from pipeline.stages.effects import Message

MOST: Final = 50_000
"""Records of one topic that are looked at for messages or dead letters."""
BEFORE, AFTER = 10 * 60 * 1000, 60 * 1000
"""How long (ms) before and after what events say a message is looked for: clocks of parties and brokers differ."""
LONGEST_WAY: Final = 24 * 3600 * 1000
"""How long (ms) after it was signed an envelope is looked for."""
_PARTIES: Final = (CENTER, MINISTRY, *PROVINCES)
_KINDS: Final[tuple[InboxKind, ...]] = ("requests", "responses")
_OF_ENVELOPES: Final = (("intake", "envelope_received"), ("collect", "answers_collected"))


@dataclass(frozen=True, slots=True)
class Lying:
    """A message on a topic, and the bundles of it that are of interest: how many, of which kinds and sections."""

    topic: str
    partition: int
    offset: int
    at: int
    message_id: str
    size: int
    bundles: int
    kinds: tuple[str, ...]
    sections: tuple[int, ...]
    applications: tuple[str, ...]


@dataclass(slots=True)
class Letters:
    """Dead letters, and what was done with them."""

    found: list[Letter] = field(default_factory=list)
    acts: dict[str, list[DeadLetterAct]] = field(default_factory=dict)

    def settled(self) -> list[Letter]:
        """The letters as they stand."""
        return [settled(letter, self.acts.get(letter.place, [])) for letter in self.found]


def events_of(scan: Scan, application_id: str, since: int | None = None) -> list[Noted]:
    """The events of all applications of that id, whoever chose it; they lie in one partition, that of the id."""
    key = application_id.encode()
    return _events(scan, {key}, {murmur2_partition(key, scan.partitions(topics.EVENTS))}, since)


def events_of_message(scan: Scan, message_id: bytes) -> list[Noted]:
    """What intake and collect noted when the envelope came, whoever sent it: such an event's id is known beforehand."""
    keys = {
        tracing.event_id(stage, kind, party=party, subject=message_id).encode()
        for stage, kind in _OF_ENVELOPES
        for party in _PARTIES
    }
    signed_at = signed_when(message_id)
    since = None if signed_at is None else signed_at - BEFORE
    return _events(scan, keys, range(scan.partitions(topics.EVENTS)), since)


def signed_when(message_id: bytes) -> int | None:
    """When (ms) an envelope was signed, by its id, which is a UUIDv7; None of an id that is none."""
    if len(message_id) != 16 or uuid.UUID(bytes=message_id).version != 7:
        return None
    return int.from_bytes(message_id[:6])


def messages_of(scan: Scan, story: Story) -> list[Lying]:
    """Where envelopes and records about a requester's application lie, as far as this principal may read the topics."""
    about = story.application_id.encode()
    found: list[Lying] = []
    for topic, (begin, end) in _windows(story).items():
        for message in scan.read(topic, since=begin - BEFORE, until=end + AFTER, most=MOST):
            if about in (message.value or b"") or about in (message.key or b""):
                found += _lying(message, story)
    return found


def message_of(scan: Scan, message_id: bytes, parties: Iterable[str]) -> list[Lying]:
    """Where an envelope lies, in any inbox that may be read, and what it carries."""
    signed_at = signed_when(message_id)
    since, until = (None, None) if signed_at is None else (signed_at - BEFORE, signed_at + LONGEST_WAY)
    found: list[Lying] = []
    for party in (CENTER, *parties):
        for kind in _KINDS:
            topic = inbox(party, kind)
            for message in scan.read(topic, since=since, until=until, most=MOST):
                if message.key == message_id:
                    found += _lying(message, None)
    return found


def letters_about(scan: Scan, needle: bytes, since: int | None) -> list[Letter]:
    """Dead letters whose message's key or clear parts name an application or an envelope, with what became of them."""
    letters = Letters()
    for message in scan.read(topics.DEAD_LETTERS, since=since, most=MOST):
        if is_act(message):
            act = act_in(message)
            if act is not None:
                letters.acts.setdefault(place_of(act), []).append(act)
        elif _names(message, needle):
            letters.found.append(read_letter(message)[0])
    return letters.settled()


def _names(message: Message, needle: bytes) -> bool:
    if needle in (message.key or b"") or needle in (message.value or b""):
        return True
    return any(needle in content for _, content in message.headers)


def _events(scan: Scan, keys: set[bytes], partitions: Iterable[int], since: int | None) -> list[Noted]:
    found: list[Noted] = []
    for message in scan.read(topics.EVENTS, partitions=partitions, since=since):
        if message.key in keys:
            try:
                event = cast("LifecycleEvent", framing.decode_as("LifecycleEvent", message.value or b""))
            except InvalidMessage:
                continue  # what is no event tells nothing
            found.append((event, tracing.read(message.headers)))
    return found


def _windows(story: Story) -> dict[str, tuple[int, int]]:
    """Topic → first and last instant (ms) at which something about the application came there."""
    found: dict[str, tuple[int, int]] = {}

    def widen(topic: str, *instants: int) -> None:
        begin, end = found.get(topic, (instants[0], instants[0]))
        found[topic] = min(begin, *instants), max(end, *instants)

    for step in story.steps:
        before = step.at - (step.open_for or 0)
        if step.kind == "section_received":
            widen(inbox(CENTER, "requests"), before, step.at)
            widen(topics.APPLICATIONS, step.at, step.at)
        elif step.kind.startswith("dispatched") and step.provider:
            widen(inbox(step.provider, "requests"), step.at, step.at)
            widen(topics.JOIN, step.at, step.at)
        elif step.stage == "join" and step.kind.startswith("answer_"):
            widen(inbox(CENTER, "responses"), step.at - BEFORE, step.at)
            widen(topics.JOIN, step.at, step.at)
        if step.stage in ("join", "applications") and step.party:
            widen(inbox(step.party, "responses"), step.at, step.at)
    return found


def _lying(message: Message, story: Story | None) -> Sequence[Lying]:
    """What of a message is about the application; of an inbox's by its bundles, of the center's own topics by its key.

    Without a `story`: all of it.
    """
    value = message.value or b""
    if message.topic in (topics.APPLICATIONS, topics.JOIN):
        return _record(message, story)
    try:
        headers = clear_headers(value)
    except InvalidMessage:
        headers = []
    wanted = [one for one in headers if story is None or _whose(story) == (one.requester, one.application_id)]
    if story is not None and not wanted:
        return ()
    return (
        Lying(
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            at=message.timestamp,
            message_id=(message.key or b"").hex(),
            size=len(value),
            bundles=len(wanted),
            kinds=tuple(dict.fromkeys(one.kind for one in wanted)),
            sections=tuple(sorted({one.section for one in wanted if one.section})),
            applications=tuple(sorted({one.application_id for one in wanted if one.application_id})),
        ),
    )


def _whose(story: Story) -> tuple[str | None, str]:
    return story.requester, story.application_id


def _record(message: Message, story: Story | None) -> Sequence[Lying]:
    requester, _, rest = (message.key or b"").decode("utf-8", "replace").partition("/")
    name, _, section = rest.rpartition("/") if message.topic == topics.JOIN else (rest, "", "")
    if story is None or _whose(story) != (requester, name):
        return ()
    try:
        kind, _ = framing.decode(message.value or b"")
    except InvalidMessage:
        kind = "unreadable"
    numbers = (int(section),) if section.isdecimal() else ()
    size = len(message.value or b"")
    return (
        Lying(
            message.topic, message.partition, message.offset, message.timestamp, "", size, 1, (kind,), numbers, (name,)
        ),
    )
