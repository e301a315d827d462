"""A broker's `server.properties` for a cluster of three machines: `python -m pipeline.kafka.production`.

The same rules of the exchange and of security as everywhere (`properties`); other are places, replicas and timeouts. The
three files differ in `node.id` and in the machine's own name.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.kafka.properties import as_file, exchange, replicated, secured

HOSTS = ("kafka1.hedx.example", "kafka2.hedx.example", "kafka3.hedx.example")
PRINCIPAL = Path("/etc/hedx/principals/broker")
HEADER = """\
# Kafka 4.3 for the exchange: the first of three machines, each broker and controller. Made by
# `python -m pipeline.kafka.production > deploy/kafka/broker.properties`; on the others change node.id and the machine's
# name in `listeners` and `advertised.listeners`.
#
# {principal}/ holds the principal `broker`, whose certificate names the machine, readable by
# Kafka's user alone; `hedx broker keystore broker` makes tls.p12 there. No secret is in this file: Kafka reads the
# passphrase from its own (`config.providers`).
"""


def production_properties(node: int = 1) -> dict[str, str]:
    """Settings of the broker on the machine `HOSTS[node - 1]`."""
    host = HOSTS[node - 1]
    return {
        "process.roles": "broker,controller",
        "node.id": str(node),
        "controller.quorum.bootstrap.servers": ",".join(f"{name}:9093" for name in HOSTS),
        "listeners": f"SSL://{host}:9092,CONTROLLER://{host}:9093",
        "advertised.listeners": f"SSL://{host}:9092,CONTROLLER://{host}:9093",
        "listener.security.protocol.map": "SSL:SSL,CONTROLLER:SSL",
        "inter.broker.listener.name": "SSL",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": "/var/lib/kafka/data",
        **secured(PRINCIPAL),
        **exchange(),
        **replicated(),
    }


def text() -> str:
    """The file for the first machine, as deploy/kafka/broker.properties has it."""
    return HEADER.format(principal=PRINCIPAL) + as_file(production_properties())


if __name__ == "__main__":
    sys.stdout.write(text())
