"""A party's adapter: three threads on one database (answer, deliver, outbox) and a keeper, until told to stop.

A thread that fails takes the process down: nothing here goes on half-working. The supervisor starts it again, and the
database says where to go on.
"""

from __future__ import annotations

import fcntl
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from pipeline.crypto.keys import Identity
from pipeline.domain.errors import ConfigError, Retryable
from pipeline.domain.parties import inbox
from pipeline.kafka.clients import Extra
from pipeline.kafka.clock import real_clock, wall_clock
from pipeline.kafka.hops import Hopping
from pipeline.kafka.inboxes import Inbox
from pipeline.kafka.onlooking import tell
from pipeline.kafka.posting import Poster
from pipeline.kafka.reference import LiveReference
from pipeline.kafka.rejections import Rejections
from pipeline.province import dead_letters, hops, outbox
from pipeline.province.database import connect, transaction
from pipeline.province.desks import AnswerDesk, DeliveryDesk
from pipeline.province.keeper import Keeper
from pipeline.province.observing import UNOBSERVED, AdapterObserver
from pipeline.province.sources import Sources
from pipeline.province.store import Store
from pipeline.signer.remote import RemoteIdentity
from pipeline.stages.answer import Answerer
from pipeline.stages.deliver import Deliver
from pipeline.stages.effects import Message, Output

log = logging.getLogger(__name__)

POLL = 0.5
LOOK = 0.005
"""How often (s) an idle outbox looks whether another process has filed something."""
IDLE = 1.0
"""How often (s) it looks for envelopes that were not receipted in time."""
KEEP_EVERY = 1.0
"""How often (s) the keeper looks what is due."""
PAUSE = 1.0
HANDOVER = 30.0
"""How long (s) an adapter waits for its predecessor to let go of the store."""
FORGET_EVERY = 3600.0


class _Desk(Protocol):
    rejections: Rejections

    def tend(self) -> None: ...

    def work(self, messages: Sequence[Message], positions: Mapping[tuple[str, int], int]) -> None: ...


class Adapter:
    """Runs one party on Kafka. `sources` None: the party only asks."""

    def __init__(
        self,
        bootstrap: str,
        identity: RemoteIdentity,
        reference: LiveReference,
        database: Path,
        sources: Sources | None,
        *,
        extra: Extra | None = None,
        observer: AdapterObserver = UNOBSERVED,
        hopping: Hopping | None = None,
    ) -> None:
        self._observer = observer
        self._hopping = hopping
        self._bootstrap = bootstrap
        self._identity = identity
        self._reference = reference
        self._database = database
        self._sources = sources
        self._extra = extra
        self._stop = threading.Event()
        self._due = threading.Event()
        self._failure: BaseException | None = None

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set.

        Raises ConfigError when another adapter works on this store, and whatever made a thread fail.
        """
        with sole_owner(self._database, stop):
            self._run(stop)

    def _run(self, stop: threading.Event) -> None:
        connect(self._database).close()
        threads = [
            threading.Thread(target=self._guarded, args=(work,), name=name)
            for name, work in (
                ("answer", self._answer),
                ("deliver", self._deliver),
                ("outbox", self._outbox),
                ("keeper", self._keep),
            )
        ]
        for thread in threads:
            thread.start()
        while not stop.wait(0.2) and not self._stop.is_set():
            pass
        self._stop.set()
        self._due.set()
        for thread in threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # handed to `run`, which raises it
            self._failure = error
            self._stop.set()

    def _answer(self) -> None:
        store = Store(connect(self._database), self._identity)
        answerer = Answerer(self._identity, self._reference)
        desk = AnswerDesk(answerer, self._sources, store, wall_clock, self._observer, self._hopping)
        self._serve("requests", "answer", desk, store)

    def _deliver(self) -> None:
        store = Store(connect(self._database), self._identity)
        desk = DeliveryDesk(Deliver(self._identity, self._reference), store, wall_clock, self._observer, self._hopping)
        self._serve("responses", "deliver", desk, store)

    def _serve(self, kind: str, role: str, desk: _Desk, store: Store) -> None:
        party = self._identity.party
        topic = inbox(party, kind)  # type: ignore[arg-type]
        reader = Inbox(self._bootstrap, topic, f"hedx.{party}.{role}", store.positions, extra=self._extra)
        next_cleaning = time.monotonic() + FORGET_EVERY
        try:
            while not self._stop.is_set():
                messages, positions = reader.take(POLL)
                desk.tend()
                self._work_again(desk, store, topic)
                if messages:
                    self._work(reader, desk, messages, positions)
                if time.monotonic() > next_cleaning:
                    store.forget_expired(wall_clock())
                    next_cleaning = time.monotonic() + FORGET_EVERY
                tell(self._observer.turned, role)
        finally:
            desk.rejections.flush()
            reader.close()
            store.connection.close()

    def _work(
        self, reader: Inbox, desk: _Desk, messages: Sequence[Message], positions: Mapping[tuple[str, int], int]
    ) -> None:
        try:
            desk.work(messages, positions)
        except Retryable as trouble:
            log.warning("batch put back: %s", trouble)
            reader.rewind()
            self._stop.wait(PAUSE)
            return
        reader.done(positions)
        self._due.set()

    def _work_again(self, desk: _Desk, store: Store, topic: str) -> None:
        """Dead letters that somebody wants worked on again; the inbox' positions stay where they are."""
        try:
            if dead_letters.work_again(store.connection, topic, desk.work, wall_clock()):
                self._due.set()
        except Retryable as trouble:
            log.warning("dead letters wait: %s", trouble)

    def _outbox(self) -> None:
        connection = connect(self._database)
        poster = Poster(self._bootstrap, extra=self._extra)
        runner = OutboxRunner(connection, self._identity, poster.send, self._hopping)
        try:
            while not self._stop.is_set():
                seconds = runner.turn(wall_clock())
                tell(self._observer.turned, "outbox")
                self._idle(runner, seconds)
        finally:
            poster.close()
            connection.close()

    def _keep(self) -> None:
        poster = Poster(self._bootstrap, extra=self._extra)
        keeper = Keeper(self._identity, self._reference, poster.send)
        try:
            while not self._stop.is_set():
                keeper.turn(wall_clock())
                tell(self._observer.turned, "keeper")
                self._stop.wait(KEEP_EVERY)
        finally:
            poster.close()

    def _idle(self, runner: OutboxRunner, seconds: float) -> None:
        """Wait until there is something to send, whoever put it there: a thread of ours, or `hedx apply submit`."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not runner.is_changed():
            if self._due.wait(min(LOOK, seconds)):
                self._due.clear()
                return


@contextmanager
def sole_owner(database: Path, stop: threading.Event, patience: float = HANDOVER) -> Iterator[None]:
    """Hold the store for this process alone: two adapters on one store would both answer what one was asked.

    Waits `patience` seconds for a predecessor to end, then raises ConfigError. The end of a process, however it comes,
    lets go of the store.
    """
    database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with database.with_suffix(".lock").open("ab") as lock:
        deadline = time.monotonic() + patience
        while not _locked(lock):
            if stop.wait(0.1) or time.monotonic() > deadline:
                raise ConfigError(f"another adapter works on {database}")
        yield


def _locked(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class OutboxRunner:
    """Seals and sends: at once after a quiet spell, gathering for `LINGER` when bundles keep coming.

    What an earlier process signed under a certificate that was replaced since is signed again.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        identity: Identity,
        send: Callable[[Sequence[Output]], None],
        hopping: Hopping | None = None,
    ) -> None:
        self._hopping = hopping
        self._connection = connection
        self._identity = identity
        self._send = send
        self._last_sealed = 0
        self._version = -1
        self._certificate = b""

    def turn(self, now: int) -> float:
        """Seal and send what is due; returns how long (s) there is nothing to do unless something is put in.

        An outage of the brokers is waited out: what was not sent stays due.
        """
        self._version = self._data_version()
        if self._certificate != self._identity.signer.thumbprint:
            with transaction(self._connection) as db:
                outbox.renew_under(db, self._identity.signer, now)
            self._certificate = self._identity.signer.thumbprint
        if outbox.expired(self._connection, now):
            with transaction(self._connection) as db:
                outbox.renew(db, self._identity.signer, now)
        waiting = outbox.waiting(self._connection)
        lingering = outbox.LINGER - (now - self._last_sealed)
        if waiting and (lingering <= 0 or waiting >= outbox.SEAL_AT_ONCE):
            with transaction(self._connection) as db:
                outbox.seal(db, self._identity.signer, now)
            self._last_sealed = now
        due = outbox.due(self._connection, now)
        if not due:
            return max(0, lingering) / 1000 if waiting else IDLE
        began, started = real_clock(), time.perf_counter()
        try:
            self._send(due)
        except Retryable as trouble:
            log.warning("outbox waits: %s", trouble)
            return PAUSE
        with transaction(self._connection) as db:
            outbox.sent(db, due, now)
        if self._hopping:
            tell(self._tell, self._hopping, due, now, began, time.perf_counter() - started)
        return 0.0

    def _tell(self, hopping: Hopping, sent: Sequence[Output], now: int, began: int, seconds: float) -> None:
        hopping.hopped(list(hops.of_sending(sent, now)), began, seconds)
        hopping.carried("outbox", (), sent, began, seconds)

    def is_changed(self) -> bool:
        """Whether another connection has changed the database since the last turn began."""
        return self._data_version() != self._version

    def _data_version(self) -> int:
        version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        return version
