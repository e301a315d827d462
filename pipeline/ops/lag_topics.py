"""What lag depends on of topics: partitions, retention, compaction, and whether this principal may read them; and what a write takes."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient, ConfigResource, ResourceType

from pipeline.kafka.admin import TIMEOUT
from pipeline.ops.lag_samples import TopicFacts

GONE = KafkaError.UNKNOWN_TOPIC_OR_PART


def topic_facts(admin: AdminClient, prefix: str) -> dict[str, TopicFacts]:
    """Every topic whose name starts with `prefix`, by name; takes DESCRIBE and DESCRIBE_CONFIGS on them.

    Raises KafkaException.
    """
    names = [name for name in admin.list_topics(timeout=TIMEOUT).topics if name.startswith(prefix)]
    if not names:
        return {}
    described = admin.describe_topics(
        TopicCollection(names), include_authorized_operations=True, request_timeout=TIMEOUT
    )
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    settings = {
        resource.name: answer for resource, answer in admin.describe_configs(resources, request_timeout=TIMEOUT).items()
    }
    found = {}
    for name in names:
        try:
            topic = described[name].result()
            config = {key: entry.value for key, entry in settings[name].result().items()}
        except KafkaException as error:
            if error.args[0].code() == GONE:  # deleted between the two questions
                continue
            raise
        readable = AclOperation.READ in (topic.authorized_operations or ())
        found[name] = facts(name, len(topic.partitions), config, readable=readable)
    return found


def facts(name: str, partitions: int, config: Mapping[str, str], *, readable: bool) -> TopicFacts:
    """A topic's facts, from its settings under Kafka's names."""
    policies = config["cleanup.policy"].split(",")
    retention = int(config["retention.ms"])
    deletes = "delete" in policies and retention >= 0
    return TopicFacts(
        name,
        partitions,
        retention / 1000 if deletes else None,
        "compact" in policies,
        readable,
        int(config["min.insync.replicas"]),
    )
