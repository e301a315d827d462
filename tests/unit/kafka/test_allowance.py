"""Dead letters under a flood: what is signed is kept whole, junk up to an allowance, and everything is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.codec import framing
from pipeline.crypto import envelopes
from pipeline.crypto.authority import create_authority, issue
from pipeline.crypto.bundles import SealedBundle
from pipeline.crypto.headers import Header
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.records import LifecycleEvent
from pipeline.kafka.allowance import (
    BYTES_PER_MINUTE,
    INTERVAL,
    KINDS,
    MOST,
    MOST_BYTES,
    PER_MINUTE,
    WITHHELD,
    Allowance,
    Letter,
    Sieve,
)
from pipeline.stages.effects import Effects, Message, Output

NOW = 1_795_150_800_000
MINUTE = 60_000


def letter(offset: int, value: bytes = b"junk", *, code: str = "cbor_invalid", signed: bool = False) -> Letter:
    """A dead letter; `signed`: by somebody who can be shown to have sent it."""
    error = InvalidMessage(code)
    error.authenticated = signed
    return Message("hedx.center.requests", 0, offset, NOW, None, value), error


def kept(allowance: Allowance, dead: list[Letter], now: int = NOW) -> list[int]:
    """Offsets of what is kept of `dead` in one transaction."""
    sifted = allowance.sift(dead, now)
    allowance.settle(sifted, now)
    return [message.offset for message, _ in sifted.kept]


def events(outputs: Sequence[Output]) -> list[LifecycleEvent]:
    """What was written to hedx.events."""
    return [framing.decode_as("LifecycleEvent", output.value or b"") for output in outputs]  # type: ignore[misc]


@pytest.fixture(scope="module")
def envelope() -> bytes:
    """What 山东 could have sent."""
    identity = issue(create_authority(NOW), "37", NOW)
    bundle = SealedBundle(b"", b"\0" * 32, 0, Header("receipt", bytes(16), "37", "center", "37"))
    return envelopes.build([bundle], identity.signer, audience="center", now=NOW).value


def test_a_flood_of_junk_is_kept_up_to_the_allowance() -> None:
    """The first hundred letters are kept, the others counted."""
    allowance = Allowance("intake")
    assert kept(allowance, [letter(n) for n in range(10_000)]) == list(range(MOST))
    [event] = events(allowance.telling(NOW))
    assert (event["kind"], event["stage"], event["code"], event["party"]) == (WITHHELD, "intake", "cbor_invalid", None)
    assert event["count"] == 10_000 - MOST


def test_what_is_signed_is_always_kept() -> None:
    """In the middle of a flood no letter of a party is withheld, however many there are."""
    flood = [letter(n, signed=n % 2 == 1, code="kind_unexpected") for n in range(10_000)]
    offsets = kept(Allowance("intake"), flood)
    assert [n for n in offsets if n % 2] == list(range(1, 10_000, 2))
    assert len([n for n in offsets if not n % 2]) == MOST


def test_claiming_to_be_somebody_uses_up_that_name_only(envelope: bytes) -> None:
    """Junk in 山东's name leaves what claims to be nobody its own allowance, and the other way round."""
    allowance = Allowance("intake")
    assert len(kept(allowance, [letter(n, envelope) for n in range(500)])) == MOST
    assert len(kept(allowance, [letter(n) for n in range(500)])) == MOST
    told = {event["party"] for event in events(allowance.telling(NOW))}
    assert told == {"37", None}


def test_large_junk_is_bounded_by_its_bytes() -> None:
    """A hundred letters of 900 KiB would be 90 MB; the bytes end the allowance first."""
    size = 900 * 1024
    assert len(kept(Allowance("intake"), [letter(n, bytes(size)) for n in range(MOST)])) == MOST_BYTES // size


def test_an_allowance_refills_slowly() -> None:
    """Once used up it grows by so many letters and bytes a minute, never beyond its size."""
    allowance = Allowance("intake")
    kept(allowance, [letter(n) for n in range(MOST)])
    assert kept(allowance, [letter(0)], NOW + MINUTE // PER_MINUTE - 1000) == []
    assert len(kept(allowance, [letter(n) for n in range(MOST)], NOW + 2 * MINUTE)) == 2 * PER_MINUTE
    assert len(kept(allowance, [letter(n) for n in range(2 * MOST)], NOW + 10_000 * MINUTE)) == MOST
    kept(allowance, [letter(n, bytes(900 * 1024)) for n in range(MOST)], NOW + 30_000 * MINUTE)
    later = NOW + 30_000 * MINUTE + 16 * MINUTE
    assert len(kept(allowance, [letter(n, bytes(BYTES_PER_MINUTE * 8)) for n in range(MOST)], later)) <= 3


def test_a_clock_that_steps_back_gives_nothing_away() -> None:
    """Nothing is refilled for time that did not pass, and nothing fails."""
    allowance = Allowance("intake")
    kept(allowance, [letter(n) for n in range(MOST)])
    assert kept(allowance, [letter(0)], NOW - MINUTE) == []


def test_an_aborted_transaction_has_used_nothing_up() -> None:
    """What was chosen and rolled back is chosen again: a rewind loses neither letters nor counts."""
    sieve = Sieve("intake")
    dead = [letter(n) for n in range(3 * MOST)]
    first = sieve.effects(Effects(dead=dead), NOW)
    again = sieve.effects(Effects(dead=dead), NOW + 1)
    assert [m.offset for m, _ in again.dead] == [m.offset for m, _ in first.dead] == list(range(MOST))
    assert sieve.withheld == {"cbor_invalid": 2 * MOST}
    sieve.through()
    last = sieve.effects(Effects(), NOW + 2, last=True)
    [event] = events(last.outputs)
    assert event["count"] == 2 * MOST, "counted once, in the transaction that went through"


def test_counts_are_told_at_intervals_and_again_after_an_abort() -> None:
    """Not with each transaction, and not lost with the one that should have carried them."""
    sieve = Sieve("intake")
    sieve.effects(Effects(dead=[letter(n) for n in range(2 * MOST)]), NOW)
    sieve.through()
    assert sieve.effects(Effects(dead=[letter(1)]), NOW + 1).outputs == []
    sieve.through()
    assert sieve.is_due(NOW + INTERVAL)
    [aborted] = sieve.effects(Effects(), NOW + INTERVAL).outputs
    [carried] = sieve.effects(Effects(), NOW + INTERVAL).outputs
    assert carried == aborted
    assert [event["count"] for event in events([carried])] == [MOST + 1]
    sieve.through()
    assert not sieve.is_due(NOW + 10 * INTERVAL)


def test_many_kinds_are_told_in_few_events() -> None:
    """However many codes there are, one telling is bounded, and adds up."""
    allowance = Allowance("intake")
    kept(allowance, [letter(n, code=f"code_{n % 90}") for n in range(MOST + 9_000)])
    told = events(allowance.telling(NOW))
    assert len(told) == KINDS + 1
    assert sum(event["count"] for event in told) == 9_000
    assert len({event["event_id"] for event in told}) == len(told)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 90_000)), max_size=300),
    st.integers(1, 50),
)
def test_every_letter_is_kept_or_counted(letters: list[tuple[int, bool, int]], step: int) -> None:
    """Whatever comes in whatever transactions: kept and withheld together are all, and order is kept."""
    allowance = Allowance("intake")
    now, held, withheld = NOW, 0, Counter[tuple[str, str]]()
    for start in range(0, len(letters), step):
        dead = [letter(n, signed=s, code=f"c{c}") for n, (c, s, _) in enumerate(letters[start : start + step])]
        now += letters[start][2]
        sifted = allowance.sift(dead, now)
        allowance.settle(sifted, now)
        offsets = [message.offset for message, _ in sifted.kept]
        assert offsets == sorted(offsets)
        held += len(offsets)
        withheld += sifted.withheld
    assert held + withheld.total() == len(letters)
