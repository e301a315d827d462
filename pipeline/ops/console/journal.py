"""Everything that is done at the console, or was refused there, in the center's access log, before it is done."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pipeline.domain.errors import HedxError
from pipeline.province import access
from pipeline.province.database import access_log, transaction
from pipeline.stages.local import Access

SIGNED_IN: Final = "console_signed_in"
SIGNED_OUT: Final = "console_signed_out"
REFUSED: Final = "console_refused"
ACTED: Final = "console_acted"
OUTCOME: Final = "console_outcome"


class JournalClosed(HedxError):
    """The access log cannot be written, so nothing is done."""


@dataclass(frozen=True, slots=True)
class Noted:
    """One row. `name` is empty where nobody has signed in; `subject`: what it is about, a place or an application's id."""

    act: str
    principal: str
    serial: str
    name: str = ""
    what: str = ""
    subject: str = ""
    application_id: str = ""
    requester: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


class Journal:
    """The access log at `path`, which is made when it is not there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, noted: Noted, now: int) -> int:
        """Append a row, on the disk when this returns; gives its number. Raises JournalClosed."""
        detail = {
            "principal": noted.principal,
            "serial": noted.serial,
            **({"what": noted.what} if noted.what else {}),
            **({"subject": noted.subject} if noted.subject else {}),
            **noted.detail,
        }
        row = Access(noted.act, noted.application_id, noted.requester, "", "", detail)
        actor = f"console:{noted.name or '?'} ({noted.principal})"
        try:
            with closing(access_log(self._path)) as connection, transaction(connection):
                return access.record(connection, row, actor=actor, at=now)
        except (sqlite3.Error, OSError) as error:
            raise JournalClosed(f"{self._path} cannot be written: {error}") from error
