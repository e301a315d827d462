"""The in-memory network with somebody who is told of every hop, at the center and at the parties."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.demo.application import Sample
from pipeline.domain.tracing import TraceContext
from pipeline.kafka.hops import Hop, Hopping
from pipeline.kafka.memory import MemoryWorker
from pipeline.province.adapter import OutboxRunner
from pipeline.province.catalog_files import load_entries
from pipeline.province.desks import AnswerDesk, DeliveryDesk
from pipeline.province.outbox import LINGER
from pipeline.province.sources import Sources, open_sources, sqlite_url
from pipeline.stages.answer import Answerer
from pipeline.stages.deliver import Deliver
from pipeline.stages.effects import Message, Output, Stage
from tests.network import Network, Party


class Told:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.hops: list[Hop] = []
        self.messages: list[Message] = []
        self.outputs: list[Output] = []

    def hopped(self, hops: Sequence[Hop], began: int, seconds: float) -> None:
        """Keep the hops."""
        self.hops += hops

    def carried(
        self, stage: str, messages: Sequence[Message], outputs: Sequence[Output], began: int, seconds: float
    ) -> None:
        """Keep what went in and out."""
        self.messages += messages
        self.outputs += outputs

    def of(self, application_id: str) -> list[Hop]:
        """The hops of an application."""
        return [hop for hop in self.hops if hop.application_id == application_id]


class TracedNetwork(Network):
    """`Network` that tells `hopping`."""

    def __init__(self, folder: Path, sample: Sample, hopping: Hopping) -> None:
        self.hopping = hopping
        catalog = [entry for party in sample.parties for entry in load_entries(sample.catalog / f"{party}.yaml")]
        super().__init__(folder, sample.parties, catalog)
        for party in sample.parties:
            url = sqlite_url(sample.databases / f"{party}.db")
            self.connect_sources(party, open_sources(sample.providers / f"{party}.yaml", url))

    def connect_sources(self, party: str, sources: Sources) -> None:
        """Give a provider its databases."""
        member = self.parties[party]
        answerer = Answerer(member.identity, self.reference)
        member.answers = AnswerDesk(answerer, sources, member.store, self.clock, hopping=self.hopping)

    def send(self, party: str) -> None:
        """Seal and send as an adapter does, waiting out its lingering."""
        member = self.parties[party]

        def send(outputs: Sequence[Output]) -> None:
            for output in outputs:
                self.broker.produce(output.topic, output.key, output.value, output.headers)

        runner = OutboxRunner(member.store.connection, member.identity, send, self.hopping)
        while runner.turn(self.clock()) * 1000 <= LINGER:
            pass

    def _party(self, folder: Path, party: str) -> Party:
        member = super()._party(folder, party)
        deliver = Deliver(member.identity, self.reference)
        member.deliveries = DeliveryDesk(deliver, member.store, self.clock, hopping=self.hopping)
        return member

    def _worker(self, stage: Stage) -> MemoryWorker:
        return MemoryWorker(stage, self.broker, self.clock, observer=self.hopping)


def assert_one_tree(hops: Sequence[Hop]) -> Hop:
    """All spans are of one trace, each parent is one of them, and there is one root, which is returned."""
    spans = {hop.span for hop in hops}
    assert len({span.trace_id for span in spans}) == 1
    roots = {hop.span for hop in hops if hop.parent is None}
    assert len(roots) == 1, roots
    assert {hop.parent for hop in hops if hop.parent is not None} <= spans
    parents: dict[TraceContext, TraceContext | None] = {hop.span: hop.parent for hop in hops}
    for span in spans:
        seen = set()
        walk: TraceContext | None = span
        while walk is not None:
            assert walk not in seen, "a circle"
            seen.add(walk)
            walk = parents[walk]
    return next(hop for hop in hops if hop.parent is None)
