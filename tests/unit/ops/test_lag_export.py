"""What the lag exporter gives out: metrics under the agreed names and labels, one JSON document, the last good poll."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import BrokerMetadata, ClusterMetadata, PartitionMetadata, TopicMetadata
from prometheus_client.parser import text_string_to_metric_families

from pipeline.domain.errors import Retryable
from pipeline.ops.lag_expected import INPUTS, expected_groups, is_passing
from pipeline.ops.lag_history import History, Judged
from pipeline.ops.lag_metrics import MINE, OF_REPLICAS, SAMPLES
from pipeline.ops.lag_replicas import NO_LEADER, Copies, Replicas, replicas
from pipeline.ops.lag_report import document
from pipeline.ops.lag_rules import Limits
from pipeline.ops.lag_samples import GroupSample, Poll, TopicFacts, sample
from pipeline.ops.lag_service import LagService
from pipeline.ops.lag_topics import facts
from pipeline.ops.metric_names import BY_NAME
from pipeline.stages.applications import Applications
from pipeline.stages.collect import Collect
from pipeline.stages.intake import Intake
from pipeline.stages.join import Join

NOW = 1_800_000_000_000
INBOX = TopicFacts("hedx.37.requests", 2, 7_776_000.0, compacted=False, readable=False)
TABLE = TopicFacts("hedx.table", 1, None, compacted=True, readable=True)
BOUNDS = {("hedx.37.requests", 0): (5, 20), ("hedx.37.requests", 1): (0, 0), ("hedx.table", 0): (0, 9)}


def poll(at: int = NOW) -> Poll:
    """A lagging group that reads, one that reads a table, one that is absent."""
    inbox = {
        ("hedx.37.requests", 0): sample(at, 12, (5, 20), INBOX, at - 600_000),
        ("hedx.37.requests", 1): sample(at, None, (0, 0), INBOX, None),
    }
    table = {("hedx.table", 0): sample(at, 8, (0, 9), TABLE, None, only_markers=True)}
    return Poll(
        at,
        0.25,
        (
            GroupSample("hedx.37.answer", "stable", 1, expected=True, absent=False, partitions=inbox),
            GroupSample("hedx.ops.table", "stable", 2, expected=False, absent=False, partitions=table),
            GroupSample("hedx.37.deliver", "absent", 0, expected=True, absent=True, partitions={}),
        ),
        BOUNDS,
        frozenset({"hedx.table"}),
    )


REPLICAS = Replicas(
    2,
    {("hedx.37.requests", 0): Copies(3, 2, 1), ("hedx.37.requests", 1): Copies(3, 1, NO_LEADER)},
    {"hedx.37.requests": 2, "hedx.table": 1},
)


@pytest.fixture
def service() -> LagService:
    """A service over polls that fail now and then; its clock stands at the first."""
    outcomes: Iterator[Poll | KafkaException] = iter(
        [poll(), KafkaException(KafkaError(KafkaError._TRANSPORT)), poll(NOW + 60_000)]
    )

    def ask() -> Poll:
        outcome = next(outcomes)
        if isinstance(outcome, KafkaException):
            raise outcome
        return outcome

    service = LagService(ask, lambda: REPLICAS, History(Limits()), "hedx", 10.0, lambda: clock[0])
    clock = [NOW]
    service.clock = clock  # type: ignore[attr-defined]
    return service


def metrics(service: LagService) -> dict[tuple[str, tuple[str, ...]], float]:
    """(name, values of its labels in their order) → value, as Prometheus reads the page."""
    _, body = service.routes()["/metrics"]()
    found = {}
    for family in text_string_to_metric_families(body.decode()):
        for each in family.samples:
            declared = BY_NAME[each.name]
            assert tuple(sorted(each.labels)) == tuple(sorted(declared.labels)), each.name
            assert family.type == declared.kind
            assert family.documentation == declared.help
            found[each.name, tuple(each.labels[label] for label in declared.labels)] = each.value
    return found


def test_every_metric_of_the_source_is_exported_and_no_other(service: LagService) -> None:
    """Names, labels, kinds and help are those of metric_names; each has a sample in this poll."""
    service.once()
    assert {name for name, _ in metrics(service)} == {metric.name for metric in MINE}
    assert {*SAMPLES, *OF_REPLICAS, "hedx_lag_failures_total"} == {metric.name for metric in MINE}


def test_the_figures_are_the_polls(service: LagService) -> None:
    """Offsets, lag, seconds, ratio, status, rule; never committed: no offset, and nothing is made up for it."""
    service.once()
    found = metrics(service)
    place = ("hedx", "hedx.37.answer", "hedx.37.requests", "0")
    assert found["kafka_consumergroup_group_offset", place] == 12
    assert ("kafka_consumergroup_group_offset", (*place[:3], "1")) not in found
    assert found["kafka_consumergroup_group_lag", place] == 8
    assert found["kafka_consumergroup_group_lag_seconds", place] == 600
    assert found["hedx_lag_retention_ratio", place] == pytest.approx(600 / 7_776_000)
    assert found["kafka_consumergroup_group_max_lag_seconds", place[:2]] == 600
    assert found["kafka_consumergroup_group_topic_sum_lag", place[:3]] == 8
    assert found["kafka_partition_latest_offset", ("hedx", "hedx.37.requests", "0")] == 20
    assert found["kafka_partition_earliest_offset", ("hedx", "hedx.37.requests", "0")] == 5
    assert found["kafka_consumergroup_group_lag", ("hedx", "hedx.ops.table", "hedx.table", "0")] == 0
    assert found["hedx_lag_compacted", ("hedx", "hedx.table")] == 1
    assert found["hedx_lag_compacted", ("hedx", "hedx.37.requests")] == 0
    assert [found["hedx_lag_status", (*place[:2], status)] for status in ("ok", "warn", "stalled", "stopped")] == [
        0,
        1,
        0,
        0,
    ]
    assert found["hedx_lag_rule", place[:2]] == 7
    assert found["hedx_lag_members", ("hedx", "hedx.ops.table")] == 2
    assert found["hedx_lag_absent", ("hedx", "hedx.37.deliver")] == 1
    assert found["hedx_lag_absent", ("hedx", "hedx.37.answer")] == 0
    assert ("hedx_lag_absent", ("hedx", "hedx.ops.table")) not in found
    assert found["kafka_consumergroup_poll_time_ms", ("hedx",)] == 250
    assert found["hedx_lag_polled_seconds", ("hedx",)] == NOW / 1000 + 0.25


def test_the_last_good_poll_stands_and_failures_are_counted(service: LagService) -> None:
    """A broker that does not answer changes nothing but the counter; before the first poll there are no figures at all."""
    assert metrics(service) == {("hedx_lag_failures_total", ("hedx",)): 0}
    with pytest.raises(Retryable):
        service.routes()["/api/lag"]()
    service.once()
    before = metrics(service)
    service.once()
    after = metrics(service)
    assert after.pop(("hedx_lag_failures_total", ("hedx",))) == 1
    assert before.items() - after.items() == {(("hedx_lag_failures_total", ("hedx",)), 0)}
    service.once()
    assert metrics(service)["hedx_lag_polled_seconds", ("hedx",)] == NOW / 1000 + 60.25


def test_replicas_are_told_although_lag_is_not_to_be_had() -> None:
    """Of a partition without a leader nobody can tell the end: the poll fails, and the figures say which partition it is."""

    def fail() -> Poll:
        raise KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE))

    service = LagService(fail, lambda: REPLICAS, History(Limits()), "hedx", 10.0, lambda: NOW)
    service.once()
    place = ("hedx", "hedx.37.requests")
    assert metrics(service) == {
        ("hedx_lag_failures_total", ("hedx",)): 1,
        ("kafka_brokers", ("hedx",)): 2,
        ("kafka_topic_partition_replicas", (*place, "0")): 3,
        ("kafka_topic_partition_replicas", (*place, "1")): 3,
        ("kafka_topic_partition_in_sync_replica", (*place, "0")): 2,
        ("kafka_topic_partition_in_sync_replica", (*place, "1")): 1,
        ("kafka_topic_partition_leader", (*place, "0")): 1,
        ("kafka_topic_partition_leader", (*place, "1")): -1,
        ("hedx_topic_min_in_sync_replicas", place): 2,
        ("hedx_topic_min_in_sync_replicas", ("hedx", "hedx.table")): 1,
    }


def test_replicas_are_those_of_the_brokers_answer() -> None:
    """Of topics with the prefix; how many a write takes, of those whose settings are known."""

    def partition(leader: int, copies: list[int], in_sync: list[int]) -> PartitionMetadata:
        made = PartitionMetadata()
        made.leader, made.replicas, made.isrs = leader, copies, in_sync
        return made

    cluster = ClusterMetadata()
    cluster.brokers = {2: BrokerMetadata(), 3: BrokerMetadata()}
    for name in ("hedx.37.requests", "hedx.new", "others"):
        topic = cluster.topics[name] = TopicMetadata()
        topic.partitions = {0: partition(2, [1, 2, 3], [2, 3]), 1: partition(-1, [1], [])}
    found = replicas(cluster, {INBOX.name: INBOX}, "hedx.")
    copies = {0: Copies(3, 2, 2), 1: Copies(1, 0, NO_LEADER)}
    expected = {(name, n): each for name in ("hedx.37.requests", "hedx.new") for n, each in copies.items()}
    assert found == Replicas(2, expected, {"hedx.37.requests": 1})


def test_healthy_as_long_as_polls_succeed(service: LagService) -> None:
    """Three intervals without a good one, half a minute at least: not healthy, until one succeeds again."""
    health, clock = service.routes()["/healthz"], service.clock  # type: ignore[attr-defined]
    with pytest.raises(Retryable):
        health()
    service.once()
    clock[0] = NOW + 30_000
    assert health()[1] == b"ok\n"
    clock[0] = NOW + 30_001
    with pytest.raises(Retryable):
        health()
    service.once()
    with pytest.raises(Retryable):
        health()
    service.once()
    assert health()[1] == b"ok\n"


def test_the_document(service: LagService) -> None:
    """What `/api/lag` gives is JSON, worst groups first, with every partition's figures."""
    service.once()
    kind, body = service.routes()["/api/lag"]()
    assert kind == "application/json; charset=utf-8"
    said = json.loads(body)
    assert {key: said[key] for key in ("now", "cluster", "poll_seconds", "absent", "healthy")} == {
        "now": NOW,
        "cluster": "hedx",
        "poll_seconds": 10.0,
        "absent": ["hedx.37.deliver"],
        "healthy": False,
    }
    assert [(group["group"], group["status"], group["rule"]) for group in said["groups"]] == [
        ("hedx.37.deliver", "stopped", 1),
        ("hedx.37.answer", "warn", 7),
        ("hedx.ops.table", "ok", 10),
    ]
    assert said["groups"][1]["reason"] == "hedx.37.requests/0: late: 8 wait, the first for 10 min 0 s"
    assert said["groups"][1]["partitions"][0] == {
        "topic": "hedx.37.requests",
        "partition": 0,
        "committed": 12,
        "end": 20,
        "begin": 5,
        "lag": 8,
        "lag_seconds": 600.0,
        "retention_ratio": 600 / 7_776_000,
        "compacted": False,
        "status": "warn",
        "rule": 7,
    }
    assert said["groups"][1]["partitions"][1]["committed"] is None


def test_one_look_says_that_it_was_one() -> None:
    """`hedx lag --json` has no interval."""
    judged: Judged = History(Limits()).judge(poll())
    assert document(judged, "hedx")["poll_seconds"] is None


@pytest.mark.parametrize(
    ("config", "retention", "compacted"),
    [
        ({"cleanup.policy": "delete", "retention.ms": "5000"}, 5.0, False),
        ({"cleanup.policy": "delete", "retention.ms": "-1"}, None, False),
        ({"cleanup.policy": "compact", "retention.ms": "5000"}, None, True),
        ({"cleanup.policy": "compact,delete", "retention.ms": "5000"}, 5.0, True),
    ],
)
def test_facts_of_a_topic(config: dict[str, str], retention: float | None, compacted: bool) -> None:
    """Time deletes only where `delete` is among the policies and retention is bounded."""
    found = facts("t", 3, config | {"min.insync.replicas": "2"}, readable=True)
    assert (found.retention_seconds, found.compacted, found.partitions) == (retention, compacted, 3)
    assert found.least_in_sync == 2


def test_a_sample_is_never_negative_nor_from_the_future() -> None:
    """A commit past the end, and a record stamped later than now."""
    assert sample(NOW, 25, (0, 20), INBOX, None).lag == 0
    assert sample(NOW, 12, (0, 20), INBOX, NOW + 5000).seconds == 0.0
    assert sample(NOW, 3, (5, 20), INBOX, NOW - 1000).ratio == 1.0


def test_what_was_lost_stays_told_until_the_group_commits_again() -> None:
    """All it had not read is deleted, nothing else came: offsets as Kafka's tool counts them, the retention's time, a ratio of 1."""
    lost = sample(NOW, 50, (100, 100), INBOX, None)
    assert (lost.lag, lost.seconds, lost.ratio, lost.waits) == (50, INBOX.retention_seconds, 1.0, False)
    fresh = sample(NOW, 50, (100, 101), INBOX, NOW - 5_000)
    assert (fresh.lag, fresh.seconds, fresh.ratio, fresh.waits) == (51, 5.0, 1.0, True)
    assert sample(NOW, 50, (100, 101), INBOX, None).ratio == 1.0
    markers = sample(NOW, 50, (100, 102), INBOX, None, only_markers=True)
    assert (markers.lag, markers.seconds, markers.ratio, markers.waits) == (52, INBOX.retention_seconds, 1.0, False)
    by_hand = sample(NOW, 50, (100, 100), replace(INBOX, retention_seconds=None), None)
    assert (by_hand.seconds, by_hand.ratio, by_hand.waits) == (None, 1.0, False)
    never = sample(NOW, None, (100, 100), INBOX, None)
    assert (never.lag, never.seconds, never.ratio) == (0, 0.0, 0.0)
    again = sample(NOW, 100, (100, 100), INBOX, None)
    assert (again.lag, again.seconds, again.ratio) == (0, 0.0, 0.0)


def test_the_exchange_expects_its_stages_and_both_desks_of_each_party() -> None:
    """The stages read what this table says that they read."""
    assert [(each,) for each in INPUTS.values()] == [stage.inputs for stage in (Intake, Applications, Collect, Join)]
    assert expected_groups(["37"]) == {
        "hedx.center.intake": "hedx.center.requests",
        "hedx.center.applications": "hedx.center.applications",
        "hedx.center.collect": "hedx.center.responses",
        "hedx.center.join": "hedx.center.join",
        "hedx.37.answer": "hedx.37.requests",
        "hedx.37.deliver": "hedx.37.responses",
    }


@pytest.mark.parametrize(
    ("group", "passing"),
    [
        ("hedx.reader", True),
        ("hedx.ops.watch.0a1b2c", True),
        ("hedx.ops.watchdog", False),
        ("hedx.center.join", False),
    ],
)
def test_groups_that_commit_nothing_are_left_out(group: str, passing: bool) -> None:
    """A watch reads from a time on at each start, and gives how far behind it is as a figure of its own."""
    assert is_passing(group) is passing
