"""The three brokers of deploy/compose.yaml: `python -m pipeline.kafka.compose_brokers` writes deploy/kafka/brokers.yaml.

The same rules of the exchange and of security as the embedded broker's and the machines' (`properties`), as the image
`apache/kafka` takes them: in its environment. Any one variable switches all defaults of that image off, so they are complete.
"""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.kafka.dockerised import IMAGE
from pipeline.kafka.java import DEPLOYMENT
from pipeline.kafka.properties import as_environment, as_file, exchange, replicated, secured
from pipeline.kafka.security import java_security

NODES = (1, 2, 3)
PRINCIPAL = Path("/etc/hedx/principals/broker")
"""Where each broker's folder of TLS files is mounted."""
INSIDE, CONTROLLER, OUTSIDE = 9092, 9093, 19092
"""Ports: of the other containers, of the brokers' quorum, and the first of those that parties connect to."""
PUBLIC_HOST = "kafka.hedx.example"
"""Stands for the name under which parties reach this machine, until the file's reader puts in HEDX_PUBLIC_HOST."""

HEADER = """\
# The environment of the three brokers, for deploy/compose.yaml (`extends`). Made, not written:
# `python -m pipeline.kafka.compose_brokers`. Secrets are in none of it: Kafka reads the passphrase from the mounted
# folder (`config.providers`; `$$` is compose's way to write `$`).
"""
CLIENT_HEADER = """\
# With this a broker's health check (deploy/compose.yaml) asks the broker as itself. Made by
# `python -m pipeline.kafka.compose_brokers`.
"""


def compose_properties(node: int) -> dict[str, str]:
    """Kafka's settings for the broker `kafka<node>`, broker and controller at once.

    No listener is called SSL, since the image's start-up script wants TLS described in its own way then; and voters are
    static, since it formats the storage without `--standalone`.
    """
    host, outside = f"kafka{node}", OUTSIDE + node - 1
    return {
        "process.roles": "broker,controller",
        "node.id": str(node),
        "controller.quorum.voters": ",".join(f"{each}@kafka{each}:{CONTROLLER}" for each in NODES),
        "listeners": f"TLS://0.0.0.0:{INSIDE},PARTIES://0.0.0.0:{outside},CONTROLLER://0.0.0.0:{CONTROLLER}",
        "advertised.listeners": (
            f"TLS://{host}:{INSIDE},PARTIES://{PUBLIC_HOST}:{outside},CONTROLLER://{host}:{CONTROLLER}"
        ),
        "listener.security.protocol.map": "TLS:SSL,PARTIES:SSL,CONTROLLER:SSL",
        "inter.broker.listener.name": "TLS",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": "/var/lib/kafka/data",
        **secured(PRINCIPAL),
        **exchange(),
        **replicated(),
    }


def client_text() -> str:
    """deploy/kafka/client.properties: what Kafka's tools take inside a broker's container."""
    return CLIENT_HEADER + as_file({"security.protocol": "SSL", **java_security(PRINCIPAL)})


def text() -> str:
    """deploy/kafka/brokers.yaml."""
    lines = [HEADER + "services:"]
    for node in NODES:
        lines += [f"  kafka{node}:", f"    image: {IMAGE}", "    environment:"]
        for name, value in as_environment(compose_properties(node)).items():
            shown = value.replace("$", "$$").replace(PUBLIC_HOST, f"${{HEDX_PUBLIC_HOST:-{PUBLIC_HOST}}}")
            lines.append(f"      {name}: {json.dumps(shown)}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (DEPLOYMENT / "brokers.yaml").write_text(text(), encoding="utf-8")
    (DEPLOYMENT / "client.properties").write_text(client_text(), encoding="utf-8")
