"""What must hold of the principals in topics.yaml: numbered rules, each a pure function from a topology to problems.

What these refuse, no `hedx topics apply` can grant: the file is where a right would be given by mistake.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

from pipeline.crypto.certificates import common_name, party_of_principal
from pipeline.domain.parties import CENTER
from pipeline.kafka.clients import READER_GROUP
from pipeline.kafka.problems import Problem
from pipeline.kafka.properties import SUPER_USERS
from pipeline.kafka.topology import PrincipalSpec, Topology

READ_BY_ALL = ("catalog", "trust", "checkpoints", "bulletin")
CENTERS_OWN = ("catalog", "trust", "bulletin")
WRITTEN_BY_PARTIES = ("center.requests", "center.responses", "checkpoints")
KINDS = ("requests", "responses")
OPERATIONS = "ops"


def principal_problems(topology: Topology) -> Iterator[Problem]:
    """The problems of all rules, in their order."""
    for rule in (_declared, _groups, _tenants, _inboxes, _two_ways, _super_users, _quotas, _transactions, _lookers):
        yield from rule(topology)


def _place(spec: PrincipalSpec) -> str:
    return f"principal {spec.name}"


def _declared(topology: Topology) -> Iterator[Problem]:
    """9. Principals name declared topics, and have a group of the cluster's prefix."""
    names = {topic.name for topic in topology.topics}
    for spec in topology.principals:
        for verb, topics in (("produces", spec.produces), ("consumes", spec.consumes)):
            for name in topics:
                if name not in names:
                    yield Problem(_place(spec), f"{verb} {name!r}, which no topic declares")
        if spec.consumes and not spec.group.startswith(topology.cluster.prefix):
            yield Problem(_place(spec), f"consumes, so needs a group that starts with {topology.cluster.prefix!r}")


def _groups(topology: Topology) -> Iterator[Problem]:
    """10. A group, or transactional id, is one principal's: its prefix ends in a dot and covers nobody else's."""
    for spec in topology.principals:
        if spec.group and not spec.group.endswith("."):
            yield Problem(_place(spec), f"group {spec.group!r} must end in a dot, or it covers longer names of others")
        if spec.group and READER_GROUP.startswith(spec.group):
            yield Problem(_place(spec), f"group {spec.group!r} covers {READER_GROUP!r}, which is everyone's")
    for one, other in permutations(topology.principals, 2):
        if one.group and other.group.startswith(one.group):
            yield Problem(_place(one), f"group {one.group!r} covers that of {other.name}, {other.group!r}")


def _tenants(topology: Topology) -> Iterator[Problem]:
    """11. A party reads its own inboxes and what all read, and writes to the center's inboxes and its tree heads."""
    prefix = topology.cluster.prefix
    for spec in topology.principals:
        party = party_of_principal(spec.name)
        if party is None or party == CENTER:
            continue
        readable = {prefix + name for name in (*READ_BY_ALL, *(f"{party}.{kind}" for kind in KINDS))}
        writable = {prefix + name for name in WRITTEN_BY_PARTIES}
        for name in sorted({*spec.consumes} - readable):
            yield Problem(_place(spec), f"consumes {name!r}: a party reads its own inboxes and {_listed(READ_BY_ALL)}")
        for name in sorted({*spec.produces} - writable):
            yield Problem(_place(spec), f"produces {name!r}: a party writes to {_listed(WRITTEN_BY_PARTIES)} only")
        if spec.group != f"{prefix}{party}.":
            yield Problem(_place(spec), f"group must be {f'{prefix}{party}.'!r}")


def _inboxes(topology: Topology) -> Iterator[Problem]:
    """12. An inbox is read by whose it is; the center alone writes to the parties', to catalog, trust and bulletin."""
    prefix = topology.cluster.prefix
    owners = {f"{prefix}{party}.{kind}": common_name(party) for party in (CENTER, *topology.parties) for kind in KINDS}
    centers = {name for name, owner in owners.items() if owner != CENTER} | {prefix + name for name in CENTERS_OWN}
    for spec in topology.principals:
        for name in spec.consumes:
            if owners.get(name, spec.name) != spec.name:
                yield Problem(_place(spec), f"consumes {name!r}, the inbox of {owners[name]}")
        if spec.name != CENTER:
            for name in sorted(centers & {*spec.produces}):
                yield Problem(_place(spec), f"produces {name!r}, which the center alone writes")


def _two_ways(topology: Topology) -> Iterator[Problem]:
    """13. Nobody writes to an inbox that it reads: what is in it has come from somebody else."""
    for spec in topology.principals:
        for name in sorted({*spec.consumes} & {*spec.produces}):
            if name.endswith(KINDS):
                yield Problem(_place(spec), f"both consumes and produces the inbox {name!r}")


def _super_users(topology: Topology) -> Iterator[Problem]:
    """14. Super users are not listed: no right given here would bind them."""
    for spec in topology.principals:
        if spec.name in SUPER_USERS:
            yield Problem(_place(spec), "is a super user of the broker; what it may do is not decided here")


def _quotas(topology: Topology) -> Iterator[Problem]:
    """15. Every party has a quota, so that none can fill the disks or keep the others waiting."""
    for spec in topology.principals:
        party = party_of_principal(spec.name)
        if party is not None and party != CENTER and not spec.quota:
            yield Problem(_place(spec), "has no quota")


def _transactions(topology: Topology) -> Iterator[Problem]:
    """16. No party writes in transactions: one left open would hold up all who read the center's inboxes."""
    for spec in topology.principals:
        if spec.transactions and spec.name != CENTER:
            yield Problem(_place(spec), "may not write in transactions; the center's processors alone do")


def _lookers(topology: Topology) -> Iterator[Problem]:
    """17. Operations alone see how far everybody is: to the parties, each other's groups and topics do not exist."""
    for spec in topology.principals:
        if spec.describes and spec.name != OPERATIONS:
            yield Problem(_place(spec), f"may not describe everything; {OPERATIONS} alone does")


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)
