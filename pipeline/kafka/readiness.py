"""Free ports, and whether a broker answers."""

from __future__ import annotations

import logging
import socket
import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from pipeline.kafka.clients import Extra

QUIET = logging.getLogger("pipeline.kafka.readiness")
QUIET.setLevel(logging.CRITICAL)  # librdkafka reports each refused connection; here that is expected


def free_ports(count: int) -> list[int]:
    """`count` different TCP ports of 127.0.0.1 that nobody listens on now."""
    holders = [socket.socket() for _ in range(count)]
    try:
        for holder in holders:
            holder.bind(("127.0.0.1", 0))
        return [holder.getsockname()[1] for holder in holders]
    finally:
        for holder in holders:
            holder.close()


def is_free(port: int) -> bool:
    """Whether `port` of 127.0.0.1 can be bound now."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def accepts(address: str) -> bool:
    """Whether somebody accepts TCP connections at `host:port`."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def answers(bootstrap: str, timeout: float, extra: Extra | None = None) -> bool:
    """Whether a cluster with at least one broker answers at `bootstrap` within `timeout` seconds.

    `extra`: as whom to ask (`client_security`); None: without TLS.
    """
    deadline = time.monotonic() + timeout
    patience = {"reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 200}
    client = AdminClient({"bootstrap.servers": bootstrap, **patience, **(extra or {})}, logger=QUIET)
    while (left := deadline - time.monotonic()) > 0:
        try:
            if client.list_topics(timeout=left).brokers:
                return True
        except KafkaException:
            return False
        time.sleep(0.05)
    return False
