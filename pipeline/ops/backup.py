"""A copy of an installation's folder that can be carried away, and an installation out of such a copy.

    <copy>/data/         everything but what is below; databases as of one moment each, taken by SQLite while others work
    <copy>/keys/         the keys of applications and of documents, kept in step: what was destroyed here is destroyed there
    <copy>/contents.json what there is, with SHA-256

Not in it, and told: what opens it (passphrases, `tag.secret`, `database.url`), to be kept apart. Not in it, and of no use: seal keys,
whose copy would open what was to be closed for good (docs/signer.md), the root, locks, sockets, and what is made anew from Kafka.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath

from pipeline.crypto.keystore import destroy, write_durably
from pipeline.domain.errors import ConfigError

DATA, KEYS, CONTENTS = "data", "keys", "contents.json"
LAYOUT = 1
APART = ("passphrase", "*.secret", "database.url")
"""What opens the copy, or a register: never beside it."""
MADE_ANEW = ("broker", "logs", "metrics", "slots", "state")
"""Folders of an installation that nothing is lost with."""
ROOT = ("authority", "root")
NEVER = (
    "parties/*/identity/seal/*",
    "*-wal",
    "*-shm",
    "*-journal",
    "*.sock",
    "*.lock",
    "*.new",
    ".lock",
)
KEY_FOLDERS = ("parties/*/keys/*", "parties/*/evidence/keys/*")


@dataclass(frozen=True, slots=True)
class Made:
    """What a copy has come to. `apart`: paths in the installation that are not in it, and that a restore needs."""

    files: int
    bytes: int
    databases: int
    keys: int
    destroyed: int
    apart: list[str]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a copy says of itself: when it was made (ms), path in it -> SHA-256, and what is kept apart."""

    made_at: int
    files: dict[str, str]
    apart: list[str]


def make(home: Path, copy: Path, now: int) -> Made:
    """Bring `copy` up to `home` as of now (ms). Raises ConfigError when it lies inside, or a database is damaged.

    Databases go first, so that what their rows name is copied after them. A copy that is interrupted leaves the last one whole.
    """
    if copy.resolve().is_relative_to(home.resolve()):
        raise ConfigError(f"{copy} lies inside {home}: a copy belongs elsewhere, on another disk")
    found = sorted(_files(home))
    databases = [path for path in found if path.suffix == ".db"]
    keys = {path for path in found if _matches(path, KEY_FOLDERS)}
    apart = [path for path in found if _matches(path, APART)]
    draft = copy / f"{DATA}.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    copy.chmod(0o700)
    for path in databases:
        _copy_database(home / path, _place(draft, path))
    for path in (each for each in found if each not in {*databases, *keys, *apart}):
        _copy(home / path, _place(draft, path))
    destroyed = _mirror(home, keys, copy / KEYS)
    _exchange(draft, copy / DATA)
    listed = {str(path.relative_to(copy)): _digest(path) for path in _below(copy / DATA, copy / KEYS)}
    contents = Contents(now, listed, [str(path) for path in apart])
    write_durably(copy / CONTENTS, json.dumps({"layout": LAYOUT, **asdict(contents)}, indent=1).encode())
    size = sum((copy / path).stat().st_size for path in listed)
    return Made(len(listed), size, len(databases), len(keys), destroyed, contents.apart)


def check(copy: Path) -> Iterator[str]:
    """What is wrong with a copy, in words: files that are missing, altered or not of it, databases that SQLite finds damaged."""
    listed = _contents(copy).files
    there = {str(path.relative_to(copy)): path for path in _below(copy / DATA, copy / KEYS)}
    yield from (f"{name} is missing" for name in sorted(listed.keys() - there.keys()))
    yield from (f"{name} is not of this copy" for name in sorted(there.keys() - listed.keys()))
    for name in sorted(listed.keys() & there.keys()):
        if _digest(there[name]) != listed[name]:
            yield f"{name} was altered"
        elif name.endswith(".db") and (fault := _damage(there[name])):
            yield f"{name}: {fault}"


def restore(copy: Path, home: Path) -> list[str]:
    """Make `home` out of a sound copy; returns the paths of what must be put there besides, by hand.

    Raises ConfigError where `home` has something already, or the copy has a fault.
    """
    if home.exists() and any(home.iterdir()):
        raise ConfigError(f"{home} is not empty: a copy is restored into an empty folder, and never over something")
    if faults := list(check(copy)):
        raise ConfigError("\n".join([f"{copy} is not sound, so nothing was restored", *faults]))
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    for part in (copy / DATA, copy / KEYS):
        for path in _below(part):
            _copy(path, _place(home, PurePath(path.relative_to(part))))
    return _contents(copy).apart


def _files(home: Path) -> Iterator[PurePath]:
    for path in _below(home):
        relative = PurePath(path.relative_to(home))
        if relative.parts[0] not in MADE_ANEW and relative.parts[:2] != ROOT and not _matches(relative, NEVER):
            yield relative


def _matches(path: PurePath, patterns: tuple[str, ...]) -> bool:
    return any(path.match(pattern) for pattern in patterns)


def _below(*folders: Path) -> Iterator[Path]:
    """Regular files; links are followed: a folder may lie on another disk, a passphrase may be a link even to nothing."""
    for folder in folders:
        for place, _, names in os.walk(folder, followlinks=True):
            paths = (Path(place) / name for name in names)
            yield from (path for path in paths if path.is_file() or path.is_symlink())


def _place(root: Path, path: PurePath) -> Path:
    """Where `path` goes under `root`; its folders are made, closed to others."""
    target = root
    for part in path.parts[:-1]:
        target = target / part
        target.mkdir(exist_ok=True, mode=0o700)
    return target / path.name


def _copy(source: Path, target: Path) -> None:
    write_durably(target, source.read_bytes())


def _copy_database(source: Path, target: Path) -> None:
    """As of one moment, whoever writes; SQLite says whether it is whole."""
    target.touch(mode=0o600)
    with (
        closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, timeout=30)) as origin,
        closing(sqlite3.connect(target)) as into,
    ):
        origin.backup(into)
        into.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
    if fault := _damage(target):
        raise ConfigError(f"{source}: {fault}")


def _damage(database: Path) -> str:
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            [said] = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if said == "ok" else str(said)


def _mirror(home: Path, keys: set[PurePath], folder: Path) -> int:
    """Bring `folder` in step with the keys there are; returns how many were destroyed in it."""
    for path in sorted(keys):
        target = _place(_made(folder), path)
        if not target.exists() or target.read_bytes() != (home / path).read_bytes():
            _copy(home / path, target)
    gone = [path for path in _below(folder) if PurePath(path.relative_to(folder)) not in keys]
    for path in gone:
        destroy(path)
    return len(gone)


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder


def _exchange(new: Path, current: Path) -> None:
    old = current.with_name(f"{current.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if current.exists():
        current.rename(old)
    new.rename(current)
    shutil.rmtree(old, ignore_errors=True)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _contents(copy: Path) -> Contents:
    try:
        held = json.loads((copy / CONTENTS).read_text(encoding="utf-8"))
        layout, contents = held.pop("layout"), Contents(**held)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{copy} is no copy of an installation ({type(error).__name__})") from None
    if layout != LAYOUT:
        raise ConfigError(f"{copy} is of another layout than this version makes")
    return contents
