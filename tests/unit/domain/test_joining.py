"""The join of one section: every sub-query ends in exactly one status, whatever arrives, in whatever order."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain import joining, members
from pipeline.domain.dossiers import assemble, count_by_status
from pipeline.domain.joining import SUSPENDED, Arrival
from pipeline.domain.records import BundleRef, JoinState, SectionCertificate
from tests.unit.domain.samples import a_person
from tests.unit.domain.sections import DEADLINE, a_bundle, a_query, an_expectation

PERSONS = 6
QUERIES = [
    a_query("00", 1, deadline=1_000),
    a_query("32", 1, deadline=2_000),
    a_query("32", 2, deadline=1_000),
    a_query("37", 1, deadline=1_000),
    a_query("37", 3, deadline=3_000),
]
SUSPENDED_PARTY = "00"


def opened(*, suspended: tuple[str, ...] = ()) -> JoinState:
    """A section nothing has arrived for."""
    return joining.open_section(an_expectation(QUERIES, PERSONS, suspended))


def certified(state: JoinState, version: int = 1) -> SectionCertificate:
    """Its certificate now."""
    return joining.certify(state, version, 5_000)


def standing(certificate: SectionCertificate) -> dict[tuple[str, int, int], list[str]]:
    """(provider, row, person) -> the statuses it stands in."""
    found: dict[tuple[str, int, int], list[str]] = {}
    for line in certificate["lines"]:
        for part in line["parts"]:
            mask = part["members"]
            who = range(certificate["person_count"]) if mask is None else members.indexes(members.from_bytes(mask))
            for index in who:
                found.setdefault((line["provider"], line["row"], index), []).append(part["status"])
    return found


bundles = st.builds(
    lambda provider, rows, who, at, outcome: a_bundle(
        provider,
        sorted(rows),
        who,
        at=at,
        outcome=outcome,
        code="sharing_suspended" if outcome == "refused" else None,
        until=9_999 if outcome == "unavailable" else None,
    ),
    st.sampled_from(["00", "32", "37", "65"]),
    st.sets(st.sampled_from([1, 2, 3, 4]), min_size=1, max_size=3),
    st.sets(st.integers(0, PERSONS), max_size=PERSONS),
    st.integers(0, 4_000),
    st.sampled_from(["done", "refused", "unavailable"]),
)
arrivals = st.lists(bundles, max_size=25).flatmap(
    lambda some: st.permutations(some + some[: len(some) // 3])  # re-sends among them
)


@settings(max_examples=300, deadline=None)
@given(arrivals, st.booleans())
def test_every_sub_query_stands_in_exactly_one_status(some: list[BundleRef], suspend: bool) -> None:
    """Conservation: nothing is lost and nothing stands twice, in the first certificate and in the supplement."""
    state = opened(suspended=(SUSPENDED_PARTY,) if suspend else ())
    for bundle in some:
        joining.receive(state, bundle)
    wanted = {(q["provider"], q["row"], index) for q in QUERIES for index in range(PERSONS)}
    for version in (1, 2):
        certificate = certified(state, version)
        found = standing(certificate)
        assert set(found) == wanted
        assert all(len(statuses) == 1 for statuses in found.values())
        counts = [sum(part["count"] for part in line["parts"]) for line in certificate["lines"]]
        assert counts == [PERSONS] * len(QUERIES)


@settings(max_examples=300, deadline=None)
@given(arrivals)
def test_what_a_certificate_calls_done_is_held_by_the_bundles_it_names(some: list[BundleRef]) -> None:
    """The requester can always assemble: every `done` has its bundle in the list, and late ones none before version 2."""
    state = opened()
    for bundle in some:
        joining.receive(state, bundle)
    for version in (1, 2):
        certificate = certified(state, version)
        named = {
            (bundle["provider"], row, index)
            for bundle in certificate["bundles"]
            if bundle["outcome"] == "done"
            for row in bundle["rows"]
            for index in members.indexes(members.from_bytes(bundle["members"]))
        }
        done = {key for key, statuses in standing(certificate).items() if statuses == ["done"]}
        assert done <= named
        answers: dict[Any, Any] = {
            (1, provider, row, index): {"row": row, "status": "no_record", "as_of": "", "coverage": "", "entries": []}
            for provider, row, index in named
        }
        persons = [a_person(number=number + 1, household=f"H{number // 2}") for number in range(PERSONS)]
        dossiers = assemble([persons], {1: certificate}, answers, {})
        assert sum(count_by_status(dossiers).values()) == PERSONS * len(QUERIES)


@settings(max_examples=200, deadline=None)
@given(arrivals)
def test_a_bundle_is_accepted_once_and_the_first_answer_stands(some: list[BundleRef]) -> None:
    """A re-send is a duplicate; a second answer to the same question is a conflict and changes nothing."""
    state = opened()
    outcomes: Counter[Arrival] = Counter()
    for bundle in some:
        before = deepcopy(state)
        arrival = joining.receive(state, bundle)
        outcomes[arrival] += 1
        if arrival is not Arrival.ACCEPTED:
            assert state == before
        again = joining.receive(state, bundle)
        assert again is not Arrival.ACCEPTED
    assert outcomes[Arrival.ACCEPTED] == len(state["bundles"])
    claimed = [
        (bundle["provider"], row, index)
        for bundle in state["bundles"]
        for row in bundle["rows"]
        for index in members.indexes(members.from_bytes(bundle["members"]))
    ]
    assert len(claimed) == len(set(claimed))


@settings(max_examples=200, deadline=None)
@given(arrivals, st.randoms(use_true_random=False))
def test_without_conflicts_the_order_of_arrival_does_not_matter(some: list[BundleRef], random: Any) -> None:
    """Append times decide what is late, not the order in which the join gets to read."""
    state = opened()
    kept = [bundle for bundle in some if joining.receive(state, bundle) is Arrival.ACCEPTED]
    random.shuffle(kept)
    other = opened()
    assert all(joining.receive(other, bundle) is Arrival.ACCEPTED for bundle in kept)
    for version in (1, 2):
        assert standing(certified(state, version)) == standing(certified(other, version))
    assert joining.closes_at(state) == joining.closes_at(other)


def test_an_answer_at_the_deadline_is_in_time_and_one_after_it_is_late() -> None:
    """The append time counts, to the millisecond."""
    state = joining.open_section(an_expectation([a_query("37"), a_query("32")]))
    joining.receive(state, a_bundle("37", at=DEADLINE))
    joining.receive(state, a_bundle("32", at=DEADLINE + 1))
    first = certified(state)
    assert [line["parts"][0]["status"] for line in first["lines"]] == ["done", "expired"]
    assert [bundle["provider"] for bundle in first["bundles"]] == ["37"]
    assert joining.has_late_answers(state)
    second = certified(state, 2)
    assert [line["parts"][0]["status"] for line in second["lines"]] == ["done", "done"]
    assert [bundle["provider"] for bundle in second["bundles"]] == ["37", "32"]


def test_a_section_closes_when_whole_or_after_the_last_deadline_that_is_missed() -> None:
    """Deadlines of providers that have answered are waited for no longer."""
    state = joining.open_section(an_expectation([a_query("37", deadline=100), a_query("32", deadline=900)]))
    assert joining.closes_at(state) == 900
    joining.receive(state, a_bundle("32", at=50))
    assert joining.closes_at(state) == 100
    joining.receive(state, a_bundle("37", at=50))
    assert joining.closes_at(state) is None
    assert joining.is_answered_in_full(state)
    assert not joining.has_late_answers(state)


def test_a_late_answer_does_not_close_the_section_before_its_time() -> None:
    """Whole by a late answer is not punctual: the first certificate still comes by the watermark."""
    state = joining.open_section(an_expectation([a_query("37")]))
    joining.receive(state, a_bundle("37", at=DEADLINE + 1))
    assert joining.closes_at(state) == DEADLINE
    assert joining.is_answered_in_full(state)


def test_one_bundle_can_be_late_for_one_row_and_in_time_for_another() -> None:
    """Each sub-query has its own deadline; the bundle is named as soon as one of its rows counts."""
    state = joining.open_section(an_expectation([a_query("37", 1, deadline=100), a_query("37", 2, deadline=900)]))
    joining.receive(state, a_bundle("37", [1, 2], at=500))
    first = certified(state)
    assert [line["parts"][0]["status"] for line in first["lines"]] == ["expired", "done"]
    assert len(first["bundles"]) == 1


def test_parts_say_who_and_a_whole_section_says_nobody_in_particular() -> None:
    """`members` is None where a status holds for everybody, and else the set of those it holds for."""
    state = joining.open_section(an_expectation([a_query("37")]))
    joining.receive(state, a_bundle("37", indexes=[0, 2], outcome="done"))
    joining.receive(state, a_bundle("37", indexes=[1], outcome="refused", code="protected_person"))
    [line] = certified(state)["lines"]
    parts = {(part["status"], part["code"]): part["members"] for part in line["parts"]}
    assert parts == {
        ("done", None): members.to_bytes(0b0101),
        ("refused", "protected_person"): members.to_bytes(0b0010),
        ("expired", None): members.to_bytes(0b1000),
    }
    whole = joining.open_section(an_expectation([a_query("37")]))
    joining.receive(whole, a_bundle("37"))
    assert certified(whole)["lines"][0]["parts"][0]["members"] is None


def test_suspended_providers_are_unavailable_for_everybody_and_awaited_by_nobody() -> None:
    """They stand in the certificate, and the section closes without them."""
    state = joining.open_section(an_expectation([a_query("37"), a_query("32")], suspended=["32"]))
    assert joining.receive(state, a_bundle("32")) is Arrival.OUT_OF_SCOPE
    joining.receive(state, a_bundle("37"))
    assert joining.closes_at(state) is None
    assert joining.is_answered_in_full(state)
    [_, line] = certified(state)["lines"]
    assert [(p["status"], p["code"], p["count"]) for p in line["parts"]] == [("unavailable", SUSPENDED, 4)]


@pytest.mark.parametrize(
    "bundle",
    [
        a_bundle("65"),
        a_bundle("37", [2]),
        a_bundle("37", [1, 2]),
        a_bundle("37", [1, 1]),
        a_bundle("37", []),
        a_bundle("37", indexes=[]),
        a_bundle("37", indexes=[4]),
        a_bundle("37", indexes=[0, 1, 2, 3, 4]),
    ],
    ids=["stranger", "other row", "row too many", "row twice", "no row", "nobody", "person beyond", "one too many"],
)
def test_what_was_not_asked_is_out_of_scope(bundle: BundleRef) -> None:
    """A provider answers what it was asked, about persons of the section, or nothing."""
    state = joining.open_section(an_expectation([a_query("37")]))
    before = deepcopy(state)
    assert joining.receive(state, bundle) is Arrival.OUT_OF_SCOPE
    assert state == before


def test_a_second_answer_in_other_words_is_a_conflict() -> None:
    """The first stands, even where the two overlap in one person only."""
    state = joining.open_section(an_expectation([a_query("37")]))
    assert joining.receive(state, a_bundle("37", indexes=[0, 1])) is Arrival.ACCEPTED
    assert joining.receive(state, a_bundle("37", indexes=[0, 1])) is Arrival.DUPLICATE
    assert joining.receive(state, a_bundle("37", indexes=[1, 2])) is Arrival.CONFLICT
    assert joining.receive(state, a_bundle("37", indexes=[2, 3])) is Arrival.ACCEPTED


def test_a_bundle_that_names_a_row_closed_since_is_not_taken_for_the_others() -> None:
    """What was answered before the row was closed stands; a bundle that crossed the extension changes nothing."""
    state = joining.open_section(an_expectation([a_query("37", 1), a_query("37", 2)]))
    assert joining.receive(state, a_bundle("37", [1], indexes=[0, 1], name="one")) is Arrival.ACCEPTED
    joining.close(state, "37", [1], 5_000)
    refused = a_bundle("37", [1, 2], outcome="refused", code="sharing_suspended", name="two")
    assert joining.receive(state, refused) is Arrival.PARTLY_CLOSED
    again = a_bundle("37", [2], outcome="refused", code="sharing_suspended", name="three")
    assert joining.receive(state, again) is Arrival.ACCEPTED
    [closed, other] = certified(state)["lines"]
    assert [(part["status"], part["code"], part["count"]) for part in closed["parts"]] == [
        ("done", None, 2),
        ("unavailable", "force_majeure", 2),
    ]
    assert [(part["status"], part["count"]) for part in other["parts"]] == [("refused", 4)]


def test_a_party_that_resumed_answers_into_what_was_unavailable() -> None:
    """What it answers counts, the rest stays unavailable, and until then the section is kept for it though nobody waits."""
    state = joining.open_section(an_expectation([a_query("37"), a_query("32")], suspended=["32"]))
    joining.receive(state, a_bundle("37"))
    assert joining.closes_at(state) is None
    assert not joining.is_over(state)
    joining.resume(state, "32")
    assert joining.receive(state, a_bundle("32", indexes=[0])) is Arrival.ACCEPTED
    [_, line] = certified(state)["lines"]
    assert [(p["status"], p["code"], p["count"]) for p in line["parts"]] == [
        ("done", None, 1),
        ("unavailable", SUSPENDED, 3),
    ]
    assert joining.receive(state, a_bundle("32", indexes=[1, 2, 3], name="rest")) is Arrival.ACCEPTED
    assert joining.is_over(state)
