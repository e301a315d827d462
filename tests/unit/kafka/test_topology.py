"""topics.yaml: what is refused, and where the message points."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import PROVINCES
from pipeline.kafka.problems import Problem
from pipeline.kafka.topic_rules import validate
from pipeline.kafka.topology import TOPICS_FILE, load

WHOLE = TOPICS_FILE.read_text(encoding="utf-8")

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a text as topics.yaml and gives its path."""

    def _write(text: str) -> Path:
        path = tmp_path / "topics.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return _write


def changed(old: str, new: str) -> str:
    """The shipped file with the first `old` replaced."""
    assert old in WHOLE
    return WHOLE.replace(old, new, 1)


def test_shipped_file_has_no_problem_for_limits_of_sixty_days() -> None:
    """The file we ship is right for all parties, up to the feedback limit its comment promises."""
    assert validate(load(TOPICS_FILE), timedelta(days=60)) == []


def test_shipped_file_lists_every_party() -> None:
    """All 32 provinces and 部中心 have inboxes."""
    assert set(load(TOPICS_FILE).parties) == {*PROVINCES, "00"}


def test_expands_topics_and_principals_over_the_selected_parties_only() -> None:
    """A restricted topology has two inboxes per selected party and the center's, and remembers the others' names."""
    topology = load(TOPICS_FILE, ["00", "32", "37", "53"])
    inboxes = {spec.name for spec in topology.topics if spec.name.endswith(("requests", "responses"))}
    assert inboxes == {f"hedx.{p}.{k}" for p in ("00", "32", "37", "53", "center") for k in ("requests", "responses")}
    assert {spec.name for spec in topology.principals} == {"center", "ops", "P00", "P32", "P37", "P53"}
    assert "hedx.11.requests" in topology.declared


def test_a_party_never_gets_another_partys_topics() -> None:
    """In a principal made per party, {party} is that party alone."""
    by_name = {spec.name: spec for spec in load(TOPICS_FILE).principals}
    seen = {*by_name["P37"].produces, *by_name["P37"].consumes}
    assert {name for name in seen if name.startswith("hedx.37.")} == {"hedx.37.requests", "hedx.37.responses"}
    assert not any(name.startswith(f"hedx.{code}.") for code in PROVINCES if code != "37" for name in seen)


def test_one_variable_sets_the_partitions() -> None:
    """A topic without `partitions` has the default; one with has its own."""
    topology = load(TOPICS_FILE, ["37"])
    assert topology.topic("hedx.center.join").partitions == 3
    assert topology.topic("hedx.catalog").partitions == 1


def test_config_values_are_kafkas_texts(write: Write) -> None:
    """Numbers and booleans of YAML become what Kafka writes, defaults merged in."""
    path = write(changed("min.insync.replicas: 1", "min.insync.replicas: 1\n    preallocate: true"))
    config = load(path, ["37"]).topic("hedx.center.join.changelog").config
    assert config["preallocate"] == "true"
    assert config["min.cleanable.dirty.ratio"] == "0.1"
    assert config["segment.bytes"] == "67108864"


FORM_FAULTS = [
    pytest.param("    partitions: 1\n", "    partition: 1\n", "partition: unknown key (did you mean 'partitions'?)", id="topic"),
    pytest.param("  environment: demo", "  environment: demo\n  colour: red", "cluster.colour: unknown key", id="cluster"),
    pytest.param("  replicas: 1\n", "  replica: 1\n", "defaults.replica: unknown key (did you mean 'replicas'?)", id="defaults"),
    pytest.param("    group: hedx.center.", "    groups: x", "(center).groups: unknown key (did you mean 'group'?)", id="principal"),
    pytest.param("\nparties:", "\nparty:", "party: unknown key (did you mean 'parties'?)", id="top-level"),
    pytest.param("  partitions: 3", '  partitions: "3"', "defaults.partitions: Input should be a valid integer", id="text"),
    pytest.param("  partitions: 3", "  partitions: 0", "defaults.partitions: Input should be greater than", id="zero"),
    pytest.param("    foreach: parties", "    foreach: party", "foreach: Input should be 'parties'", id="foreach"),
    pytest.param('"11",', "11,", "parties[1]: Input should be a valid string", id="unquoted-party"),
    pytest.param("retention.ms: -1", "retention.ms: [1]", "retention.ms: must be a text, a number", id="list-value"),
    pytest.param("name: hedx.{party}.requests", "name: hedx.x.requests", "needs {party} in the name", id="same-name"),
    pytest.param("  name: hedx\n", "  name: hedx\n  name: again\n", "key 'name' is written twice", id="twice"),
    pytest.param("cluster:", "cluster: [", "topics.yaml:", id="broken-yaml"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), FORM_FAULTS)
def test_refuses_what_the_form_does_not_know(write: Write, old: str, new: str, message: str) -> None:
    """Each fault of form is an error that names the key and its place."""
    with pytest.raises(ConfigError) as caught:
        load(write(changed(old, new)))
    assert message in str(caught.value)


def test_points_at_the_line_and_lists_every_fault(write: Write) -> None:
    """Two unknown keys are two lines, each with the line number of the key."""
    text = changed("    owner: province-{party}", "    ownr: province-{party}").replace(
        "  replicas: 1", "  replica: 1", 1
    )
    with pytest.raises(ConfigError) as caught:
        load(write(text))
    for key in ("ownr", "replica"):
        number = next(i for i, line in enumerate(text.splitlines(), 1) if f" {key}:" in line)
        assert f"topics.yaml:{number}: " in str(caught.value)
    assert "topics[0] (hedx.{party}.requests).ownr: unknown key (did you mean 'owner'?)" in str(caught.value)


def test_refuses_a_party_that_the_file_does_not_list() -> None:
    """A restriction to an unlisted party is an error, not an empty result."""
    with pytest.raises(ConfigError, match="parties 99 are not"):
        load(TOPICS_FILE, ["37", "99"])


def test_says_that_the_file_is_missing(tmp_path: Path) -> None:
    """A path that is not there is the operator's fault, said in words."""
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "nothing.yaml")


JOIN = "  - name: hedx.center.join\n"
CHANGELOG = "    changelog_of: hedx.center.join\n"
PARTYS = "    produces:\n      - hedx.center.requests\n"
QUOTA = """    quota:
      producer_byte_rate: 4194304
      consumer_byte_rate: 16777216
      request_percentage: 100
"""
RULES = [
    pytest.param('"66"]', '"66", "99"]', "parties", "'99' is neither 00 nor a province's code", id="party-unknown"),
    pytest.param('"66"]', '"66", "center"]', "parties", "'center' is neither", id="center-is-no-party"),
    pytest.param('"66"]', '"66", "37"]', "parties", "'37' is there 2 times", id="party-twice"),
    pytest.param(JOIN, "  - name: hedx.events\n", "hedx.events", "declared 2 times", id="topic-twice"),
    pytest.param("name: ops", "name: P37", "principal P37", "declared 2 times", id="principal-twice"),
    pytest.param("name: hedx.trust", "name: trust", "trust", "does not start with the cluster's prefix", id="prefix"),
    pytest.param("name: hedx.trust", "name: hedx.trust_1", "hedx.trust_1", "small letters", id="underscore"),
    pytest.param("name: hedx.trust", "name: hedx.Trust", "hedx.Trust", "small letters", id="capital"),
    pytest.param("name: hedx.trust", "name: hedx.{party}", "hedx.{party}", "small letters", id="braces-without-foreach"),
    pytest.param("name: hedx.trust", f"name: hedx.{'t' * 250}", f"hedx.{'t' * 250}", "at most 249", id="long"),
    pytest.param("max.compaction.lag.ms: ", "max.compaction.lag: ", "hedx.center.join.changelog",
                 "no topic configuration 'max.compaction.lag' (did you mean 'max.compaction.lag.ms'?)", id="native-key"),
    pytest.param(CHANGELOG, CHANGELOG + "    partitions: 4\n", "hedx.center.join.changelog",
                 "has 4 partitions, hedx.center.join has 3", id="parity"),
    pytest.param(JOIN, JOIN + "    partitions: 6\n", "hedx.center.join.changelog",
                 "has 3 partitions, hedx.center.join has 6", id="parity-of-the-input"),
    pytest.param(CHANGELOG, "    changelog_of: hedx.center.joins\n", "hedx.center.join.changelog",
                 "unknown topic 'hedx.center.joins'", id="changelog-of-nothing"),
    pytest.param(CHANGELOG, "", "hedx.center.join.changelog", "without `changelog_of`", id="changelog-undeclared"),
    pytest.param("config: &changelog\n      cleanup.policy: compact", "config: &changelog\n      cleanup.policy: delete",
                 "hedx.center.join.changelog", "needs `cleanup.policy: compact`", id="changelog-not-compacted"),
    pytest.param("message.timestamp.type: LogAppendTime", "message.timestamp.type: CreateTime", "hedx.37.requests",
                 "LogAppendTime", id="inbox-clock"),
    pytest.param("config: &responses\n      cleanup.policy: delete", "config: &responses\n      cleanup.policy: compact",
                 "hedx.center.responses", "needs `cleanup.policy: delete`", id="inbox-compacted"),
    pytest.param("name: hedx.center.requests", "name: hedx.center.request", "hedx.center.requests", "not declared",
                 id="inbox-missing"),
    pytest.param("retention.ms: 7776000000  # 90 d: room", "retention.ms: 5184000000  # 60 d: room", "hedx.37.requests",
                 "feedback limits of 60 d need 7776000000", id="retention"),
    pytest.param("retention.ms: 7776000000  # 90 d: room", "segment.ms: 5184000000  # room", "hedx.center.requests",
                 "retention.ms is not set", id="retention-not-set"),
    pytest.param("min.insync.replicas: 1", "min.insync.replicas: 2", "hedx.trust", "is 2, with 1 replicas", id="insync"),
    pytest.param("      - hedx.catalog\n", "      - hedx.catalogue\n", "principal center",
                 "produces 'hedx.catalogue', which no topic declares", id="principal-topic"),
    pytest.param("    group: hedx.ops.\n", "", "principal ops", "needs a group", id="principal-group"),
    pytest.param("    group: hedx.ops.\n", "    group: hedx.ops\n", "principal ops", "must end in a dot", id="group-end"),
    pytest.param("    group: hedx.ops.\n", "    group: hedx.\n", "principal ops", "covers that of P37", id="group-wide"),
    pytest.param("    group: hedx.ops.\n", "    group: hedx.\n", "principal ops", "covers 'hedx.reader'", id="group-all"),
    pytest.param("      - hedx.{party}.responses\n      - hedx.catalog\n      - hedx.trust\n      - hedx.checkpoints\n      - hedx.bulletin\n\n  - name: ops",
                 "      - hedx.32.responses\n      - hedx.catalog\n      - hedx.trust\n      - hedx.checkpoints\n      - hedx.bulletin\n\n  - name: ops",
                 "principal P37", "consumes 'hedx.32.responses': a party reads its own inboxes", id="cross-tenant-read"),
    pytest.param(PARTYS + "      - hedx.center.responses\n", PARTYS + "      - hedx.32.requests\n",
                 "principal P37", "produces 'hedx.32.requests': a party writes to", id="cross-tenant-write"),
    pytest.param(PARTYS, PARTYS + "      - hedx.trust\n", "principal P37", "the center alone writes", id="forged-trust"),
    pytest.param(PARTYS, PARTYS + "      - hedx.{party}.requests\n", "principal P37", "both consumes and produces the inbox",
                 id="inbox-two-ways"),
    pytest.param("    group: hedx.{party}.\n", "    group: hedx.p{party}.\n", "principal P37", "group must be 'hedx.37.'",
                 id="party-group"),
    pytest.param("consumes:\n      - hedx.events", "consumes:\n      - hedx.37.requests", "principal ops",
                 "consumes 'hedx.37.requests', the inbox of P37", id="ops-reads-inbox"),
    pytest.param("    describes: true\n    produces: []", "    describes: true\n    produces: [hedx.catalog]",
                 "principal ops", "produces 'hedx.catalog', which the center alone writes", id="ops-writes-catalog"),
    pytest.param("name: ops\n", "name: admin\n", "principal admin", "is a super user", id="super-user-listed"),
    pytest.param(QUOTA, "", "principal P37", "has no quota", id="no-quota"),
    pytest.param("    group: hedx.{party}.\n", "    group: hedx.{party}.\n    transactions: true\n", "principal P37",
                 "may not write in transactions", id="party-in-transactions"),
    pytest.param("    group: hedx.{party}.\n", "    group: hedx.{party}.\n    describes: true\n", "principal P37",
                 "may not describe everything", id="party-describes"),
    pytest.param("    group: hedx.center.\n", "    group: hedx.center.\n    describes: true\n", "principal center",
                 "may not describe everything", id="center-describes"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "place", "reason"), RULES)
def test_rule_names_the_place_and_the_reason(write: Write, old: str, new: str, place: str, reason: str) -> None:
    """Each rule, broken once, gives a problem at that place with that reason."""
    problems = validate(load(write(changed(old, new))), timedelta(days=60))
    assert [p for p in problems if p.place == place and reason in p.reason], [str(p) for p in problems]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("    description: Lifecycle facts without personal data, for operations\n", Problem("hedx.events", "has no description")),
        ("    description: Watch, lag and console; reads facts and reasons, never an inbox\n", Problem("principal ops", "has no description")),
    ],
)  # fmt: skip
def test_everything_has_a_description(write: Write, line: str, problem: Problem) -> None:
    """A topic or principal nobody described is a problem, and the only one."""
    assert validate(load(write(changed(line, "")))) == [problem]


def test_every_topic_has_an_owner(write: Write) -> None:
    """A topic nobody owns is a problem."""
    path = write(changed("    owner: center\n    keyed: false\n", "    keyed: false\n"))
    assert validate(load(path)) == [Problem("hedx.events", "has no owner")]


def test_retention_without_end_is_long_enough(write: Write) -> None:
    """-1 keeps requests for ever, whatever the catalog's longest limit."""
    path = write(changed("retention.ms: 7776000000  # 90 d: room", "retention.ms: -1  # room"))
    assert validate(load(path), timedelta(days=900)) == []


def test_hosts_are_addresses(write: Write) -> None:
    """A host that is no address would be a rule that never holds, since the broker knows no names and no networks."""
    for host in ("kafka.example", "10.0.0.0/8"):
        with pytest.raises(ConfigError, match="hosts"):
            load(write(changed("    group: hedx.ops.\n", f"    group: hedx.ops.\n    hosts: ['{host}']\n")))
    topology = load(write(changed("    group: hedx.ops.\n", "    group: hedx.ops.\n    hosts: [10.0.0.5]\n")))
    assert [spec.hosts for spec in topology.principals if spec.name == "ops"] == [("10.0.0.5",)]


def test_production_keeps_three_replicas_of_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """HEDX_ENVIRONMENT=production: sound, three replicas of which two must have each record, and no other topics."""
    demo = load(TOPICS_FILE)
    monkeypatch.setenv("HEDX_ENVIRONMENT", "production")
    production = load(TOPICS_FILE)
    assert validate(production, timedelta(days=60)) == []
    assert production.cluster.environment == "production"
    assert {(spec.replicas, spec.config["min.insync.replicas"]) for spec in production.topics} == {(3, "2")}
    assert [spec.name for spec in production.topics] == [spec.name for spec in demo.topics]
    for spec, other in zip(production.topics, demo.topics, strict=True):
        assert {**spec.config, "min.insync.replicas": "1"} == other.config
        assert spec.partitions == (12 if other.partitions == 3 else other.partitions)


@pytest.mark.parametrize("name", ["demo", ""])
def test_the_files_own_environment_has_the_defaults(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The environment the file is for, or none, changes nothing."""
    plain = load(TOPICS_FILE)
    monkeypatch.setenv("HEDX_ENVIRONMENT", name)
    assert load(TOPICS_FILE) == plain


def test_an_unknown_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A typo must not bring one replica to production."""
    monkeypatch.setenv("HEDX_ENVIRONMENT", "prodution")
    with pytest.raises(ConfigError, match=r"prodution: topics\.yaml knows demo, production"):
        load(TOPICS_FILE)
