"""Small stages that show what a worker must do for any stage."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.domain.errors import ConfigError, InvalidMessage, Retryable
from pipeline.stages.effects import Batch, Effects, Message, Output, Overlay, State, timer_key, timer_subject


@dataclass
class Router:
    """Sends each message on, to the topic and partition its value names: `topic` or `topic/partition`."""

    inputs: tuple[str, ...]
    name: str = "router"
    changelog: str | None = None
    tick: float | None = None

    def step(self, state: State, batch: Batch) -> Effects:
        """One output a message."""
        effects = Effects()
        for message in batch.messages:
            topic, _, partition = (message.value or b"").decode().partition("/")
            place = int(partition) if partition else None
            effects.outputs.append(Output(topic, message.key, message.value, message.headers, place))
        return effects


@dataclass
class Counter:
    """Counts messages by key; writes each count, and keeps it in its state. An empty value clears the key."""

    inputs: tuple[str, ...]
    changelog: str | None
    output: str
    name: str = "counter"
    tick: float | None = None

    def step(self, state: State, batch: Batch) -> Effects:
        """One output and one change a message."""
        overlay, effects = Overlay(state), Effects()
        for message in batch.messages:
            key = message.key or b""
            count = int(overlay.get(message.partition, key) or b"0") + 1
            overlay.put(message.partition, key, b"%d" % count if message.value else None)
            effects.outputs.append(Output(self.output, key, b"%d" % count))
        effects.changes = overlay.changes
        return effects


@dataclass
class Picky:
    """Passes messages on, except: it dead-letters `bad`, fails on `bug`, outgrows everything on `big` (any prefix)."""

    inputs: tuple[str, ...]
    output: str
    name: str = "picky"
    changelog: str | None = None
    tick: float | None = None
    sizes: list[int] = field(default_factory=list)

    def step(self, state: State, batch: Batch) -> Effects:
        """Raises KeyError, quoting the message, when there is a `bug` in the batch."""
        self.sizes.append(len(batch.messages))
        effects = Effects()
        for message in batch.messages:
            value = message.value or b""
            if value.startswith(b"bug"):
                raise KeyError(value)
            if value.startswith(b"bad"):
                effects.dead.append((message, InvalidMessage("not_wanted", "it says so")))
            else:
                blown_up = value if not value.startswith(b"big") else bytes(3_000_000)
                effects.outputs.append(Output(self.output, message.key, blown_up))
        return effects


@dataclass
class Patient:
    """Passes messages on once each, by value; those that begin with `slow` can wait. Can be told to fail once on `fail`."""

    inputs: tuple[str, ...]
    changelog: str | None
    output: str
    name: str = "patient"
    tick: float | None = None
    fail: bytes | None = None

    def step(self, state: State, batch: Batch) -> Effects:
        """Raises Retryable the first time it meets `fail`."""
        overlay, effects = Overlay(state), Effects()
        if self.fail in [message.value for message in batch.messages]:
            self.fail = None
            raise Retryable("once")
        for message in batch.messages:
            if overlay.get(message.partition, message.value or b"") is None:
                overlay.put(message.partition, message.value or b"", b"1")
                effects.outputs.append(Output(self.output, b"", message.value))
        effects.changes = overlay.changes
        return effects

    def can_wait(self, message: Message, now: int) -> bool:
        """By the message's first letters."""
        return (message.value or b"").startswith(b"slow")


class Broken(Patient):
    """A `Patient` that the operator has to mend before it works on anything that can wait."""

    def __init__(self, stage: Patient) -> None:
        super().__init__(stage.inputs, stage.changelog, stage.output)

    def step(self, state: State, batch: Batch) -> Effects:
        """Raises ConfigError when there is something that can wait."""
        if any(self.can_wait(message, batch.now) for message in batch.messages):
            raise ConfigError("to be mended")
        return super().step(state, batch)


@dataclass
class Alarm:
    """Sets a timer for the time each message's value names (ms); when it is due, says so once."""

    inputs: tuple[str, ...]
    changelog: str | None
    output: str
    name: str = "alarm"
    tick: float | None = 0.1

    def step(self, state: State, batch: Batch) -> Effects:
        """One change a message; on a tick one output and one change a due timer."""
        effects = Effects()
        for message in batch.messages:
            key = timer_key(int(message.value or b"0"), message.key or b"")
            effects.changes[message.partition, key] = b""
        for progress in batch.owned:
            for key in state.due(progress.partition, batch.now, 100):
                effects.outputs.append(Output(self.output, timer_subject(key), b"%d" % batch.now))
                effects.changes[progress.partition, key] = None
        return effects


@dataclass
class Gauge:
    """Writes, on each tick, up to which time each partition has been read."""

    inputs: tuple[str, ...]
    output: str
    name: str = "gauge"
    changelog: str | None = None
    tick: float | None = 0.1
    ticks: int = 0

    def step(self, state: State, batch: Batch) -> Effects:
        """One output a partition that is caught up."""
        if batch.messages:
            return Effects()
        self.ticks += 1
        return Effects(
            [
                Output(self.output, b"%d" % progress.partition, b"%d" % progress.caught_up_at)
                for progress in batch.owned
                if progress.caught_up_at is not None
            ]
        )


@dataclass
class Flaky:
    """Says `Retryable`, or blames the settings, as often as told; then passes messages on."""

    inputs: tuple[str, ...]
    output: str
    fault: type[Retryable] | type[ConfigError]
    times: int
    name: str = "flaky"
    changelog: str | None = None
    tick: float | None = None

    def step(self, state: State, batch: Batch) -> Effects:
        """Raises `fault` the first `times` times."""
        if self.times > 0:
            self.times -= 1
            raise self.fault("not now")
        return Effects([Output(self.output, message.key, message.value) for message in batch.messages])
