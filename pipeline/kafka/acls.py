"""Who may do what on the cluster: Kafka's rules (ACLs) from topics.yaml, the registered addresses and the suspensions.

`wanted` is pure; `observe`, `plan` and `apply` bring a cluster in step with it. A principal gets what topics.yaml says
and nothing else: READ and WRITE imply DESCRIBE, WRITE on a topic implies the idempotent producer, who `describes` sees
offsets, members and settings without reading, and nobody but the super users has any right on the cluster itself. The host of a rule is one registered address (Article 5).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from pipeline.crypto.certificates import party_of_principal
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER
from pipeline.kafka.clients import READER_GROUP, Extra, admin_config
from pipeline.kafka.topology import PrincipalSpec, Topology

TIMEOUT = 30.0
"""Seconds that one request to the cluster, or its effect, may take."""
USER = "User:"
EVERY = "*"


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One rule, in Kafka's words in small letters.

    `permission`: allow or deny; `resource`: topic, group, transactional_id or broker (the cluster itself); `pattern`:
    literal or prefixed; `host`: an address as Java prints it, or `*`.
    """

    principal: str
    permission: str
    operation: str
    resource: str
    pattern: str
    name: str
    host: str

    def __str__(self) -> str:
        star = "*" if self.pattern == "prefixed" else ""
        place = "" if self.host == EVERY else f" from {self.host}"
        return f"{self.principal}  {self.permission} {self.operation} {self.resource} {self.name}{star}{place}"


@dataclass(frozen=True, slots=True)
class AclPlan:
    """Rules to add and to remove, sorted."""

    added: tuple[Acl, ...] = ()
    removed: tuple[Acl, ...] = ()

    @property
    def in_step(self) -> bool:
        """Whether cluster and file agree."""
        return not self.added and not self.removed

    def lines(self) -> list[str]:
        """What `hedx topics plan` shows of it."""
        return [f"- acl {acl}" for acl in self.removed] + [f"+ acl {acl}" for acl in self.added]


def wanted(topology: Topology, addresses: Mapping[str, Collection[str]], suspended: Collection[str]) -> frozenset[Acl]:
    """Every rule there shall be.

    `addresses`: party -> its registered addresses; a party without any gets in from nowhere. The center's rules and
    those of principals that are no party name the `hosts` of topics.yaml. `suspended`: parties that may do nothing; for
    them there are rules that deny, which win over any that allow.
    """
    return frozenset(acl for spec in topology.principals for acl in _of_principal(spec, addresses, suspended))


def _of_principal(
    spec: PrincipalSpec, addresses: Mapping[str, Collection[str]], suspended: Collection[str]
) -> Iterator[Acl]:
    party = party_of_principal(spec.name)
    if party in suspended:
        for resource in ("topic", "group", "transactional_id"):
            yield Acl(spec.name, "deny", "all", resource, "literal", EVERY, EVERY)
        return
    hosts = spec.hosts if party in (None, CENTER) else addresses.get(party or "", ())
    for host in hosts:
        for operation, resource, pattern, name in _rights(spec):
            yield Acl(spec.name, "allow", operation, resource, pattern, name, _as_java_prints(host))


def _as_java_prints(host: str) -> str:
    """Kafka compares texts: of an IPv6 address all eight groups, in small letters without zeros in front."""
    if ":" not in host:
        return host
    return ":".join(group.lstrip("0") or "0" for group in IPv6Address(host).exploded.split(":"))


def _rights(spec: PrincipalSpec) -> Iterator[tuple[str, str, str, str]]:
    """(operation, resource, pattern, name) of everything the principal may do."""
    for topic in spec.produces:
        yield "write", "topic", "literal", topic
    for topic in spec.consumes:
        yield "read", "topic", "literal", topic
    if spec.transactions:
        yield "write", "transactional_id", "prefixed", spec.group
    if spec.consumes:
        yield "read", "group", "prefixed", spec.group
        # readers never join it, but the library asks where its coordinator is
        yield "describe", "group", "literal", READER_GROUP
    if spec.describes:
        yield "describe", "topic", "prefixed", spec.describes
        yield "describe_configs", "topic", "prefixed", spec.describes
        yield "describe", "group", "prefixed", spec.describes


def concerns(acl: Acl, topology: Topology) -> bool:
    """Whether the file decides about `acl`: a rule of one of its principals, or anybody's on what is the cluster's.

    Rules of parties that this run leaves out are not judged, nor are other people's on topics of other names.
    """
    if acl.principal in {spec.name for spec in topology.principals}:
        return True
    if acl.principal in topology.others:
        return False
    prefix = topology.cluster.prefix
    wide = acl.name == EVERY or (acl.pattern == "prefixed" and prefix.startswith(acl.name))
    return acl.permission == "allow" and (acl.principal == EVERY or wide or acl.name.startswith(prefix))


def plan(topology: Topology, wanted: Collection[Acl], observed: Collection[Acl]) -> AclPlan:
    """How to bring `observed`, all rules of the cluster, to `wanted`. Pure."""
    ours = {acl for acl in observed if concerns(acl, topology)}
    return AclPlan(added=tuple(sorted(set(wanted) - ours)), removed=tuple(sorted(ours - set(wanted))))


def observe(bootstrap: str, extra: Extra | None = None) -> frozenset[Acl]:
    """All rules of the cluster. Raises ConfigError when it does not answer, or has no authorizer."""
    return _observe(_client(bootstrap, extra))


def apply(bootstrap: str, plan: AclPlan, extra: Extra | None = None) -> None:
    """Carry the plan out: what is added first, so that a change of address has no gap; returns when it holds.

    Raises ConfigError listing each rule that the cluster refused.
    """
    if plan.in_step:
        return
    client = _client(bootstrap, extra)
    failures: list[str] = []
    if plan.added:
        for binding, future in client.create_acls([_binding(acl) for acl in plan.added]).items():
            try:
                future.result(TIMEOUT)
            except KafkaException as error:
                failures.append(f"{_acl(binding)}: {error.args[0].str()}")
    if plan.removed:
        for filter_, removal in client.delete_acls([_filter(acl) for acl in plan.removed]).items():
            try:
                removal.result(TIMEOUT)
            except KafkaException as error:
                failures.append(f"{filter_}: {error.args[0].str()}")
    if failures:
        raise ConfigError("\n".join(failures))
    _await(client, plan)


def apply_for(
    bootstrap: str,
    topology: Topology,
    addresses: Mapping[str, Collection[str]],
    suspended: Collection[str],
    extra: Extra | None = None,
) -> AclPlan:
    """Bring the cluster's rules in step with addresses and suspensions; returns what was done.

    It holds for connections that are open, too: the broker asks for every request. Raises ConfigError.
    """
    change = plan(topology, wanted(topology, addresses, suspended), observe(bootstrap, extra))
    apply(bootstrap, change, extra)
    return change


def _await(client: AdminClient, plan: AclPlan) -> None:
    """Wait until the brokers' authorizer shows it: the controller has decided by now, they may be a moment behind."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        there = _observe(client)
        if there.issuperset(plan.added) and there.isdisjoint(plan.removed):
            return
        if time.monotonic() > deadline:
            raise ConfigError(f"after {TIMEOUT:.0f} s the cluster does not show the change of its rules")
        time.sleep(0.02)


def _client(bootstrap: str, extra: Extra | None) -> AdminClient:
    return AdminClient({**admin_config(bootstrap, extra), "log_level": 0})


def _observe(client: AdminClient) -> frozenset[Acl]:
    none: Any = None  # which the stubs do not know of
    any_acl = AclBindingFilter(
        ResourceType.ANY, none, ResourcePatternType.ANY, none, none, AclOperation.ANY, AclPermissionType.ANY
    )
    try:
        return frozenset(map(_acl, client.describe_acls(any_acl, request_timeout=TIMEOUT).result(2 * TIMEOUT)))
    except KafkaException as error:
        raise ConfigError(f"the cluster does not tell its rules: {error.args[0].str()}") from error


def _acl(binding: AclBinding) -> Acl:
    return Acl(
        binding.principal.removeprefix(USER),
        _word(binding.permission_type),
        _word(binding.operation),
        _word(binding.restype),
        _word(binding.resource_pattern_type),
        binding.name,
        binding.host,
    )


def _word(member: Any) -> str:
    """A member of one of the library's enumerations as we write it."""
    return str(member.name).lower()


def _binding(acl: Acl) -> AclBinding:
    return AclBinding(*_fields(acl))


def _filter(acl: Acl) -> AclBindingFilter:
    return AclBindingFilter(*_fields(acl))


def _fields(acl: Acl) -> tuple[ResourceType, str, ResourcePatternType, str, str, AclOperation, AclPermissionType]:
    return (
        ResourceType[acl.resource.upper()],
        acl.name,
        ResourcePatternType[acl.pattern.upper()],
        f"{USER}{acl.principal}",
        acl.host,
        AclOperation[acl.operation.upper()],
        AclPermissionType[acl.permission.upper()],
    )
