"""What figures cost where they are taken: CPU time of telling them, against the least work a message can be."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest

from pipeline.crypto import suite
from pipeline.crypto.stopwatch import timed
from pipeline.domain.errors import InvalidMessage
from pipeline.kafka.observing import View, Worked
from pipeline.ops.metrics_worker import WorkerMetrics
from pipeline.stages.effects import Effects, Message, Output

ROUNDS = 7
NOW = 1_800_000_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU µs of one thing, the least of several rounds; `share` of the check of one signature."""

    what: str
    microseconds: float
    share: float


def measure() -> list[Cost]:
    """Each cost of figures, beside the check of one signature: no message that is worked on takes less than that."""
    check = cpu(_check(), 200)
    tellings = [(f"a message, in a transaction of {n}", cpu(_telling(n), 4000 // n) / n) for n in (1, 10, 500)]
    refused = ("a message refused, in a transaction of 500", cpu(_telling(500, refused=True), 8) / 500)
    costs = [*tellings, refused, ("a cryptographic operation timed", _stopwatch()), ("a scrape of a worker", _scrape())]
    return [Cost(what, spent, spent / check) for what, spent in (("the check of one signature", check), *costs)]


def cpu(call: Callable[[], object], number: int) -> float:
    """CPU µs of one call by this thread, the best of `ROUNDS` rounds of `number`."""
    rounds = []
    for _ in range(ROUNDS):
        started = time.thread_time()
        for _ in range(number):
            call()
        rounds.append((time.thread_time() - started) / number)
    return 1e6 * min(rounds)


def _check() -> Callable[[], None]:
    key = suite.generate_key()
    signature, public = suite.sign(key, b"x"), key.public_key()
    return lambda: suite.verify(public, signature, b"x")


def _worker() -> tuple[CollectorRegistry, WorkerMetrics]:
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry, "intake", lambda: NOW)
    metrics.watch(View)
    return registry, metrics


def _telling(messages: int, *, refused: bool = False) -> Callable[[], None]:
    """One call tells a worker's figures of a transaction with so many messages, each with an output or refused."""
    _, metrics = _worker()
    read: Sequence[Message] = [Message("in", 0, n, NOW - 30, bytes(16), bytes(2000)) for n in range(messages)]
    effects = Effects([Output("out", bytes(16), bytes(2000)) for _ in read])
    if refused:
        effects = Effects(dead=[(message, InvalidMessage("signature_invalid")) for message in read])
    work = Worked("intake", read, effects, NOW, 0.01, 0.005)
    return lambda: metrics.worked(work)


def _stopwatch() -> float:
    def bare(_: object) -> None:
        """Does nothing."""

    watched = timed("verify")(bare)
    return cpu(lambda: watched(None), 20_000) - cpu(lambda: bare(None), 20_000)


def _scrape() -> float:
    registry, metrics = _worker()
    metrics.worked(Worked("intake", (), Effects(), NOW, 0.0, 0.005))
    return cpu(lambda: generate_latest(registry), 50)
