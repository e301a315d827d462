"""Lines about rejections: whole, harmless, and never more than a second has room for."""

from __future__ import annotations

import json
import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

import pytest

from pipeline.crypto import envelopes
from pipeline.crypto.authority import create_authority, issue
from pipeline.crypto.bundles import SealedBundle
from pipeline.crypto.headers import Header
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.printing import LONGEST, harmless
from pipeline.kafka.rejections import EACH, SUMMARIES, TOGETHER, Rejections
from pipeline.logs import Lines
from pipeline.stages.effects import Message

NOW = 1_795_150_800_000


class Seconds:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is written, as it is written."""
    written: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: written.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("pipeline.kafka.rejections").addHandler(handler)
    yield written
    logging.getLogger("pipeline.kafka.rejections").removeHandler(handler)


@pytest.fixture(scope="module")
def envelope() -> bytes:
    """An envelope that 山东 signed."""
    identity = issue(create_authority(NOW), "37", NOW)
    bundle = SealedBundle(b"", b"\0" * 32, 0, Header("receipt", bytes(16), "37", "center", "37"))
    return envelopes.build([bundle], identity.signer, audience="center", now=NOW).value


def message(value: bytes | None = None, offset: int = 7) -> Message:
    """A message in the center's inbox."""
    return Message("hedx.center.requests", 2, offset, NOW, None, value)


def test_a_line_says_code_place_and_claimed_issuer(envelope: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """The form is a contract: operators and the attack suite look for it."""
    report = Rejections("intake", Seconds())
    report.report(
        [(message(envelope), InvalidMessage("expired")), (message(b"junk"), InvalidMessage("size", "9 bytes"))]
    )
    assert caplog.messages == [
        "rejected expired hedx.center.requests/2/7 issuer=37 stage=intake",
        "rejected size hedx.center.requests/2/7 issuer=? stage=intake 9 bytes",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    shape = Lines("center.intake.0", as_json=True)
    first, second = [json.loads(shape.format(record)) for record in caplog.records]
    assert {name: value for name, value in first.items() if name not in ("time", "level", "logger", "process")} == {
        "event": "rejected",
        "stage": "intake",
        "code": "expired",
        "topic": "hedx.center.requests",
        "partition": 2,
        "offset": 7,
        "issuer": "37",
    }
    assert second["detail"] == "9 bytes"


def test_an_issuer_that_is_no_party_is_not_quoted(envelope: bytes, lines: list[str]) -> None:
    """Whoever writes a name or number into `iss` does not get it into a log."""
    forged = envelope.replace(b"\x01\x6237", b"\x01\x62\n3")
    assert forged != envelope
    Rejections("intake", Seconds()).report([(message(forged), InvalidMessage("size"))])
    assert lines == ["rejected size hedx.center.requests/2/7 issuer=? stage=intake"]


@pytest.mark.parametrize(
    "detail",
    [
        "a\nrejected none hedx/0/0 issuer=32",
        "\r\x1b[2Jgone",
        "\u202egnirts desrever\u202c",
        "line\u2028line\u2029",
        "\x00\x7f\x85\u200b\ufeff\ue000",
        "\ud800",
        "x" * 10_000,
        "\u0007" * 10_000,
        "of 370102199001011234 and 37010219900101123X",
        "of ３７０１０２１９９００１０１１２３４",
    ],
)
def test_a_detail_cannot_forge_turn_or_fill_a_line(detail: str) -> None:
    """One printable line of bounded length, without an ID number, whatever a stranger put in."""
    text = harmless(detail)
    assert text.isprintable()
    assert len(text) <= LONGEST + 1
    assert not any(unicodedata.category(letter).startswith("C") for letter in text)
    assert not re.search(r"\d{14}", text)
    assert text.encode()


def test_an_ordinary_detail_is_left_as_it_is() -> None:
    """Chinese, digests in hexadecimal and sizes stay readable."""
    assert harmless("envelope 019a3f00 of 37: 身份证号") == "envelope 019a3f00 of 37: 身份证号"


def test_a_flood_is_counted_and_told_once_a_second(envelope: bytes, lines: list[str]) -> None:
    """Ten thousand alike are ten lines and one more; those of another code and issuer keep their own lines."""
    clock = Seconds()
    report = Rejections("intake", clock)
    report.report((message(envelope, n), InvalidMessage("signature_invalid")) for n in range(10_000))
    report.report([(message(b""), InvalidMessage("size")), (message(b""), InvalidMessage("signature_invalid"))])
    assert len(lines) == EACH + 2
    clock.now = 1.1
    report.turn()
    assert lines[EACH + 2 :] == ["… and 9,990 more rejected signature_invalid issuer=37 stage=intake"]
    report.report([(message(envelope), InvalidMessage("signature_invalid"))])
    assert lines[-1].startswith("rejected signature_invalid "), "a new second has room again"
    clock.now = 9.0
    report.turn()
    assert len(lines) == EACH + 4, "nothing left out, nothing to tell"


def test_many_kinds_of_junk_do_not_add_up_to_a_flood_of_lines(lines: list[str]) -> None:
    """The lines of a second are bounded over all codes, those of the summary too, and all that came is accounted for."""
    report = Rejections("intake", Seconds())
    kinds = 500
    report.report((message(b""), InvalidMessage(f"code_{n % kinds}")) for n in range(20 * kinds))
    report.flush()
    written = [line for line in lines if line.startswith("rejected")]
    assert len(written) == TOGETHER
    assert len(lines) == TOGETHER + SUMMARIES + 1
    told = Counter[str]()
    for line in lines[TOGETHER:]:
        told["more"] += int(line.split()[2].replace(",", ""))
    assert told["more"] + TOGETHER == 20 * kinds


def test_nothing_is_left_untold_at_the_end(lines: list[str]) -> None:
    """A process that ends says first what it has only counted."""
    report = Rejections("intake", Seconds())
    report.report((message(b""), InvalidMessage("size")) for _ in range(EACH + 3))
    report.flush()
    report.flush()
    assert [line for line in lines if line.startswith("…")] == ["… and 3 more rejected size issuer=? stage=intake"]
