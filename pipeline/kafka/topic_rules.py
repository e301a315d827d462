"""What must hold of topics.yaml beyond its form: numbered rules, each a pure function from a topology to problems."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from difflib import get_close_matches

from pipeline.domain.parties import CENTER, is_provider
from pipeline.kafka.principal_rules import principal_problems
from pipeline.kafka.problems import Problem
from pipeline.kafka.topology import Topology

NATIVE_KEYS = frozenset(
    {
        "cleanup.policy",
        "compression.gzip.level",
        "compression.lz4.level",
        "compression.type",
        "compression.zstd.level",
        "delete.retention.ms",
        "file.delete.delay.ms",
        "flush.messages",
        "flush.ms",
        "follower.replication.throttled.replicas",
        "index.interval.bytes",
        "leader.replication.throttled.replicas",
        "local.retention.bytes",
        "local.retention.ms",
        "max.compaction.lag.ms",
        "max.message.bytes",
        "message.timestamp.after.max.ms",
        "message.timestamp.before.max.ms",
        "message.timestamp.type",
        "min.cleanable.dirty.ratio",
        "min.compaction.lag.ms",
        "min.insync.replicas",
        "preallocate",
        "remote.log.copy.disable",
        "remote.log.delete.on.disable",
        "remote.storage.enable",
        "retention.bytes",
        "retention.ms",
        "segment.bytes",
        "segment.index.bytes",
        "segment.jitter.ms",
        "segment.ms",
        "unclean.leader.election.enable",
    }
)
"""Topic configuration keys of Apache Kafka 4.3 (a test compares them with the real broker's)."""

MARGIN = timedelta(days=30)
"""By how much requests outlive the longest feedback limit of the catalog (design, table of topics)."""

_NAME = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")
_LONGEST_NAME = 249


def validate(topology: Topology, longest_feedback: timedelta | None = None) -> list[Problem]:
    """All problems, in the order of the rules; an empty list when the file may be applied.

    `longest_feedback`: the longest feedback limit of the catalog in force; None when no catalog is at hand, which
    leaves rule 7 out.
    """
    rules = (_parties, _names, _described, _keys, _changelogs, _inboxes, _durability, principal_problems)
    problems = [problem for rule in rules for problem in rule(topology)]
    return problems + (list(_retention(topology, longest_feedback)) if longest_feedback is not None else [])


def _parties(topology: Topology) -> Iterator[Problem]:
    """1. Parties are 00 and provinces, each once; the center is not one of them."""
    for party, times in Counter(topology.parties).items():
        if not is_provider(party):
            yield Problem("parties", f"{party!r} is neither 00 nor a province's code")
        if times > 1:
            yield Problem("parties", f"{party!r} is there {times} times")


def _names(topology: Topology) -> Iterator[Problem]:
    """2. Names are the cluster's, well-formed and unique. `_` is out: Kafka's metrics cannot tell it from `.`."""
    for name, times in Counter(spec.name for spec in topology.topics).items():
        if not name.startswith(topology.cluster.prefix):
            yield Problem(name, f"does not start with the cluster's prefix {topology.cluster.prefix!r}")
        if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
            yield Problem(name, f"names are small letters, digits, `.` and `-`, at most {_LONGEST_NAME}")
        if times > 1:
            yield Problem(name, f"declared {times} times")
    for name, times in Counter(spec.name for spec in topology.principals).items():
        if times > 1:
            yield Problem(f"principal {name}", f"declared {times} times")


def _described(topology: Topology) -> Iterator[Problem]:
    """3. Every topic has a description and an owner, every principal a description."""
    for topic in topology.topics:
        if not topic.description.strip():
            yield Problem(topic.name, "has no description")
        if not topic.owner.strip():
            yield Problem(topic.name, "has no owner")
    for principal in topology.principals:
        if not principal.description.strip():
            yield Problem(f"principal {principal.name}", "has no description")


def _keys(topology: Topology) -> Iterator[Problem]:
    """4. `config` has Kafka's own keys only."""
    for topic in topology.topics:
        for key in sorted(set(topic.config) - NATIVE_KEYS):
            close = get_close_matches(key, NATIVE_KEYS, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            yield Problem(topic.name, f"Kafka has no topic configuration {key!r}{hint}")


def _changelogs(topology: Topology) -> Iterator[Problem]:
    """5. A changelog is compacted, in bounded time, and has its input topic's partitions: state partition = input's."""
    topics = {topic.name: topic for topic in topology.topics}
    for topic in topology.topics:
        if topic.name.endswith(".changelog") and topic.changelog_of is None:
            yield Problem(topic.name, "is a changelog without `changelog_of`")
        if topic.changelog_of is None:
            continue
        if topic.config.get("cleanup.policy") != "compact":
            yield Problem(topic.name, "a changelog needs `cleanup.policy: compact`")
        if "max.compaction.lag.ms" not in topic.config:
            yield Problem(topic.name, "a changelog needs `max.compaction.lag.ms`")
        source = topics.get(topic.changelog_of)
        if source is None:
            yield Problem(topic.name, f"changelog_of names an unknown topic {topic.changelog_of!r}")
        elif source.partitions != topic.partitions:
            yield Problem(topic.name, f"has {topic.partitions} partitions, {source.name} has {source.partitions}")


def _inboxes(topology: Topology) -> Iterator[Problem]:
    """6. Both inboxes of every party and of the center are there, stamped by the broker, and never compacted."""
    topics = {topic.name: topic for topic in topology.topics}
    for party in (CENTER, *dict.fromkeys(topology.parties)):
        for kind in ("requests", "responses"):
            name = f"{topology.cluster.prefix}{party}.{kind}"
            topic = topics.get(name)
            if topic is None:
                yield Problem(name, "this inbox is not declared")
                continue
            if topic.config.get("message.timestamp.type") != "LogAppendTime":
                yield Problem(name, "an inbox needs `message.timestamp.type: LogAppendTime` (punctuality rests on it)")
            if topic.config.get("cleanup.policy") != "delete":
                yield Problem(name, "an inbox needs `cleanup.policy: delete`")


def _retention(topology: Topology, longest_feedback: timedelta) -> Iterator[Problem]:
    """7. Requests are kept for the longest feedback limit and 30 days more."""
    least = (longest_feedback + MARGIN) // timedelta(milliseconds=1)
    requests = {f"{topology.cluster.prefix}{party}.requests" for party in (CENTER, *topology.parties)}
    for topic in topology.topics:
        kept = topic.config.get("retention.ms", "")
        if topic.name not in requests or kept == "-1":
            continue
        if not kept.isdecimal() or int(kept) < least:
            reason = f"retention.ms is {kept or 'not set'}; feedback limits of {longest_feedback.days} d need {least}"
            yield Problem(topic.name, reason)


def _durability(topology: Topology) -> Iterator[Problem]:
    """8. `min.insync.replicas` can be met: more than the replicas there are would block every producer."""
    for topic in topology.topics:
        least = topic.config.get("min.insync.replicas", "1")
        if not least.isdecimal() or not 1 <= int(least) <= topic.replicas:
            yield Problem(topic.name, f"min.insync.replicas is {least}, with {topic.replicas} replicas")
