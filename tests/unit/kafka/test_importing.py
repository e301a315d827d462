"""topics.yaml from a cluster, purely: the cluster that the shipped file describes gives the shipped file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.cli.topics_files import as_yaml
from pipeline.crypto.certificates import party_of_principal
from pipeline.kafka import acls
from pipeline.kafka.acls import Acl
from pipeline.kafka.admin import ObservedTopic
from pipeline.kafka.importing import NOBODY, UNDESCRIBED, Imported, Observed, imported
from pipeline.kafka.topic_rules import validate
from pipeline.kafka.topology import TOPICS_FILE, Cluster, Topology, expand, load

SHIPPED = load(TOPICS_FILE)
CLUSTER = SHIPPED.cluster
ADDRESSES = {party: (f"10.0.{int(party)}.1", f"10.0.{int(party)}.2") for party in SHIPPED.parties}
BARE = Topology(CLUSTER, (), (), (), frozenset())


def cluster_of(topology: Topology, *, addresses: Mapping[str, tuple[str, ...]] = ADDRESSES) -> Observed:
    """What a cluster shows that is in step with `topology`."""
    return Observed(
        {spec.name: ObservedTopic(spec.partitions, spec.replicas, dict(spec.config)) for spec in topology.topics},
        acls.wanted(topology, addresses, ()),
        {spec.name: dict(spec.quota) for spec in topology.principals if spec.quota},
    )


def taken(observed: Observed, known: Topology = SHIPPED) -> Imported:
    """The import of a cluster of the shipped name."""
    return imported(CLUSTER, observed, known)


def specs(topology: Topology) -> tuple[object, object, object]:
    """Topics, principals and parties, whatever their order."""
    principals = {
        spec.name: replace(spec, produces=tuple(sorted(spec.produces)), consumes=tuple(sorted(spec.consumes)))
        for spec in topology.principals
    }
    return {spec.name: spec for spec in topology.topics}, principals, topology.parties


def test_a_cluster_in_step_gives_the_file_back(tmp_path: Path) -> None:
    """Through the text, too: topics, rights, quotas, descriptions; nothing is left over and nothing is wrong with it."""
    made = taken(cluster_of(SHIPPED))
    assert made.left_over == ()
    (tmp_path / "topics.yaml").write_text(as_yaml(made.file), encoding="utf-8")
    again = load(tmp_path / "topics.yaml")
    assert specs(again) == specs(SHIPPED)
    assert validate(again) == []


def test_parties_alike_are_one_entry() -> None:
    """The file is for people: two inboxes of 33 parties are two entries, the adapters' rights one."""
    file = taken(cluster_of(SHIPPED)).file
    assert [entry.name for entry in file.topics if entry.foreach] == ["hedx.{party}.requests", "hedx.{party}.responses"]
    assert [entry.name for entry in file.principals] == ["center", "P{party}", "ops"]
    assert "hedx.{party}.requests" in next(entry for entry in file.principals if entry.name == "center").produces


def test_a_party_that_differs_is_written_out() -> None:
    """Whose inbox somebody changed by hand shows in the file as it is."""
    observed = cluster_of(SHIPPED)
    topic = observed.topics["hedx.37.requests"]
    changed = {**observed.topics, "hedx.37.requests": replace(topic, partitions=6)}
    made = taken(replace(observed, topics=changed))
    assert made.left_over == ()
    topology = expand(made.file)
    assert topology.topic("hedx.37.requests").partitions == 6
    assert topology.topic("hedx.32.requests").partitions == topic.partitions
    assert topology.topic("hedx.37.requests").owner == "province-37"


STRANGE = {
    "a right of another kind": Acl("P37", "allow", "alter", "topic", "literal", "hedx.37.requests", "10.0.37.1"),
    "a right of another kind from everywhere": Acl(
        "P37", "allow", "alter", "topic", "literal", "hedx.37.requests", "*"
    ),
    "a wildcard": Acl("*", "allow", "read", "topic", "literal", "*", "*"),
    "a party's right that the others lack": Acl("P37", "allow", "read", "topic", "literal", "hedx.events", "10.0.37.1"),
    "a denial": Acl("ops", "deny", "read", "topic", "literal", "hedx.events", "*"),
}


@pytest.mark.parametrize("rule", STRANGE.values(), ids=STRANGE)
def test_a_rule_that_the_file_cannot_say_is_left_over(rule: Acl) -> None:
    """It is named, so that nobody takes the file for the whole truth."""
    observed = cluster_of(SHIPPED)
    made = taken(replace(observed, rules={*observed.rules, rule}))
    assert made.left_over == (f"- acl {rule}",)


def test_a_suspended_party_keeps_its_rights_in_the_file() -> None:
    """Suspension is the registry's business: the file says what the party may do when it is resumed."""
    observed = replace(cluster_of(SHIPPED), rules=acls.wanted(SHIPPED, ADDRESSES, {"37"}))
    made = taken(observed)
    assert made.left_over == ()
    assert specs(expand(made.file)) == specs(SHIPPED)


def test_a_party_without_an_address_is_a_party_all_the_same() -> None:
    """It gets in from nowhere, and its inboxes are there."""
    others = {party: hosts for party, hosts in ADDRESSES.items() if party != "37"}
    made = taken(cluster_of(SHIPPED, addresses=others))
    assert made.left_over == ()
    assert "37" in made.file.parties


def test_what_no_known_file_describes_is_marked() -> None:
    """Descriptions and owners are not on a cluster; whose changelog a topic is, its name says."""
    made = taken(cluster_of(SHIPPED), BARE)
    events = next(entry for entry in made.file.topics if entry.name == "hedx.events")
    assert (events.description, events.owner) == (UNDESCRIBED, NOBODY)
    assert all(entry.keyed for entry in made.file.topics)
    changelogs = {entry.name: entry.changelog_of for entry in made.file.topics if entry.changelog_of}
    assert changelogs["hedx.center.join.changelog"] == "hedx.center.join"


def test_others_topics_are_not_imported() -> None:
    """The prefix is the border."""
    observed = cluster_of(SHIPPED)
    made = taken(replace(observed, topics={**observed.topics, "billing": ObservedTopic(1, 1)}))
    assert "billing" not in {entry.name for entry in made.file.topics}
    assert made.left_over == ()


def test_an_empty_cluster_gives_an_empty_file() -> None:
    """No parties, no topics, and a file that can be read."""
    made = imported(Cluster(name="x", environment="y", prefix="hedx."), Observed({}), BARE)
    assert (made.file.parties, made.file.topics, made.left_over) == ([], [], ())


def test_every_party_is_named_by_its_principal() -> None:
    """The pattern `P{party}` is read back as each party's own."""
    topology = expand(taken(cluster_of(SHIPPED)).file)
    assert {party_of_principal(spec.name) for spec in topology.principals} >= set(SHIPPED.parties)
