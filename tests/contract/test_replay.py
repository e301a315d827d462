"""A message put aside for a reason that is mended is put back, and its application completes: on both brokers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.center.deadletter_facts import REPLAYED, Shown, act_on, original, put_back, read_letter, story_of
from pipeline.center.deadletters import DeadLetters
from pipeline.codec import framing
from pipeline.demo.application import Sample
from pipeline.domain.parties import CENTER, inbox
from pipeline.kafka.embedded import EmbeddedBroker
from pipeline.kafka.memory import MemoryWorker
from pipeline.kafka.slots import Slot
from pipeline.kafka.worker import TransactionalWorker
from pipeline.province import outbox
from pipeline.province.catalog_files import load_entries
from pipeline.province.sources import open_sources, sqlite_url
from pipeline.stages import topics
from pipeline.stages.effects import Message
from pipeline.stages.intake import Intake
from tests.kafka_network import KafkaNetwork
from tests.network import Network
from tests.scenario import assert_equals_oracle, network_for, small_sample

SLOW = 600_000
"""How far (ms) the center's clock is behind at first: more than the five minutes that are forgiven."""
INBOX = inbox(CENTER, "requests")
REASON = "the center's clock is set right"


@dataclass
class Stand:
    """A network, and how a letter is put back on its broker."""

    network: Network
    folder: Path

    def behind(self) -> MemoryWorker | TransactionalWorker:
        """The center's intake with a clock that is behind."""
        network = self.network
        stage = Intake(network.identities[CENTER], network.reference, b"tag secret")
        clock = lambda: network.clock() - SLOW  # noqa: E731
        if isinstance(network, KafkaNetwork):
            group = f"hedx.center.{stage.name}"
            return TransactionalWorker(stage, network.broker.bootstrap, slot=Slot(0), group=group, clock=clock)
        return MemoryWorker(stage, network.broker, clock)

    def letters(self) -> list[Shown]:
        """All letters, as they stand."""
        found = []
        for message in self.network.broker.messages(topics.DEAD_LETTERS):
            if any(name == "hedx.deadletter" for name, _ in message.headers):
                letter, story = read_letter(message)
                found.append(Shown(letter, original(message, story), story_of(message), story, ()))
        return found

    def put_back(self, shown: Shown, *, again: bool = False) -> None:
        """By the center's desk for letters; on the in-memory broker, the record that it would write."""
        network = self.network
        if isinstance(network, KafkaNetwork):
            log = self.folder / "access.db"
            desk = DeadLetters(network.broker.bootstrap, {}, security=lambda _: {}, log=log)
            desk.replay(shown.letter.place, by="user:li", reason=REASON, now=network.clock(), again=again)
            return
        output = put_back(shown, act_on(shown, "replayed", "user:li", REASON, network.clock()))
        network.broker.produce(output.topic, output.key, output.value, output.headers, output.partition)


@pytest.fixture(scope="module", params=["memory", "kafka"])
def stand(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stand, Sample]]:
    """The demo's parties, one application filed, and its envelope put aside by a center whose clock is behind."""
    folder: Path = tmp_path_factory.mktemp("replay")
    sample = small_sample(folder)
    if request.param == "memory":
        yield _put_aside(Stand(network_for(sample, folder), folder), sample), sample
        return
    with EmbeddedBroker(folder / "broker") as broker:
        catalog = [entry for party in sample.parties for entry in load_entries(sample.catalog / f"{party}.yaml")]
        network = KafkaNetwork(folder, sample.parties, catalog, broker.bootstrap)
        for party in sample.parties:
            url = sqlite_url(sample.databases / f"{party}.db")
            network.connect_sources(party, open_sources(sample.providers / f"{party}.yaml", url))
        yield _put_aside(Stand(network, folder), sample), sample
        network.close()


def _put_aside(stand: Stand, sample: Sample) -> Stand:
    """File, send, and let the center whose clock is behind refuse it; then its clock is right."""
    network = stand.network
    network.file(sample.application, sample.persons, section_size=5)
    network.send(sample.application["requester"])
    worker = stand.behind()
    worker.run_until_idle()
    worker.close()
    return stand


def _unsettled(stand: Stand, sample: Sample) -> int:
    return outbox.unsettled(stand.network.parties[sample.application["requester"]].store.connection)


def _events(stand: Stand, kind: str) -> int:
    records = (framing.decode(message.value or b"")[1] for message in stand.network.broker.messages(topics.EVENTS))
    return sum(record["kind"] == kind for record in records)


def test_a_message_put_aside_for_a_mended_reason_is_put_back_and_its_application_completes(
    stand: tuple[Stand, Sample],
) -> None:
    """By itself nothing moves; put back, the same bytes (by SHA-256) go all the way to dossiers that equal plain SQL's."""
    made, sample = stand
    made.network.run()
    assert _unsettled(made, sample) > 0
    letters = made.letters()
    assert {shown.letter.code for shown in letters} == {"certificate_expired"}  # as of then it is not valid yet
    assert {shown.letter.hindrance for shown in letters} == {None}
    before: list[Message] = list(made.network.broker.messages(INBOX))
    for shown in letters:
        made.put_back(shown)
    back = [message for message in made.network.broker.messages(INBOX) if message not in before]
    digests = sorted(sha256(message.value or b"").digest() for message in before)
    assert sorted(sha256(message.value or b"").digest() for message in back) == digests
    assert {message.headers[-1][0] for message in back} == {REPLAYED}
    assert sorted(m.headers[:-1] for m in back) == sorted(m.headers for m in before)
    made.network.run()
    assert_equals_oracle(made.network, sample)
    assert _unsettled(made, sample) == 0


def test_what_was_worked_on_already_is_put_back_without_effect(stand: tuple[Stand, Sample]) -> None:
    """The receiver knows the envelope: it repeats its receipt, and neither sections nor results come a second time."""
    made, sample = stand
    kinds = ("section_received", "certified", "answer_accepted")
    before = [_events(made, kind) for kind in kinds]
    result = list(made.network.broker.messages(topics.RESULTS))
    for shown in made.letters():
        made.put_back(shown, again=True)
    made.network.run()
    assert [_events(made, kind) for kind in kinds] == before
    assert before[0] > 0
    assert before[1] > 0
    assert list(made.network.broker.messages(topics.RESULTS)) == result
    assert _events(made, "envelope_resent") == len(made.letters())
    assert_equals_oracle(made.network, sample)
