"""One poll of the lag exporter over the whole exchange: all parties, every topic, more than a hundred groups."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from pipeline.kafka.clients import producer_config
from pipeline.kafka.security import client_security
from pipeline.kafka.topology import TOPICS_FILE, load
from pipeline.ops.lag_expected import expected_groups
from pipeline.ops.lag_poll import Poller, Scope
from tests import secured
from tests.processes import wait_until

RECORDS = 50
"""On each partition of each topic that is read."""
PARTIES = tuple(load(TOPICS_FILE).parties)
EXPECTED = expected_groups(PARTIES)
GROUPS = {**EXPECTED, **{f"hedx.more.{number}": "hedx.events" for number in range(34)}}
POLLS = 5
PATIENCE = 30.0


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[secured.Secured]:
    """A cluster for all parties, on which every group has read half of each of its partitions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secured, "PARTIES", PARTIES)
        with secured.secured(tmp_path_factory.mktemp("size")) as cluster:
            operator = client_security(cluster.installation.transport("admin"))
            producer = Producer(producer_config(cluster.bootstrap, extra=operator))
            for number in range(RECORDS):
                for topic in sorted(set(GROUPS.values())):
                    for partition in range(3):
                        producer.produce(topic, b"%d" % number, partition=partition)
                assert producer.flush(PATIENCE) == 0  # a batch each, so that times differ
            admin = AdminClient(cluster.client("admin"))
            for group, topic in GROUPS.items():
                wait_until(group, lambda g=group, t=topic: commit(admin, g, t), PATIENCE)  # type: ignore[misc]
            yield cluster


def commit(admin: AdminClient, group: str, topic: str) -> bool:
    """Have a group stand in the middle of each partition; false while its coordinator is coming up."""
    places = [TopicPartition(topic, partition, RECORDS // 2) for partition in range(3)]
    [answer] = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)]).values()
    try:
        return all(place.error is None for place in answer.result(PATIENCE).topic_partitions)
    except KafkaException:
        return False


def test_a_poll_of_everything_fits_into_its_interval(
    kafka: secured.Secured, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over TLS, all 312 partitions lagging: searched from nothing within the exporter's interval, then within the live one."""
    extra = client_security(kafka.installation.transport("ops"))
    with Poller(kafka.bootstrap, Scope("hedx.", EXPECTED), extra) as poller:
        first = poller.poll()
        later = [poller.poll().took for _ in range(POLLS)]
    samples = [sample for group in first.groups for sample in group.partitions.values()]
    assert len({topic for topic, _ in first.bounds}) >= 80
    assert len(first.groups) == len(GROUPS) > 100
    assert len(samples) == 3 * len(GROUPS)
    assert all(each.lag == RECORDS - RECORDS // 2 and each.seconds is not None and each.seconds > 0 for each in samples)
    with capsys.disabled():
        print(f"\none poll: {first.took:.2f} s with every partition searched, then {median(later):.2f} s")
    assert first.took < 10
    assert median(later) < 2
