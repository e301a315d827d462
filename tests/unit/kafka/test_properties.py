"""One source for every broker's settings: what must be the same is the same, and no secret is in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.crypto.certificates import common_name, unit_of_principal
from pipeline.crypto.requests import SERVICES
from pipeline.domain.parties import PROVINCES
from pipeline.kafka import compose_brokers
from pipeline.kafka.compose_brokers import compose_properties
from pipeline.kafka.java import DEPLOYMENT
from pipeline.kafka.production import production_properties, text
from pipeline.kafka.properties import broker_properties, exchange, principal_rules, replicated, secured

PRINCIPAL = Path("/principals/broker")
SECURED = broker_properties(
    log_dirs="/data",
    listeners={"SSL": "127.0.0.1:9092"},
    controller_address="127.0.0.1:9093",
    principal=PRINCIPAL,
)


def test_every_listener_is_secured() -> None:
    """Clients, brokers and controllers speak TLS and nothing else, with a certificate on both sides."""
    for settings in (SECURED, production_properties()):
        assert settings["listener.security.protocol.map"] == "SSL:SSL,CONTROLLER:SSL"
        assert "PLAINTEXT" not in "".join(settings.values())
        assert settings["ssl.client.auth"] == "required"
        assert settings["allow.everyone.if.no.acl.found"] == "false"
        assert settings["super.users"] == "User:broker;User:admin"


def test_production_differs_in_places_and_replicas_only() -> None:
    """What the exchange and security want of a broker is word for word what the embedded broker runs with."""
    shared = {**exchange(), **secured(PRINCIPAL)}
    production = production_properties()
    for key in shared.keys() & SECURED.keys():
        assert production[key].replace("/etc/hedx/principals/broker", str(PRINCIPAL)) == SECURED[key], key
    assert {key: value for key, value in production_properties(2).items() if production[key] != value} == {
        "node.id": "2",
        "listeners": "SSL://kafka2.hedx.example:9092,CONTROLLER://kafka2.hedx.example:9093",
        "advertised.listeners": "SSL://kafka2.hedx.example:9092,CONTROLLER://kafka2.hedx.example:9093",
    }


def test_shipped_file_is_the_generated_one() -> None:
    """deploy/kafka/broker.properties is what `python -m pipeline.kafka.production` prints."""
    assert (DEPLOYMENT / "broker.properties").read_text() == text()


def test_the_containers_have_the_machines_settings() -> None:
    """deploy/compose.yaml's brokers run with the settings of three machines: only addresses and quorum are told otherwise."""
    places = {"node.id", "listeners", "advertised.listeners", "listener.security.protocol.map"}
    names = {"inter.broker.listener.name", "controller.quorum.voters", "controller.quorum.bootstrap.servers"}
    machine, container = production_properties(), compose_properties(1)
    assert {key: value for key, value in machine.items() if key not in places | names} == {
        key: value for key, value in container.items() if key not in places | names
    }
    assert {**exchange(), **replicated()}.items() <= container.items()
    assert "PLAINTEXT" not in "".join(container.values())
    assert set(container["listener.security.protocol.map"].replace(",", ":").split(":")[1::2]) == {"SSL"}
    assert "SSL://" not in container["advertised.listeners"], "the image would want TLS described in its own way"


def test_shipped_environment_of_the_containers_is_the_generated_one() -> None:
    """deploy/kafka/brokers.yaml and client.properties are what `python -m pipeline.kafka.compose_brokers` writes."""
    assert (DEPLOYMENT / "brokers.yaml").read_text() == compose_brokers.text()
    assert (DEPLOYMENT / "client.properties").read_text() == compose_brokers.client_text()


def principal_of(subject: str) -> str:
    """Kafka's name for a certificate's subject, by the rules, as its SslPrincipalMapper applies them."""
    for pattern in re.findall(r"RULE:([^/]+)/\$1/", principal_rules()):
        if found := re.match(pattern, subject):
            return found.group(1)
    return subject


@pytest.mark.parametrize("principal", [*SERVICES, *map(common_name, ("center", "00", *PROVINCES))])
def test_a_subject_becomes_its_common_name(principal: str) -> None:
    """Kafka's principal is the CN of every certificate the authority issues."""
    assert principal_of(f"CN={principal},OU={unit_of_principal(principal)},O=HEDX") == principal


@pytest.mark.parametrize(
    "subject",
    [
        "CN=broker,OU=province,O=HEDX",
        "CN=admin,OU=center,O=HEDX",
        "CN=P37,OU=admin,O=HEDX",
        "CN=P37,OU=province,O=ELSEWHERE",
        "CN=P37,OU=province,O=HEDX,C=CN",
        "OU=broker,CN=broker,O=HEDX",
        "CN=broker,CN=P37,OU=province,O=HEDX",
    ],
)
def test_a_subject_of_another_form_is_nobody(subject: str) -> None:
    """A name with the wrong unit, organisation or order keeps its whole length: no right is given to such a name."""
    assert principal_of(subject) == subject
