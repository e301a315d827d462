"""What processes say of themselves, on stderr: one line an event, with fields from a closed list and nothing else.

`HEDX_LOG=json` (the default where stderr is no terminal) makes each line one JSON object, `HEDX_LOG=text` one that people
read; `HEDX_LOG_LEVEL` says from which level on (INFO). What the standard library logs and what structlog logs
become the same lines. Only a process that asks for it by `configure` is set up: commands and tests keep what they have.

A field that is not in `FIELDS` is dropped and counted, never written; a value has one line, no character that nobody sees,
and no number as long as a person's (`printing.harmless`). Of an exception that is not this package's own there is its class
and where it was raised: its text may quote anything.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TextIO

from pipeline.domain.errors import ConfigError, HedxError
from pipeline.domain.printing import harmless

if TYPE_CHECKING:  # it takes 10 MB and 0.1 s that a signer, whose memory is locked, has no use for
    from structlog.stdlib import BoundLogger
    from structlog.typing import EventDict, WrappedLogger

VARIABLE: Final = "HEDX_LOG"
LEVEL: Final = "HEDX_LOG_LEVEL"
LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")

IDS: Final = {
    "application_id": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "message_id": re.compile(r"[0-9a-f]{32}"),
    "event_id": re.compile(r"[0-9a-f]{32}"),
    "trace_id": re.compile(r"[0-9a-f]{32}"),
    "span_id": re.compile(r"[0-9a-f]{16}"),
}
"""Fields that are ids: written as they are if they look it, else as `(other)`, since parties choose some of them."""
FIELDS: Final = frozenset(
    (
        *IDS,
        *("stage", "group", "slot", "kind", "state", "by"),
        *("party", "issuer", "provider", "providers", "requester", "section", "sections"),
        *("topic", "partition", "offset", "partitions"),
        *("code", "detail", "error", "reason", "count", "lag", "bytes", "seconds", "at", "until"),
        *("user", "port", "version"),
    )
)
"""Names that a line may have beside its own: time, level, logger, process, event, traceback, dropped."""
LONGEST_EVENT: Final = 500
"""Characters of an event's text that are kept; 200 of a field's."""
LONGEST_TRACEBACK: Final = 4000
LARGEST: Final = 10**13
"""An integer from here on is as long as a person's number, and is masked as one; instants in ms are below it."""
_MANY = 40
"""Elements of a list that are kept."""
_EXTRA = "hedx_fields"
_WORDS = "words"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_STANDARD = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", _EXTRA))


class Lines(logging.Formatter):
    """Makes a record one line: JSON, or for a reader."""

    def __init__(self, process: str, *, as_json: bool) -> None:
        super().__init__()
        self.process = process
        self.dropped: Counter[str] = Counter()
        """Names of fields that were not written, and how often."""
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """One line without its end."""
        fields, dropped = self._sift(record)
        if self._as_json:
            event = getattr(record, _EXTRA, {}).get("event") or record.getMessage()
            line: dict[str, Any] = {
                "time": _instant(record.created),
                "level": record.levelname.lower(),
                "logger": record.name,
                "process": self.process,
                "event": harmless(event, LONGEST_EVENT),
                **fields,
            }
            if dropped:
                line["dropped"] = dropped
            if record.exc_info and record.exc_info[0] is not None:
                line["traceback"] = trace_line(*record.exc_info)
            return _encode(line)
        words = f"{_instant(record.created)} {record.levelname} {record.name} {harmless(record.getMessage(), LONGEST_EVENT)}"
        if record.exc_info and record.exc_info[0] is not None:
            words += f" | {trace_line(*record.exc_info)}"
        return words

    def _sift(self, record: logging.LogRecord) -> tuple[dict[str, Any], int]:
        given = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        bound: Mapping[str, Any] = getattr(record, _EXTRA, {})
        given.update((name, value) for name, value in bound.items() if name not in ("event", _WORDS))
        fields, dropped = {}, 0
        for name, value in given.items():
            if name not in FIELDS:
                self.dropped[name] += 1
                dropped += 1
            elif value is not None:
                fields[name] = _value(name, value)
        return fields, dropped


def configure(process: str, *, stream: TextIO | None = None, structured: bool = True) -> Lines:
    """Set this process's logging up, in place of what was there; call it once, before threads start.

    What nobody caught is a line too, in every thread. `structured` False: structlog is not loaded, for a process that uses
    the standard library's loggers only. Raises ConfigError for a `HEDX_LOG` or `HEDX_LOG_LEVEL` that is none.
    """
    out = stream or sys.stderr
    lines = Lines(process, as_json=_as_json(out))
    handler = logging.StreamHandler(out)
    handler.setFormatter(lines)
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("pipeline").setLevel(_level())
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    if structured:
        import structlog

        structlog.configure(logger_factory=structlog.stdlib.LoggerFactory(), **_structured())
    return lines


def rename(process: str) -> None:
    """Give this process another name, once it knows its number; nothing happens where `configure` was not called."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, Lines):
            handler.formatter.process = process


def logger(name: str) -> BoundLogger:
    """A structlog logger whose events are records of the standard library's logger `name`, with their fields.

    The event's text for readers is `words`, or else the event with its fields behind it.
    """
    import structlog

    wrapped: BoundLogger = structlog.wrap_logger(logging.getLogger(name), **_structured())
    return wrapped


def trace_line(kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> str:
    """A traceback as one text: the error, then where, the innermost first; no source lines, no values of variables.

    Only an error of this package has its words with it, which quote nobody. Any other may quote a row or a name: its class alone.
    """
    places = [_place(frame) for frame in traceback.extract_tb(trace)]
    text = "" if kind is None else kind.__name__
    if isinstance(error, HedxError):
        text += f": {harmless(str(error), LONGEST_EVENT)}"
    if places:
        text += " in " + " < ".join(reversed(places))
    if error is not None and error.__cause__ is not None:
        text += f"; because of {type(error.__cause__).__name__}"
    return harmless(text, LONGEST_TRACEBACK)


def place_of(error: BaseException) -> str:
    """An error's class and where it was raised, without its text: `KeyError in work (pipeline/province/desks.py:12)`."""
    places = traceback.extract_tb(error.__traceback__)
    return type(error).__name__ + (f" in {_place(places[-1])}" if places else "")


def _place(frame: traceback.FrameSummary) -> str:
    return f"{frame.name} ({_short(frame.filename)}:{frame.lineno})"


def _structured() -> dict[str, Any]:
    from structlog.stdlib import BoundLogger, filter_by_level

    return {"processors": [filter_by_level, _to_record], "wrapper_class": BoundLogger, "context_class": dict}


def _to_record(_: WrappedLogger, __: str, event: EventDict) -> tuple[tuple[str, _Words], dict[str, Any]]:
    """The last processor: the standard library's logger gets the words, and the fields beside them."""
    exc_info = event.pop("exc_info", None)
    return ("%s", _Words(event)), {"extra": {_EXTRA: event}, "exc_info": exc_info}


class _Words:
    """An event in words for readers, made when somebody reads them: a line of JSON has no use for them."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        self._event = event

    def __str__(self) -> str:
        words = self._event.get(_WORDS)
        if words is not None:
            return str(words)
        tail = (f"{name}={value}" for name, value in self._event.items() if name in FIELDS and value is not None)
        return " ".join((str(self._event.get("event", "")), *tail))

    __repr__ = __str__


def _value(name: str, value: Any) -> Any:
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < LARGEST else "(number)"
    if isinstance(value, bytes):
        value = value.hex()
    if name in IDS:
        return value if isinstance(value, str) and IDS[name].fullmatch(value) else "(other)"
    if isinstance(value, list | tuple | set | frozenset):
        return [_value("", one) for one in list(value)[:_MANY]]
    return harmless(str(value))


def _as_json(out: TextIO) -> bool:
    wanted = os.environ.get(VARIABLE) or ("text" if out.isatty() else "json")
    if wanted not in ("json", "text"):
        raise ConfigError(f"{VARIABLE}={wanted} is none: json or text")
    return wanted == "json"


def _level() -> int:
    wanted = (os.environ.get(LEVEL) or "INFO").upper()
    if wanted not in LEVELS:
        raise ConfigError(f"{LEVEL}={wanted} is none: {', '.join(LEVELS)}")
    return int(getattr(logging, wanted))


def _instant(seconds: float) -> str:
    whole, part = divmod(round(seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{part:03d}Z"


def _short(filename: str) -> str:
    """A file's path from its package on: where it is installed is nobody's business."""
    return "/".join(filename.split("/")[-3:])


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger("pipeline").critical("ended by an error", exc_info=(kind, error, trace))


def _uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None:
        _uncaught(failed.exc_type, failed.exc_value, failed.exc_traceback)
