"""Conservation in the join stage: batches, two sections, two sources, restarts; judged by a recount that shares no code."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, cast

import cbor2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.codec import framing, schemas
from pipeline.crypto import bundles, cose, envelopes, sealing
from pipeline.crypto.authority import create_authority, issue
from pipeline.crypto.headers import Header
from pipeline.crypto.keys import public_sealing_key
from pipeline.domain import members
from pipeline.domain.parties import CENTER
from pipeline.domain.records import AnswerArrived, LifecycleEvent, SectionExtended, SectionWithdrawn, Watermark
from pipeline.kafka.memory import MemoryBroker, MemoryWorker
from pipeline.stages import topics
from pipeline.stages.join import Join
from pipeline.stages.keys import section_key
from tests.join_oracle import Answered, Cell, Extended, Happening, Passed, SectionOracle, Standing, Withdrawn
from tests.network import START, Clock
from tests.unit.domain.sections import a_query, an_expectation

AUTHORITY = create_authority(START)
IDENTITIES = {party: issue(AUTHORITY, party, START) for party in (CENTER, "00", "32", "37", "53")}
PERSONS = 2
QUERIES = [
    a_query("00", 1, deadline=1_000),
    a_query("32", 1, deadline=2_000),
    a_query("32", 2, deadline=1_000),
    a_query("37", 1, deadline=3_000),
]
APPLICATION = an_expectation(QUERIES)["application_id"]
OVER = 10**12
RESPONSES = "hedx.53.responses"


@dataclass(frozen=True)
class Once:
    """Something that happens to one of the two sections, or (watermarks) to both."""

    section: int
    event: Happening
    source: int = 0


@dataclass
class Stage:
    """The real join on the in-memory broker, a worker that may be started anew, and what it has written."""

    clock: Clock = field(default_factory=Clock)
    names: dict[bytes, str] = field(default_factory=dict)  # bundle leaf → name
    seals: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.broker = MemoryBroker(self.clock)
        for topic in (topics.JOIN, RESPONSES, topics.APPLICATIONS, topics.EVENTS, topics.changelog("join")):
            self.broker.create(topic)
        self.broker.create(topics.DEAD_LETTERS)
        self.made: dict[tuple[int, str], AnswerArrived] = {}
        self.restart()

    def restart(self) -> None:
        """A new process: its state comes from the changelog."""
        self.worker = MemoryWorker(Join(IDENTITIES[CENTER], lambda _, __: 0), self.broker, self.clock)

    def put(self, name: str, record: object, section: int) -> None:
        """One record on hedx.center.join."""
        key = section_key("53", APPLICATION, section)
        self.broker.produce(topics.JOIN, key, framing.encode(name, record))  # type: ignore[arg-type]

    def expect(self, section: int) -> None:
        """The expectation of a section."""
        expected = {
            **an_expectation(QUERIES, PERSONS),
            "section": section,
            "sections": 2,
            "supplement_until": OVER // 2,
        }
        self.put("SectionExpected", expected, section)

    def happen(self, once: Once) -> None:
        """Put one event on its way."""
        event = once.event
        if isinstance(event, Passed):
            self.put("Watermark", Watermark(source=once.source, sources=2, time=event.time), once.section)
        elif isinstance(event, Answered):
            self.put("AnswerArrived", self._answer(once.section, event), once.section)
        elif isinstance(event, Extended):
            extended = SectionExtended(
                application_id=APPLICATION,
                requester="53",
                section=once.section,
                provider=event.provider,
                rows=list(event.rows),
                until=event.until,
                closed=event.closed,
                warn_at=0,
            )
            self.put("SectionExtended", extended, once.section)
        else:
            off = SectionWithdrawn(application_id=APPLICATION, requester="53", section=once.section, at=77)
            self.put("SectionWithdrawn", off, once.section)

    def run(self) -> None:
        """Work the batch through."""
        self.worker.run_until_idle()

    def relayed(self, section: int) -> list[str]:
        """Names of the bundles in the requester's inbox, in order."""
        found = [bundle for bundle in self._posted("relay") if bundle.header.section == section]
        leaves = [bundles.parse_bundle(cbor2.loads(bundle.records[0])[1]).leaf for bundle in found]
        return [self.names[leaf] for leaf in leaves]

    def certificates(self, section: int) -> list[dict[Cell, list[Standing]]]:
        """What each version says of each cell."""
        raws = [bundle.records[0] for bundle in self._posted("certificate") if bundle.header.section == section]
        return [_standings(framing.decode_as("SectionCertificate", cose.decode(raw).payload)) for raw in raws]

    def counted(self, section: int) -> list[Counter[tuple[str, str, str]]]:
        """What the events say after each certificate: (provider, category, status) → sub-queries."""
        told: list[Counter[tuple[str, str, str]]] = []
        for message in self.broker.messages(topics.EVENTS):
            event = cast("LifecycleEvent", framing.decode_as("LifecycleEvent", message.value or b""))
            if event["kind"] in ("section_closed", "section_supplemented") and event["section"] == section:
                counts = told[-1].copy() if told else Counter()
                for part in event["parts"]:
                    counts[str(part["provider"]), part["category"], str(part["status"])] += part["count"]
                told.append(Counter({key: count for key, count in counts.items() if count}))
        return told

    def kept(self) -> list[bytes]:
        """Keys of sections and timers that the stage still has."""
        return [key for key, _ in self.worker.store.scan(0, b"") if key[:1] in b"j@"]

    def _posted(self, kind: str) -> list[bundles.Bundle]:
        raws = [raw for message in self.broker.messages(RESPONSES) for raw in cbor2.loads(message.value or b"")[1]]
        return [bundle for raw in raws if (bundle := bundles.parse_bundle(raw)).header.kind == kind]

    def _answer(self, section: int, event: Answered) -> AnswerArrived:
        if (section, event.name) not in self.made:
            self.made[section, event.name] = self._make(section, event)
        return self.made[section, event.name]

    def _make(self, section: int, event: Answered) -> AnswerArrived:
        status, code, until = event.outcome
        identity = IDENTITIES[event.provider]
        header = Header(
            kind="answer",
            bundle_id=len(self.made).to_bytes(16, "big"),
            sender=event.provider,
            to="53",
            requester="53",
            application_id=APPLICATION,
            mandate_digest=bytes(32),
            section=section,
            sections=2,
            members=members.to_bytes(members.of(event.persons)),
            provider=event.provider,
            rows=event.rows,
            release=1,
            version=1,
            suite=1,
            schema=schemas.schema_id("Answer"),
            outcome=status,  # type: ignore[arg-type]
            code=code,
            until=until,
        )
        if status == "done":
            if event.provider not in self.seals:
                recipient = public_sealing_key(IDENTITIES["53"].sealing.public_bytes)
                self.seals[event.provider] = sealing.new_seal(event.provider, [recipient])
            sealed = bundles.seal_bundle(header, [b"an answer"] * len(event.persons), *self.seals[event.provider])
        else:
            sealed = bundles.clear_bundle(header, [])
        envelope = envelopes.build([sealed], identity.signer, audience=CENTER, now=START)
        sign1 = cbor2.loads(envelope.value)[0]
        self.names[sealed.leaf] = event.name
        return AnswerArrived(
            provider=event.provider,
            sign1=sign1,
            bundle=sealed.raw,
            digest=sealed.leaf,
            index=0,
            size=1,
            path=[],
            appended_at=event.at,
        )


def _standings(certificate: Any) -> dict[Cell, list[Standing]]:
    found: dict[Cell, list[Standing]] = {}
    for line in certificate["lines"]:
        for part in line["parts"]:
            mask = None if part["members"] is None else members.from_bytes(part["members"])
            for person in range(PERSONS):
                if mask is None or mask >> person & 1:
                    standing = (part["status"], part["code"], part["until"])
                    found.setdefault((line["provider"], line["row"], person), []).append(standing)
    return found


def _counts(cells: dict[Cell, Standing]) -> Counter[tuple[str, str, str]]:
    category = {(query["provider"], query["row"]): query["category"] for query in QUERIES}
    return Counter((provider, category[provider, row], told[0]) for (provider, row, _), told in cells.items())


TIMES = st.sampled_from([0, 500, 1_000, 1_001, 2_000, 2_500, 3_000, 3_500])
PROVIDERS = st.sampled_from(["00", "32", "32", "37"])
ROWS = st.sampled_from([(1,), (1,), (1, 2), (2,)])
answers: st.SearchStrategy[Happening] = st.builds(
    Answered,
    name=st.sampled_from([f"n{number}" for number in range(15)]),
    provider=PROVIDERS,
    rows=ROWS,
    persons=st.sampled_from([(0, 1), (0, 1), (0, 1), (0,), (1,)]),
    outcome=st.sampled_from(
        [("done", None, None), ("done", None, None), ("refused", "sharing_suspended", None), ("unavailable", None, 9)]
    ),
    at=TIMES,
)
extensions: st.SearchStrategy[Happening] = st.builds(Extended, PROVIDERS, ROWS, TIMES, st.booleans())
events = st.builds(
    Once,
    st.sampled_from([1, 1, 2]),
    st.integers(0, 19).flatmap(
        lambda kind: answers if kind < 13 else [*3 * [extensions], *3 * [st.builds(Passed, TIMES)], st.just(Withdrawn())][kind - 13]
    ),
    st.sampled_from([0, 1]),
)  # fmt: skip
runs = st.lists(st.lists(events, min_size=1, max_size=4), max_size=6)


def _unique(batches: list[list[Once]]) -> list[list[Once]]:
    """A name in a section stands for one bundle."""
    first: dict[tuple[int, str], Once] = {}
    return [
        [first.setdefault((o.section, o.event.name), o) if isinstance(o.event, Answered) else o for o in batch]
        for batch in batches
    ]


@settings(max_examples=1_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(runs, st.sets(st.integers(0, 7), max_size=3))
def test_the_stage_says_what_a_recount_says(batches: list[list[Once]], restarts: set[int]) -> None:
    """Certificates, relays and their order, of both sections; a new process at any point; and nothing is left at the end."""
    stage = Stage()
    deadlines = {(query["provider"], query["row"]): query["deadline"] for query in QUERIES}
    oracles = {number: SectionOracle(dict(deadlines), PERSONS) for number in (1, 2)}
    times = {0: 0, 1: 0}
    for number in (1, 2):
        stage.expect(number)
    stage.expect(1)  # an expectation that comes again is noted, and nothing else
    last = [[Once(1, Passed(9_000), source)] for source in (0, 1)]
    for position, batch in enumerate([*_unique(batches), *last]):
        if position in restarts:
            stage.restart()
        for once in batch:
            stage.happen(once)
            if isinstance(once.event, Passed):
                times[once.source] = max(times[once.source], once.event.time)
        stage.run()
        low = Passed(min(times.values()))
        for number, oracle in oracles.items():
            mine = [o.event for o in batch if o.section == number and not isinstance(o.event, Passed)]
            oracle.happen([*mine, low])
    for number, oracle in oracles.items():
        told = stage.certificates(number)
        assert all(len(found) == 1 for cells in told for found in cells.values())
        assert [{cell: found[0] for cell, found in cells.items()} for cells in told] == oracle.certificates
        assert all(len(cells) == len(QUERIES) * PERSONS for cells in told)
        assert stage.relayed(number) == oracle.delivered
        assert stage.counted(number) == [_counts(cells) for cells in oracle.certificates]
    for source in (0, 1, 0, 1):
        stage.happen(Once(1, Passed(OVER), source))
        stage.run()
    assert stage.kept() == []
