"""Client settings that results depend on."""

from __future__ import annotations

import pytest

from pipeline.kafka.clients import consumer_config, murmur2_partition, producer_config, reader_config

JAVA = {  # from the unit test of org.apache.kafka.common.utils.Utils.murmur2
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("key", JAVA)
@pytest.mark.parametrize("partitions", [1, 4, 6, 50])
def test_keys_are_placed_as_java_places_them(key: bytes, partitions: int) -> None:
    """Java's default partitioner: the hash without its sign bit, modulo the number of partitions."""
    assert murmur2_partition(key, partitions) == (JAVA[key] & 0x7FFFFFFF) % partitions


def test_nothing_is_committed_outside_a_transaction_and_nothing_uncommitted_is_read() -> None:
    """The two settings exactly-once stands on, for every client that reads."""
    for config in (consumer_config("b", "g"), reader_config("b")):
        assert config["isolation.level"] == "read_committed"
        assert config["enable.auto.commit"] is False


def test_security_settings_reach_every_client_and_win() -> None:
    """`extra` is how TLS comes in; it is the last word."""
    extra = {"security.protocol": "ssl", "acks": "1"}
    for config in (
        consumer_config("b", "g", extra=extra),
        reader_config("b", extra),
        producer_config("b", extra=extra),
    ):
        assert config.items() >= extra.items()


def test_a_plain_producer_is_idempotent_and_a_transactional_one_is_bounded() -> None:
    """Retries never double a record; a stopped worker's transaction ends in ten seconds."""
    assert producer_config("b")["enable.idempotence"] is True
    assert "transactional.id" not in producer_config("b")
    assert producer_config("b", "t")["transaction.timeout.ms"] == 10_000
