"""Composition root: one `build_*` per process, everything handed in from outside."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from pipeline import logs
from pipeline.center.installation import Installation
from pipeline.crypto.certificates import common_name
from pipeline.crypto.enrolment import known_requests
from pipeline.crypto.keys import Identity
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER, inbox
from pipeline.kafka.clients import Extra, admin_config, murmur2_partition, producer_config
from pipeline.kafka.hoplog import HopLog
from pipeline.kafka.hops import Hopping, Hops
from pipeline.kafka.observing import Observers
from pipeline.kafka.posting import Poster
from pipeline.kafka.reference import LiveReference
from pipeline.kafka.slots import Slot, acquire_slot
from pipeline.kafka.stores import DictStore, RocksStore, Store
from pipeline.kafka.tailing import partitions_of
from pipeline.kafka.transactions import Checkpoint, no_checkpoint
from pipeline.kafka.worker import TransactionalWorker
from pipeline.ops.exposing import exposed
from pipeline.ops.spans import open_spans
from pipeline.province import keeper
from pipeline.province.calendar_files import load_calendar
from pipeline.province.rule_files import load_rule_book
from pipeline.signer.client import open_identity
from pipeline.signer.remote import RemoteIdentity
from pipeline.stages import topics
from pipeline.stages.applications import Applications
from pipeline.stages.collect import Collect
from pipeline.stages.effects import Output, Stage
from pipeline.stages.intake import Intake
from pipeline.stages.join import Join
from pipeline.stages.names import STAGES
from pipeline.stages.reference import Reference
from pipeline.stages.trust_tables import Requests

if TYPE_CHECKING:  # loaded where figures are wanted, and nowhere else
    from prometheus_client import CollectorRegistry

    from pipeline.ops.metrics_worker import WorkerMetrics
    from pipeline.province.observing import AdapterObserver

log = logging.getLogger(__name__)


@contextmanager
def identity_for(installation: Installation, party: str) -> Iterator[RemoteIdentity]:
    """A worker's identity: its keys are in a signer, and the log says when their memory may be swapped out."""
    with open_identity(installation.identity_folder(party)) as identity:
        if not identity.protection()[2]:
            log.warning("the signer's memory may be swapped out: locking it takes LimitMEMLOCK=infinity (ulimit -l)")
        yield identity


@contextmanager
def reference_for(
    installation: Installation, bootstrap: str, extra: Extra | None = None, *, party: str | None = None
) -> Iterator[LiveReference]:
    """Trust and catalog, complete as of now and followed while the block runs; for `party`'s own process, if one."""
    requests: Requests = dict if party is None else partial(known_requests, installation.party(party))
    seen = installation.seen_file(party)
    with LiveReference(
        bootstrap, installation.anchor(), seen, party=party, requests=requests, extra=extra
    ) as reference:
        yield reference


def build_stage(
    name: str,
    center: Identity,
    installation: Installation,
    bootstrap: str,
    reference: Reference,
    extra: Extra | None = None,
) -> Stage:
    """One of the center's stages. Raises ConfigError for an unknown name or a missing topic."""
    admin = AdminClient(admin_config(bootstrap, extra))

    @cache
    def partitions(topic: str) -> int:
        return partitions_of(admin, topic)

    if name == "intake":
        return Intake(center, reference, installation.tag_secret())
    if name == "applications":
        calendar, rules = load_calendar(installation.calendar), load_rule_book(installation.rules)
        return Applications(center, reference, calendar, rules)
    if name == "collect":
        sources = partitions(inbox(CENTER, "responses"))
        return Collect(reference, sources=sources, join_partitions=partitions(topics.JOIN))
    if name == "join":
        return Join(center, lambda party, key: murmur2_partition(key, partitions(inbox(party, "responses"))))
    raise ConfigError(f"no stage {name}: the center has {', '.join(STAGES)}")


def run_stage(
    name: str,
    installation: Installation,
    bootstrap: str,
    stop: threading.Event,
    *,
    number: int | None = None,
    extra: Extra | None = None,
    checkpoint: Checkpoint = no_checkpoint,
) -> None:
    """Run one worker of a center's stage in this process until `stop` is set.

    `number` is the worker's slot where something else keeps numbers apart, such as a StatefulSet's ordinals; None takes
    the lowest free one of this machine.
    """
    with (
        acquire_slot(installation.slots, name) if number is None else Slot(number) as slot,
        identity_for(installation, CENTER) as center,
        reference_for(installation, bootstrap, extra, party=CENTER) as reference,
        figures_of(f"center.{name}.{slot.number}", installation, CENTER, reference) as registry,
        hopping_of(f"center.{name}.{slot.number}") as hopping,
    ):
        stage = build_stage(name, center, installation, bootstrap, reference, extra)
        metrics = None if registry is None else _worker_metrics(registry, name)
        store: Store = (
            RocksStore(installation.state / f"{name}.{slot.number}") if name == "applications" else DictStore()
        )
        worker = TransactionalWorker(
            stage,
            bootstrap,
            store=store,
            slot=slot,
            group=f"hedx.center.{name}",
            extra=extra,
            checkpoint=checkpoint,
            observer=Observers([one for one in (metrics, hopping) if one]),
        )
        if metrics is not None:
            metrics.watch(worker.view)
        settle_memory()
        worker.run(stop)


def run_province(
    party: str, installation: Installation, bootstrap: str, stop: threading.Event, *, extra: Extra | None = None
) -> None:
    """Run a party's adapter in this process until `stop` is set."""
    # here, since the center's processes have no use for what databases need: a third of their start and memory
    from pipeline.province.adapter import Adapter
    from pipeline.province.observing import UNOBSERVED
    from pipeline.province.sources import open_sources

    url = installation.database_url(party)
    sources = None if url is None else open_sources(installation.provider_file(party), url)
    with (
        identity_for(installation, party) as identity,
        reference_for(installation, bootstrap, extra, party=party) as reference,
        figures_of(f"party.{party}", installation, party, reference) as registry,
        hopping_of(f"party.{party}") as hopping,
    ):
        store = installation.store(party)
        observer = UNOBSERVED if registry is None else _adapter_metrics(registry, party, store)
        adapter = Adapter(
            bootstrap, identity, reference, store, sources, extra=extra, observer=observer, hopping=hopping
        )
        settle_memory()
        adapter.run(stop)


@contextmanager
def hopping_of(process: str) -> Iterator[Hopping]:
    """Who is told of applications' hops: the log, at INFO and below, and a collector of spans, where one is named.

    Raises ConfigError when spans are asked for and the extra is not installed.
    """
    logs.rename(process)
    told: list[Hops] = [lines] if (lines := HopLog()).wanted else []
    spans = open_spans(process)
    if spans is not None:
        told.append(spans)
    try:
        yield Hopping(told)
    finally:
        if spans is not None:
            spans.close()


@contextmanager
def figures_of(
    process: str, installation: Installation, party: str, reference: LiveReference
) -> Iterator[CollectorRegistry | None]:
    """The registry of a worker's or an adapter's own figures, served while the block runs; None where nobody asked for them."""

    def newest_list() -> bytes | None:
        held = reference.trust.revocation_list
        return None if held is None else held["crl"]

    principals = [common_name(party)]
    with exposed(process, installation, party=party, principals=principals, newest_list=newest_list) as registry:
        yield registry


def _worker_metrics(registry: CollectorRegistry, stage: str) -> WorkerMetrics:
    from pipeline.ops.metrics_worker import WorkerMetrics

    return WorkerMetrics(registry, stage)


def _adapter_metrics(registry: CollectorRegistry, party: str, store: Path) -> AdapterObserver:
    from pipeline.ops.metrics_adapter import AdapterMetrics

    return AdapterMetrics(registry, party, store)


def publish_seal_keys(identity_folder: Path, bootstrap: str, extra: Extra | None = None) -> list[int]:
    """Look after a party's seal keys once, as its adapter's keeper does; returns the numbers whose statements it sent.

    Raises Retryable when the brokers do not take them.
    """
    with open_identity(identity_folder) as identity, closing(Poster(bootstrap, extra=extra)) as poster:
        return keeper.publish_seal_keys(identity, poster.send)


def settle_memory() -> None:
    """Take what a process holds at its start (modules, schemas, keys) out of the garbage collector's rounds for good.

    Decoded answers set off one round after the other; each looked at all of it (docs/decisions/0002).
    """
    gc.collect()
    gc.freeze()


def publish(bootstrap: str, outputs: Sequence[Output], transactional_id: str, *, extra: Extra | None = None) -> None:
    """Write `outputs` in one transaction. Raises KafkaException when the brokers refuse it."""
    quiet = {"log_level": 3}  # a coordinator that still loads is waited for; failures are raised
    producer = Producer(producer_config(bootstrap, transactional_id, extra={**quiet, **(extra or {})}))
    producer.init_transactions(30)
    producer.begin_transaction()
    for output in outputs:
        producer.produce(output.topic, output.value, output.key, headers=list(output.headers))
    producer.commit_transaction(30)
