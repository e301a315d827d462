"""What topics.yaml, registered addresses and suspensions become: rules, differences, quotas."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.kafka import acls, quotas
from pipeline.kafka.acls import Acl, AclPlan
from pipeline.kafka.topology import TOPICS_FILE, Topology, load

ADDRESSES = {"32": ["10.32.0.1"], "37": ["10.37.0.1", "10.37.0.2"]}
STRANGER = Acl("mallory", "allow", "read", "topic", "literal", "hedx.37.requests", "*")


@pytest.fixture(scope="module")
def topology() -> Topology:
    """The shipped file for two parties."""
    return load(TOPICS_FILE, ["32", "37"])


@pytest.fixture(scope="module")
def wanted(topology: Topology) -> frozenset[Acl]:
    """Its rules when nobody is suspended."""
    return acls.wanted(topology, ADDRESSES, ())


def test_a_party_gets_what_the_file_says_from_each_of_its_addresses(wanted: frozenset[Acl]) -> None:
    """The rights of 37 are these, twice, and not one more; none names the cluster, a wildcard or another host."""
    rights = {
        *{("write", "topic", "literal", f"hedx.{name}") for name in ("center.requests", "center.responses")},
        ("write", "topic", "literal", "hedx.checkpoints"),
        *{("read", "topic", "literal", f"hedx.{name}") for name in ("37.requests", "37.responses", "catalog")},
        *{("read", "topic", "literal", f"hedx.{name}") for name in ("trust", "checkpoints", "bulletin")},
        ("read", "group", "prefixed", "hedx.37."),
        ("describe", "group", "literal", "hedx.reader"),
    }
    for host in ADDRESSES["37"]:
        mine = {acl for acl in wanted if (acl.principal, acl.host) == ("P37", host)}
        assert {(acl.operation, acl.resource, acl.pattern, acl.name) for acl in mine} == rights
        assert {acl.permission for acl in mine} == {"allow"}
    assert {acl.host for acl in wanted if acl.principal == "P37"} == set(ADDRESSES["37"])


def test_nobody_has_a_right_on_the_cluster_or_on_everything(wanted: frozenset[Acl]) -> None:
    """All rights are on named topics, and on groups and transactional ids with a name's prefix; operations look at all."""
    assert {acl.resource for acl in wanted} == {"topic", "group", "transactional_id"}
    assert all(acl.name.startswith("hedx.") for acl in wanted)
    wide = {(acl.principal, acl.operation, acl.resource, acl.pattern) for acl in wanted if acl.name == "hedx."}
    assert wide == {
        ("ops", "describe", "topic", "prefixed"),
        ("ops", "describe_configs", "topic", "prefixed"),
        ("ops", "describe", "group", "prefixed"),
    }
    assert {acl.operation for acl in wanted if acl.name != "hedx."} == {"read", "write", "describe"}


def test_no_two_parties_share_a_right_on_an_inbox(wanted: frozenset[Acl]) -> None:
    """Each party's inboxes are readable by that party alone, and writable by the center alone."""
    for party in ("32", "37"):
        inboxes = [acl for acl in wanted if acl.name.startswith(f"hedx.{party}.") and acl.resource == "topic"]
        assert {acl.principal for acl in inboxes if acl.operation == "read"} == {f"P{party}"}
        assert {acl.principal for acl in inboxes if acl.operation == "write"} == {"center"}


def test_a_party_without_address_gets_in_from_nowhere(topology: Topology) -> None:
    """A party that has registered no address has no rule, instead of one for all addresses."""
    assert {acl.principal for acl in acls.wanted(topology, {"32": ["10.32.0.1"]}, ())} == {"center", "ops", "P32"}


def test_the_center_comes_from_the_hosts_of_the_file(topology: Topology) -> None:
    """For the center and the watch it is topics.yaml that says from where; the registry has no say."""
    bound = tuple(replace(spec, hosts=("10.0.0.5",)) if spec.name == "center" else spec for spec in topology.principals)
    rules = acls.wanted(replace(topology, principals=bound), {**ADDRESSES, "center": ["10.9.9.9"]}, ())
    assert {acl.host for acl in rules if acl.principal == "center"} == {"10.0.0.5"}
    assert {acl.host for acl in rules if acl.principal == "ops"} == {"*"}


def test_a_suspended_party_is_denied_everything_from_everywhere(topology: Topology, wanted: frozenset[Acl]) -> None:
    """Its rights are gone and rules deny all topics, groups and transactional ids; the others' rules stay."""
    suspended = acls.wanted(topology, ADDRESSES, {"37"})
    mine = {acl for acl in suspended if acl.principal == "P37"}
    assert {(acl.permission, acl.operation, acl.name, acl.host) for acl in mine} == {("deny", "all", "*", "*")}
    assert {acl.resource for acl in mine} == {"topic", "group", "transactional_id"}
    assert suspended - mine == {acl for acl in wanted if acl.principal != "P37"}


def test_ipv6_addresses_are_written_as_the_broker_compares_them(topology: Topology) -> None:
    """Kafka compares with Java's form of an address: eight groups, no `::`."""
    [host] = {acl.host for acl in acls.wanted(topology, {"37": ["2001:db8::0A1"]}, ()) if acl.principal == "P37"}
    assert host == "2001:db8:0:0:0:0:0:a1"


def test_plan_of_what_is_there_is_empty(topology: Topology, wanted: frozenset[Acl]) -> None:
    """In step is in step, and the plan says nothing."""
    assert acls.plan(topology, wanted, wanted) == AclPlan()


def test_plan_adds_what_is_missing_and_removes_what_is_too_much(topology: Topology, wanted: frozenset[Acl]) -> None:
    """A right nobody declared is drift like one that is missing, whoever has it: on our topics, or by a wildcard."""
    missing = min(wanted)
    strays = {
        STRANGER,
        replace(STRANGER, principal="P37"),
        replace(STRANGER, name="*"),
        replace(STRANGER, name="hed", pattern="prefixed"),
        replace(STRANGER, principal="*", resource="broker", name="kafka-cluster", operation="alter"),
    }
    plan = acls.plan(topology, wanted, (wanted - {missing}) | strays)
    assert plan.added == (missing,)
    assert set(plan.removed) == strays
    assert sum(line.startswith("+ acl ") for line in plan.lines()) == 1
    assert sum(line.startswith("- acl ") for line in plan.lines()) == len(strays)


def test_plan_leaves_other_peoples_rules_alone(topology: Topology, wanted: frozenset[Acl]) -> None:
    """Rules on other topics of a shared cluster, and those of parties that this run leaves out, are not judged."""
    others = {replace(STRANGER, name="elsewhere"), replace(STRANGER, principal="P11", name="hedx.11.requests")}
    assert acls.plan(topology, wanted, wanted | others).in_step


def test_quotas_are_compared_key_by_key(topology: Topology) -> None:
    """A limit that is missing, other or too much is a change; a principal that the file does not name is left alone."""
    as_declared = {spec.name: dict(spec.quota) for spec in topology.principals if spec.quota}
    assert set(as_declared) == {"P32", "P37"}
    assert quotas.plan(topology, {**as_declared, "elsewhere": {"producer_byte_rate": 1.0}}) == []
    changed = {**as_declared["P37"], "producer_byte_rate": 1.0}
    del changed["consumer_byte_rate"]
    lines = list(map(str, quotas.plan(topology, {**as_declared, "P37": changed, "ops": {"request_percentage": 5.0}})))
    assert lines == [
        "+ quota P37  consumer_byte_rate: (none) -> 16777216",
        "~ quota P37  producer_byte_rate: 1 -> 4194304",
        "- quota ops  request_percentage: 5 -> (none)",
    ]
