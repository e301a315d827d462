"""Lines of the log: one an event, with known fields, and nothing in them that a stranger could make use of."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from pipeline import logs
from pipeline.domain.errors import ConfigError
from pipeline.logs import FIELDS, LONGEST_EVENT, Lines

APPLICATION = "8a86f311-0a8b-46c5-9b1f-2a79d1f20f6d"
OWN = {"time", "level", "logger", "process", "event"}


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Where lines go; the test process gets its own logging back afterwards."""
    root, own = logging.getLogger(), logging.getLogger("pipeline")
    before = root.handlers[:], root.level, own.level, sys.excepthook, threading.excepthook
    monkeypatch.delenv(logs.VARIABLE, raising=False)
    monkeypatch.delenv(logs.LEVEL, raising=False)
    yield io.StringIO()
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    own.setLevel(before[2])
    sys.excepthook, threading.excepthook = before[3:]
    structlog.reset_defaults()


def written(out: io.StringIO) -> list[dict[str, Any]]:
    """The objects of the lines, each of which must be one."""
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_structlog_event_is_one_json_object(out: io.StringIO) -> None:
    """With time, level, logger, process, event and its fields."""
    logs.configure("center.intake.0", stream=out)
    logs.logger("pipeline.test").info("received", application_id=APPLICATION, section=3, seconds=0.25, party=None)
    [line] = written(out)
    assert line.keys() == OWN | {"application_id", "section", "seconds"}
    assert line["time"].endswith("Z")
    assert len(line.pop("time")) == len("2026-11-24T17:00:00.123Z")
    assert line == {
        "level": "info",
        "logger": "pipeline.test",
        "process": "center.intake.0",
        "event": "received",
        "application_id": APPLICATION,
        "section": 3,
        "seconds": 0.25,
    }


def test_any_structlog_logger_writes_the_same_lines(out: io.StringIO) -> None:
    """Also one of a library that knows nothing of this module."""
    logs.configure("watch", stream=out)
    structlog.get_logger("pipeline.elsewhere").warning("stuck", count=2, name_of_person="唐永建")
    [line] = written(out)
    assert (line["event"], line["count"], line["dropped"]) == ("stuck", 2, 1)
    assert "唐永建" not in out.getvalue()


def test_a_record_of_the_standard_library_is_one_too(out: io.StringIO) -> None:
    """Its text is the event; what it carries beside is allowed or dropped like everything else."""
    lines = logs.configure("party.37", stream=out)
    logging.getLogger("pipeline.x").warning("outbox waits: %s", "no broker", extra={"code": "down", "person": "唐永建"})
    [line] = written(out)
    assert (line["event"], line["code"], line["dropped"]) == ("outbox waits: no broker", "down", 1)
    assert lines.dropped == {"person": 1}


def test_the_name_of_a_process_may_come_later(out: io.StringIO) -> None:
    """A worker learns its number when it has a slot."""
    logs.configure("center.join", stream=out)
    logs.rename("center.join.1")
    logging.getLogger("pipeline.x").error("lost")
    assert [line["process"] for line in written(out)] == ["center.join.1"]


def test_text_is_for_readers(out: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line with time, level, logger and words; the fields stand behind the event unless it has words of its own."""
    monkeypatch.setenv(logs.VARIABLE, "text")
    logs.configure("center.intake.0", stream=out)
    log = logs.logger("pipeline.test")
    log.warning("rejected", words="rejected size a/0/1 issuer=?", code="size")
    log.warning("late", provider="37", count=2)
    first, second = out.getvalue().splitlines()
    assert first.split(" ", 1)[1] == "WARNING pipeline.test rejected size a/0/1 issuer=?"
    assert second.endswith("WARNING pipeline.test late provider=37 count=2")


def test_a_terminal_gets_text_and_anything_else_json(out: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless HEDX_LOG says otherwise."""
    monkeypatch.setattr(out, "isatty", lambda: True, raising=False)
    logs.configure("a", stream=out)
    logging.getLogger("pipeline.x").warning("one")
    assert not out.getvalue().startswith("{")
    monkeypatch.setenv(logs.VARIABLE, "json")
    logs.configure("a", stream=out)
    logging.getLogger("pipeline.x").warning("two")
    assert out.getvalue().splitlines()[1].startswith("{")


@pytest.mark.parametrize(("name", "value"), [(logs.VARIABLE, "xml"), (logs.LEVEL, "LOUD")])
def test_another_word_is_an_error_that_says_which(
    out: io.StringIO, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """The operator's fault, in one sentence."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=f"{name}={value} is none"):
        logs.configure("a", stream=out)


def test_the_level_is_info_or_what_the_environment_says(out: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """For what this package says; libraries are heard from WARNING on."""
    logs.configure("a", stream=out)
    logging.getLogger("pipeline.x").debug("per section")
    logging.getLogger("pipeline.x").info("per application")
    logging.getLogger("aiokafka").info("chatter")
    monkeypatch.setenv(logs.LEVEL, "debug")
    logs.configure("a", stream=out)
    logs.logger("pipeline.x").debug("now")
    monkeypatch.setenv(logs.LEVEL, "ERROR")
    logs.configure("a", stream=out)
    logs.logger("pipeline.x").warning("never")
    assert [line["event"] for line in written(out)] == ["per application", "now"]


HOSTILE = [
    'x"}\n{"time":"2026-01-01T00:00:00.000Z","level":"critical","event":"forged"}',
    "x\r\n2026-01-01 CRITICAL pipeline forged",
    "\u202eright to left",
    "\u2028line\u2029separators\x85\x0b\x0c\x1c",
    "\x1b[2J\x07",
    "\ud800 lone",
    "11010119900307751X",
    "１１０１０１１９９００３０７７５１８",
    "x" * 100_000,
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("form", ["json", "text"])
def test_nobody_forges_a_line(out: io.StringIO, monkeypatch: pytest.MonkeyPatch, text: str, form: str) -> None:
    """Whatever a value, an event or an error holds: one line, that prints as it is, without a person's number."""
    monkeypatch.setenv(logs.VARIABLE, form)
    logs.configure("a", stream=out)
    logs.logger("pipeline.x").warning("rejected", detail=text, reason=[text], error=ValueError(text))
    logging.getLogger("pipeline.x").warning("quotes %s", text)
    try:
        raise ValueError(text)
    except ValueError:
        logging.getLogger("pipeline.x").exception("failed")
    lines = out.getvalue().split("\n")
    assert len(lines) == 4
    assert lines.pop() == ""
    for line in lines:
        assert line.isprintable()
        assert "0307751" not in line
        assert "０３０７７５１" not in line
        assert len(line) < 10_000
        if form == "json":
            found = json.loads(line)
            assert found["level"] in {"warning", "error"}
            assert found["event"] != "forged"


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), st.text() | st.integers() | st.binary(max_size=40) | st.none()))
def test_every_line_is_one_object_of_known_fields(fields: dict[str, Any]) -> None:
    """Property: with any values in any fields."""
    record = logging.makeLogRecord({"name": "x", "msg": "m", "hedx_fields": {"event": "e", **fields}})
    line = Lines("a", as_json=True).format(record)
    assert line.isprintable()
    found = json.loads(line)
    assert found.keys() == OWN | {name for name, value in fields.items() if value is not None}


@given(st.text())
def test_what_is_not_listed_is_never_written(name: str) -> None:
    """Property: a field of any other name is counted, and its value is nowhere."""
    lines = Lines("a", as_json=True)
    record = logging.makeLogRecord({"name": "x", "msg": "m", "hedx_fields": {"event": "e", name: "SECRET-VALUE"}})
    written = lines.format(record)
    if name in FIELDS:
        assert "SECRET-VALUE" in written or "(other)" in written
    elif name not in {"event", "words"}:
        assert "SECRET-VALUE" not in written
        assert json.loads(written)["dropped"] == 1
        assert lines.dropped[name] == 1


@pytest.mark.parametrize("name", sorted(logs.IDS))
def test_ids_are_written_only_if_they_are_some(name: str) -> None:
    """A requester chooses its applications' ids: what is no UUID could be anything, and is not quoted."""
    genuine = {"application_id": APPLICATION, "span_id": "0123456789012345"}.get(
        name, "01234567890123456789012345678901"
    )
    lines = Lines("a", as_json=True)
    for value, wanted in ((genuine, genuine), ("唐永建", "(other)"), (genuine + "\n", "(other)"), (5, "(other)")):
        record = logging.makeLogRecord({"msg": "m", "hedx_fields": {"event": "e", name: value}})
        assert json.loads(lines.format(record))[name] == (5 if value == 5 else wanted)


def test_a_number_as_long_as_a_persons_is_masked() -> None:
    """Also one that comes as an integer; counts and instants in ms stay."""
    record = logging.makeLogRecord({"msg": "m", "hedx_fields": {"count": 110101199003077518, "at": 1_795_150_800_000}})
    found = json.loads(Lines("a", as_json=True).format(record))
    assert (found["count"], found["at"]) == ("(number)", 1_795_150_800_000)


def test_a_traceback_is_one_field_without_values(out: io.StringIO) -> None:
    """It names the error and where it was raised, the innermost place first, and no variable of any frame."""
    logs.configure("a", stream=out)

    def inner(secret: str) -> None:
        raise KeyError("which")

    try:
        inner("hunter2")
    except KeyError as error:
        try:
            raise ValueError("outer\nforged") from error
        except ValueError:
            logging.getLogger("pipeline.x").exception("failed")
    [line] = written(out)
    assert line["traceback"].startswith("ValueError in test_a_traceback_is_one_field_without_values (unit/logs/")
    assert line["traceback"].endswith("; because of KeyError")
    assert "hunter2" not in out.getvalue()
    assert "outer" not in out.getvalue()


PERSONAL = "row ('李四', '1101051949 1231 0021', '13800138000')"
"""What a driver's error may quote: no rule of digits finds the name, the spaced number, the telephone."""


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize(
    "error", [RuntimeError(PERSONAL), KeyError("李四"), UnicodeDecodeError("gb18030", b"x", 0, 1, PERSONAL)]
)
def test_the_words_of_an_error_that_is_not_ours_are_nowhere(
    out: io.StringIO, monkeypatch: pytest.MonkeyPatch, form: str, error: Exception
) -> None:
    """Its class and where it was raised, and no more; the same of what caused it."""
    monkeypatch.setenv(logs.VARIABLE, form)
    logs.configure("a", stream=out)
    try:
        try:
            int("张三 110105194912310021")
        except ValueError as cause:
            raise error from cause
    except Exception:
        logging.getLogger("pipeline.x").exception("look-up failed")
    [line] = out.getvalue().splitlines()
    assert (
        f"{type(error).__name__} in test_the_words_of_an_error_that_is_not_ours_are_nowhere (unit/logs/test_lines.py:"
        in line
    )
    assert "; because of ValueError" in line
    for word in ("李四", "张三", "1231", "13800138000", "row"):
        assert word not in line


def test_the_words_of_our_own_errors_are_there(out: io.StringIO) -> None:
    """They are written for operators, and quote nobody; on one line all the same."""
    logs.configure("a", stream=out)
    try:
        raise ConfigError("topics.yaml\nis not there")
    except ConfigError as error:
        logging.getLogger("pipeline.x").exception("failed")
        place = logs.place_of(error)
    [line] = written(out)
    assert line["traceback"].startswith(
        "ConfigError: topics.yaml\\u000ais not there in test_the_words_of_our_own_errors"
    )
    assert place.startswith("ConfigError in test_the_words_of_our_own_errors_are_there (unit/logs/test_lines.py:")
    assert logs.place_of(KeyError("never raised")) == "KeyError"


def test_a_long_event_is_cut(out: io.StringIO) -> None:
    """A library's text may be as long as it likes."""
    logs.configure("a", stream=out)
    logging.getLogger("lib").warning("y" * 5000)
    [line] = written(out)
    assert len(line["event"]) == LONGEST_EVENT + 1


def test_what_nobody_caught_is_a_line(tmp_path: object) -> None:
    """In the main thread and in any other; nothing else is on stderr."""
    program = (
        "import threading; from pipeline import logs; logs.configure('a')\n"
        "t = threading.Thread(target=lambda: {}['李四']); t.start(); t.join()\n"
        "raise RuntimeError('x\\ny 13800138000')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    first, second = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 1
    assert first["traceback"].startswith("KeyError in <lambda> (")
    assert (second["level"], second["event"]) == ("critical", "ended by an error")
    assert second["traceback"].startswith("RuntimeError in <module> (")
    assert "13800138000" not in done.stderr
    assert "李四" not in json.dumps([first, second], ensure_ascii=False)


def test_nothing_is_set_up_unasked() -> None:
    """A command that is no process of the exchange logs as Python does: no handler, no structlog, nothing on stdout."""
    program = (
        "import logging, sys; from pipeline import logs\n"
        "assert 'structlog' not in sys.modules and logging.getLogger().handlers == []\n"
        "logs.logger('pipeline.x').warning('said', code='c'); logs.logger('pipeline.x').info('not said')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "said code=c\n")


def test_a_signer_needs_no_structlog() -> None:
    """Its memory is locked: what it does not use is not loaded."""
    program = "import sys; from pipeline import logs; logs.configure('signer', structured=False); print('structlog' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
