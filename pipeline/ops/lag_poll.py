"""One poll: everything the lag exporter asks the brokers, in the order that keeps lag from ever being negative."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic, sleep, time
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from pipeline.kafka.admin import TIMEOUT
from pipeline.kafka.clients import Extra, admin_config
from pipeline.kafka.ends import COMING as LEADER_COMING
from pipeline.kafka.ends import begin_offsets, end_offsets
from pipeline.ops.lag_groups import group_facts
from pipeline.ops.lag_reading import ReadingSince
from pipeline.ops.lag_replicas import Replicas, replicas
from pipeline.ops.lag_samples import GroupFacts, GroupSample, Place, Poll, Sample, Target, TopicFacts, sample
from pipeline.ops.lag_search import SearchingSince, offsets_at
from pipeline.ops.lag_since import Answers, ReadElseSearch
from pipeline.ops.lag_topics import topic_facts

TOPICS_EVERY = 60.0
"""Seconds between two looks at the topics' settings."""

PATIENCE = 5.0
PAUSE = 0.1
COMING = LEADER_COMING | {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}
"""What brokers say just after a topic was made, or one of them was started."""

NO_GROUP = "absent"
"""State of a group that Kafka does not know."""

Bounds = Mapping[Place, tuple[int, int]]


def brokers_clock() -> int:
    """Milliseconds since the epoch as brokers count: real ones, also where the exchange's time is simulated."""
    return int(time() * 1000)


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked about: topics and groups with `prefix`, and the groups that must be there, with the topic each reads."""

    prefix: str
    expected: Mapping[str, str]


class Poller:
    """Polls one cluster; `extra`: client settings of the principal that asks. Use it in one thread at a time."""

    def __init__(
        self,
        bootstrap: str,
        scope: Scope,
        extra: Extra | None = None,
        clock: Callable[[], int] = brokers_clock,
    ) -> None:
        self.scope = scope
        self._clock = clock
        self._admin = AdminClient({**admin_config(bootstrap, extra), "log_level": 0})  # what fails is raised
        self._topics: dict[str, TopicFacts] = {}
        self._next_topics = 0.0
        self._reading = ReadingSince(bootstrap, extra)
        self._since = ReadElseSearch(
            self._reading, SearchingSince(offsets_at(self._admin), clock), lambda topic: self._topics[topic].readable
        )

    def poll(self) -> Poll:
        """Ask everything once; again for `PATIENCE` seconds while a leader or coordinator is only just coming.

        Raises KafkaException when the brokers do not answer, or refuse.
        """
        deadline = monotonic() + PATIENCE
        while True:
            try:
                return self._poll()
            except KafkaException as error:
                self._next_topics = 0.0  # a topic that was deleted is not asked about again
                if error.args[0].code() not in COMING or monotonic() > deadline:
                    raise
            sleep(PAUSE)

    def replicas(self) -> Replicas:
        """Ask where the partitions' copies are; answered also while partitions have no leader, when `poll` fails.

        Raises KafkaException when the brokers do not answer, or refuse.
        """
        if not self._topics:  # afterwards `poll` renews them: nothing but metadata has to be had
            self._look_at_topics()
        return replicas(self._admin.list_topics(timeout=TIMEOUT), self._topics, self.scope.prefix)

    def _look_at_topics(self) -> None:
        """Take their settings up, when it is time."""
        now = monotonic()
        if now >= self._next_topics:
            self._topics = topic_facts(self._admin, self.scope.prefix)
            self._next_topics = now + TOPICS_EVERY

    def _poll(self) -> Poll:
        started = monotonic()
        at = self._clock()
        self._look_at_topics()
        groups = group_facts(self._admin, self.scope.prefix)  # before the ends: they only grow
        everything = [(name, number) for name, topic in self._topics.items() for number in range(topic.partitions)]
        ends = end_offsets(self._admin, everything)
        begins = begin_offsets(self._admin, everything)
        bounds = {place: (begins[place], ends[place]) for place in everything}
        wanted = {**groups, **self._missing(groups)}
        places = {name: self._places(group, bounds) for name, group in wanted.items()}
        since = self._since(_targets(wanted, places, bounds))
        samples = tuple(self._sample(at, group, places[name], bounds, since) for name, group in wanted.items())
        compacted = frozenset(name for name, topic in self._topics.items() if topic.compacted)
        return Poll(at, monotonic() - started, samples, bounds, compacted)

    def close(self) -> None:
        """Let go of the connections."""
        self._reading.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _missing(self, groups: Mapping[str, GroupFacts]) -> dict[str, GroupFacts]:
        """Expected groups that Kafka does not know, of topics that are there: a run may have some parties only."""
        return {
            name: GroupFacts(name, NO_GROUP, 0)
            for name, topic in self.scope.expected.items()
            if name not in groups and topic in self._topics
        }

    def _places(self, group: GroupFacts, bounds: Bounds) -> list[Place]:
        """Where a group reads: what it committed, what its members have, and all of the topic that it is expected to read."""
        topic = self._topics.get(self.scope.expected.get(group.name, ""))
        own = {(topic.name, number) for number in range(topic.partitions)} if topic else set()
        return sorted(place for place in {*group.committed, *group.assigned, *own} if place in bounds)

    def _sample(self, at: int, group: GroupFacts, places: list[Place], bounds: Bounds, since: Answers) -> GroupSample:
        expected = group.name in self.scope.expected
        absent = expected and not group.members and not group.committed
        samples = {place: self._partition(at, group, place, bounds, since) for place in places}
        return GroupSample(group.name, group.state, group.members, expected, absent, samples)

    def _partition(self, at: int, group: GroupFacts, place: Place, bounds: Bounds, since: Answers) -> Sample:
        target = _target(group, place, bounds)
        answered = target in since
        found = since[target] if answered else None
        return sample(
            at,
            group.committed.get(place),
            bounds[place],
            self._topics[place[0]],
            found,
            only_markers=answered and found is None,
        )


def _targets(groups: Mapping[str, GroupFacts], places: Mapping[str, list[Place]], bounds: Bounds) -> list[Target]:
    """What there is to ask about: every partition of every group that is not at its end."""
    targets = (_target(groups[name], place, bounds) for name, mine in places.items() for place in mine)
    return [target for target in targets if target.offset < target.end]


def _target(group: GroupFacts, place: Place, bounds: Bounds) -> Target:
    """Where a group goes on: at what it committed, or at the first record kept."""
    begin, end = bounds[place]
    return Target(*place, max(group.committed.get(place, begin), begin), end)
