"""topics.yaml against a real broker: what apply does, the next plan no longer wants."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.domain.errors import ConfigError
from pipeline.kafka import admin
from pipeline.kafka.topic_rules import NATIVE_KEYS
from pipeline.kafka.topology import TOPICS_FILE, TopicSpec, Topology, load

pytestmark = pytest.mark.usefixtures("plaintext")


@pytest.fixture
def path(tmp_path: Path, topic_prefix: str) -> Path:
    """The shipped file under this test's own prefix, so that tests may share the broker."""
    path = tmp_path / "topics.yaml"
    path.write_text(TOPICS_FILE.read_text(encoding="utf-8").replace("hedx.", topic_prefix), encoding="utf-8")
    return path


@pytest.fixture
def shipped(path: Path) -> Topology:
    """That file, for two parties."""
    return load(path, ["00", "37"])


def one(topology: Topology, spec: TopicSpec) -> Topology:
    """`topology` with this topic only."""
    return replace(topology, topics=(spec,), declared=frozenset({spec.name}))


def bring(kafka: str, topology: Topology, allow_delete: Sequence[str] = ()) -> admin.Plan:
    """Apply and give the plan that remains."""
    prefix = topology.cluster.prefix
    admin.apply(kafka, admin.plan(topology, admin.observe(kafka, prefix), allow_delete=allow_delete))
    return admin.plan(topology, admin.observe(kafka, prefix))


def test_applies_the_shipped_file_once(kafka: str, shipped: Topology) -> None:
    """Every topic of the file is created as declared; the second plan is empty."""
    assert len(admin.plan(shipped, {}).changes) == len(shipped.topics)
    assert bring(kafka, shipped).in_step
    observed = admin.observe(kafka, shipped.cluster.prefix)
    assert {name: (topic.partitions, dict(topic.config)) for name, topic in observed.items()} == {
        spec.name: (spec.partitions, dict(spec.config)) for spec in shipped.topics
    }


@pytest.fixture
def spec(shipped: Topology, kafka: str) -> TopicSpec:
    """A topic that is on the broker: the events."""
    spec = next(spec for spec in shipped.topics if spec.name.endswith(".events"))
    assert bring(kafka, one(shipped, spec)).in_step
    return spec


def test_changes_and_removes_single_keys_only(kafka: str, shipped: Topology, spec: TopicSpec) -> None:
    """An altered key is set, a key set by hand is removed, and the others stay."""
    client = AdminClient({"bootstrap.servers": kafka})
    by_hand = admin.Plan((admin.AlterConfig(spec.name, "segment.ms", None, "3600000"),))
    admin.apply(kafka, by_hand)
    wanted = replace(spec, config={**spec.config, "retention.ms": "1000000"})
    made = admin.plan(one(shipped, wanted), admin.observe(kafka, shipped.cluster.prefix))
    assert [str(change).partition("  ")[2] for change in made.changes] == [
        "retention.ms: 7776000000 -> 1000000",
        "segment.ms: 3600000 -> (default)",
    ]
    assert bring(kafka, one(shipped, wanted)).in_step
    config = _described(client, spec.name)
    assert (config["retention.ms"], config["segment.ms"]) == ("1000000", "604800000")


def test_adds_partitions_and_never_removes_them(kafka: str, shipped: Topology, spec: TopicSpec) -> None:
    """Growing an unkeyed topic works; going back is refused and leaves it as it is."""
    assert bring(kafka, one(shipped, replace(spec, partitions=5))).in_step
    remaining = bring(kafka, one(shipped, spec))
    assert [finding.kind for finding in remaining.findings] == ["fewer_partitions"]
    assert admin.observe(kafka, shipped.cluster.prefix)[spec.name].partitions == 5


def test_deletes_a_stray_only_when_it_is_named(kafka: str, shipped: Topology, spec: TopicSpec) -> None:
    """A topic of the prefix that the file no longer has survives apply, until the operator names it."""
    nothing = replace(shipped, topics=(), declared=frozenset())
    assert [finding.kind for finding in bring(kafka, nothing).findings] == ["undeclared"]
    assert spec.name in admin.observe(kafka, shipped.cluster.prefix)
    assert bring(kafka, nothing, allow_delete=[spec.name]).in_step
    assert spec.name not in admin.observe(kafka, shipped.cluster.prefix)


def test_says_which_topic_the_cluster_refused(kafka: str, shipped: Topology, unique: Callable[[str], str]) -> None:
    """One impossible topic is an error with its name; the others are created all the same."""
    good = TopicSpec(unique("good"), 1, 1, {}, "fine", "center")
    bad = TopicSpec(unique("bad"), 1, 1, {"cleanup.policy": "shred"}, "impossible", "center")
    with pytest.raises(ConfigError, match=r"bad: .*shred"):
        admin.apply(kafka, admin.Plan((admin.Create(good), admin.Create(bad))))
    assert set(admin.observe(kafka, shipped.cluster.prefix)) == {good.name}


def test_known_keys_are_the_brokers(kafka: str, spec: TopicSpec) -> None:
    """Every public topic key that this Kafka describes is known to validate, and every known key is one of its own."""
    described = _described(AdminClient({"bootstrap.servers": kafka}), spec.name)
    assert {key for key in described if not key.startswith("internal.")} == NATIVE_KEYS


def test_says_that_no_kafka_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong address is the operator's fault, said in words."""
    monkeypatch.setattr(admin, "TIMEOUT", 1.0)
    with pytest.raises(ConfigError, match=r"no Kafka answers at 127\.0\.0\.1:9"):
        admin.observe("127.0.0.1:9")


def _described(client: AdminClient, topic: str) -> Mapping[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    entries = client.describe_configs([resource])[resource].result()
    return {key: entry.value for key, entry in entries.items()}


def hedx(*words: str) -> int:
    """Run a command line and give its exit code."""
    return run(["topics", *words])


def test_command_line_tells_drift_from_step(kafka: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`plan` exits 2 before `apply` and 0 after; `--json` says the same in one object."""
    here = ["--file", str(path), "--parties", "00,37", "--bootstrap", kafka]
    assert hedx("plan", *here) == Exit.DRIFT
    lines = capsys.readouterr().out.splitlines()
    topics = load(path, ["00", "37"]).topics
    assert [line.split()[:2] for line in lines[:-1]] == [["+", spec.name] for spec in topics]
    assert lines[-1] == f"{len(topics)} changes, 0 left alone"
    assert hedx("apply", *here) == Exit.FINE
    capsys.readouterr()
    assert hedx("plan", "--json", *here) == Exit.FINE
    nothing = {"acls": {"added": [], "removed": []}, "quotas": []}
    assert json.loads(capsys.readouterr().out) == {"in_step": True, "changes": [], "findings": [], **nothing}


def test_command_line_takes_cluster_and_parties_from_the_environment(
    kafka: str, path: Path, topic_prefix: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """HEDX_BOOTSTRAP and HEDX_PARTIES stand in for the options."""
    monkeypatch.setenv("HEDX_BOOTSTRAP", kafka)
    monkeypatch.setenv("HEDX_PARTIES", "53")
    assert hedx("plan", "--json", "--file", str(path)) == Exit.DRIFT
    changes = json.loads(capsys.readouterr().out)["changes"]
    created = {change["topic"].removeprefix(topic_prefix) for change in changes}
    assert {"53.requests", "53.responses"} < created
    assert "37.requests" not in created


def test_command_line_refuses_a_wrong_file_before_it_looks_at_the_cluster(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that breaks a rule is exit 1 with the rule's words; the address is never tried."""
    path.write_text(path.read_text(encoding="utf-8").replace("LogAppendTime", "CreateTime"), encoding="utf-8")
    assert hedx("plan", "--file", str(path), "--bootstrap", "127.0.0.1:9") == Exit.FAILED
    assert "LogAppendTime" in capsys.readouterr().err
    assert hedx("validate", "--file", str(path)) == Exit.FAILED


def test_command_line_says_how_to_get_a_broker(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a cluster named and without a running broker the message says what to type."""
    monkeypatch.delenv("HEDX_BOOTSTRAP", raising=False)
    monkeypatch.setenv("HEDX_HOME", str(tmp_path))
    assert hedx("plan") == Exit.FAILED
    assert "hedx broker start" in capsys.readouterr().err
