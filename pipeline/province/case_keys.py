"""The locked keys of a party's applications, one file each, apart from the database so that they can be destroyed.

The database and every back-up of it hold ciphertext only. A file here, opened by the party's encrypt key, is what reads
them; once it is gone nothing does. Back up this folder apart from the database, or not at all.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.crypto.keystore import destroy, write_durably
from pipeline.domain.errors import ConfigError

ORPHAN_AGE = 7 * 24 * 3600 * 1000
"""How long (ms) keys of an application that the store does not know are left alone, from when that was first noticed.

They open nothing, unless somebody has put an older copy of the database in place by mistake.
"""
_NOTICED = ".orphans"
"""File of the folder: since when keys are noticed that the store does not know, a JSON object of id -> ms."""
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")


@dataclass(frozen=True, slots=True)
class CaseKeyFolder:
    """`parties/<party>/keys/`: a file an application, named by its id, mode 0600."""

    folder: Path

    @classmethod
    def beside(cls, connection: sqlite3.Connection) -> CaseKeyFolder:
        """The folder `keys` next to a store's database file. Raises ConfigError for a database without a file."""
        file = next(row[2] for row in connection.execute("PRAGMA database_list") if row[1] == "main")
        if not file:
            raise ConfigError("a store needs a file: keys of applications lie beside it")
        return cls(Path(file).parent / "keys")

    def write(self, application_id: str, locked: bytes) -> None:
        """Put an application's locked keys on the disk, whole or not at all; what was there before is replaced."""
        self.folder.mkdir(exist_ok=True, mode=0o700)
        write_durably(self._path(application_id), locked)

    def read(self, application_id: str) -> bytes:
        """An application's locked keys. Raises ConfigError when they are not here (any more)."""
        try:
            return self._path(application_id).read_bytes()
        except FileNotFoundError:
            raise ConfigError(f"the keys of application {application_id} are not in {self.folder}") from None

    def holds(self, application_id: str) -> bool:
        """Whether an application's keys are here."""
        return self._path(application_id).exists()

    def destroy(self, application_id: str) -> bool:
        """Overwrite and remove an application's keys, and make it last; tells whether they were there."""
        held = self.holds(application_id)
        if held:
            destroy(self._path(application_id))
        return held

    def clean(self, connection: sqlite3.Connection, now: int) -> int:
        """Destroy what crashes left: keys of shredded applications, half-written files, and after `ORPHAN_AGE` others.

        Inside the caller's transaction, which keeps others from filing meanwhile. Returns how many files went. `now`: ms.
        """
        known: dict[str, int | None] = dict(connection.execute("SELECT application_id, shredded_at FROM application"))
        files = list(self._files())
        noticed = self._notice([path.name for path in files if _NAME.fullmatch(path.name)], known, now)
        gone = [path for path in files if _is_left(path, known, noticed, now)]
        for path in gone:
            destroy(path)
        return len(gone)

    def _notice(self, names: Iterable[str], known: Mapping[str, int | None], now: int) -> dict[str, int]:
        """Since when each key that the store does not know is noticed (ms), on the disk before anything follows from it.

        What is known (again) is forgotten here: noticed another time, it waits from then. A file that does not read begins anew.
        """
        path = self.folder / _NOTICED
        held = _read_noticed(path)
        noticed = {name: min(held.get(name, now), now) for name in names if name not in known}
        if not noticed:
            path.unlink(missing_ok=True)
        elif noticed != held:
            write_durably(path, json.dumps(noticed, sort_keys=True).encode())
        return noticed

    def _files(self) -> Iterator[Path]:
        if self.folder.is_dir():
            yield from (path for path in self.folder.iterdir() if path.is_file() and path.name != _NOTICED)

    def _path(self, application_id: str) -> Path:
        if not _NAME.fullmatch(application_id):
            raise ConfigError("an application's id is letters, digits, - and _, 64 at most")
        return self.folder / application_id


def _is_left(path: Path, known: Mapping[str, int | None], noticed: Mapping[str, int], now: int) -> bool:
    if path.name in known:
        return known[path.name] is not None
    return path.name.startswith(".") or noticed.get(path.name, now) < now - ORPHAN_AGE


def _read_noticed(path: Path) -> dict[str, int]:
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return {name: at for name, at in found.items() if isinstance(at, int)} if isinstance(found, dict) else {}
