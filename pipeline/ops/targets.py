"""Where Prometheus finds the processes of a machine: one file each under HEDX_HOME/metrics, for its `file_sd_configs`.

A process holds a lock on its file for as long as it lives; the end of the process, however it comes, lets go of it, and whoever
comes next takes the file away.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import IO

from pipeline.domain.errors import ConfigError
from pipeline.ops.listening import Address, parse_address

VARIABLE = "HEDX_METRICS"
JOB = "hedx"


def address_wanted() -> Address | None:
    """Where `HEDX_METRICS=HOST:PORT` has this process give its figures; None: nowhere. Raises ConfigError."""
    text = os.environ.get(VARIABLE, "")
    if not text:
        return None
    try:
        return parse_address(text)
    except ConfigError as error:
        raise ConfigError(f"{VARIABLE}={error}") from error


def targets_folder(home: Path) -> Path:
    """The folder of the files, in an installation's."""
    return home / "metrics"


@contextmanager
def announced(folder: Path, process: str, address: Address, labels: Mapping[str, str] | None = None) -> Iterator[Path]:
    """While the block runs, `<folder>/<process>.json` tells Prometheus of `address`; takes away those of dead processes.

    Where a living process of that name is told of already, this one's name is `<process>-2`, and so on. Raises ConfigError when
    the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            _clean(folder)
            path, held = _put(folder, process, address, labels or {})
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror or error}") from error
    try:
        yield path
    finally:
        with held, suppress(FileNotFoundError), _alone(folder):  # the installation may have been taken away meanwhile
            path.unlink()


def _put(folder: Path, process: str, address: Address, labels: Mapping[str, str]) -> tuple[Path, IO[str]]:
    """Write the file, locked before it has its name."""
    name = next(name for name in _names(process) if not (folder / f"{name}.json").exists())
    content = [
        {"targets": [str(address)], "labels": {"job": JOB, "instance": name, "process": name, **labels}},
    ]
    draft = folder / f".{name}.{os.getpid()}"
    file = draft.open("w", encoding="utf-8")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    file.write(json.dumps(content) + "\n")
    file.flush()
    path = folder / f"{name}.json"
    draft.replace(path)
    return path, file


def _names(process: str) -> Iterator[str]:
    yield process
    yield from (f"{process}-{number}" for number in count(2))


def _clean(folder: Path) -> None:
    """Take away the files that no living process holds."""
    for path in folder.glob("*.json"):
        with path.open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            path.unlink()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time changes the folder."""
    with (folder / ".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
