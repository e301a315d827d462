"""Every Kafka client's configuration, in one place; security settings come in as `extra` and win."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import murmur2

Config = dict[str, str | int | float | bool]
Extra = Mapping[str, str | int | float | bool]

MAX_MESSAGE_BYTES = 2 * 1024 * 1024
"""What a producer lets through: twice a topic's limit, since a dead letter is a whole message and its story."""

READER_GROUP = "hedx.reader"
"""Group of consumers that are assigned partitions: the library wants one, but none of them joins it."""


def admin_config(bootstrap: str, extra: Extra | None = None) -> Config:
    """Settings of an admin client; also what all clients share."""
    return {"bootstrap.servers": bootstrap, "log.connection.close": False, **(extra or {})}


def consumer_config(
    bootstrap: str, group: str, *, instance: str | None = None, session_ms: int = 10_000, extra: Extra | None = None
) -> Config:
    """Settings of a group consumer whose offsets travel in its producer's transactions.

    `instance` is the `group.instance.id` (static membership). Classic protocol, since several lag tools do not see
    groups of KIP-848; `read_committed` also makes `committed()` wait for offsets of an open transaction.
    """
    static: Config = {"group.instance.id": instance} if instance else {}
    return {
        **admin_config(bootstrap),
        **_reading(),
        "group.id": group,
        "group.protocol": "classic",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": session_ms,
        "heartbeat.interval.ms": min(1000, session_ms // 3),
        **static,
        **(extra or {}),
    }


def reader_config(bootstrap: str, extra: Extra | None = None) -> Config:
    """Settings of a consumer that reads assigned partitions to their end and commits nothing.

    The end of a partition is reported as an event: on a compacted topic the position alone may never get there.
    """
    return {
        **admin_config(bootstrap),
        **_reading(),
        "group.id": READER_GROUP,
        "enable.partition.eof": True,
        # Closing one that has just connected, librdkafka greets a coordinator without a name over TLS and logs that as a
        # failure. What really fails comes as an error of the read, and the admin client before it logs why.
        "log_level": 2,
        **(extra or {}),
    }


def producer_config(
    bootstrap: str,
    transactional_id: str | None = None,
    *,
    transaction_ms: int = 10_000,
    extra: Extra | None = None,
) -> Config:
    """Settings of a producer: idempotent always, transactional with `transactional_id`; keys placed as Java does."""
    transactional: Config = (
        {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": transaction_ms,
            # A transaction that follows on another is told to wait until the markers of that one are written, a matter
            # of milliseconds. With the library's 100 ms before it asks again, it took 93 ms instead of 6 (decision 2).
            "retry.backoff.ms": 10,
        }
        if transactional_id
        else {}
    )
    return {
        **admin_config(bootstrap),
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",  # the library's own default, CRC32, disagrees with Java
        "linger.ms": 5,
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "queue.buffering.max.kbytes": 32 * 1024,
        "delivery.report.only.error": True,  # the commit reports failures
        **transactional,
        **(extra or {}),
    }


def _reading() -> Config:
    return {
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "queued.max.messages.kbytes": 32 * 1024,
        "fetch.wait.max.ms": 200,  # a partition just taken up waits at most so long for the others' idle fetch to end
        "fetch.queue.backoff.ms": 20,  # default 1000: a full queue would pause fetching for that long
    }


def murmur2_partition(key: bytes, partitions: int) -> int:
    """The partition Java's default partitioner gives `key` among `partitions` (as `murmur2_random` does)."""
    return int(murmur2(key, partitions))
