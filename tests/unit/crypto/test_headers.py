"""Headers: what may stand in clear, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.crypto import cbor, headers
from pipeline.crypto.headers import Header
from tests.unit.crypto.exchange import header, refusal

FULL = header(
    "answer",
    mandate_digest=b"m" * 32,
    section=2,
    sections=3,
    first=4,
    members=b"\x05",
    provider="53",
    rows=(1, 3),
    release=9,
    answers=b"a" * 32,
    version=1,
    schema=b"schemaid",
    count=2,
    padded=512,
    outcome="done",
    code="c",
    until=1_800_000_000_000,
    checkpoint=b"c" * 32,
    part=1,
    parts=2,
)


@pytest.mark.parametrize("value", [FULL, header(), header("receipt", requester="", section=0, sections=0)])
def test_a_header_comes_back(value: Header) -> None:
    """Decoding inverts encoding, all fields set or few."""
    assert headers.decode(value.encode()) == value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (1, "mandate"),
        (1, 1),
        (2, bytes(15)),
        (3, ""),
        (4, "x" * 65),
        (5, b"37"),
        (6, None),
        (7, bytes(31)),
        (8, 4),
        (8, -1),
        (10, 1 << 16),
        (11, bytes(1025)),
        (11, b"\x07"),
        (12, ""),
        (12, None),
        (13, 1),
        (13, ["1"]),
        (13, [0] * 257),
        (14, 1 << 32),
        (15, b""),
        (16, True),
        (17, 256),
        (18, bytes(7)),
        (19, "2"),
        (20, None),
        (21, "expired"),
        (22, ""),
        (23, 1 << 48),
        (24, bytes(33)),
        (25, 0),
        (25, 3),
        (27, 0),
        ("kind", "answer"),
    ],
)
def test_refuses_a_field_out_of_its_bounds(key: int | str, value: object) -> None:
    """One field each: of another type, too long, unknown, or null where it should be left out."""
    fields = cbor.loads(FULL.encode())
    fields[key] = value
    assert refusal(lambda: headers.decode(cbor.dumps(fields))) == "header_invalid"


@pytest.mark.parametrize("key", sorted({*range(1, 27)} - {12, 15, 21, 22, 23, 24}))
def test_refuses_a_header_without_a_required_field(key: int) -> None:
    """There are no defaults on the wire."""
    fields = cbor.loads(FULL.encode())
    del fields[key]
    assert refusal(lambda: headers.decode(cbor.dumps(fields))) == "header_invalid"


@pytest.mark.parametrize("body", [[], 0, b"", None])
def test_refuses_what_is_no_map(body: object) -> None:
    """Any other CBOR."""
    assert refusal(lambda: headers.decode(cbor.dumps(body))) == "header_invalid"


@pytest.mark.parametrize(
    ("kind", "outcome", "count"),
    [("answer", None, 2), ("answer", None, 0), ("answer", "done", 0), ("answer", "refused", 2), ("relay", "done", 2)],
)
def test_refuses_an_outcome_that_the_records_do_not_bear_out(kind: str, outcome: str | None, count: int) -> None:
    """An answer says how it ended, and `done` comes with records: else a certificate could promise what nobody sent."""
    fields = cbor.loads(FULL.encode()) | {1: kind, 19: count, 21: outcome}
    body = {key: value for key, value in fields.items() if value is not None}
    assert refusal(lambda: headers.decode(cbor.dumps(body))) == "header_invalid"


def test_refuses_an_oversized_header_unread() -> None:
    """Headers are small."""
    assert refusal(lambda: headers.decode(bytes(headers.MAX_SIZE + 1))) == "header_invalid"


def test_writes_nothing_it_would_not_read() -> None:
    """The sender's mistake shows at the sender."""
    assert refusal(lambda: replace(FULL, bundle_id=b"").encode()) == "header_invalid"
