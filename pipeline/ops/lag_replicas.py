"""Where each partition's copies are: how many there are, how many keep up, whether one leads, and how many brokers live.

Pure but for what it is given. With one replica short of `min.insync.replicas` nothing is acknowledged, and every stage's
transactions wait; without a leader a partition is neither written nor read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka.admin import ClusterMetadata

from pipeline.ops.lag_samples import Place, TopicFacts

NO_LEADER = -1
"""What Kafka calls the broker that leads a partition which none leads."""


@dataclass(frozen=True, slots=True)
class Copies:
    """Of one partition. `leader`: the broker's number, or `NO_LEADER`."""

    replicas: int
    in_sync: int
    leader: int


@dataclass(frozen=True, slots=True)
class Replicas:
    """Of the cluster. `brokers`: those alive; `least`: of each topic, how many in-sync replicas a write takes."""

    brokers: int
    partitions: Mapping[Place, Copies]
    least: Mapping[str, int]


def replicas(cluster: ClusterMetadata, topics: Mapping[str, TopicFacts], prefix: str) -> Replicas:
    """What the brokers say of themselves and of the topics with `prefix`; `topics`: their settings, as far as they are known."""
    partitions = {
        (name, number): Copies(len(each.replicas), len(each.isrs), each.leader)
        for name, topic in cluster.topics.items()
        if name.startswith(prefix)
        for number, each in topic.partitions.items()
    }
    return Replicas(len(cluster.brokers), partitions, {name: topic.least_in_sync for name, topic in topics.items()})
