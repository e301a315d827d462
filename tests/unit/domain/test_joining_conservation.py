"""Conservation in the join: whatever happens in whatever order, each sub-query stands in one final status, and none is lost."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import event as note
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codec import framing
from pipeline.domain import joining, members
from pipeline.domain.joining import Arrival
from pipeline.domain.records import JoinState, SectionCertificate
from tests.join_oracle import Answered, Cell, Extended, Happening, Passed, SectionOracle, Standing, Withdrawn
from tests.unit.domain.sections import a_bundle, a_query, an_expectation

PERSONS = 3
QUERIES = [
    a_query("00", 1, deadline=1_000),
    a_query("32", 1, deadline=2_000),
    a_query("32", 2, deadline=1_000),
    a_query("37", 1, deadline=1_000),
    a_query("37", 3, deadline=3_000),
]
OUTCOMES: list[Standing] = [
    ("done", None, None),
    ("done", None, None),
    ("refused", "sharing_suspended", None),
    ("unavailable", None, 9_999),
]
TIMES = st.sampled_from([0, 500, 1_000, 1_001, 2_000, 2_500, 3_000, 3_500, 4_500])


@dataclass
class Driven:
    """The real join of one section, driven as its stage drives it: one event, one settlement."""

    state: JoinState
    low: int = 0
    gone: bool = False
    delivered: list[str] = field(default_factory=list)
    certificates: list[SectionCertificate] = field(default_factory=list)

    def happen(self, event: Happening) -> None:
        """One event."""
        fresh = False
        if isinstance(event, Passed):
            self.low = max(self.low, event.time)
        elif self.gone:
            return
        elif isinstance(event, Answered):
            outcome, code, until = event.outcome
            bundle = a_bundle(
                event.provider, event.rows, event.persons, at=event.at, outcome=outcome, code=code, until=until,
                name=event.name,
            )  # fmt: skip
            fresh = joining.receive(self.state, bundle) is Arrival.ACCEPTED
            if fresh:
                self.delivered.append(event.name)
        elif isinstance(event, Extended):
            change = joining.close if event.closed else joining.extend
            change(self.state, event.provider, event.rows, event.until)
        else:
            joining.withdraw(self.state, 77)
        if not self.gone:
            self._settle(fresh)

    def restart(self) -> None:
        """Another process goes on from what the changelog holds."""
        self.state = framing.decode_as("JoinState", framing.encode("JoinState", self.state))  # type: ignore[assignment]

    def _settle(self, fresh: bool) -> None:
        if self.state["version"]:
            if fresh:
                self._certify()
        elif (deadline := joining.closes_at(self.state)) is None or self.low > deadline:
            self._certify()
            if joining.has_late_answers(self.state):
                self._certify()
        self.gone = bool(self.state["version"]) and joining.is_answered_in_full(self.state)

    def _certify(self) -> None:
        self.state["version"] += 1
        self.certificates.append(joining.certify(self.state, self.state["version"], 5_000))


def standings(certificate: SectionCertificate) -> dict[Cell, list[Standing]]:
    """(provider, row, person) → every status it stands in."""
    found: dict[Cell, list[Standing]] = {}
    for line in certificate["lines"]:
        for part in line["parts"]:
            mask = part["members"]
            who = range(certificate["person_count"]) if mask is None else members.indexes(members.from_bytes(mask))
            assert len(list(who)) == part["count"]
            for person in who:
                standing = (part["status"], part["code"], part["until"])
                found.setdefault((line["provider"], line["row"], person), []).append(standing)
    return found


ROWS = st.lists(st.sampled_from([1, 1, 2, 3, 4]), min_size=1, max_size=2, unique=True).map(lambda r: tuple(sorted(r)))
PROVIDERS = st.sampled_from(["00", "32", "32", "32", "37", "37", "37", "65"])
answers = st.builds(
    Answered,
    name=st.sampled_from([f"n{number}" for number in range(40)]),
    provider=PROVIDERS,
    rows=ROWS,
    persons=st.sampled_from([(0, 1, 2), (0, 1, 2), (0, 1, 2), (0, 1), (2,), (1,), (0, 2), (), (PERSONS,)]),
    outcome=st.sampled_from(OUTCOMES),
    at=TIMES,
)
extensions = st.builds(Extended, PROVIDERS, ROWS, TIMES, st.booleans())
_OTHERS: list[st.SearchStrategy[Happening]] = [
    *3 * [extensions],
    *3 * [st.builds(Passed, TIMES)],
    st.just(Withdrawn()),
]
sequences = st.lists(
    st.integers(0, 19).flatmap(lambda kind: answers if kind < 13 else _OTHERS[kind - 13]),
    max_size=16,
)


def unique(events: list[Happening]) -> list[Happening]:
    """A name stands for one bundle: what comes again under it is that bundle once more."""
    first: dict[str, Happening] = {}
    return [first.setdefault(e.name, e) if isinstance(e, Answered) else e for e in events]


@settings(max_examples=10_000, deadline=None)
@given(sequences, st.sampled_from([(), ("00",)]), st.sets(st.integers(0, 13), max_size=3))
def test_each_sub_query_stands_where_the_events_say(
    events: list[Happening], suspended: tuple[str, ...], restarts: set[int]
) -> None:
    """Every version of the certificate, and what was delivered, are what a dumb recount of the events gives."""
    events = unique(events)
    real = Driven(joining.open_section(an_expectation(QUERIES, PERSONS, suspended)))
    deadlines = {(query["provider"], query["row"]): query["deadline"] for query in QUERIES}
    oracle = SectionOracle(deadlines, PERSONS, frozenset(suspended))
    for position, event in enumerate([*events, Passed(9_000)]):
        if position in restarts:
            real.restart()
        real.happen(event)
        oracle.happen([event])
    note(
        f"versions {len(real.certificates)}, {'withdrawn' if oracle.withdrawn else 'closed rows' if oracle.closed else ''}"
    )
    assert real.delivered == oracle.delivered
    assert real.gone == oracle.gone
    assert len(real.certificates) >= 1, "every section ends"
    told = [standings(certificate) for certificate in real.certificates]
    assert [{cell: found[0] for cell, found in cells.items()} for cells in told] == oracle.certificates
    done: set[Cell] = set()
    for cells in told:
        assert len(cells) == len(QUERIES) * PERSONS
        assert all(len(found) == 1 for found in cells.values()), "in one status, and no other"
        now_done = {cell for cell, found in cells.items() if found[0][0] == "done"}
        assert done <= now_done, "what is done stays done"
        done = now_done


@settings(max_examples=500, deadline=None)
@given(sequences, sequences)
def test_nothing_is_delivered_after_a_withdrawal(before: list[Happening], after: list[Happening]) -> None:
    """Whatever comes behind it: not one bundle more, not one certificate more than those that are due at once."""
    real = Driven(joining.open_section(an_expectation(QUERIES, PERSONS)))
    for event in [*unique(before), Withdrawn()]:
        real.happen(event)
    delivered, certificates = list(real.delivered), len(real.certificates)
    for event in [*after, Passed(9_000)]:
        real.happen(event)
    assert real.delivered == delivered
    assert len(real.certificates) == certificates >= 1
