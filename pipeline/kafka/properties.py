"""The broker's configuration, in one place for the embedded broker, the container and every later deployment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.crypto.certificates import ORGANIZATION, unit_of_principal
from pipeline.crypto.requests import SERVICES
from pipeline.domain.parties import CENTER
from pipeline.kafka.security import java_security

MESSAGE_MAX_BYTES = 1024 * 1024
"""An envelope is at most 900 KiB; the rest is for keys, headers and the batch's own bytes."""

SUPER_USERS = ("broker", "admin")
"""Principals that no rule holds: the brokers among themselves, and who applies topics.yaml."""


def single_node() -> dict[str, str]:
    """What differs from Kafka's defaults because the cluster has one broker, and few clients."""
    return {
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "5",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "5",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    }


def replicated() -> dict[str, str]:
    """What differs from Kafka's defaults because the cluster has three brokers: one may be away, and writes go on."""
    return {
        "default.replication.factor": "3",
        "min.insync.replicas": "2",
        "unclean.leader.election.enable": "false",
        "offsets.topic.replication.factor": "3",
        "transaction.state.log.replication.factor": "3",
        "transaction.state.log.min.isr": "2",
        "share.coordinator.state.topic.replication.factor": "3",
        "share.coordinator.state.topic.min.isr": "2",
    }


def exchange() -> dict[str, str]:
    """What the exchange wants of any broker, whatever its size."""
    return {
        # topics.yaml declares every topic; a typo must fail, not create one
        "auto.create.topics.enable": "false",
        "message.max.bytes": str(MESSAGE_MAX_BYTES),
        # a stopped worker must delay the readers of its outputs by its transaction time-out, not by ten seconds more
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        # readers wait for the end of a transaction; ours take ten seconds at most, and nobody may ask for Kafka's 15 min
        "transaction.max.timeout.ms": "15000",
        # a party needs a dozen; connections are taken, and TLS greeted, before any right is looked at
        "max.connections.per.ip": "1000",
    }


def principal_rules() -> str:
    """Kafka's name for a client is the CN of its certificate, if the unit (OU) is the one that goes with that name.

    A subject of another form is a name in its whole length, which has no right.
    """
    names = {name: unit_of_principal(name) for name in (CENTER, *SERVICES)} | {"P[0-9]+": "prov(ince|ider)"}
    rules = [f"RULE:^CN=({name}),OU={unit},O={ORGANIZATION}$/$1/" for name, unit in names.items()]
    return ",".join([*rules, "DEFAULT"])


def secured(principal: Path) -> dict[str, str]:
    """Who gets in, and what then: mutual TLS everywhere, and nothing allowed that no rule (ACL) allows.

    `principal`: the broker's folder of TLS files as the broker sees it.
    """
    return {
        **java_security(principal),
        "ssl.client.auth": "required",
        "ssl.principal.mapping.rules": principal_rules(),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": ";".join(f"User:{name}" for name in SUPER_USERS),
        "allow.everyone.if.no.acl.found": "false",
    }


def broker_properties(
    *,
    log_dirs: str,
    listeners: Mapping[str, str],
    controller_address: str,
    advertised: Mapping[str, str] | None = None,
    principal: Path | None = None,
    static_voters: bool = False,
    extra: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Configuration of a KRaft node that is broker and controller at once.

    `listeners`: name -> `host:port` to bind, without the controller's; brokers talk to each other on the first of them;
    `advertised`: name -> `host:port` to tell clients, where it differs; `controller_address`: `host:port` of the
    controller's listener; `principal`: the broker's folder of TLS files as the broker sees it, None for plaintext
    without rights; `static_voters`: name the quorum in the configuration, as the image `apache/kafka` insists, instead
    of in the formatted data (`format --standalone`); `extra` wins over everything.
    """
    bound = {**listeners, "CONTROLLER": controller_address}
    told = {**listeners, **(advertised or {})}
    quorum = ("voters", f"1@{controller_address}") if static_voters else ("bootstrap.servers", controller_address)
    protocol = "PLAINTEXT" if principal is None else "SSL"
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": ",".join(f"{name}://{address}" for name, address in bound.items()),
        "advertised.listeners": ",".join(f"{name}://{address}" for name, address in told.items()),
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name in bound),
        "inter.broker.listener.name": next(iter(listeners)),
        "controller.listener.names": "CONTROLLER",
        f"controller.quorum.{quorum[0]}": quorum[1],
        "log.dirs": log_dirs,
        **single_node(),
        **exchange(),
        **({} if principal is None else secured(principal)),
        **(extra or {}),
    }


def as_file(properties: Mapping[str, str]) -> str:
    """The text of a `.properties` file."""
    return "".join(f"{key}={value}\n" for key, value in properties.items())


def as_environment(properties: Mapping[str, str]) -> dict[str, str]:
    """The same settings as the image `apache/kafka` takes them: `_` doubled, `-` tripled, `.` single, in capitals.

    Any one of them switches all defaults of that image off, so they must be complete.
    """
    return {
        "KAFKA_" + key.replace("_", "__").replace("-", "___").replace(".", "_").upper(): value
        for key, value in properties.items()
    }
