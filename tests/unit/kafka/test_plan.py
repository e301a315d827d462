"""The plan as a table: what is declared, what is there, what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pipeline.domain.errors import ConfigError
from pipeline.kafka.admin import (
    AddPartitions,
    AlterConfig,
    Change,
    Create,
    Delete,
    ObservedTopic,
    plan,
)
from pipeline.kafka.topology import Cluster, TopicSpec, Topology

EVENTS = TopicSpec("hedx.events", 3, 1, {"retention.ms": "5"}, "facts", "center", keyed=False)
JOIN = TopicSpec("hedx.center.join", 3, 1, {}, "answers", "center")
THROTTLED = replace(EVENTS, config={**EVENTS.config, "leader.replication.throttled.replicas": "0:1"})
STATE = TopicSpec("hedx.center.join.changelog", 3, 1, {}, "state", "center", changelog_of="hedx.center.join")


def topology(*topics: TopicSpec, unselected: Sequence[str] = ()) -> Topology:
    """A topology of these topics; `unselected` are names that the file declares for parties left out of this run."""
    declared = frozenset({*(spec.name for spec in topics), *unselected})
    return Topology(Cluster(name="hedx", environment="test", prefix="hedx."), (), topics, (), declared)


def there(spec: TopicSpec, partitions: int | None = None, **config: str | None) -> dict[str, ObservedTopic]:
    """`spec` as the cluster shows it when nothing differs but what is said (`retention_ms=None` takes a key away)."""
    settings = {**spec.config, **{key.replace("_", "."): value for key, value in config.items()}}
    kept = {key: value for key, value in settings.items() if value is not None}
    return {spec.name: ObservedTopic(partitions or spec.partitions, spec.replicas, kept)}


CHANGES: list[tuple[str, TopicSpec, dict[str, ObservedTopic], list[Change]]] = [
    ("in step", EVENTS, there(EVENTS), []),
    ("missing", EVENTS, {}, [Create(EVENTS)]),
    ("unkeyed grows", replace(EVENTS, partitions=6), there(EVENTS), [AddPartitions("hedx.events", 3, 6)]),
    ("key differs", EVENTS, there(EVENTS, retention_ms="7"), [AlterConfig("hedx.events", "retention.ms", "7", "5")]),
    ("key not set", EVENTS, there(EVENTS, retention_ms=None), [AlterConfig("hedx.events", "retention.ms", None, "5")]),
    ("key set by hand", EVENTS, there(EVENTS, segment_ms="9"), [AlterConfig("hedx.events", "segment.ms", "9", None)]),
    ("key of a running reassignment", EVENTS, there(THROTTLED), []),
    ("outside the prefix", EVENTS, there(EVENTS) | {"other": ObservedTopic(1, 1)}, []),
]


@pytest.mark.parametrize(("spec", "observed", "changes"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_plans_exactly_these_changes(
    spec: TopicSpec, observed: dict[str, ObservedTopic], changes: list[Change]
) -> None:
    """What differs is changed, what does not is left alone, and nothing is refused."""
    made = plan(topology(spec), observed)
    assert list(made.changes) == changes
    assert not made.findings
    assert made.in_step is (not changes)


FINDINGS = [
    ("fewer partitions", replace(EVENTS, partitions=2), there(EVENTS), "fewer_partitions"),
    ("fewer partitions of a keyed topic", replace(JOIN, partitions=2), there(JOIN), "fewer_partitions"),
    ("more partitions of a keyed topic", replace(JOIN, partitions=6), there(JOIN), "keyed_partitions"),
    ("more partitions of a changelog", replace(STATE, partitions=6), there(STATE), "keyed_partitions"),
    ("other replicas", replace(EVENTS, replicas=3), there(EVENTS), "replicas"),
    ("undeclared", EVENTS, there(EVENTS) | {"hedx.stray": ObservedTopic(1, 1)}, "undeclared"),
]


@pytest.mark.parametrize(("spec", "observed", "kind"), [row[1:] for row in FINDINGS], ids=[row[0] for row in FINDINGS])
def test_leaves_alone_and_says_so(spec: TopicSpec, observed: dict[str, ObservedTopic], kind: str) -> None:
    """What may not be done is no change but a finding, and the cluster counts as out of step."""
    made = plan(topology(spec), observed)
    assert [finding.kind for finding in made.findings] == [kind]
    assert not made.changes
    assert not made.in_step


def test_deletes_only_what_is_named() -> None:
    """Of two strays the named one goes, the other stays a finding."""
    observed = {"hedx.one": ObservedTopic(1, 1), "hedx.two": ObservedTopic(1, 1)}
    made = plan(topology(), observed, allow_delete=["hedx.two"])
    assert made.changes == (Delete("hedx.two"),)
    assert [finding.topic for finding in made.findings] == ["hedx.one"]


def test_a_deletion_that_happened_already_is_no_change() -> None:
    """Naming a topic that is gone is fine, so that scripts may run twice."""
    assert plan(topology(), {}, allow_delete=["hedx.two"]).in_step


def test_never_takes_another_partys_topics_for_strays() -> None:
    """A run restricted to some parties leaves the inboxes of the others alone."""
    observed = there(EVENTS) | {"hedx.11.requests": ObservedTopic(3, 1)}
    assert plan(topology(EVENTS, unselected=["hedx.11.requests"]), observed).in_step


@pytest.mark.parametrize("name", ["hedx.events", "other"])
def test_refuses_to_be_allowed_to_delete_declared_or_foreign_topics(name: str) -> None:
    """--allow-delete works on undeclared topics of the cluster's prefix only."""
    with pytest.raises(ConfigError, match=f"--allow-delete {name}"):
        plan(topology(EVENTS), there(EVENTS), allow_delete=[name])


def test_a_drained_topic_grows_with_its_changelog() -> None:
    """--drained names the input topic once and covers the state that is partitioned like it."""
    observed = there(JOIN) | there(STATE)
    grown = topology(replace(JOIN, partitions=6), replace(STATE, partitions=6))
    made = plan(grown, observed, drained=["hedx.center.join"])
    assert made.changes == (
        AddPartitions("hedx.center.join", 3, 6),
        AddPartitions("hedx.center.join.changelog", 3, 6),
    )
    assert not made.findings


def test_refuses_to_call_an_unknown_topic_drained() -> None:
    """A typing error in --drained does not pass for a drain."""
    with pytest.raises(ConfigError, match=r"--drained hedx\.joins"):
        plan(topology(JOIN), {}, drained=["hedx.joins"])


def test_reads_without_colour() -> None:
    """+ is new, ~ is changed, - goes, ! is left alone."""
    observed = there(EVENTS, partitions=1, retention_ms=None) | {"hedx.a": ObservedTopic(1, 1), "hedx.b": ObservedTopic(1, 1)}  # fmt: skip
    made = plan(topology(EVENTS, replace(JOIN, config={"preallocate": "true"})), observed, allow_delete=["hedx.a"])
    assert [str(step) for step in (*made.changes, *made.findings)] == [
        "~ hedx.events  partitions: 1 -> 3",
        "~ hedx.events  retention.ms: (default) -> 5",
        "+ hedx.center.join  partitions=3 replicas=1 preallocate=true",
        "- hedx.a",
        "! hedx.b  is not in the file; `--allow-delete hedx.b` would delete it",
    ]
