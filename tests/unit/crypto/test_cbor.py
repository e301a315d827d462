"""CBOR: what is written is deterministic, what is read is nothing else."""

from __future__ import annotations

import time
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crypto import cbor
from pipeline.domain.errors import InvalidMessage
from tests.unit.crypto.exchange import refusal

scalars = st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=300) | st.text(max_size=40)
keys = st.integers(-(2**64), 2**64 - 1) | st.text(max_size=8)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=30) | st.dictionaries(keys, inner, max_size=6), max_leaves=30
)


@given(values)
def test_reads_what_it_wrote(value: Any) -> None:
    """Reading inverts writing for the whole subset."""
    assert cbor.loads(cbor.dumps(value), 64) == value


@given(values)
def test_another_library_reads_what_it_wrote(value: Any) -> None:
    """What we write is CBOR for others too."""
    assert cbor2.loads(cbor.dumps(value)) == value


@given(st.binary(max_size=60))
def test_whatever_it_reads_another_library_reads_alike(data: bytes) -> None:
    """The reader is a subset of a general one: it never gives bytes a meaning of its own."""
    try:
        value = cbor.loads(data)
    except InvalidMessage:
        return
    assert cbor2.loads(data) == value


@given(st.lists(st.binary(max_size=70_000), max_size=6) | st.lists(st.binary(min_size=300, max_size=300), max_size=50))
def test_byte_strings_are_written_as_any_array(items: list[bytes]) -> None:
    """The fast writer of byte strings gives the plain writer's bytes, and the fast reader reads them."""
    assert cbor.byte_strings(items) == cbor.dumps(items)
    assert cbor.loads(cbor.byte_strings(items)) == items


@given(st.binary(min_size=256, max_size=400), st.integers(1, 20), st.data())
def test_a_run_of_equal_sizes_may_end_in_anything(item: bytes, count: int, data: st.DataObject) -> None:
    """Reading runs of one size does not overlook where the run stops."""
    items = [item] * count + [data.draw(st.binary(max_size=600)), None, item[:-1]]
    encoded = cbor.dumps(items)
    assert cbor.loads(encoded) == items
    assert refusal(lambda: cbor.loads(encoded[: data.draw(st.integers(0, len(encoded) - 1))])) == "cbor_invalid"


def test_map_keys_stand_in_bytewise_order() -> None:
    """RFC 8949 section 4.2.1: 10, 100, -1, then text, whatever the order given."""
    encoded = cbor.dumps({"aa": 0, "z": 0, -1: 0, 100: 0, 10: 0})
    assert encoded == bytes.fromhex("a5 0a00 186400 2000 617a00 62616100")


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("nothing", ""),
        ("trailing byte", "0000"),
        ("duplicate integer key", "a201000100"),
        ("duplicate text key", "a2616100616100"),
        ("integer keys out of order", "a202000100"),
        ("negative before positive key", "a220000100"),
        ("longer text key first", "a2626161006162 00"),
        ("65 pairs", "b841" + "".join(f"{cbor.dumps(key).hex()}f6" for key in range(65))),
        ("indefinite byte string", "5f4100ff"),
        ("indefinite text", "7f6161ff"),
        ("indefinite array", "9f00ff"),
        ("indefinite map", "bf0000ff"),
        ("break alone", "ff"),
        ("one byte too long a head", "1817"),
        ("two bytes too long a head", "1900ff"),
        ("four bytes too long a head", "1a0000ffff"),
        ("eight bytes too long a head", "1b00000000ffffffff"),
        ("byte string with too long a head", "580100"),
        ("reserved head", "1c"),
        ("half float", "f90000"),
        ("double", "fb0000000000000000"),
        ("undefined", "f7"),
        ("simple value 0", "e0"),
        ("simple value 255", "f8ff"),
        ("false in two bytes", "f814"),
        ("tag 0", "c06161"),
        ("bignum", "c24101"),
        ("shared reference", "d81d00"),
        ("byte string key", "a1410000"),
        ("array key", "a18000"),
        ("null key", "a1f600"),
        ("string over the end", "5bffffffffffffffff00"),
        ("string one over the end", "4200"),
        ("long string over the end", "5901000000"),
        ("array over the end", "9bffffffffffffffff00"),
        ("array one short", "8200"),
        ("map over the end", "bb7fffffffffffffff0000"),
        ("map without its last value", "a100"),
        ("head cut off", "19"),
        ("text not UTF-8", "62c328"),
        ("text with a surrogate", "63eda080"),
    ],
)
def test_refuses(what: str, data: str) -> None:
    """Each thing a lax reader lets pass is refused."""
    assert refusal(lambda: cbor.loads(bytes.fromhex(data))) == "cbor_invalid"


@pytest.mark.parametrize("opening", ["81", "a100"])
def test_depth_is_bounded(opening: str) -> None:
    """Nesting up to the bound is read, one deeper is refused, 100,000 deep costs nothing."""
    assert cbor.loads(bytes.fromhex(opening * 3 + "00"), 3)
    for depth in (4, 100_000):
        assert refusal(lambda depth=depth: cbor.loads(bytes.fromhex(opening * depth + "00"), 3)) == "cbor_invalid"  # type: ignore[misc]


def test_has_no_form_for_floats() -> None:
    """A value outside the subset is the programmer's mistake."""
    with pytest.raises(TypeError):
        cbor.dumps(1.5)


def test_an_integer_over_64_bits_is_an_error() -> None:
    """No bignums."""
    with pytest.raises(OverflowError):
        cbor.dumps(2**64)


def test_500_records_parse_in_well_under_a_millisecond() -> None:
    """The outer array of an envelope costs little (measured: 0.09 ms; the bound allows for a busy machine)."""
    data = cbor.dumps([bytes(1), None, [bytes(565)] * 500])
    best = 1.0
    for _ in range(20):
        start = time.perf_counter()
        cbor.loads(data)
        best = min(best, time.perf_counter() - start)
    assert best < 0.001


@given(scalars, st.lists(values, max_size=3))
def test_reads_the_first_item_of_an_array_alone(first: Any, others: list[Any]) -> None:
    """The leading scalar comes out whatever stands behind it, also when that is cut off."""
    data = cbor.dumps([first, *others])
    alone = len(cbor.head(4, 1 + len(others)) + cbor.dumps(first))
    assert cbor.leading(data) == cbor.leading(data[:alone]) == first


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"\x01", b"\xa1\x01\x02", cbor.dumps([[1]]), cbor.dumps([b"four"])[:-1], b"\x9f\x01\xff"]
)
def test_refuses_a_leading_item_that_is_not_there(data: bytes) -> None:
    """No array, an empty one, a nested first item and one cut short are refused, never a crash."""
    assert refusal(lambda: cbor.leading(data)) == "cbor_invalid"
