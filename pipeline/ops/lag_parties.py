"""Whose groups ought to be there: the parties that have joined, as hedx.trust tells it, and not all that topics.yaml could have.

Of trust only what the center signs is read, so the principal `ops` can do it. Who is suspended is not waited for.
"""

from __future__ import annotations

import logging
from time import monotonic

from confluent_kafka import KafkaException

from pipeline.domain.errors import InvalidMessage, Retryable
from pipeline.domain.parties import CENTER
from pipeline.kafka.clients import Extra
from pipeline.kafka.readers import LiveTable
from pipeline.stages import topics
from pipeline.stages.anchor import Anchor
from pipeline.stages.reference import ReferenceTables

PATIENCE = 30.0
"""Seconds that the topic is read to its end for, at first."""

log = logging.getLogger(__name__)


class JoinedParties:
    """The parties that are registered and not suspended. `look` blocks: call it from one thread at a time."""

    def __init__(self, bootstrap: str, anchor: Anchor, extra: Extra) -> None:
        """Raises InvalidMessage when the anchor does not hold."""
        self._bootstrap = bootstrap
        self._extra = extra
        self._data = ReferenceTables(anchor)
        self._table: LiveTable | None = None

    def look(self) -> frozenset[str]:
        """Take in what is new, and tell them. At first the topic is read to its end; brokers that fail later change nothing.

        Raises ConfigError when hedx.trust cannot be read, KafkaException and Retryable when brokers do not answer at first.
        """
        if self._table is None:
            self._table = self._opened()
        else:
            self._follow(self._table)
        trust = self._data.trust
        return frozenset(party for party in trust.parties() if party != CENTER and not trust.suspended(party))

    def close(self) -> None:
        """Let go of the connection."""
        if self._table is not None:
            self._table.close()

    def _opened(self) -> LiveTable:
        table = LiveTable(self._bootstrap, topics.TRUST, keep=False, extra=self._extra)
        deadline = monotonic() + PATIENCE
        try:
            while not table.ready:
                self._take(table, 0.1)
                if monotonic() > deadline:
                    raise Retryable(f"{table.topic} could not be read to its end within {PATIENCE:g} s")
        except BaseException:
            table.close()
            raise
        return table

    def _follow(self, table: LiveTable) -> None:
        try:
            while self._take(table, 0.0):
                pass
        except KafkaException as error:  # the library connects again; until then what is known stands
            log.info("%s is not followed at the moment: %s", table.topic, error.args[0].str())

    def _take(self, table: LiveTable, timeout: float) -> bool:
        """A record that does not hold is passed over, as everywhere: the one before it stays in force."""
        changes = table.poll(timeout)
        for change in changes:
            try:
                self._data.apply(table.topic, change.key or b"", change.value)
            except InvalidMessage as error:
                log.info("%s offset %d refused: %s", table.topic, change.offset, error.code)
        return bool(changes)
