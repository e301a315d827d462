"""Rights and quotas on a real cluster: what `hedx topics` shows and makes, and what Kafka's own tools say of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.domain.errors import ConfigError
from pipeline.kafka import acls, quotas
from pipeline.kafka.acls import Acl, AclPlan
from pipeline.kafka.security import client_security
from tests.secured import ACLS, CONFIGS, PARTIES, Secured, secured

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """The cluster as the demo runs it."""
    with secured(tmp_path_factory.mktemp("access")) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def environment(kafka: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find the cluster and the installation as on the operator's machine."""
    monkeypatch.setenv("HEDX_HOME", str(kafka.installation.folder))
    monkeypatch.setenv("HEDX_BOOTSTRAP", kafka.bootstrap)
    monkeypatch.setenv("HEDX_PARTIES", ",".join(PARTIES))
    monkeypatch.delenv("HEDX_SECURITY", raising=False)


def topics(capsys: pytest.CaptureFixture[str], word: str, *options: str) -> tuple[int, str]:
    """`hedx topics <word>`: exit code and output."""
    code = run(["topics", word, *options])
    return code, capsys.readouterr().out


def test_what_was_declared_is_in_step(capsys: pytest.CaptureFixture[str]) -> None:
    """After the set-up there is nothing left to do, neither for topics nor for rights nor for quotas."""
    assert topics(capsys, "plan") == (Exit.FINE, "in step\n")


def test_drift_in_rights_is_shown_and_put_right(kafka: Secured, capsys: pytest.CaptureFixture[str]) -> None:
    """A right that somebody took away and one that somebody gave show as + and -, exit 2; apply makes both undone."""
    operator = client_security(kafka.installation.transport("admin"))
    given = Acl("P32", "allow", "read", "topic", "literal", "hedx.37.requests", "*")
    taken = Acl("P37", "allow", "read", "topic", "literal", "hedx.trust", "127.0.0.1")
    acls.apply(kafka.bootstrap, AclPlan(added=(given,), removed=(taken,)), operator)
    assert topics(capsys, "plan") == (
        Exit.DRIFT,
        "- acl P32  allow read topic hedx.37.requests\n+ acl P37  allow read topic hedx.trust from 127.0.0.1\n"
        "2 changes, 0 left alone\n",
    )
    code, text = topics(capsys, "plan", "--json")
    shown = json.loads(text)
    assert (code, shown["in_step"]) == (Exit.DRIFT, False)
    assert [(rule["principal"], rule["name"]) for rule in shown["acls"]["added"]] == [("P37", "hedx.trust")]
    assert [(rule["principal"], rule["name"]) for rule in shown["acls"]["removed"]] == [("P32", "hedx.37.requests")]
    assert topics(capsys, "apply")[0] == Exit.FINE
    assert topics(capsys, "plan") == (Exit.FINE, "in step\n")


def test_drift_in_quotas_is_shown_and_put_right(kafka: Secured, capsys: pytest.CaptureFixture[str]) -> None:
    """A quota that Kafka's own tool lifted or changed is drift; apply sets it again, and Kafka's tool reads it back."""
    alter = ("--alter", "--entity-type", "users", "--entity-name", "P37")
    kafka.tool(
        CONFIGS, "admin", *alter, "--add-config", "producer_byte_rate=1", "--delete-config", "request_percentage"
    )
    code, text = topics(capsys, "plan")
    assert code == Exit.DRIFT
    assert text.splitlines()[:2] == [
        "~ quota P37  producer_byte_rate: 1 -> 4194304",
        "+ quota P37  request_percentage: (none) -> 100",
    ]
    assert topics(capsys, "apply")[0] == Exit.FINE
    said = kafka.tool(CONFIGS, "admin", "--describe", "--entity-type", "users", "--entity-name", "P37")
    for limit in ("producer_byte_rate=4194304.0", "consumer_byte_rate=1.6777216E7", "request_percentage=100.0"):
        assert limit in said


def test_settings_of_a_running_broker_are_drift(kafka: Secured, capsys: pytest.CaptureFixture[str]) -> None:
    """What somebody set on a broker or on all of them, past their files, is named and left to the operator."""
    one, everywhere = (
        ("--entity-type", "brokers", "--entity-name", "1"),
        ("--entity-type", "brokers", "--entity-default"),
    )
    kafka.tool(CONFIGS, "admin", "--alter", *one, "--add-config", "log.retention.ms=3600000")
    kafka.tool(CONFIGS, "admin", "--alter", *everywhere, "--add-config", "log.cleaner.threads=2")
    code, text = topics(capsys, "plan")
    assert code == Exit.DRIFT
    assert [line.partition(" was set")[0] for line in text.splitlines()] == [
        "! all brokers  log.cleaner.threads=2",
        "! broker 1  log.retention.ms=3600000",
        "0 changes, 2 left alone",
    ]
    assert topics(capsys, "apply")[0] == Exit.DRIFT
    kafka.tool(CONFIGS, "admin", "--alter", *one, "--delete-config", "log.retention.ms")
    kafka.tool(CONFIGS, "admin", "--alter", *everywhere, "--delete-config", "log.cleaner.threads")
    assert topics(capsys, "plan") == (Exit.FINE, "in step\n")


def test_an_imported_file_is_in_step_with_its_cluster(
    kafka: Secured, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written from the cluster, read back, compared with it: nothing differs; a right beyond its form is named, exit 2."""
    monkeypatch.delenv("HEDX_PARTIES")
    made = str(tmp_path / "topics.yaml")
    assert topics(capsys, "import", "--out", made)[0] == Exit.FINE
    assert topics(capsys, "plan", "--file", made) == (Exit.FINE, "in step\n")
    assert topics(capsys, "validate", "--file", made)[0] == Exit.FINE
    assert topics(capsys, "import", "--out", made)[0] == Exit.FAILED  # it is there already
    operator = client_security(kafka.installation.transport("admin"))
    strange = Acl("P32", "allow", "alter", "topic", "literal", "hedx.32.requests", "*")
    acls.apply(kafka.bootstrap, AclPlan(added=(strange,)), operator)
    try:
        assert run(["topics", "import", "--json"]) == Exit.DRIFT
        assert json.loads(capsys.readouterr().out)["left_over"] == [f"- acl {strange}"]
    finally:
        acls.apply(kafka.bootstrap, AclPlan(removed=(strange,)), operator)


def test_kafkas_own_tool_lists_the_same_rights(kafka: Secured) -> None:
    """`kafka-acls --list` for 37 counts exactly the rules that topics.yaml wants, none on the cluster."""
    said = kafka.tool(ACLS, "admin", "--list", "--principal", "User:P37")
    wanted = acls.wanted(kafka.topology, {"37": ["127.0.0.1"]}, ())
    assert said.count("principal=User:P37, host=127.0.0.1,") == sum(acl.principal == "P37" for acl in wanted)
    assert "resourceType=CLUSTER" not in said
    assert "host=*" not in said


def test_quotas_and_rights_are_the_operators_alone(kafka: Secured) -> None:
    """With the center's certificate the commands' own code gets Kafka's refusal, as an error in words."""
    center = kafka.installation.transport("center")
    with pytest.raises(ConfigError, match=r"quotas.*31"):
        quotas.observe(kafka.bootstrap, center)
    change = quotas.QuotaChange("P37", "request_percentage", 100.0, None)
    with pytest.raises(ConfigError, match=r"P37.*31"):
        quotas.apply(kafka.bootstrap, [change], center)
    rule = Acl("center", "allow", "all", "topic", "literal", "*", "*")
    with pytest.raises(ConfigError, match="center"):
        acls.apply(kafka.bootstrap, AclPlan(added=(rule,)), client_security(center))


def test_a_flood_is_slowed_down_and_the_others_are_not(kafka: Secured) -> None:
    """Over its quota a party's producer is answered later, by Kafka's own account; 32's record takes no longer."""
    tight = quotas.QuotaChange("P37", "producer_byte_rate", None, 64 * 1024.0)
    admin = kafka.installation.transport("admin")
    quotas.apply(kafka.bootstrap, [tight], admin)
    try:
        throttled: list[int] = []
        flood = Producer(kafka.client("P37", linger_ms=0) | {"throttle_cb": lambda event: throttled.append(event)})
        for _ in range(8):
            flood.produce("hedx.center.requests", bytes(MIB // 4), partition=0)
        deadline = time.monotonic() + 10
        while not throttled and time.monotonic() < deadline:
            flood.poll(0.1)
        assert throttled
        started = time.monotonic()
        other = Producer(kafka.client("P32", linger_ms=0))
        other.produce("hedx.center.requests", b"in time", partition=0)
        assert other.flush(10) == 0
        assert time.monotonic() - started < 2
        flood.purge()
    finally:
        quotas.apply(kafka.bootstrap, [replace(tight, after=4.0 * MIB)], admin)


def test_registered_address_and_suspension_reach_the_cluster(
    kafka: Secured, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the registry says is what `hedx topics plan` compares with: a suspension there is drift until applied."""
    now = time.time_ns() // 1_000_000
    with kafka.installation.registry() as registry:
        registry.suspend("37", "trial", now)
    code, text = topics(capsys, "plan")
    assert code == Exit.DRIFT
    assert "+ acl P37  deny all topic *\n" in text
    assert "- acl P37  allow read topic hedx.37.requests from 127.0.0.1\n" in text
    with kafka.installation.registry() as registry:
        registry.resume("37", now)
    assert topics(capsys, "plan") == (Exit.FINE, "in step\n")


def test_plan_without_the_operators_files_is_an_error(kafka: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without the operator's TLS files nothing is compared, and nothing falls back to plaintext."""
    monkeypatch.setenv("HEDX_HOME", str(kafka.installation.folder / "elsewhere"))
    assert run(["topics", "plan"]) == Exit.FAILED


def test_watch_reads_over_tls(capsys: pytest.CaptureFixture[str]) -> None:
    """`hedx watch` is the principal ops: it reads the facts with its own certificate."""
    assert run(["watch", "--once", "--json"]) == Exit.FINE
    assert json.loads(capsys.readouterr().out)["events"] == 0


def test_operations_look_at_every_inbox_and_group_and_read_none(kafka: Secured) -> None:
    """With DESCRIBE alone: offsets by time, settings, groups with members. Reading, committing, changing: refused."""
    inbox = TopicPartition("hedx.37.requests", 0)
    center, party = Producer(kafka.client("center")), Consumer(kafka.client("P37", group_id="hedx.37.answer"))
    center.produce(inbox.topic, b"sealed", partition=0)
    assert center.flush(10) == 0
    deadline = time.monotonic() + 20
    while True:  # the group's coordinator may still be coming up
        try:
            party.commit(offsets=[TopicPartition(inbox.topic, 0, 1)], asynchronous=False)
            break
        except KafkaException:
            assert time.monotonic() < deadline
    party.close()
    ops = AdminClient(kafka.client("ops"))
    [found] = ops.list_offsets({inbox: OffsetSpec.for_timestamp(1)}).values()
    assert found.result().offset == 0
    assert found.result().timestamp > 0
    resource = ConfigResource(ResourceType.TOPIC, inbox.topic)
    [config] = ops.describe_configs([resource]).values()
    assert config.result()["retention.ms"].value == "7776000000"
    assert "hedx.37.answer" in {group.group_id for group in ops.list_consumer_groups().result().valid}
    [offsets] = ops.list_consumer_group_offsets([ConsumerGroupTopicPartitions("hedx.37.answer")]).values()
    assert [(place.topic, place.offset) for place in offsets.result().topic_partitions] == [(inbox.topic, 1)]
    [group] = ops.describe_consumer_groups(["hedx.37.answer"]).values()
    assert group.result().members == []
    alien = ConsumerGroupTopicPartitions("hedx.37.answer", [TopicPartition(inbox.topic, 0, 0)])
    [moved] = ops.alter_consumer_group_offsets([alien]).values()
    [place] = moved.result(10).topic_partitions
    assert place.error is not None
    assert place.error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED
    setting = ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)
    altered = ConfigResource(ResourceType.TOPIC, inbox.topic, incremental_configs=[setting])
    for deed, code in (
        (ops.delete_consumer_groups(["hedx.37.answer"]), KafkaError.GROUP_AUTHORIZATION_FAILED),
        (ops.incremental_alter_configs([altered]), KafkaError.TOPIC_AUTHORIZATION_FAILED),
        (ops.create_topics([NewTopic("hedx.trial", 1, 1)]), KafkaError.TOPIC_AUTHORIZATION_FAILED),
    ):
        [refused] = deed.values()
        with pytest.raises(KafkaException) as refusal:
            refused.result(10)
        assert refusal.value.args[0].code() == code
    reader = Consumer(kafka.client("ops", group_id="hedx.ops.trial"))
    reader.assign([TopicPartition(inbox.topic, 0, 0)])
    answer = reader.poll(10)
    reader.close()
    assert answer is not None
    error = answer.error()
    assert error is not None
    assert error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_settings_of_other_tools_survive(kafka: Secured, capsys: pytest.CaptureFixture[str]) -> None:
    """Setting a topic back leaves rights and quotas as they are, and the other way round."""
    client = AdminClient(kafka.client("admin"))
    entry = ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)
    [done] = client.incremental_alter_configs(
        [ConfigResource(ResourceType.TOPIC, "hedx.events", incremental_configs=[entry])]
    ).values()
    done.result(10)
    code, text = topics(capsys, "plan")
    assert (code, text.splitlines()[1:]) == (Exit.DRIFT, ["1 changes, 0 left alone"])
    assert topics(capsys, "apply")[0] == Exit.FINE
    assert topics(capsys, "plan") == (Exit.FINE, "in step\n")
