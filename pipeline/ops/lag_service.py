"""The lag exporter as it runs: polls in a thread, keeps the last good poll, and gives it out as metrics and JSON."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from prometheus_client import CollectorRegistry

from pipeline.domain.errors import Retryable
from pipeline.ops.lag_history import History, Judged
from pipeline.ops.lag_metrics import LagCollector
from pipeline.ops.lag_replicas import Replicas
from pipeline.ops.lag_report import document
from pipeline.ops.lag_samples import Poll
from pipeline.ops.serving import Route, healthz, metrics_route

STALE = 3
"""After so many intervals without a good poll the exporter is not healthy."""
GRACE = 30.0
"""Seconds that it is healthy for after a good poll, however short the interval: a broker that starts again takes some."""

log = logging.getLogger(__name__)


class LagService:
    """Polls every `every` seconds while the block runs. `poll`, `replicas`: ask the brokers; `clock`: ms, theirs.

    A poll that fails is counted and logged, and the one before stands, with its time.
    """

    def __init__(
        self,
        poll: Callable[[], Poll],
        replicas: Callable[[], Replicas],
        history: History,
        cluster: str,
        every: float,
        clock: Callable[[], int],
    ) -> None:
        self.every = every
        self.failures = 0
        self.judged: Judged | None = None
        self.replicas: Replicas | None = None
        self._poll = poll
        self._ask_replicas = replicas
        self._history = history
        self._cluster = cluster
        self._clock = clock
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="lag", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def wait(self, seconds: float) -> None:
        """Wait; raises what ended the thread, if something did: a defect, not a broker that does not answer."""
        self._thread.join(seconds)
        if self._failure is not None:
            raise self._failure

    def once(self) -> None:
        """One poll: taken in, or counted as a failure."""
        try:
            self.replicas = self._ask_replicas()  # first: lag is not to be had of a partition without a leader
            self.judged = self._history.judge(self._poll())
        except (KafkaException, Retryable) as failure:
            self.failures += 1
            log.warning("poll failed: %s", failure.args[0].str() if isinstance(failure, KafkaException) else failure)

    def routes(self) -> Mapping[str, Route]:
        """`/metrics`, `/api/lag` and `/healthz`."""
        registry = CollectorRegistry(auto_describe=False)
        collector = LagCollector(self._cluster, lambda: self.judged, lambda: self.replicas, lambda: self.failures)
        registry.register(collector)
        return {"/metrics": metrics_route(registry), "/api/lag": self._json, "/healthz": self._health}

    def _json(self) -> tuple[str, bytes]:
        text = json.dumps(document(self._last(), self._cluster, self.every), ensure_ascii=False)
        return "application/json; charset=utf-8", text.encode()

    def _health(self) -> tuple[str, bytes]:
        """Raises Retryable, which is answered with 500, when the last good poll is too long ago."""
        age = (self._clock() - self._last().poll.at) / 1000
        if age > max(STALE * self.every, GRACE):
            raise Retryable(f"the last good poll was {age:.0f} s ago")
        return healthz()

    def _last(self) -> Judged:
        if self.judged is None:
            raise Retryable("no poll has succeeded yet")
        return self.judged

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self.once()
                self._stop.wait(self.every)
        except BaseException as failure:  # noqa: BLE001 - handed to `wait`, which raises it
            self._failure = failure
