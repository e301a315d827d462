"""What events say of sub-queries adds up."""

from __future__ import annotations

from pipeline.domain import counting, joining
from pipeline.domain.counting import part
from tests.unit.domain.sections import a_bundle, a_query, an_expectation

QUERIES = [
    a_query("32", 1, category="medical"),
    a_query("32", 2, category="medical"),
    a_query("32", 3, category="vehicles", deadline=2_000),
    a_query("37", 1, category="medical"),
]


def test_what_is_asked_is_counted_by_category_and_deadline() -> None:
    """Two rows of one category are two sub-queries a person; others' rows are not counted."""
    assert counting.asked(QUERIES, "32", 4) == [part("medical", 8, deadline=1_000), part("vehicles", 4, deadline=2_000)]
    assert counting.asked(QUERIES, "53", 4) == []


def test_an_answer_says_what_its_provider_still_owes() -> None:
    """Until it owes nothing: by category, rows that were closed left aside."""
    state = joining.open_section(an_expectation(QUERIES))
    first = a_bundle("32", (1, 3), range(3))
    joining.receive(state, first)
    assert counting.answered(state, first) == [
        part("medical", 3, "done"),
        part("vehicles", 3, "done"),
        part("medical", 5, "missing"),
        part("vehicles", 1, "missing"),
    ]
    joining.close(state, "32", [1, 2], 9_000)
    last = a_bundle("32", (3,), (3,), outcome="refused", code="sharing_suspended")
    joining.receive(state, last)
    assert counting.answered(state, last) == [part("vehicles", 1, "refused")]


def test_who_was_suspended_is_not_reproached_and_not_praised() -> None:
    """What a party that was suspended at acceptance was to be asked has a status of its own, answered since or not."""
    state = joining.open_section(an_expectation(QUERIES, suspended=("37",)))
    first = joining.certify(state, 1, 5_000)
    assert part("medical", 4, "suspended", provider="37") in counting.changed(None, first, ["37"])
    joining.resume(state, "37")
    state["version"] = 1
    late = a_bundle("37")
    assert joining.receive(state, late) is joining.Arrival.ACCEPTED
    assert counting.supplemented(state, [late]) == []
    assert counting.changed(first, joining.certify(state, 2, 6_000), ["37"]) == []
    assert counting.answered(state, late) == [part("medical", 4, "done")]


def test_a_supplement_moves_what_had_expired() -> None:
    """What one status loses another gains."""
    state = joining.open_section(an_expectation(QUERIES))
    first = joining.certify(state, 1, 5_000)
    late = a_bundle("32", (1, 2), (0,), at=5_500)
    joining.receive(state, late)
    moved = [part("medical", 2, "done", provider="32"), part("medical", -2, "expired", provider="32")]
    assert counting.supplemented(state, [late]) == moved
    assert sorted(counting.changed(first, joining.certify(state, 2, 6_000), []), key=str) == sorted(moved, key=str)
