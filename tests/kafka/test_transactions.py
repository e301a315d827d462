"""A worker's transactions on a real broker: how soon one may follow on another."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from time import perf_counter

from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient, NewTopic

from pipeline.kafka.clients import consumer_config
from pipeline.kafka.transactions import Transactions
from pipeline.stages.effects import Output


def test_a_transaction_does_not_wait_a_tenth_of_a_second_for_the_one_before(
    kafka: str, unique: Callable[[str], str]
) -> None:
    """The broker refuses a new transaction while the last one's markers are written; the producer asks again soon."""
    topic, group = unique("out"), unique("group")
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(topic, 3, 1)])[topic].result()
    consumer = Consumer(consumer_config(kafka, group))
    consumer.subscribe([topic])
    while not consumer.assignment():
        consumer.poll(0.1)
    transactions = Transactions(kafka, unique("worker"), transaction_ms=10_000)
    transactions.open()
    records = [Output(topic, b"%d" % number, b"value") for number in range(6)]
    taken = []
    for offset in range(1, 16):
        started = perf_counter()
        transactions.carry_out(records, {(topic, 0): offset}, consumer.consumer_group_metadata())
        taken.append(perf_counter() - started)
    transactions.close()
    consumer.close()
    assert statistics.median(taken) < 0.06, "93 ms with the library's own back-off, 6 ms without"
