"""What can happen to processes in the middle of an application, brought about at a chosen point."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from functools import partial

from pipeline.domain.records import Application, Person
from pipeline.stages import topics
from tests.exchange import LONG, Exchange
from tests.processes import wait_until

PERSONS, SECTION = 240, 10
JOIN = "hedx.center.join"
SHORT_SESSION = 6_000
"""ms after which a silent join worker loses its partitions; brokers allow no less."""


def file_sections(exchange: Exchange, requester: str = "53") -> tuple[Application, Sequence[Person]]:
    """An application of some 25 sections, filed."""
    persons = exchange.sample.persons[:PERSONS]
    application = exchange.application(persons, requester)
    exchange.file(application, persons, size=SECTION)
    return application, persons


def pile_up(exchange: Exchange, stage: str) -> tuple[Application, Sequence[Person]]:
    """Stop `stage`, file an application, and let everything else go on until it waits for that stage."""
    exchange.processes.stop(stage)
    application, persons = file_sections(exchange)
    exchange.wait_rest(without=stage)
    assert exchange.stage_lag(stage) > 0
    return application, persons


def kill_in_transaction(
    exchange: Exchange, stage: str, point: str, nth: int = 1
) -> tuple[Application, Sequence[Person]]:
    """SIGKILL `stage` at `point` of its `nth` transaction with an application's records, then start it again."""
    application, persons = pile_up(exchange, stage)
    exchange.start_faulty(f"{stage}.faulty", stage, "SIGKILL", point, nth)
    assert exchange.processes.wait(f"{stage}.faulty", LONG) == -signal.SIGKILL
    is_open = partial(exchange.has_open_transaction, topics.changelog(stage))
    if point == "committed":
        wait_until("committed", lambda: not is_open(), LONG)  # its markers may take a moment
    else:
        assert is_open()
    assert not exchange.case(application).is_complete()
    exchange.processes.restart(stage)
    return application, persons


def kill_adapters(exchange: Exchange, provider: str) -> tuple[Application, Sequence[Person]]:
    """SIGKILL a provider as soon as it has answered, and the requester with part of the answers; start both again."""
    processes = exchange.processes
    processes.stop(provider)
    before = exchange.count(provider, "answered")
    application, persons = file_sections(exchange)
    requester = application["requester"]
    wait_until("a delivery", lambda: exchange.case(application).progress()[0] > 0, LONG)
    processes.restart(provider)
    wait_until("an answer", lambda: exchange.count(provider, "answered") > before, LONG, pause=0.002)
    processes.kill(provider)
    processes.kill(requester)
    assert not exchange.case(application).is_complete()
    processes.restart(provider)
    processes.restart(requester)
    return application, persons


def hand_over_twice(exchange: Exchange, *, transaction_ms: int) -> tuple[Application, Sequence[Person]]:
    """Freeze a join worker between its changelog and its offsets; a second takes over and dies, then a third.

    All of that within the first one's transaction time-out: neither of the others can yet read the changelog to its end.
    The first is left frozen, under the name `join.zombie`.
    """
    processes = exchange.processes
    application, persons = pile_up(exchange, "join")
    times = {"session_timeout_ms": SHORT_SESSION, "transaction_timeout_ms": transaction_ms}
    exchange.start_faulty("join.zombie", "join", "SIGSTOP", "produced", 2, **times)
    wait_until("frozen", lambda: processes.is_frozen("join.zombie"), LONG)
    exchange.start_faulty("join.second", "join", "SIGKILL", "never", **times)
    wait_until("handed over", lambda: _owners(exchange) == {f"{JOIN}.1"}, LONG)
    exchange.start_faulty("join.third", "join", "SIGKILL", "never", **times)
    wait_until("a third one there", lambda: f"{JOIN}.2" in exchange.members(JOIN), LONG)
    processes.kill("join.second")
    wait_until("handed over again", lambda: _owners(exchange) == {f"{JOIN}.2"}, LONG)
    assert exchange.has_open_transaction(topics.changelog("join")), "the hand-overs took longer than the transaction"
    return application, persons


def assert_woken_without_harm(exchange: Exchange) -> None:
    """The zombie is fenced: it goes back over what it did and rejoins, or it ends."""
    processes = exchange.processes
    processes.thaw("join.zombie")
    wait_until(
        "fenced",
        lambda: not processes.is_running("join.zombie") or "going back" in processes.tail("join.zombie", 100_000),
        LONG,
    )


def _owners(exchange: Exchange) -> set[str]:
    return {member for member, partitions in exchange.members(JOIN).items() if partitions}
