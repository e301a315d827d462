"""The reference topics, read live: complete before the first step, followed afterwards by a thread.

What was seen is kept in a file, so that a topic that went back in time is noticed after a restart.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from pipeline import logs
from pipeline.crypto.trust import Trust
from pipeline.crypto.trust_log import TrustLog
from pipeline.domain.catalog import Release
from pipeline.domain.errors import ConfigError, InvalidMessage, Retryable, ViewLost
from pipeline.domain.parties import CENTER, MINISTRY, PROVINCES
from pipeline.domain.printing import harmless
from pipeline.domain.records import LogHead
from pipeline.kafka.clients import Extra
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.readers import LiveTable
from pipeline.kafka.rejections import Rejections
from pipeline.kafka.seen_file import SeenFile
from pipeline.stages import topics
from pipeline.stages.anchor import Anchor
from pipeline.stages.effects import Message
from pipeline.stages.reference import ReferenceTables
from pipeline.stages.trust_tables import Requests

log = logging.getLogger(__name__)

_PARTIES = frozenset(party.encode() for party in (CENTER, MINISTRY, *PROVINCES))
CATCH_UP = 1.0
"""How long (s) a step waits for a release that is published and not read yet; reading follows within half of it."""


class LiveReference:
    """The `Reference` of a process. Use as a context manager, or `open` and `close`."""

    def __init__(
        self,
        bootstrap: str,
        anchor: Anchor,
        seen_file: Path,
        *,
        party: str | None = None,
        requests: Requests = dict,
        extra: Extra | None = None,
    ) -> None:
        """`seen_file` need not be there yet; processes of one party may share it. `party`, `requests`: ReferenceTables.

        Raises ConfigError when the file cannot be read, InvalidMessage when the anchor does not hold.
        """
        self._bootstrap = bootstrap
        self._extra = extra
        self._file = SeenFile(seen_file)
        self._data = ReferenceTables(anchor, self._file.read(), party=party, requests=requests)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._tables: list[LiveTable] = []
        self._failure: Exception | None = None
        self._next_look = 0.0
        self._rejections = Rejections("reader")

    @property
    def trust(self) -> Trust:
        """The parties and their certificates, newest state."""
        return self._kept_up().trust

    @property
    def current(self) -> Release | None:
        """The newest complete catalog release."""
        return self._kept_up().current

    def release(self, number: int) -> Release | None:
        """Release `number`, if it can still be rebuilt.

        The one after the newest known may be under way from the topic: somebody may have read it a moment before this
        process did. It is waited for, a bounded time.
        """
        newest = self.current
        if number == (newest.number if newest else 0) + 1:
            deadline = monotonic() + CATCH_UP
            while self._data.release(number) is None and monotonic() < deadline:
                time.sleep(0.02)
        return self._data.release(number)

    def releases(self) -> list[int]:
        """Numbers of the complete releases, ascending."""
        return self._data.releases()

    @property
    def log(self) -> TrustLog:
        """The trust log, as far as it is known and believed."""
        return self._data.log

    def uncosigned(self) -> LogHead | None:
        """The head of the trust log that this party is to sign, see `ReferenceTables`."""
        return self._data.uncosigned()

    def open(self, seconds: float = 30.0) -> None:
        """Read the topics to the ends they have now; then follow. Raises Retryable when nothing comes for `seconds`.

        However long it takes in total: parties may write to hedx.checkpoints as much as their quotas let them, and a limit
        on the whole would let one of them keep every process from starting.
        """
        for topic in (topics.TRUST, topics.CHECKPOINTS, topics.CATALOG):
            table = LiveTable(self._bootstrap, topic, keep=False, extra=self._extra)  # what counts is in `_data`
            self._tables.append(table)
            self._read_to_end(table, seconds)
        for fault in self._data.missing():
            log.error("what was seen before is gone: %s", harmless(str(fault)))
        for fault in self._data.waiting():
            log.warning("does not count yet: %s", harmless(str(fault)))
        self._file.keep(self._data.seen())
        self._thread = threading.Thread(target=self._follow, name="reference", daemon=True)
        self._thread.start()

    def _read_to_end(self, table: LiveTable, seconds: float) -> None:
        deadline = monotonic() + seconds
        while not table.ready:
            changes = table.poll(0.1)
            if self._apply(table.topic, changes, level=logging.INFO):  # superseded ones are among them
                deadline = monotonic() + seconds
            elif monotonic() > deadline:
                raise Retryable(f"{table.topic}: nothing more came for {seconds:g} s before its end")

    def close(self) -> None:
        """Stop following."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for table in self._tables:
            table.close()

    def _follow(self) -> None:
        """Nobody goes on with a view that is not kept up any more: whoever asks for it next is told."""
        try:
            while not self._stop.is_set():
                self._look_at_list(monotonic(), wall_clock())
                self._rejections.turn()
                for table in self._tables:
                    if self._apply(table.topic, table.poll(0.25)):
                        self._keep()
        except Exception as error:  # noqa: BLE001  # whatever it is, it ends the process: see `_kept_up`
            where = logs.trace_line(type(error), error, error.__traceback__)
            log.error("the reference topics are not followed any more: %s", where)  # noqa: TRY400  # not its text
            self._failure = error

    def _look_at_list(self, at: float, now: int) -> None:
        """Once a minute say that everything waits for a new list, and what to do. `at`: s, monotonic; `now`: ms."""
        held = self._data.trust.revocation_list
        if held is None or at < self._next_look or not self._data.trust.is_stale(now):
            return
        self._next_look = at + 60.0
        log.error(
            "ALARM crl_stale: revocation list %d is past its end, nothing is taken from anybody and nothing is lost; "
            "the center publishes a new one (hedx ca publish), or this machine's clock is wrong",
            held["number"],
        )

    def _kept_up(self) -> ReferenceTables:
        """The view. Raises ViewLost when it is not kept up any more: the process is to be started again."""
        if self._failure is not None:
            raise ViewLost("the reference topics are not followed any more") from self._failure
        return self._data

    def _keep(self) -> None:
        """A disk that is full stops nobody from reading on: with the next change it is tried again."""
        try:
            self._file.keep(self._data.seen())
        except ConfigError as error:
            log.error("%s", error)  # noqa: TRY400  # no traceback: it says which file

    def _apply(self, topic: str, changes: Sequence[Message], level: int = logging.ERROR) -> bool:
        """A record that does not hold is refused and logged; the one before it stays in force. False: there was none.

        What parties write is logged as any rejection is, a few lines a second; under a key of no party it is not even looked at.
        """
        by_parties = topic == topics.CHECKPOINTS
        for change in changes:
            key = change.key or b""
            try:
                if by_parties and key not in _PARTIES:
                    raise InvalidMessage("key_contradicts_entry", topic)
                self._data.apply(topic, key, change.value)
            except InvalidMessage as error:
                if by_parties:
                    self._rejections.report([(change, error)])
                else:
                    log.log(level, "%s offset %d refused: %s", topic, change.offset, harmless(str(error)))
        for alarm in self._data.alarms():
            digest = "" if alarm.digest is None else f", certificate {alarm.digest.hex()}"
            log.error("ALARM %s: %s%s", alarm.code, alarm.party, digest)
        return bool(changes)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
