"""topics.yaml for other tools: Strimzi's KafkaTopic resources, and an AsyncAPI document. Pure; each gives plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.kafka.topology import PLACEHOLDER, Defaults, PrincipalEntry, TopicEntry, Topology, TopologyFile

STRIMZI = "kafka.strimzi.io/v1"
ASYNCAPI = "3.0.0"
BINDING = "0.5.0"
"""Version of AsyncAPI's Kafka bindings."""
BOUND = ("retention.ms", "retention.bytes", "delete.retention.ms", "max.message.bytes")
"""Topic settings that AsyncAPI's binding knows, beside `cleanup.policy`; the others stand in `x-kafka-config`."""
HEADERS = {
    "ce_id": "The envelope's id as a UUID; its 16 bytes are the record's key.",
    "ce_source": "The sender, as a URN.",
    "ce_type": "`hedx/1/envelope`.",
    "traceparent": "W3C trace context.",
}
"""Hints for tools: unsigned, nothing rests on them (docs/envelope.md)."""


def strimzi(topology: Topology, cluster: str) -> list[dict[str, Any]]:
    """One KafkaTopic (`kafka.strimzi.io/v1`) a topic, for the Strimzi cluster `cluster`.

    Rights and quotas are not among them: Strimzi's User Operator knows principals `CN=<name>` only, ours are the CN alone
    (docs/topics.md), so `hedx topics apply` sets them on a cluster of Strimzi's, too.
    """
    return [
        {
            "apiVersion": STRIMZI,
            "kind": "KafkaTopic",
            "metadata": {
                "name": spec.name,
                "labels": {"strimzi.io/cluster": cluster},
                "annotations": {"hedx/description": spec.description, "hedx/owner": spec.owner},
            },
            "spec": {"partitions": spec.partitions, "replicas": spec.replicas, "config": plain_config(spec.config)},
        }
        for spec in topology.topics
    ]


def asyncapi(file: TopologyFile, version: str, host: str) -> dict[str, Any]:
    """The exchange's topics as an AsyncAPI document; `host`: `name:port` of a broker, `version`: this software's."""
    channels = {_id(entry.name): _channel(entry, file) for entry in file.topics}
    return {
        "asyncapi": ASYNCAPI,
        "info": {
            "title": "HEDX, the household economic data exchange (居民家庭经济状况信息部省联网查询)",
            "version": version,
            "description": f"Topics of the cluster {file.cluster.name} ({file.cluster.environment}), made of topics.yaml.",
        },
        "defaultContentType": "application/cose",
        "servers": {
            "kafka": {
                "host": host,
                "protocol": "kafka-secure",
                "description": "Mutual TLS 1.3; the CN of a certificate is its principal.",
                "security": [{"$ref": "#/components/securitySchemes/certificate"}],
            }
        },
        "channels": channels,
        "operations": dict(_operations(file, channels)),
        "components": {
            "securitySchemes": {
                "certificate": {"type": "X509", "description": "Of the exchange's authority, for TLS."}
            },
            "messages": {"record": _record()},
        },
    }


def plain_config(config: Mapping[str, str]) -> dict[str, Any]:
    """Kafka's texts as numbers and truth values where they are some."""
    return {key: _plain(value) for key, value in sorted(config.items())}


def _plain(value: str) -> str | int | bool:
    if value in ("true", "false"):
        return value == "true"
    return int(value) if value.removeprefix("-").isdecimal() else value


def _id(name: str) -> str:
    return name.replace(PLACEHOLDER, "PARTY")


def _channel(entry: TopicEntry, file: TopologyFile) -> dict[str, Any]:
    config = {**file.defaults.config, **entry.config}
    parameters = {"party": {"description": "A party's code (GB/T 2260; 00: 部中心).", "enum": list(file.parties)}}
    return {
        "address": entry.name,
        "description": entry.description.replace(PLACEHOLDER, "(party)"),
        "messages": {"record": {"$ref": "#/components/messages/record"}},
        **({"parameters": parameters} if entry.foreach else {}),
        "bindings": {"kafka": _binding(entry, file.defaults, config)},
        "x-owner": entry.owner,
        "x-kafka-config": plain_config(config),
    }


def _binding(entry: TopicEntry, defaults: Defaults, config: Mapping[str, str]) -> dict[str, Any]:
    settings: dict[str, Any] = {key: int(config[key]) for key in BOUND if key in config}
    if "cleanup.policy" in config:
        settings = {"cleanup.policy": config["cleanup.policy"].split(","), **settings}
    return {
        "partitions": entry.partitions or defaults.partitions,
        "replicas": entry.replicas or defaults.replicas,
        **({"topicConfiguration": settings} if settings else {}),
        "bindingVersion": BINDING,
    }


def _operations(file: TopologyFile, channels: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What each principal sends and receives."""
    for principal in file.principals:
        for action, names in (("send", principal.produces), ("receive", principal.consumes)):
            for name in names:
                if _id(name) in channels:
                    yield f"{_id(principal.name)}.{action}.{_id(name)}", _operation(principal, action, name)


def _operation(principal: PrincipalEntry, action: str, name: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{_id(name)}"},
        "summary": principal.description.replace(PLACEHOLDER, "(party)"),
    }


def _record() -> dict[str, Any]:
    return {
        "name": "record",
        "title": "A signed envelope (COSE_Sign1), or inside the center a framed Avro record",
        "contentType": "application/cose",
        "payload": {"type": "string", "format": "binary", "description": "docs/envelope.md; docs/records.md"},
        "headers": {
            "type": "object",
            "properties": {name: {"type": "string", "description": said} for name, said in HEADERS.items()},
        },
        "bindings": {"kafka": {"key": {"type": "string", "format": "binary"}, "bindingVersion": BINDING}},
    }
