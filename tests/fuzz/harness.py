"""What a fuzz target is, and what it may never do: raise anything undeclared, take long, or write out of proportion."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pipeline.crypto import cbor
from pipeline.domain.errors import ConfigError, InvalidMessage

T = TypeVar("T")
Run = Callable[[bytes], None]

SECONDS_AN_INPUT = 1.0
"""Processor time one input may take, uninstrumented. Atheris' counters slow Python down: `run.py` allows more."""
MAX_DETAIL = 400
_CODE = re.compile(r"[a-z][a-z0-9_]{1,63}")


class Defect(AssertionError):
    """An input on which the product broke a promise."""


@dataclass(frozen=True)
class Target:
    """One way in. `reads` names what is under test; `weight` its share of a run; `mutator` how inputs are changed."""

    name: str
    reads: str
    run: Run
    weight: int = 1
    max_size: int = 4096
    structured: bool = True  # inputs are CBOR, or framed Avro, all the way down


def must(holds: object, promise: str) -> None:
    """Raise Defect with `promise` unless `holds`."""
    if not holds:
        raise Defect(promise)


def refused(read: Callable[[], T]) -> T | None:
    """What `read` returns, or None when it refused as it may: an InvalidMessage with a code and a short detail."""
    try:
        return read()
    except InvalidMessage as error:
        check_refusal(error)
        return None


def loaded(data: bytes, depth: int) -> Any:
    """The CBOR value in `data`, None where there is none: what a target takes apart itself."""
    try:
        return cbor.loads(data, depth)
    except InvalidMessage:
        return None


def check_refusal(error: InvalidMessage) -> None:
    """A refusal has a stable code, and no more to say than fits a log line."""
    must(_CODE.fullmatch(error.code), f"not a code: {error.code!r}")
    must(len(error.detail) <= MAX_DETAIL, f"{error.code}: a detail of {len(error.detail)} characters")


def misconfigured(read: Callable[[], T]) -> T | None:
    """What `read` returns, or None when it said by ConfigError what is wrong."""
    try:
        return read()
    except ConfigError as error:
        must(str(error), "a ConfigError without words")
        return None


def proportionate(written: int, read: int, factor: int, allowance: int = 65536) -> None:
    """Output is bounded by input: at most `factor` bytes a byte, and an allowance."""
    must(written <= allowance + factor * read, f"{written} bytes written for {read} read")


def timed(run: Run, data: bytes) -> float:
    """Run, and say how much processor time (s) it took."""
    before = time.thread_time()
    run(data)
    return time.thread_time() - before
