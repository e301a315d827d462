"""Where partitions begin and end, asked of the brokers in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from time import monotonic, sleep

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from pipeline.kafka.attempts import Place

TIMEOUT = 10.0
COMING = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})
"""What a broker says of a partition that was just made, or moves to another broker: asked again, within `TIMEOUT`."""
LOOK = 0.05


def end_offsets(admin: AdminClient, places: Iterable[Place]) -> dict[Place, int]:
    """High watermarks: the end including records of transactions still open.

    A consumer's own query would, reading committed, give the last stable offset instead, which may lie before
    records that are about to be committed. Raises KafkaException when the brokers do not answer in ten seconds.
    """
    return _offsets(admin, places, OffsetSpec.latest())  # type: ignore[no-untyped-call]


def begin_offsets(admin: AdminClient, places: Iterable[Place]) -> dict[Place, int]:
    """The first offsets still kept. Raises KafkaException when the brokers do not answer in ten seconds."""
    return _offsets(admin, places, OffsetSpec.earliest())  # type: ignore[no-untyped-call]


def offsets_from(admin: AdminClient, places: Iterable[Place], time: int) -> dict[Place, int | None]:
    """The first offsets appended at `time` (ms) or later; None where there is none. Raises KafkaException as the others do."""
    found = _offsets(admin, places, OffsetSpec.for_timestamp(time))
    return {place: None if offset < 0 else offset for place, offset in found.items()}


def _offsets(admin: AdminClient, places: Iterable[Place], which: OffsetSpec) -> dict[Place, int]:
    asked = {TopicPartition(*place): which for place in places}
    if not asked:
        return {}
    deadline = monotonic() + TIMEOUT
    while True:
        answers = admin.list_offsets(asked, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=TIMEOUT)
        try:
            return {(tp.topic, tp.partition): int(answer.result().offset) for tp, answer in answers.items()}
        except KafkaException as error:
            if error.args[0].code() not in COMING or monotonic() > deadline:
                raise
        sleep(LOOK)


class Probes:
    """Up to which instant each partition has certainly been read: `Progress.caught_up_at`.

    A probe is an end offset and a time *taken before the end offset was asked for*. Whatever had been appended before
    that time lies below that end offset; so once the position is at or past the end offset, all of it has been read,
    whatever was appended since. Two gaps are left to the stage's slack: between this machine's clock and the brokers'
    (the append times), and, with replicas, between append and high watermark.

    A probe not reached is kept until it is: replacing it each time would, under steady load, never reach one.
    """

    def __init__(self, admin: AdminClient, clock: Callable[[], int]) -> None:
        self._admin = admin
        self._clock = clock
        self._open: dict[Place, tuple[int, int]] = {}  # time, end offset
        self._reached: dict[Place, int] = {}

    def observe(self, positions: Mapping[Place, int]) -> dict[Place, int]:
        """The latest instant up to which each partition is known to be read, for those where one is known.

        One call to the brokers at most, none while every partition's probe is still ahead of it.
        """
        self._settle(positions)
        wanted = [place for place in positions if place not in self._open]
        now = self._clock()  # before the call: see above
        self._open |= {place: (now, end) for place, end in end_offsets(self._admin, wanted).items()}
        self._settle(positions)
        return {place: self._reached[place] for place in positions if place in self._reached}

    def forget(self, place: Place) -> None:
        """The partition is no longer owned."""
        self._open.pop(place, None)
        self._reached.pop(place, None)

    def _settle(self, positions: Mapping[Place, int]) -> None:
        for place, position in positions.items():
            probe = self._open.get(place)
            if probe is not None and position >= probe[1]:
                self._reached[place] = probe[0]
                del self._open[place]
