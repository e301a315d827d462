"""How far a partition has been read: never claimed too early, and reached under steady load."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka.admin import AdminClient

from pipeline.kafka.clients import admin_config
from pipeline.kafka.ends import Probes
from tests.contract.worlds import Clock, KafkaWorld


def test_a_probe_is_kept_until_it_is_reached(kafka: str, unique: Callable[[str], str]) -> None:
    """While records keep coming the position never meets the end, yet it passes each probe, with that probe's time."""
    world, clock = KafkaWorld(kafka, unique), Clock(1)
    topic = world.create("in", 2)
    busy, idle = (topic, 0), (topic, 1)
    probes = Probes(AdminClient(admin_config(kafka)), clock)
    world.send(topic, b"k", b"v", partition=0)
    assert probes.observe({busy: 0, idle: 0}) == {idle: 1}
    clock.now = 2
    world.send(topic, b"k", b"v", partition=0)
    assert probes.observe({busy: 0, idle: 0}) == {idle: 2}
    clock.now = 3
    assert probes.observe({busy: 1, idle: 0}) == {busy: 1, idle: 3}
    clock.now = 4
    assert probes.observe({busy: 2, idle: 0}) == {busy: 4, idle: 4}
    probes.forget(idle)
    assert probes.observe({busy: 2}) == {busy: 4}
