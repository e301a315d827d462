"""The brokers as the cluster itself names them to its clients."""

from __future__ import annotations

from confluent_kafka.admin import AdminClient

from pipeline.kafka.clients import Extra, admin_config


def addresses(bootstrap: str, extra: Extra | None = None, seconds: float = 10.0) -> list[tuple[str, int]]:
    """(host, port) of every broker, by its id. Raises KafkaException when none answers within `seconds`."""
    brokers = AdminClient(admin_config(bootstrap, extra)).list_topics(timeout=seconds).brokers
    return [(str(broker.host), broker.port) for _, broker in sorted(brokers.items())]
