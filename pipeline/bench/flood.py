"""A party that floods the center's inbox with bad signatures, and what that costs the others.

`unaided`: what one intake process refuses in a second of CPU, in memory. `Flood`: a process of its own that writes as the attacker's
principal, through the broker and its quotas, as fast as it is let.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import ConsumerGroupTopicPartitions, Producer
from confluent_kafka.admin import AdminClient

from pipeline.bench.workload import Workload
from pipeline.crypto import cbor, cose, envelopes, suite
from pipeline.crypto.keys import Signer
from pipeline.crypto.trust import Trust
from pipeline.domain.catalog import Release
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER, inbox
from pipeline.kafka import rejections
from pipeline.kafka.clients import Extra, admin_config, producer_config
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.ends import end_offsets
from pipeline.kafka.memory import MemoryBroker, MemoryWorker
from pipeline.kafka.security import client_security
from pipeline.kafka.tailing import partitions_of
from pipeline.signer.client import open_identity
from pipeline.stages import topics
from pipeline.stages.intake import Intake
from pipeline.stages.notices import Notice, post

TOPIC = inbox(CENTER, "requests")
GROUP = "hedx.center.intake"
BEAT = 0.01
"""Seconds between two bursts of the attacker."""
MOST_REPEATED = 5_000


@dataclass(frozen=True, slots=True)
class Unaided:
    """Refusals a CPU second of one process in memory, and what bounds them: signatures that it could check in one."""

    fresh: float
    repeated: float
    misaddressed: float
    verifies: float


@dataclass(frozen=True, slots=True)
class Spell:
    """Another party's households under one kind of flood, ms; messages a second of the flood; what was left undone."""

    flood: str
    p50_ms: int
    p99_ms: int
    arrived_per_second: int
    worked_per_second: int
    left: int


@dataclass(frozen=True, slots=True)
class _Known:
    """A reference for a stage that never gets as far as a catalog."""

    trust: Trust
    current: Release | None = None

    def release(self, number: int) -> Release | None:
        """There is none."""
        return None


def template(signer: Signer, audience: str = CENTER) -> bytes:
    """A genuine envelope of the attacker's, to be spoilt."""
    bundle = post(Notice("receipt", CENTER, signer.party, "a"), [b"r"], signer.party)
    return envelopes.build([bundle], signer, audience=audience, now=wall_clock()).value


def halves(envelope: bytes) -> tuple[bytes, bytes]:
    """What stands before and after the signature's last 60 bytes: with others between them it is a bad signature."""
    sign1 = cbor.leading(envelope)
    end = envelope.index(sign1) + len(sign1)
    return envelope[: end - 60], envelope[end:]


def unaided(workload: Workload, attacker: str, count: int) -> Unaided:
    """Measure one intake on the in-memory broker, `count` messages of each kind."""
    installation = workload.installation
    trust = Trust(installation.roots(), installation.trust_entries())
    with open_identity(installation.identity_folder(attacker)) as identity:
        fresh, other = template(identity.signer), template(identity.signer, audience="00")
    before, after = halves(fresh)
    kinds = [
        [before + os.urandom(60) + after for _ in range(count)],
        [before + bytes(60) + after] * min(count, MOST_REPEATED),
        [other] * count,
    ]
    with open_identity(installation.identity_folder(CENTER)) as center:
        fresh_rate, repeated, misaddressed = [
            _refused(Intake(center, _Known(trust), bytes(32)), kind) for kind in kinds
        ]
    return Unaided(fresh_rate, repeated, misaddressed, _verifies(trust, kinds[0][:2000]))


def _refused(intake: Intake, values: Sequence[bytes]) -> float:
    """Messages a CPU second that the stage refuses."""
    broker = MemoryBroker()
    for topic in (TOPIC, topics.EVENTS, topics.DEAD_LETTERS, topics.changelog("intake")):
        broker.create(topic, 3)
    for number, value in enumerate(values):
        broker.produce(TOPIC, b"%d" % number, value)
    logging.getLogger(rejections.__name__).disabled = True
    with MemoryWorker(intake, broker) as worker:
        started = time.process_time()
        worker.run_until_idle()
        return len(values) / (time.process_time() - started)


def _verifies(trust: Trust, values: Sequence[bytes]) -> float:
    """Bare checks of a bad signature a CPU second: what nothing can spare."""
    signs = [cose.decode(cbor.leading(value)) for value in values]
    key = trust.signer(signs[0].thumbprint).public_key
    started = time.process_time()
    for sign1 in signs:
        try:
            suite.verify(key, sign1.signature, sign1.signed_bytes)
        except InvalidMessage:
            continue
    return len(signs) / (time.process_time() - started)


class Flood:
    """The attacker's process, from `with` on to its end. `rate`: messages a second that it offers."""

    def __init__(self, bootstrap: str, workload: Workload, attacker: str, rate: int) -> None:
        installation = workload.installation
        with open_identity(installation.identity_folder(attacker)) as identity:
            envelope = template(identity.signer)
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        folder = installation.transport(f"P{attacker}")
        self._process = context.Process(target=pour, args=(bootstrap, folder, envelope, rate, self._stop), daemon=True)
        self._admin = AdminClient(admin_config(bootstrap, client_security(installation.transport("admin"))))
        self._places = [(TOPIC, number) for number in range(partitions_of(self._admin, TOPIC))]
        self._began = (0.0, 0, 0)

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._process.join(30)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def begin(self) -> None:
        """Count from now on."""
        self._began = (time.monotonic(), self._arrived(), self._worked())

    def rates(self) -> tuple[float, float]:
        """Messages a second that came into the inbox and that intake has worked through, since `begin`."""
        started, arrived, worked = self._began
        seconds = time.monotonic() - started
        return (self._arrived() - arrived) / seconds, (self._worked() - worked) / seconds

    def lag(self) -> int:
        """Messages that intake has not worked through."""
        return self._arrived() - self._worked()

    def _arrived(self) -> int:
        return sum(end_offsets(self._admin, self._places).values())

    def _worked(self) -> int:
        [answer] = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(GROUP)]).values()
        return sum(max(0, place.offset) for place in answer.result().topic_partitions if place.topic == TOPIC)


def pour(bootstrap: str, folder: Path, envelope: bytes, rate: int, stop: Event) -> None:
    """Write bad signatures until `stop`, `rate` a second, never the same twice; as the principal of `folder`."""
    extra: Extra = client_security(folder)
    before, after = halves(envelope)
    producer = Producer({**producer_config(bootstrap, extra=extra), "acks": "1", "enable.idempotence": False})
    started, sent = time.monotonic(), 0
    parent = multiprocessing.parent_process()
    while not stop.wait(BEAT) and (parent is None or parent.is_alive()):
        due = int(rate * (time.monotonic() - started))
        while sent < due and not stop.is_set():
            try:
                producer.produce(TOPIC, before + os.urandom(60) + after, os.urandom(16))
            except BufferError:  # the brokers take no more: that is their quota at work
                producer.poll(BEAT)
                started, sent = time.monotonic(), 0
                break
            sent += 1
        producer.poll(0)
    producer.purge()
    producer.flush(5)
