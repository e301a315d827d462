"""topics.yaml for other tools: everything in it, in the form that they take."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pipeline.kafka.exporting import asyncapi, strimzi
from pipeline.kafka.topology import TOPICS_FILE, expand, load_file

FILE = load_file(TOPICS_FILE)
TOPOLOGY = expand(FILE)
DOCUMENT = asyncapi(FILE, "1.2.3", "kafka1.hedx.example:9092")
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
"""What Kubernetes takes for a name (RFC 1123)."""


def test_strimzi_gets_every_topic_as_it_is() -> None:
    """Name, partitions, replicas and settings; numbers as numbers."""
    resources = strimzi(TOPOLOGY, "exchange")
    assert {(each["apiVersion"], each["kind"]) for each in resources} == {("kafka.strimzi.io/v1", "KafkaTopic")}
    assert {each["metadata"]["labels"]["strimzi.io/cluster"] for each in resources} == {"exchange"}
    found = {
        each["metadata"]["name"]: (
            each["spec"]["partitions"],
            each["spec"]["replicas"],
            {
                key: str(value).lower() if isinstance(value, bool) else str(value)
                for key, value in each["spec"]["config"].items()
            },
        )
        for each in resources
    }
    assert found == {spec.name: (spec.partitions, spec.replicas, dict(spec.config)) for spec in TOPOLOGY.topics}
    retention = next(each for each in resources if each["metadata"]["name"] == "hedx.events")["spec"]["config"]
    assert retention["retention.ms"] == 7_776_000_000


@pytest.mark.parametrize("resource", strimzi(TOPOLOGY, "x"), ids=lambda each: each["metadata"]["name"])
def test_kubernetes_takes_every_name(resource: dict[str, Any]) -> None:
    """So `topicName` is not needed."""
    assert SUBDOMAIN.fullmatch(resource["metadata"]["name"])


def test_asyncapi_has_a_channel_for_every_topic() -> None:
    """Parties' inboxes are one channel with a parameter."""
    channels = DOCUMENT["channels"]
    assert {channel["address"] for channel in channels.values()} == {entry.name for entry in FILE.topics}
    inbox = channels["hedx.PARTY.requests"]
    assert inbox["parameters"]["party"]["enum"] == list(FILE.parties)
    assert inbox["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"] == ["delete"]
    assert channels["hedx.center.results"]["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"] == [
        "compact",
        "delete",
    ]


def test_asyncapi_has_an_operation_for_every_right() -> None:
    """What a principal may write it sends, what it may read it receives; each refers to a channel that is there."""
    operations = DOCUMENT["operations"]
    assert len(operations) == sum(len(entry.produces) + len(entry.consumes) for entry in FILE.principals)
    assert operations["PPARTY.receive.hedx.PARTY.requests"]["action"] == "receive"
    for operation in operations.values():
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in DOCUMENT["channels"]


def test_every_reference_of_the_document_leads_somewhere() -> None:
    """A reader's tool follows them."""

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [found for value in node.values() for found in references(value)]
        return [found for value in node for found in references(value)] if isinstance(node, list) else []

    found = references(DOCUMENT)
    assert found
    for reference in found:
        node = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
