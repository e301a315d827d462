"""Consumer groups: which there are, who is in them, and how far each has committed."""

from __future__ import annotations

from collections.abc import Collection

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from pipeline.kafka.admin import TIMEOUT
from pipeline.ops.lag_expected import is_passing
from pipeline.ops.lag_samples import GroupFacts, Place

GONE = KafkaError.GROUP_ID_NOT_FOUND


def group_facts(admin: AdminClient, prefix: str) -> dict[str, GroupFacts]:
    """Every consumer group whose name starts with `prefix` and that matters; takes DESCRIBE on them. Raises KafkaException.

    Offsets of a transaction that is open do not count: of those, Kafka tells the ones before.
    """
    listed = admin.list_consumer_groups(request_timeout=TIMEOUT).result()
    if listed.errors:
        raise listed.errors[0]
    names = sorted(group.group_id for group in listed.valid if group.group_id.startswith(prefix))
    committed = committed_offsets(admin, names)
    groups = {}
    for name, answer in admin.describe_consumer_groups(names, request_timeout=TIMEOUT).items() if names else ():
        try:
            group = answer.result()
        except KafkaException as error:
            if error.args[0].code() == GONE:  # deleted between the two questions
                continue
            raise
        if not is_passing(name):
            held = [place for member in group.members for place in member.assignment.topic_partitions]
            assigned = frozenset((place.topic, place.partition) for place in held)
            groups[name] = GroupFacts(name, group.state.name.lower(), len(group.members), assigned, committed[name])
    return groups


def committed_offsets(admin: AdminClient, groups: Collection[str]) -> dict[str, dict[Place, int]]:
    """Group → place → committed offset. One request a group, all under way at the same time. Raises KafkaException."""
    answers = [
        admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=TIMEOUT)
        for group in groups
    ]
    return {
        group: {
            (place.topic, place.partition): place.offset
            for place in future.result().topic_partitions
            if place.offset >= 0
        }
        for answer in answers
        for group, future in answer.items()
    }
