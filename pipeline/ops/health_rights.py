"""Probe: what each principal here may do with each topic, as the brokers themselves decide it; nothing is read or written for it.

A broker that describes a topic tells what the asking principal is authorized to do with it, from where it asks. So what should
work and what should be refused are both told by who decides, and no produce is needed to try the one or the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient

from pipeline.kafka.clients import admin_config
from pipeline.kafka.properties import SUPER_USERS
from pipeline.kafka.security import client_security, is_plaintext
from pipeline.kafka.topology import TOPICS_FILE, PrincipalSpec, Topology, load
from pipeline.ops.health_seen import RightsSeen
from pipeline.ops.health_site import ASK, Site

JUDGED: Final = {
    AclOperation.READ: "read",
    AclOperation.WRITE: "write",
    AclOperation.DELETE: "delete",
    AclOperation.ALTER: "alter",
    AclOperation.ALTER_CONFIGS: "alter_configs",
}
"""Operations that say who reads what and changes what; DESCRIBE goes with the first two."""


def probe(site: Site) -> Mapping[str, Any]:
    """`rights`: of every principal whose files are here, but the super users, who may do everything."""
    if site.bootstrap is None or is_plaintext():
        return {}
    topology = load(TOPICS_FILE, site.parties)
    found = [_seen(site, principal, topology) for principal in site.principals() if principal not in SUPER_USERS]
    return {"rights": tuple(found)}


def _seen(site: Site, principal: str, topology: Topology) -> RightsSeen:
    extra = {**client_security(site.installation.transport(principal)), "log_level": 0}
    client = AdminClient(admin_config(site.bootstrap or "", extra))
    names = [spec.name for spec in topology.topics]
    answers = client.describe_topics(TopicCollection(names), include_authorized_operations=True, request_timeout=ASK)
    allowed: dict[str, set[str]] = {}
    for name, answer in answers.items():
        try:
            operations = answer.result().authorized_operations or ()
            allowed[name] = {JUDGED[operation] for operation in operations if operation in JUDGED}
        except KafkaException as failure:
            code = failure.args[0].code()
            if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                allowed[name] = set()
            elif code != KafkaError.UNKNOWN_TOPIC_OR_PART:  # that one is drift, not a right
                raise
    spec = next((each for each in topology.principals if each.name == principal), None)
    return judge(principal, spec, allowed)


def judge(principal: str, spec: PrincipalSpec | None, allowed: Mapping[str, Iterable[str]]) -> RightsSeen:
    """What is missing and what is beyond. `allowed`: topic → operations; `spec` None: it may do nothing. Pure."""
    produces, consumes = (spec.produces, spec.consumes) if spec else ((), ())
    missing, beyond = [], []
    for name, operations in sorted(allowed.items()):
        wanted = {"write"} & {"write" if name in produces else ""} | {"read"} & {"read" if name in consumes else ""}
        missing += [f"{operation} {name}" for operation in sorted(wanted - set(operations))]
        beyond += [f"{operation} {name}" for operation in sorted(set(operations) - wanted)]
    return RightsSeen(principal, len(allowed), tuple(missing), tuple(beyond))
