"""The locked keys of a party's applications, one file each, apart from the database so that they can be destroyed.

The database and every back-up of it hold ciphertext only. A file here, opened by the party's encrypt key, is what reads
them; once it is gone nothing does. Back up this folder apart from the database, or not at all.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.crypto.keystore import destroy, write_durably
from pipeline.domain.errors import ConfigError

ORPHAN_AGE = 7 * 24 * 3600 * 1000
"""How long (ms) keys of an application that the store does not know are left alone.

They open nothing, unless somebody has put an older copy of the database in place by mistake.
"""
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
        gone = [path for path in self._files() if _is_left(path, known, now)]
        for path in gone:
            destroy(path)
        return len(gone)

    def _files(self) -> Iterator[Path]:
        if self.folder.is_dir():
            yield from (path for path in self.folder.iterdir() if path.is_file())

    def _path(self, application_id: str) -> Path:
        if not _NAME.fullmatch(application_id):
            raise ConfigError("an application's id is letters, digits, - and _, 64 at most")
        return self.folder / application_id


def _is_left(path: Path, known: Mapping[str, int | None], now: int) -> bool:
    if path.name in known:
        return known[path.name] is not None
    return path.name.startswith(".") or path.stat().st_mtime * 1000 < now - ORPHAN_AGE
