"""The clerk of a demonstration: runs `hedx` commands as an official would, and reads what they say as JSON."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final

from pipeline.domain.errors import HedxError

Run = Callable[[Sequence[str]], int]
"""Runs one command line (without `hedx`) in this process; returns its exit code."""
PAUSE: Final = 0.15
"""Seconds between two looks at something that is awaited."""
LIMIT: Final = 60.0
"""Seconds that anything awaited may take before the demonstration has failed."""


INTERRUPTED: Final = 130
"""How a command ends that Ctrl-C has reached."""
STDERR: Final = 2


class StoryFailed(HedxError):
    """The demonstration did not come out as it should: which command, or what was awaited, and what it said instead."""


class Clerk:
    """Runs commands with `run`, each with `--json`. `clock` and `sleep`: seconds.

    `log`: the file that gets what commands, and the libraries below them, say beside their results.
    """

    def __init__(
        self,
        run: Run,
        log: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._run = run
        self._log = log
        self._clock = clock
        self._sleep = sleep

    def ask(self, *words: object, ends: Sequence[int] = (0,)) -> Any:
        """What `hedx <words> --json` says; None when it says nothing.

        Raises StoryFailed when it ends with another code than one of `ends`, or says no JSON; KeyboardInterrupt when it was
        interrupted.
        """
        line = [*map(str, words), "--json"]
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), _stderr_into(self._log):
            code = self._run(line)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        if code not in ends:
            said = (err.getvalue() or out.getvalue()).strip()
            raise StoryFailed(f"`hedx {' '.join(line)}` ended with {int(code)}: {said}")
        if not out.getvalue().strip():
            return None
        try:
            return json.loads(out.getvalue())
        except json.JSONDecodeError as error:
            raise StoryFailed(f"`hedx {' '.join(line)}` said no JSON: {out.getvalue().strip()[:500]}") from error

    def until(self, what: str, look: Callable[[], Any], limit: float = LIMIT) -> Any:
        """What `look` gives once that is true. Raises StoryFailed, with what was seen last, after `limit` seconds."""
        end = self._clock() + limit
        while not (seen := look()):
            if self._clock() > end:
                raise StoryFailed(f"{what}: not within {limit:g} s")
            self._sleep(PAUSE)
        return seen


@contextmanager
def _stderr_into(file: Path) -> Iterator[None]:
    """What libraries write to the process's own stderr, past Python, goes to the end of `file`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    before = os.dup(STDERR)
    try:
        with file.open("ab") as log:
            os.dup2(log.fileno(), STDERR)
        yield
    finally:
        os.dup2(before, STDERR)
        os.close(before)
