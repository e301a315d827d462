"""Topics as code against a cluster: observe it, plan purely, apply what the plan says and nothing else."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from pipeline.domain.errors import ConfigError
from pipeline.kafka.clients import Extra, admin_config
from pipeline.kafka.topology import TopicSpec, Topology

TIMEOUT = 30.0
"""Seconds that one request to the cluster may take."""

TRANSIENT_KEYS = frozenset({"leader.replication.throttled.replicas", "follower.replication.throttled.replicas"})
"""Set and removed by Kafka's own tools while they move replicas; not ours to judge."""


KAFKAS_OWN = frozenset({"min.insync.replicas"})
"""Set for all brokers by Kafka itself when it formats a cluster (KIP-966); each of our topics has its own."""


@dataclass(frozen=True, slots=True)
class ObservedTopic:
    """One topic as it is; `config` has only what was set on the topic itself."""

    partitions: int
    replicas: int
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Create:
    """A topic to create."""

    spec: TopicSpec

    @property
    def topic(self) -> str:
        """The topic's name."""
        return self.spec.name

    def __str__(self) -> str:
        settings = " ".join(f"{key}={value}" for key, value in sorted(self.spec.config.items()))
        return f"+ {self.topic}  partitions={self.spec.partitions} replicas={self.spec.replicas} {settings}".rstrip()


@dataclass(frozen=True, slots=True)
class AddPartitions:
    """More partitions for a topic."""

    topic: str
    before: int
    after: int

    def __str__(self) -> str:
        return f"~ {self.topic}  partitions: {self.before} -> {self.after}"


@dataclass(frozen=True, slots=True)
class AlterConfig:
    """A topic's own configuration key to set; `after` None removes it, so that the broker's default holds."""

    topic: str
    key: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        return f"~ {self.topic}  {self.key}: {self.before or '(default)'} -> {self.after or '(default)'}"


@dataclass(frozen=True, slots=True)
class Delete:
    """An undeclared topic that the operator named."""

    topic: str

    def __str__(self) -> str:
        return f"- {self.topic}"


Change = Create | AddPartitions | AlterConfig | Delete


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference that `apply` leaves alone, and why.

    `kind`: fewer_partitions, keyed_partitions, replicas, undeclared; broker_config, whose `topic` says which broker.
    """

    topic: str
    kind: str
    reason: str

    def __str__(self) -> str:
        return f"! {self.topic}  {self.reason}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What `apply` will do, in order, and what it will not."""

    changes: tuple[Change, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def in_step(self) -> bool:
        """Whether cluster and file agree."""
        return not self.changes and not self.findings


def plan(
    topology: Topology,
    observed: Mapping[str, ObservedTopic],
    *,
    brokers: Mapping[str, Mapping[str, str]] | None = None,
    allow_delete: Collection[str] = (),
    drained: Collection[str] = (),
) -> Plan:
    """How to bring `observed` (by topic name) to `topology`. Pure.

    `brokers`: what was set on running brokers, past their files (`observe_brokers`); each of it is a finding.

    `allow_delete`: undeclared topics that may go. `drained`: keyed topics that are empty of open work, so that more
    partitions reorder nothing; it covers their changelogs. Raises ConfigError for an `allow_delete` that the file
    declares or that is outside the cluster's prefix, and for a `drained` that the file does not declare.
    """
    _check_names(topology, allow_delete, drained)
    steps: list[Change | Finding] = []
    for spec in topology.topics:
        there = observed.get(spec.name)
        steps += [Create(spec)] if there is None else _differences(spec, there, drained)
    for name in sorted(observed):
        if not name.startswith(topology.cluster.prefix) or name in topology.declared:
            continue
        refusal = Finding(name, "undeclared", f"is not in the file; `--allow-delete {name}` would delete it")
        steps.append(Delete(name) if name in allow_delete else refusal)
    steps += _set_by_hand(brokers or {})
    return Plan(
        changes=tuple(step for step in steps if not isinstance(step, Finding)),
        findings=tuple(step for step in steps if isinstance(step, Finding)),
    )


def _check_names(topology: Topology, allow_delete: Collection[str], drained: Collection[str]) -> None:
    for name in allow_delete:
        if name in topology.declared:
            raise ConfigError(f"--allow-delete {name}: the file declares it; take it out of the file first")
        if not name.startswith(topology.cluster.prefix):
            raise ConfigError(
                f"--allow-delete {name}: not a topic of this cluster's prefix {topology.cluster.prefix!r}"
            )
    for name in drained:
        if name not in topology.declared:
            raise ConfigError(f"--drained {name}: the file does not declare it")


def _differences(spec: TopicSpec, there: ObservedTopic, drained: Collection[str]) -> Iterator[Change | Finding]:
    if spec.partitions != there.partitions:
        yield _repartition(spec, there.partitions, drained)
    if spec.replicas != there.replicas:
        reason = f"replicas: {there.replicas} -> {spec.replicas} takes a reassignment (kafka-reassign-partitions)"
        yield Finding(spec.name, "replicas", reason)
    for key in sorted({*spec.config, *there.config} - TRANSIENT_KEYS):
        if spec.config.get(key) != there.config.get(key):
            yield AlterConfig(spec.name, key, there.config.get(key), spec.config.get(key))


def _set_by_hand(brokers: Mapping[str, Mapping[str, str]]) -> Iterator[Finding]:
    for broker, config in sorted(brokers.items()):
        for key, value in sorted(config.items()):
            reason = (
                f"{key}={value} was set while it ran; its file does not say so (kafka-configs --delete-config {key})"
            )
            yield Finding(broker, "broker_config", reason)


def _repartition(spec: TopicSpec, before: int, drained: Collection[str]) -> Change | Finding:
    wanted = f"partitions: {before} -> {spec.partitions}"
    if spec.partitions < before:
        return Finding(spec.name, "fewer_partitions", f"{wanted} is impossible, Kafka cannot remove partitions")
    if spec.keyed and not {spec.name, spec.changelog_of} & set(drained):
        source = spec.changelog_of or spec.name
        return Finding(spec.name, "keyed_partitions", f"{wanted} moves keys; drain first, then `--drained {source}`")
    return AddPartitions(spec.name, before, spec.partitions)


def _client(bootstrap: str, extra: Extra | None) -> AdminClient:
    # the library would print what the errors raised here say anyway
    return AdminClient({**admin_config(bootstrap, extra), "log_level": 0})


def observe(bootstrap: str, prefix: str = "hedx.", extra: Extra | None = None) -> dict[str, ObservedTopic]:
    """The topics of the cluster whose name starts with `prefix`, by name. `extra`: more client configuration.

    Raises ConfigError when no cluster answers.
    """
    client = _client(bootstrap, extra)
    try:
        metadata = client.list_topics(timeout=TIMEOUT).topics
    except KafkaException as error:
        raise ConfigError(f"no Kafka answers at {bootstrap}: {error.args[0].str()}") from error
    names = [name for name in metadata if name.startswith(prefix)]
    configs = _topic_configs(client, names)
    return {
        name: ObservedTopic(
            partitions=len(metadata[name].partitions),
            replicas=len(metadata[name].partitions[0].replicas),
            config=configs[name],
        )
        for name in names
    }


def _topic_configs(client: AdminClient, names: Collection[str]) -> dict[str, dict[str, str]]:
    """What is set on each topic itself."""
    if not names:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    answers = client.describe_configs(resources, request_timeout=TIMEOUT)
    own = ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    return {
        resource.name: {key: entry.value for key, entry in answer.result().items() if entry.source == own}
        for resource, answer in answers.items()
    }


def observe_brokers(bootstrap: str, extra: Extra | None = None) -> dict[str, dict[str, str]]:
    """What was set on the running brokers: `broker 1`, or `all brokers` for the cluster-wide default, -> key -> value.

    What a broker's file says is not among it, nor a value that Kafka keeps to itself (a password: `(secret)`). Raises
    ConfigError when no cluster answers, or it does not tell.
    """
    client = _client(bootstrap, extra)
    try:
        ids = [str(number) for number in client.list_topics(timeout=TIMEOUT).brokers]
        asked = [client.describe_configs([ConfigResource(ResourceType.BROKER, number)]) for number in ids]  # one a call
        answers = {resource.name: answer.result() for call in asked for resource, answer in call.items()}
    except KafkaException as error:
        raise ConfigError(f"the brokers at {bootstrap} do not tell their settings: {error.args[0].str()}") from error
    found: dict[str, dict[str, str]] = {}
    for number, entries in answers.items():
        for key, entry in entries.items():
            place = _BY_HAND.get(entry.source)
            if place == "one" or (place == "all" and key not in KAFKAS_OWN):
                name = f"broker {number}" if place == "one" else "all brokers"
                found.setdefault(name, {})[key] = "(secret)" if entry.is_sensitive else str(entry.value)
    return found


_BY_HAND = {
    ConfigSource.DYNAMIC_BROKER_CONFIG.value: "one",
    ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG.value: "all",
}


def apply(bootstrap: str, plan: Plan, extra: Extra | None = None) -> None:
    """Carry out `plan.changes`; returns when the cluster shows them.

    Everything is tried; raises ConfigError listing each change that the cluster refused.
    """
    client = _client(bootstrap, extra)
    created = [change.spec for change in plan.changes if isinstance(change, Create)]
    grown = [change for change in plan.changes if isinstance(change, AddPartitions)]
    deleted = [change.topic for change in plan.changes if isinstance(change, Delete)]
    failures: list[str] = []
    if created:
        failures += _failures(client.create_topics([_new(spec) for spec in created], operation_timeout=TIMEOUT))
    if grown:
        more = [NewPartitions(change.topic, change.after) for change in grown]
        failures += _failures(client.create_partitions(more, operation_timeout=TIMEOUT))
    altered = _alterations(plan)
    if altered:
        failures += _failures(client.incremental_alter_configs(altered))
    if deleted:
        failures += _failures(client.delete_topics(deleted, operation_timeout=TIMEOUT))
    if failures:
        raise ConfigError("\n".join(failures))
    _await(client, {spec.name: spec.partitions for spec in created} | {c.topic: c.after for c in grown}, deleted)


def _new(spec: TopicSpec) -> NewTopic:
    return NewTopic(spec.name, spec.partitions, spec.replicas, config=dict(spec.config))


def _alterations(plan: Plan) -> list[ConfigResource]:
    entries: dict[str, list[ConfigEntry]] = {}
    for change in plan.changes:
        if isinstance(change, AlterConfig):
            operation = AlterConfigOpType.DELETE if change.after is None else AlterConfigOpType.SET
            entry = ConfigEntry(change.key, change.after, incremental_operation=operation)
            entries.setdefault(change.topic, []).append(entry)
    return [ConfigResource(ResourceType.TOPIC, name, incremental_configs=list_) for name, list_ in entries.items()]


def _failures(futures: Mapping[Any, Any]) -> Iterator[str]:
    """Wait for every future; one line for each that failed."""
    for subject, future in futures.items():
        try:
            future.result()
        except KafkaException as error:
            yield f"{getattr(subject, 'name', subject)}: {error.args[0].str()}"


def _await(client: AdminClient, partitions: Mapping[str, int], gone: Collection[str]) -> None:
    """Wait until the metadata shows it: the controller has decided by now, the brokers may be a moment behind."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        topics = client.list_topics(timeout=TIMEOUT).topics
        late = [n for n, count in partitions.items() if n not in topics or len(topics[n].partitions) != count]
        late += [name for name in gone if name in topics]
        if not late:
            return
        if time.monotonic() > deadline:
            raise ConfigError(f"after {TIMEOUT:.0f} s the cluster does not show the change of {', '.join(late)}")
        time.sleep(0.05)
