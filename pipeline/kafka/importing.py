"""topics.yaml from a cluster: what is there, written as the file that would ask for it. Pure.

What a cluster does not know (descriptions, owners, which topic is whose changelog) is taken from a file that is known
already, where it names the same topic. What the file's form cannot say is left over, and told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipeline.crypto.certificates import party_of_principal
from pipeline.domain.parties import CENTER, is_provider
from pipeline.kafka import acls, admin, quotas
from pipeline.kafka.acls import EVERY, Acl
from pipeline.kafka.admin import ObservedTopic
from pipeline.kafka.topology import (
    PLACEHOLDER,
    Cluster,
    Defaults,
    PrincipalEntry,
    Quota,
    TopicEntry,
    TopicSpec,
    Topology,
    TopologyFile,
    expand,
)

UNDESCRIBED = "(imported: say what it is for)"
NOBODY = "(imported: say whose it is)"
INBOXES = ("requests", "responses")


@dataclass(frozen=True, slots=True)
class Observed:
    """A cluster as it is: topics by name, all rules, quotas by principal."""

    topics: Mapping[str, ObservedTopic]
    rules: Collection[Acl] = ()
    quotas: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Imported:
    """The file, and one line for each thing of the cluster that it does not say as it is."""

    file: TopologyFile
    left_over: tuple[str, ...]


def imported(cluster: Cluster, observed: Observed, known: Topology) -> Imported:
    """The file for `observed`; topics outside the cluster's prefix are not its business.

    `known`: what gives topics and principals of the same name their descriptions and owners.
    """
    topics = {name: topic for name, topic in observed.topics.items() if name.startswith(cluster.prefix)}
    parties = _parties(cluster.prefix, topics)
    defaults = _defaults(topics.values())
    file = TopologyFile(
        cluster=cluster,
        defaults=defaults,
        parties=parties,
        topics=_topic_entries(cluster.prefix, parties, topics, defaults, known),
        principals=_principal_entries(cluster.prefix, parties, observed, known),
    )
    return Imported(file, tuple(_left_over(expand(file), observed)))


def _parties(prefix: str, topics: Collection[str]) -> list[str]:
    """Whoever has both inboxes."""
    names = sorted({name.removeprefix(prefix).partition(".")[0] for name in topics})
    return [name for name in names if is_provider(name) and all(f"{prefix}{name}.{kind}" in topics for kind in INBOXES)]


def _defaults(topics: Collection[ObservedTopic]) -> Defaults:
    """What most topics have; of the configuration what all have."""
    if not topics:
        return Defaults(partitions=1, replicas=1)
    [(partitions, _)] = Counter(topic.partitions for topic in topics).most_common(1)
    [(replicas, _)] = Counter(topic.replicas for topic in topics).most_common(1)
    first, *others = (set(topic.config.items()) for topic in topics)
    return Defaults(partitions=partitions, replicas=replicas, config=dict(sorted(first.intersection(*others))))


def _topic_entries(
    prefix: str, parties: Sequence[str], topics: Mapping[str, ObservedTopic], defaults: Defaults, known: Topology
) -> list[TopicEntry]:
    """One entry a topic, or one for the same topic of all parties; in the order of the known file."""
    order = {spec.name: number for number, spec in enumerate(known.topics)}
    specs = {spec.name: spec for spec in known.topics}
    by_pattern: dict[str, dict[str | None, TopicEntry]] = defaultdict(dict)
    for name in sorted(topics, key=lambda name: (order.get(name, len(order)), name)):
        pattern, party = _pattern(prefix, parties, name)
        by_pattern[pattern][party] = _topic_entry(name, pattern, party, topics[name], defaults, specs.get(name))
    return [entry for pattern, found in by_pattern.items() for entry in _folded(found, parties, prefix)]


def _topic_entry(
    name: str, pattern: str, party: str | None, topic: ObservedTopic, defaults: Defaults, spec: TopicSpec | None
) -> TopicEntry:
    def general(text: str) -> str:
        return text if party is None else text.replace(party, PLACEHOLDER)

    source = None if spec is None else spec.changelog_of
    return TopicEntry(
        name=pattern,
        foreach=None if party is None else "parties",
        description=UNDESCRIBED if spec is None else general(spec.description),
        owner=NOBODY if spec is None else general(spec.owner),
        partitions=None if topic.partitions == defaults.partitions else topic.partitions,
        replicas=None if topic.replicas == defaults.replicas else topic.replicas,
        config=dict(sorted(set(topic.config.items()) - set(defaults.config.items()))),
        keyed=True if spec is None else spec.keyed,
        changelog_of=general(source) if source else _by_name(name),
    )


def _by_name(name: str) -> str | None:
    """The stage's input, of a changelog that no known file describes: by custom `<input>.changelog`."""
    return name.removesuffix(".changelog") if name.endswith(".changelog") else None


def _folded(found: Mapping[str | None, TopicEntry], parties: Sequence[str], prefix: str) -> Iterable[TopicEntry]:
    """One entry for all parties when theirs are alike, else one each."""
    entries = list(found.values())
    if None in found or (set(found) == set(parties) and all(entry == entries[0] for entry in entries)):
        return entries[:1]
    return [
        entry.model_copy(
            update={
                "foreach": None,
                **{
                    field: text.replace(PLACEHOLDER, str(party))
                    for field in ("name", "description", "owner", "changelog_of")
                    if (text := getattr(entry, field))
                },
            }
        )
        for party, entry in found.items()
    ]


def _pattern(prefix: str, parties: Sequence[str], name: str) -> tuple[str, str | None]:
    """The name with the party it belongs to left open, and that party."""
    party = name.removeprefix(prefix).partition(".")[0]
    if party not in parties:
        return name, None
    return name.replace(f"{prefix}{party}.", f"{prefix}{PLACEHOLDER}.", 1), party


# -- principals -------------------------------------------------------------------------------------------------------


def _principal_entries(
    prefix: str, parties: Sequence[str], observed: Observed, known: Topology
) -> list[PrincipalEntry]:
    described = {spec.name: spec.description for spec in known.principals}
    order = {spec.name: number for number, spec in enumerate(known.principals)}
    names = {acl.principal for acl in observed.rules if acl.permission == "allow"} | set(observed.quotas)
    found: dict[str, dict[str | None, PrincipalEntry]] = defaultdict(dict)
    for name in sorted(names, key=lambda name: (order.get(name, len(order)), name)):
        party = party_of_principal(name)
        if name == EVERY or (party not in (None, CENTER) and party not in parties):
            continue
        own = None if party == CENTER else party
        rules = [acl for acl in observed.rules if acl.principal == name and acl.permission == "allow"]
        if own is None or rules:  # of a party that is suspended, or has no address, the others' rights tell
            entry = _principal_entry(name, own, prefix, parties, rules, observed, described.get(name, UNDESCRIBED))
            found[entry.name][own] = entry
    return [entry for alike in found.values() for entry in _same_for_all(alike)]


def _same_for_all(found: Mapping[str | None, PrincipalEntry]) -> Iterable[PrincipalEntry]:
    entries = list(found.values())
    if all(entry == entries[0] for entry in entries):
        return entries[:1]
    [(usual, _)] = Counter(entry.model_dump_json() for entry in entries).most_common(1)
    return [PrincipalEntry.model_validate_json(usual)]  # what the others have beside it is left over


def _principal_entry(
    name: str,
    party: str | None,
    prefix: str,
    parties: Sequence[str],
    rules: Sequence[Acl],
    observed: Observed,
    description: str,
) -> PrincipalEntry:
    def general(text: str) -> str:
        return text if party is None else text.replace(f"{prefix}{party}.", f"{prefix}{PLACEHOLDER}.", 1)

    def topics(operation: str) -> list[str]:
        literal = {
            acl.name for acl in rules if (acl.operation, acl.resource, acl.pattern) == (operation, "topic", "literal")
        }
        ordered = [topic for topic in observed.topics if topic in literal] + sorted(literal - set(observed.topics))
        return _for_every(prefix, parties, ordered) if party is None else list(dict.fromkeys(map(general, ordered)))

    def first(operation: str, resource: str) -> str:
        return next(
            (
                acl.name
                for acl in rules
                if (acl.operation, acl.resource, acl.pattern) == (operation, resource, "prefixed")
            ),
            "",
        )

    limits = observed.quotas.get(name, {})
    return PrincipalEntry(
        name=name if party is None else name.replace(party, PLACEHOLDER),
        foreach=None if party is None else "parties",
        description=description if party is None else description.replace(party, PLACEHOLDER),
        group=general(first("read", "group") or first("write", "transactional_id")),
        hosts=["*"] if party is not None else sorted({acl.host for acl in rules}) or ["*"],
        quota=Quota(**{key: int(limits[key]) for key in quotas.KEYS}) if set(quotas.KEYS) <= set(limits) else None,
        describes=any((acl.operation, acl.resource, acl.pattern) == ("describe", "topic", "prefixed") for acl in rules),
        transactions=any((acl.operation, acl.resource) == ("write", "transactional_id") for acl in rules),
        produces=topics("write"),
        consumes=topics("read"),
    )


def _for_every(prefix: str, parties: Sequence[str], names: Sequence[str]) -> list[str]:
    """The same topic of all parties as one line."""
    by_pattern: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_pattern[_pattern(prefix, parties, name)[0]].append(name)
    return [
        line
        for pattern, found in by_pattern.items()
        for line in ([pattern] if PLACEHOLDER not in pattern or len(found) == len(parties) else found)
    ]


# -- what the file does not say -----------------------------------------------------------------------------------------


def _left_over(topology: Topology, observed: Observed) -> Iterable[str]:
    """Where a plan with the new file would still find something to do: the file is not the whole truth there."""
    yield from map(str, (step := admin.plan(topology, observed.topics)).changes)
    yield from map(str, step.findings)
    hosts: dict[str, set[str]] = defaultdict(set)
    suspended = set()
    for acl in observed.rules:
        party = party_of_principal(acl.principal)
        if party is not None and acl.permission == "allow" and acl.operation in ("read", "write"):
            hosts[party].add(acl.host)
        elif party is not None and (acl.operation, acl.name) == ("all", EVERY):
            suspended.add(party)
    wanted = acls.wanted(topology, hosts, suspended)
    ours = replace(topology, others=frozenset())
    yield from acls.plan(ours, wanted, observed.rules).lines()
    yield from map(str, quotas.plan(topology, observed.quotas))
