"""Drawing for spot checks: the same for everybody, by weight, and against a second implementation of the same four lines."""

from __future__ import annotations

import hashlib
import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.sampling import Candidate, Drawn, commitment_of, digest_of, draw, population

SEED = bytes(range(32))


def plainly(seed: bytes, candidates: list[Candidate], count: int, of: str = "all") -> list[tuple[str, str, int]]:
    """The oracle: what the module's docstring says, as directly as it can be written; shares no code with it."""
    tickets = []
    for c in candidates:
        if of not in ("all", c.requester):
            continue
        for n in range(1, c.persons + 1):
            hashes = [
                hashlib.sha256(seed + f"{c.requester}/{c.application_id}/{n}/{j}".encode()).hexdigest()
                for j in range(1, c.weight + 1)
            ]
            tickets.append((max(hashes), c.requester, c.application_id, n))
    return [ticket[1:] for ticket in sorted(tickets, reverse=True)[:count]]


lists = st.lists(
    st.builds(Candidate, st.sampled_from(["37", "53"]), st.uuids().map(str), st.integers(1, 6), st.integers(1, 5)),
    min_size=1,
    max_size=8,
    unique_by=lambda c: c.application_id,
)


@given(st.binary(min_size=32, max_size=32), lists, st.integers(0, 60))
@settings(max_examples=200, deadline=None)
def test_a_draw_is_what_anybody_else_draws(seed: bytes, candidates: list[Candidate], count: int) -> None:
    """Person by person, in order, against the oracle."""
    drawn = draw(seed, candidates, {"all": count})
    assert [(d.requester, d.application_id, d.position) for d in drawn] == plainly(seed, candidates, count)
    assert len(set(drawn)) == len(drawn) == min(count, population(candidates))
    parts = draw(seed, candidates, {"53": count, "37": 2})
    wanted = plainly(seed, candidates, 2, "37") + plainly(seed, candidates, count, "53")
    assert [(d.requester, d.application_id, d.position) for d in parts] == wanted


@given(lists, st.randoms())
def test_the_order_of_the_list_changes_nothing(candidates: list[Candidate], random: st.DataObject) -> None:
    """Neither digest nor draw."""
    other = list(candidates)
    random.shuffle(other)  # type: ignore[attr-defined]
    assert digest_of(other, {"all": 3}) == digest_of(candidates, {"all": 3})
    assert draw(SEED, other, {"all": 3}) == draw(SEED, candidates, {"all": 3})


def test_a_larger_draw_only_adds() -> None:
    """Drawing more persons keeps those that were drawn."""
    candidates = [Candidate("37", f"a{n}", 10, 1 + n % 3) for n in range(20)]
    assert draw(SEED, candidates, {"all": 50})[:10] == draw(SEED, candidates, {"all": 10})


def test_weight_is_the_odds_of_being_drawn() -> None:
    """Of two persons, one of weight 3: it is first in three of four draws. 2,000 seeds, six standard deviations."""
    candidates = [Candidate("37", "light", 1, 1), Candidate("37", "heavy", 1, 3)]
    first = Counter(
        draw(hashlib.sha256(str(n).encode()).digest(), candidates, {"all": 1})[0].application_id for n in range(2000)
    )
    assert abs(first["heavy"] - 1500) < 6 * math.sqrt(2000 * 0.75 * 0.25)


def test_every_person_of_an_application_is_as_likely() -> None:
    """Positions are not favoured: 3,000 draws of one of three."""
    candidates = [Candidate("37", "a", 3, 2)]
    found = Counter(
        draw(hashlib.sha256(str(n).encode()).digest(), candidates, {"all": 1})[0].position for n in range(3000)
    )
    assert all(abs(count - 1000) < 6 * math.sqrt(3000 / 3 * 2 / 3) for count in found.values())
    assert sorted(found) == [1, 2, 3]


def test_the_commitment_binds_seed_and_list() -> None:
    """Another seed, one person more, another weight: another commitment. As the docstring says it is computed."""
    candidates = [Candidate("53", "b", 2, 1), Candidate("37", "a", 3, 2, ("city",))]
    quotas = {"53": 1, "37": 2}
    digest = digest_of(candidates, quotas)
    assert digest == hashlib.sha256(b"37//2\n37/a/3/2\n53//1\n53/b/2/1\n").digest()
    assert commitment_of(SEED, digest) == hashlib.sha256(SEED + digest).digest()
    assert (
        digest_of([Candidate("53", "a-b", 1, 1), Candidate("53", "a", 1, 1)], {})
        == hashlib.sha256(b"53/a-b/1/1\n53/a/1/1\n").digest()
    ), "sorted as lines, byte by byte"
    others = [Candidate("53", "b", 3, 1), Candidate("37", "a", 3, 2)], [Candidate("53", "b", 2, 2), candidates[1]]
    assert len({digest, digest_of(candidates, {"53": 2, "37": 2}), *(digest_of(o, quotas) for o in others)}) == 4
    assert commitment_of(bytes(32), digest) != commitment_of(SEED, digest)


@pytest.mark.parametrize(
    "candidates",
    [
        [Candidate("37", "a", 0, 1)],
        [Candidate("37", "a", 1, 0)],
        [Candidate("37", "a", 1, 1001)],
        [Candidate("37", "a", 1, 1), Candidate("37", "a", 2, 1)],
        [Candidate("37", "a/b", 1, 1)],
    ],
)
def test_a_list_that_says_two_things_is_refused(candidates: list[Candidate]) -> None:
    """What could be read in two ways would give two draws."""
    with pytest.raises(ValueError, match=r"twice|range|slash"):
        draw(SEED, candidates, {"all": 1})
    with pytest.raises(ValueError, match=r"twice|range|slash"):
        digest_of(candidates, {"all": 1})


@pytest.mark.parametrize("quotas", [{"all": 1, "37": 1}, {"37": -1}])
def test_quotas_that_draw_somebody_twice_are_refused(quotas: dict[str, int]) -> None:
    """Of all, or of each: not both."""
    with pytest.raises(ValueError, match=r"twice|range"):
        draw(SEED, [Candidate("37", "a", 1, 1)], quotas)


def test_a_seed_has_32_bytes() -> None:
    """A short one could be guessed from the commitment."""
    with pytest.raises(ValueError, match="32"):
        draw(b"short", [Candidate("37", "a", 1, 1)], {"37": 1})


def test_a_drawn_person_is_a_position_and_no_name() -> None:
    """Nothing personal is in a draw."""
    assert draw(SEED, [Candidate("37", "a", 1, 1)], {"37": 5}) == [Drawn("37", "a", 1)]
