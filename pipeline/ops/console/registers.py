"""What the console reads on Kafka itself: catalog, trust and the officer's desk, followed in threads, never written.

Of trust only what the center signs is read, so the principal `ops` can do it: seal keys and cosignatures do not matter here.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from cryptography import x509

from pipeline.center import desk
from pipeline.center.installation import Installation
from pipeline.crypto.revocation import read_crl
from pipeline.domain.catalog import Release
from pipeline.domain.errors import InvalidMessage
from pipeline.kafka.clients import Extra
from pipeline.kafka.readers import LiveTable
from pipeline.ops.console.shapes import Document, desk_rows
from pipeline.stages import topics
from pipeline.stages.reference import ReferenceTables

log = logging.getLogger(__name__)


class Registers:
    """Catalog and trust as the topics tell them. `open`, `look` and `close` block: call them from one thread."""

    def __init__(self, bootstrap: str, installation: Installation, extra: Extra) -> None:
        """Raises ConfigError when the installation has no anchor, InvalidMessage when it does not hold."""
        self._bootstrap = bootstrap
        self._installation = installation
        self._extra = extra
        self._anchor = installation.anchor()
        self._data = ReferenceTables(self._anchor)
        self._tables: list[LiveTable] = []

    def open(self) -> None:
        """Connect, and read both topics to the ends they have now. Raises Retryable, ConfigError, KafkaException."""
        self.close()
        self._data = ReferenceTables(self._anchor)
        for topic in (topics.TRUST, topics.CATALOG):
            self._tables.append(LiveTable(self._bootstrap, topic, keep=False, extra=self._extra))
        for table in self._tables:
            while not table.ready:
                self._apply(table, 0.1)

    def look(self) -> None:
        """Take in what is new; returns within half a second."""
        for table in self._tables:
            self._apply(table, 0.25)

    def close(self) -> None:
        """Let go of the connections."""
        while self._tables:
            self._tables.pop().close()

    @property
    def release(self) -> Release | None:
        """The newest complete catalog release."""
        return self._data.current

    def suspended(self) -> Collection[str]:
        """The parties that are suspended."""
        return frozenset(party for party in self._data.trust.parties() if self._data.trust.suspended(party))

    def revoked(self) -> Collection[int]:
        """Serial numbers on the newest list that this machine or the topic knows, whichever names more of them."""
        held = self._data.trust.revocation_list
        lists = [self._installation.newest_crl(), None if held is None else held["crl"]]
        roots = [x509.load_der_x509_certificate(der) for der in self._installation.roots()]
        issuing = [each for each in roots if each.subject != each.issuer]
        return frozenset(serial for der in lists if der is not None for serial in read_crl(der, issuing).by_serial)

    def _apply(self, table: LiveTable, timeout: float) -> None:
        """A record that does not hold is passed over, as everywhere: the one before it stays in force."""
        for change in table.poll(timeout):
            try:
                self._data.apply(table.topic, change.key or b"", change.value)
            except InvalidMessage as error:
                log.info("%s offset %d refused: %s", table.topic, change.offset, error.code)


class Desk:
    """The officer's desk, for who has the center's identity. `open`, `look` and `close` block: call them from one thread."""

    def __init__(self, bootstrap: str, extra: Extra) -> None:
        self.bootstrap = bootstrap
        self.extra = extra
        self._table: LiveTable | None = None

    def open(self) -> None:
        """Connect and read all of it. Raises Retryable, ConfigError, KafkaException."""
        self.close()
        self._table = LiveTable(self.bootstrap, topics.DESK, extra=self.extra)
        self._table.wait_ready()

    def look(self) -> None:
        """Take in what is new; returns within half a second."""
        if self._table is not None:
            self._table.poll(0.5)

    def close(self) -> None:
        """Let go of the connection."""
        if self._table is not None:
            self._table.close()
            self._table = None

    def waiting(self) -> list[desk.Waiting]:
        """What waits for an officer, the most pressing first."""
        return [] if self._table is None else desk.waiting(self._table.rows)

    def rows(self) -> list[Document]:
        """The same for the page."""
        return desk_rows(self.waiting())
