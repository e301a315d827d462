"""A provider's answers, looked up in its own SQL databases: one bulk look-up per resource and batch.

Read-only SQLAlchemy Core over whatever the provider file (`provider_files`) describes. What a provider refuses or
cannot answer now is a result like any other, not an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from pipeline.domain.errors import ConfigError, Retryable
from pipeline.domain.records import AdministrativeLevel, Period
from pipeline.kafka.clock import wall_clock
from pipeline.province.lookups import Lookup, Reading, split_table
from pipeline.province.provider_files import ProviderSpec, load_provider


@dataclass(frozen=True, slots=True)
class Standing:
    """What goes with every answer of a category: as-of date (ISO) and coverage.

    `region_codes`, `levels`: where fewer are covered than the catalog entry says; None: those of the entry.
    """

    as_of: str
    coverage: str
    region_codes: list[str] | None = None
    levels: list[AdministrativeLevel] | None = None


class Sources:
    """All resources of one provider on one database engine. Thread-safe as its engine is; `clock` gives ms."""

    def __init__(self, engine: sa.Engine, spec: ProviderSpec, clock: Callable[[], int] = wall_clock) -> None:
        self.spec = spec
        self._engine = engine
        self._clock = clock

    def check(self) -> None:
        """Compare the provider file with the database. Raises ConfigError listing every missing table and column."""
        inspector = sa.inspect(self._engine)
        faults = []
        for category, resource in self.spec.resources.items():
            schema, name = split_table(resource.table)
            if not (inspector.has_table(name, schema=schema) or name in inspector.get_view_names(schema=schema)):
                faults.append(f"{category}: no table {resource.table}")
                continue
            present = {column["name"] for column in inspector.get_columns(name, schema=schema)}
            faults += [f"{category}: no column {resource.table}.{c}" for c in resource.columns() if c not in present]
        if faults:
            raise ConfigError("\n".join(f"party {self.spec.party}: {fault}" for fault in faults))

    def standing(self, category: str) -> Standing:
        """What goes with every answer of this category. Raises KeyError."""
        resource = self.spec.resources[category]
        return Standing(resource.as_of.isoformat(), resource.coverage, resource.region_codes, resource.levels)

    def outage(self, category: str) -> tuple[int, str | None] | None:
        """Until when (ms) a category cannot be answered, and why if the file says it; None when it can. Raises KeyError."""
        resource = self.spec.resources[category]
        if resource.unavailable_until is None:
            return None
        until = int(resource.unavailable_until.timestamp() * 1000)
        return (until, resource.because) if self._clock() < until else None

    def lookup(self, category: str, period: Period, document_numbers: Sequence[str]) -> Lookup:
        """What is on record about each subject (see `domain.subjects`) in `period`; entries in a fixed order.

        Raises Retryable when the database does not answer; its message holds no personal data.
        """
        resource = self.spec.resources.get(category)
        if resource is None:
            return Lookup(refused_all="category_not_offered")
        if resource.refuse is not None:
            return Lookup(refused_all=resource.refuse)
        if resource.dates is None and period["kind"] != "latest":
            return Lookup(refused_all="period_not_covered")
        away = self.outage(category)
        if away is not None:
            return Lookup(unavailable_until=away[0], because=away[1])
        try:
            return Reading(resource, period, document_numbers).run(self._engine)
        except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
            # from None: the driver's error would carry the numbers asked for into the log
            raise Retryable(f"{category}: the database did not answer ({type(error).__name__})") from None


def open_sources(spec_file: Path, database_url: str) -> Sources:
    """The sources of one provider from its file and database URL, compared with each other.

    Raises ConfigError when the file is wrong or the database lacks what it names. Errors of this engine never show
    bound values (document numbers), and none shows the URL, for a password may stand in it.
    """
    try:
        engine = sa.create_engine(database_url, hide_parameters=True)
        sources = Sources(engine, load_provider(spec_file))
        sources.check()
    except ImportError as error:
        raise ConfigError(f"{spec_file}: the database's driver {error.name} is not installed") from None
    except (
        sa.exc.SQLAlchemyError,
        ValueError,
    ) as error:  # ValueError: of a URL that is none, quoting what it took for a port
        raise ConfigError(f"{spec_file}: the database cannot be opened ({type(error).__name__})") from None
    return sources


def sqlite_url(path: Path) -> str:
    """URL of a SQLite file, opened read-only (a provider's look-ups never write)."""
    return f"sqlite:///file:{path.resolve()}?mode=ro&uri=true"
