"""The time that cryptography takes is counted, and counting it costs next to nothing."""

from __future__ import annotations

import timeit
from collections.abc import Callable

import pytest

from pipeline.crypto import bundles, sealing, signed, suite
from pipeline.crypto.stopwatch import SPENT, timed
from pipeline.domain.errors import InvalidMessage
from tests.unit.crypto import exchange


def calls() -> dict[str, int]:
    return {operation: spent.operations for operation, spent in SPENT.items()}


def test_each_operation_is_counted_once_with_its_time() -> None:
    """From a seal that is made to a record that is read, every operation once, none within another."""
    seconds = {operation: spent.seconds for operation, spent in SPENT.items()}
    before = calls()
    signer, trust = exchange.identity("37").signer, exchange.trust()
    made = signed.sign("receipt", b"r", signer, audience="center", now=exchange.NOW)
    signed.verify(made.raw, "receipt", trust, now=exchange.NOW)
    sealed, _ = exchange.sealed([b"record"])
    bundle = bundles.parse_bundle(sealed.raw)
    secret = sealing.unseal(bundle.seal or b"", "37", exchange.identity("center").sealing)
    assert bundles.open_records(bundle, secret) == [b"record"]
    counted = {operation: number - before[operation] for operation, number in calls().items()}
    once = dict.fromkeys(("verify", "sign", "new_seal", "unseal", "seal", "open", "split"), 1)
    assert counted == {**once, "chain": counted["chain"]}
    assert all(SPENT[operation].seconds > seconds[operation] for operation in once)  # type: ignore[index]


def test_what_fails_takes_time_as_well() -> None:
    """A forged signature costs as much as a true one: it is counted."""
    key, before = suite.generate_key(), SPENT["verify"].operations
    with pytest.raises(InvalidMessage, match="signature_invalid"):
        suite.verify(key.public_key(), bytes(64), b"x")
    assert SPENT["verify"].operations == before + 1


def fastest(call: Callable[[], object], number: int) -> float:
    """Seconds of one call, the best of several rounds: what the machine's other work cannot lengthen."""
    return min(timeit.repeat(call, number=number, repeat=9)) / number


def test_counting_costs_less_than_a_hundredth() -> None:
    """Of receiving a bundle with one household's record, the smallest there is: verify, unseal, split and open."""

    def bare(_: object) -> None:
        """Does nothing."""

    watched = timed("open")(bare)
    cost = fastest(lambda: watched(None), 20_000) - fastest(lambda: bare(None), 20_000)
    key = suite.generate_key()
    signature = suite.sign(key, b"x")
    sealed, secret = exchange.sealed([b"x" * 300])
    bundle, keys = bundles.parse_bundle(sealed.raw), exchange.identity("center").sealing
    work = (
        lambda: suite.verify(key.public_key(), signature, b"x"),
        lambda: sealing.unseal(bundle.seal or b"", "37", keys),
        lambda: bundles.split(sealed.raw),
        lambda: bundles.open_records(bundle, secret),
    )
    assert len(work) * cost < 0.01 * sum(fastest(call, 200) for call in work)
