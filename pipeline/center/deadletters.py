"""Dead letters of the center: looked at by whoever may read the topic, put back or discarded by who may decide.

What became of a letter stands beside it on hedx.deadletters, so everybody who may read the one sees the other. A message is put
back and its act noted in one transaction: there is no moment at which one holds without the other, whatever crashes. Before
anything is done, it is in the center's access log.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from pipeline.center.deadletter_facts import (
    INBOXES,
    Letter,
    Shown,
    State,
    act_in,
    act_on,
    is_act,
    numbers,
    origin,
    original,
    place_of,
    put_back,
    read_letter,
    settled,
    story_of,
    went_to,
)
from pipeline.codec.framing import encode
from pipeline.domain.errors import ConfigError
from pipeline.domain.free_text import free_text_fault
from pipeline.domain.parties import CENTER
from pipeline.domain.records import DeadLetterAct
from pipeline.kafka.clients import Extra
from pipeline.kafka.transacted import Decider, Place
from pipeline.kafka.transactions import Checkpoint, no_checkpoint
from pipeline.kafka.windows import Windows
from pipeline.province import access
from pipeline.province.database import access_log, transaction
from pipeline.stages import topics
from pipeline.stages.acts import REASON_LIMIT
from pipeline.stages.effects import Message, Output
from pipeline.stages.local import Access

LIMIT: Final = 200
"""Letters of one list, unless it is asked for otherwise."""
OPERATOR: Final = "admin"
"""The principal that writes to the center's inboxes: no rule lets the center itself write where it reads (rule 13)."""
HOLDER: Final = "hedx.center.deadletters"
"""Transactional id of whoever decides: one at a time, whatever machine or principal."""


def replayer(topic: str) -> str:
    """The principal that puts a message back into `topic`."""
    return OPERATOR if topic in INBOXES else CENTER


@dataclass(frozen=True, slots=True)
class Replayed:
    """Where the message of the letter at `place` stands now."""

    place: str
    topic: str
    partition: int
    offset: int


class DeadLetters:
    """The letters of the cluster at `bootstrap`; `extra`: client settings of a principal that may read them (ops, center).

    To decide, two more: `security` gives the client settings of a principal by name (`center`, `admin`), and is asked only when
    something is written; `log` is the file of the center's access log. Without them this object only looks. `seconds` bounds
    each reading.
    """

    def __init__(
        self,
        bootstrap: str,
        extra: Extra | None = None,
        *,
        security: Callable[[str], Extra] | None = None,
        log: Path | None = None,
        seconds: float = 30.0,
        checkpoint: Checkpoint = no_checkpoint,
    ) -> None:
        self._bootstrap = bootstrap
        self._extra = extra
        self._security = security
        self._log = log
        self._seconds = seconds
        self._checkpoint = checkpoint

    def list(
        self,
        *,
        code: str | None = None,
        stage: str | None = None,
        issuer: str | None = None,
        since: int | None = None,
        state: State | None = None,
        limit: int = LIMIT,
    ) -> list[Letter]:
        """The newest letters, newest first, `limit` at most: those of a code, stage, claimed issuer, state, put aside since `since` (ms).

        Raises ConfigError when the topic cannot be read, Retryable when not in time.
        """
        wanted = {"code": code, "stage": stage, "issuer": issuer, "state": state}
        asked = {name: value for name, value in wanted.items() if value is not None}

        def is_wanted(letter: Letter) -> bool:
            return all(getattr(letter, name) == value for name, value in asked.items())

        found: list[Letter] = []
        replays: dict[str, str] = {}
        with Windows(self._bootstrap, topics.DEAD_LETTERS, self._extra, seconds=self._seconds) as windows:
            for partition in windows.bounds:
                found += _newest(windows, partition, is_wanted, since, limit, replays)
        newest = sorted(found, key=lambda letter: (-letter.at, -numbers(letter.place)[1]))[:limit]
        return [replace(letter, again_of=replays.get(origin(letter))) for letter in newest]

    def show(self, place: str) -> Shown:
        """The letter at `place`, and what was done with it. Raises ConfigError when none stands there, Retryable."""
        return self._look(place, whole=False)

    def replay(self, place: str, *, by: str, reason: str, now: int, again: bool = False) -> Replayed:
        """Put the letter's message back where it stood: key, value and headers as they were, and one header more.

        It goes into the same partition, so that its stage knows whether it has worked on it; on an inbox it gets a new
        append time. `again`: also when it was put back before. Raises ConfigError when it cannot be, when it was discarded, when
        the reason may not be kept, or `security` and `log` are missing; Retryable when the brokers do not answer.
        """
        self._check(reason)
        topic = self._look(place, whole=False).letter.topic
        settings = self._settings(replayer(topic))  # before the note: who lacks the principal does nothing
        self._note("dead_letter_replay", place, by, reason, now)
        with self._decider(settings) as decider:
            shown = self._look(place, whole=True)
            _check_replay(shown.letter, again=again)
            act = act_on(shown, "replayed", by, reason, now)
            [went] = decider.write([put_back(shown, act)], lambda places: _record(act, places[0]))
        return Replayed(place, *went)

    def discard(self, place: str, *, by: str, reason: str, now: int) -> Letter:
        """Decide that nothing more is done with the letter; it stays readable, and is not put back any more.

        Raises as `replay`; ConfigError also for a letter that was put back.
        """
        self._check(reason)
        settings = self._settings(CENTER)
        self._note("dead_letter_discard", place, by, reason, now)
        with self._decider(settings) as decider:
            shown = self._look(place, whole=True)
            if shown.letter.state != "open":
                raise ConfigError(f"{place} is {shown.letter.state} already, by {shown.letter.by}")
            act = act_on(shown, "discarded", by, reason, now)
            decider.write([], lambda _: _record(act, None))
        return settled(shown.letter, [act])

    def export(self, place: str, *, by: str, now: int) -> bytes:
        """The letter's value, sealed as it came, for a report; the access log has it first. Raises ConfigError."""
        shown = self.show(place)
        self._note("dead_letter_export", place, by, f"SHA-256 {sha256(shown.message.value or b'').hexdigest()}", now)
        return shown.message.value or b""

    def _settings(self, principal: str) -> Extra:
        if self._security is None:
            raise ConfigError("nothing can be decided here: this is only for looking")
        return self._security(principal)

    def _decider(self, settings: Extra) -> Decider:
        return Decider(self._bootstrap, HOLDER, settings, checkpoint=self._checkpoint)

    def _check(self, reason: str) -> None:
        if fault := free_text_fault(reason, REASON_LIMIT):
            raise ConfigError(f"the reason: {fault}; it is kept, so it must be there, be short, and name nobody")

    def _note(self, act: str, place: str, by: str, reason: str, now: int) -> None:
        """In the access log, before it is done."""
        if self._log is None:
            raise ConfigError("nothing can be decided here: there is no access log to write it to")
        with closing(access_log(self._log)) as log, transaction(log):
            access.record(log, Access(act, "", "", "", "", {"letter": place, "reason": reason}), actor=by, at=now)

    def _look(self, place: str, *, whole: bool) -> Shown:
        partition, offset = numbers(place)
        place = f"{partition}/{offset}"
        windows = Windows(self._bootstrap, topics.DEAD_LETTERS, self._extra, seconds=self._seconds, whole=whole)
        with windows:
            first, end = windows.bounds.get(partition, (0, 0))
            message: Message | None = None
            acts: list[DeadLetterAct] = []
            for window in windows.onwards(partition, max(first, offset)):
                for record in window:
                    if not is_act(record):
                        message = record if record.offset == offset else message
                    elif (act := act_in(record)) and place_of(act) == place:
                        acts.append(act)
                if message is None:
                    break
        if message is None:
            raise ConfigError(f"no dead letter stands at {place} (partition {partition} holds {first} to {end})")
        letter, story = read_letter(message)
        letter = settled(letter, acts)
        return Shown(letter, original(message, story), story_of(message), story, tuple(acts))


def _newest(
    windows: Windows,
    partition: int,
    is_wanted: Callable[[Letter], bool],
    since: int | None,
    limit: int,
    replays: dict[str, str],
) -> list[Letter]:
    """The newest wanted letters of one partition; a letter's acts stand behind it, so backwards they come first.

    `replays` takes up where messages went, and of which letters they were.
    """
    found: list[Letter] = []
    acts: defaultdict[str, list[DeadLetterAct]] = defaultdict(list)
    for window in windows.backwards(partition):
        newer, acts_here = acts, defaultdict(list)
        letters = []
        for record in window:
            if not is_act(record):
                letters.append(read_letter(record)[0])
            elif act := act_in(record):
                acts_here[place_of(act)].append(act)
        for place, some in acts_here.items():
            newer[place][:0] = some
            replays.update({went: place for act in some if (went := went_to(act))})
        known = (settled(letter, newer.get(letter.place, ())) for letter in reversed(letters))
        found += [letter for letter in known if (since is None or letter.at >= since) and is_wanted(letter)]
        if len(found) >= limit or (since is not None and letters and letters[0].at < since):
            break
    return found


def _check_replay(letter: Letter, *, again: bool) -> None:
    if letter.hindrance is not None:
        raise ConfigError(f"{letter.place} cannot be replayed: {letter.hindrance}")
    if letter.state == "discarded":
        raise ConfigError(f"{letter.place} was discarded by {letter.by}: that is final")
    if letter.state == "replayed" and not again:
        raise ConfigError(f"{letter.place} was replayed by {letter.by}, to {letter.went_to}; --again does it once more")


def _record(act: DeadLetterAct, went: Place | None) -> Output:
    """The act beside its letter; for a replay, with where the message went."""
    topic, partition, offset = went or (None, None, None)
    noted = DeadLetterAct(**{**act, "to_topic": topic, "to_partition": partition, "to_offset": offset})
    place = f"{act['partition']}/{act['offset']}"
    return Output(topics.DEAD_LETTERS, place.encode(), encode("DeadLetterAct", noted), (), act["partition"])
