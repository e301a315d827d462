"""How long documents are kept (保管期限): whole years after the application is closed, by business category (Art. 9).

The national file is `deploy/evidence/retention.yaml`; a province's own may lengthen what it says, and never shorten it.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from pipeline.domain.errors import ConfigError
from pipeline.kafka.strict_yaml import read_strict
from pipeline.stages.clock import CHINA, local_date

NAME: Final = "retention.yaml"
_Years = Annotated[int, Field(ge=1, le=100)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    default_years: _Years
    categories: dict[str, _Years] = {}


@dataclass(frozen=True, slots=True)
class Retention:
    """Years by business category (业务类别)."""

    default_years: int
    categories: dict[str, int]

    def years(self, business_category: str) -> int:
        """How many years a document of this category is kept after the close."""
        return self.categories.get(business_category, self.default_years)


def load_retention(own: Path | None = None) -> Retention:
    """The national periods, lengthened by the province's `own` file where there is one.

    Raises ConfigError for a file that cannot be read, or that would keep documents for less long.
    """
    base = _read(national())
    if own is None or not own.exists():
        return base
    given = _read(own)
    shorter = [name for name in (*base.categories, *given.categories) if given.years(name) < base.years(name)]
    if given.default_years < base.default_years or shorter:
        raise ConfigError(
            f"{own}: keeps documents for less long than the national file ({', '.join(shorter) or 'default'})"
        )
    return given


def national() -> Path:
    """The national file: inside the installed package, or in a checkout's deploy/. Raises ConfigError."""
    package = Path(__file__).resolve().parents[1]
    for candidate in (package / "evidence" / NAME, package.parent / "deploy" / "evidence" / NAME):
        if candidate.is_file():
            return candidate
    raise ConfigError(f"the retention periods (deploy/evidence/{NAME}) are not installed with this package")


def own_file(home: Path) -> Path:
    """Where a province keeps its own retention periods, in its installation's folder."""
    return home / "evidence" / "retention.yaml"


def kept_until(closed_at: int, years: int) -> int:
    """The last instant (ms) of the period that begins with the China day of `closed_at` (ms)."""
    day = local_date(closed_at)
    try:
        last = day.replace(year=day.year + years)
    except ValueError:  # the 29th of February
        last = dt.date(day.year + years, 3, 1)
    return int(dt.datetime.combine(last + dt.timedelta(days=1), dt.time(), CHINA).timestamp() * 1000) - 1


def closed_at(connection: sqlite3.Connection, application_id: str) -> int | None:
    """When a party's application came to its end (ms); None while it is open.

    With its newest certificate, else its rejection, else its withdrawal.
    """
    query = (
        "SELECT coalesce((SELECT max(received_at) FROM result WHERE application_id = ?1),"
        " (SELECT rejected_at FROM application WHERE application_id = ?1),"
        " (SELECT max(at) FROM history WHERE application_id = ?1 AND state = 'withdrawn'))"
    )
    found: int | None = connection.execute(query, (application_id,)).fetchone()[0]
    return found


def _read(path: Path) -> Retention:
    found = read_strict(path, _File, _File.model_fields)
    return Retention(found.default_years, found.categories)
