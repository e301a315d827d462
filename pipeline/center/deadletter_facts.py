"""What stands on hedx.deadletters: letters, and the acts that settled them. Pure: records in, facts out.

A record with the header `hedx.deadletter` is a letter. One without it is an act: only the center and the operator may write
there, and whatever headers a stranger's message had, the center put its own behind them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final, Literal, cast

from pipeline.codec import framing
from pipeline.crypto.envelopes import claimed_issuer
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.parties import CENTER, inbox
from pipeline.domain.records import DeadLetter, DeadLetterAct
from pipeline.kafka.deadletters import CUT, HEADER, own_headers
from pipeline.stages import topics
from pipeline.stages.effects import Message, Output

State = Literal["open", "replayed", "discarded"]
REPLAYED: Final = "hedx.replayed"
"""Header of a message that was put back: the act, as a `DeadLetterAct`. Whoever writes to a topic may write such a header, so
it explains, and proves nothing; the acts on hedx.deadletters do."""
INBOXES: Final = (inbox(CENTER, "requests"), inbox(CENTER, "responses"))
"""Topics of stages that the center may not write to: a message goes back there by the operator's hand."""
INSIDE: Final = (topics.APPLICATIONS, topics.JOIN)
UNREADABLE: Final = "letter_unreadable"
"""Code of a letter whose story cannot be read."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, as lists show it. Times are ms; nothing in it was chosen by a party but who it claims to be.

    `place`: `partition/offset` on hedx.deadletters. `at`: when it was put aside. `topic`, `partition`, `offset`: where the message
    stood, and `stage` gave it up there with `code`. `issuer`: the party that an envelope says it is from, None when it says none.
    `size`: bytes of the value. `hindrance`: why it cannot be replayed, None when it can. `again_of`: place of the
    letter whose replay ended here. `state`, `by`, `reason`, `acted_at`: what became of it; `went_to`: `topic/partition/offset`
    of the newest replay.
    """

    place: str
    at: int
    stage: str
    code: str
    detail: str
    topic: str
    partition: int
    offset: int
    issuer: str | None
    size: int
    hindrance: str | None = None
    again_of: str | None = None
    state: State = "open"
    by: str | None = None
    reason: str | None = None
    acted_at: int | None = None
    went_to: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A letter with its bytes. `message`: the original as it was read, appended to its topic at its timestamp (ms).

    `framed` and `story`: the letter's own story; None when it cannot be read. `acts`: what was done with it, in order.
    """

    letter: Letter
    message: Message
    framed: bytes
    story: DeadLetter | None
    acts: tuple[DeadLetterAct, ...]


def is_act(message: Message) -> bool:
    """Whether the record is an act, not a letter."""
    return all(name != HEADER for name, _ in message.headers)


def act_in(message: Message) -> DeadLetterAct | None:
    """The act, or None for a record that is none; a later version's acts are no reason to fail."""
    try:
        return cast("DeadLetterAct", framing.decode_as("DeadLetterAct", message.value or b""))
    except InvalidMessage:
        return None


def story_of(message: Message) -> bytes:
    """The framed `DeadLetter` of a letter: the last header of that name, since the center's stand behind a stranger's."""
    return [value for name, value in message.headers if name == HEADER][-1]


def read_letter(message: Message) -> tuple[Letter, DeadLetter | None]:
    """The letter in a record, open still, and its story; None when that cannot be read."""
    place = f"{message.partition}/{message.offset}"
    issuer, size = claimed_issuer(message.value or b""), len(message.value or b"")
    try:
        story = cast("DeadLetter", framing.decode_as("DeadLetter", story_of(message)))
    except InvalidMessage:
        unread = Letter(
            place, message.timestamp, "", UNREADABLE, "", "", 0, 0, issuer, size, "its story cannot be read"
        )
        return unread, None
    return (
        Letter(
            place=place,
            at=message.timestamp,
            stage=story["stage"],
            code=story["code"],
            detail=story["detail"],
            topic=story["topic"],
            partition=story["partition"],
            offset=story["offset"],
            issuer=issuer,
            size=size,
            hindrance=_hindrance(message, story),
        ),
        story,
    )


def original(message: Message, story: DeadLetter | None) -> Message:
    """The message as it stood in its topic, as far as the letter has it."""
    at = ("", 0, 0, 0) if story is None else (story["topic"], story["partition"], story["offset"], story["timestamp"])
    return Message(*at, message.key, message.value, own_headers(message.headers))


def place_of(act: DeadLetterAct) -> str:
    """The place of the letter that the act is about."""
    return f"{act['partition']}/{act['offset']}"


def went_to(act: DeadLetterAct) -> str | None:
    """`topic/partition/offset` of what was put back; None for an act that put nothing back."""
    return None if act["to_topic"] is None else f"{act['to_topic']}/{act['to_partition']}/{act['to_offset']}"


def origin(letter: Letter) -> str:
    """`topic/partition/offset` at which the message stood."""
    return f"{letter.topic}/{letter.partition}/{letter.offset}"


def settled(letter: Letter, acts: Iterable[DeadLetterAct]) -> Letter:
    """The letter as its acts, in order, left it."""
    for act in acts:
        letter = replace(
            letter,
            state=cast("State", act["act"]),
            by=act["by"],
            reason=act["reason"],
            acted_at=act["at"],
            went_to=went_to(act) or letter.went_to,
        )
    return letter


def numbers(place: str) -> tuple[int, int]:
    """(partition, offset) of a place. Raises ConfigError for a text that is none."""
    partition, slash, offset = place.partition("/")
    if not slash or not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in (partition, offset)):
        raise ConfigError(f"{place} is no place of a dead letter: give PARTITION/OFFSET, as hedx dlq list shows it")
    return int(partition), int(offset)


def act_on(shown: Shown, act: str, by: str, reason: str, now: int) -> DeadLetterAct:
    """A decision about a letter, `replayed` or `discarded`; where a message went is not known yet."""
    partition, offset = numbers(shown.letter.place)
    return DeadLetterAct(
        act=act,
        partition=partition,
        offset=offset,
        letter=shown.framed,
        by=by,
        reason=reason,
        at=now,
        to_topic=None,
        to_partition=None,
        to_offset=None,
    )


def put_back(shown: Shown, act: DeadLetterAct) -> Output:
    """The record that puts a letter's message back: as it was, where it stood, and the act in one header more."""
    message = shown.message
    headers = (*message.headers, (REPLAYED, framing.encode("DeadLetterAct", act)))
    return Output(message.topic, message.key, message.value, headers, message.partition)


def _hindrance(message: Message, story: DeadLetter) -> str | None:
    """Why the letter's message cannot be put back as it was."""
    if story["topic"] not in (*INBOXES, *INSIDE):
        return f"it stood in {story['topic']}, which no stage of the center works on"
    cut = [value for name, value in message.headers if name == CUT]
    if cut or sha256(message.value or b"").digest() != story["digest"]:
        return "it was larger than a dead letter keeps: what is here is not all of it"
    return None
