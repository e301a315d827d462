"""What the center's catalog commands share: the desk, the release in force, and writing in one transaction."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import click
from confluent_kafka import KafkaException

from pipeline.center.cataloguing import Reported, reports_on
from pipeline.center.installation import Installation
from pipeline.cli import cluster
from pipeline.domain.calendar import Calendar
from pipeline.domain.catalog import Release
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER
from pipeline.domain.records import CatalogEntry
from pipeline.kafka.clients import Extra
from pipeline.province.access import user
from pipeline.province.calendar_files import load_calendar
from pipeline.settings import data_dir
from pipeline.stages import topics
from pipeline.stages.effects import Output
from pipeline.stages.reference import Reference

officer = click.option("--officer", default=user, help="Who decides; by default the operating system's user.")
"""Gives the command `officer: str`."""


@dataclass(frozen=True, slots=True)
class Desk:
    """The center's catalog as it stands: the topics read to their ends."""

    installation: Installation
    bootstrap: str
    extra: Extra
    reference: Reference
    reports: list[Reported]

    @property
    def current(self) -> Release | None:
        """The release in force."""
        return self.reference.current

    def write(self, outputs: Sequence[Output]) -> None:
        """Write all of it in one transaction, or raise ConfigError and nothing is changed."""
        from pipeline.app import publish

        try:
            publish(self.bootstrap, outputs, "hedx.center.catalog", extra=self.extra)
        except KafkaException as error:
            raise ConfigError(f"nothing is changed: {error.args[0].str()}") from error


@contextmanager
def opened_desk(bootstrap: str) -> Iterator[Desk]:
    """The desk, for this command alone: what one officer decides, another does not overtake. Raises ConfigError."""
    from pipeline.app import reference_for
    from pipeline.kafka.readers import read_table

    installation, extra = Installation(data_dir()), cluster.security(CENTER)
    with _alone(installation), reference_for(installation, bootstrap, extra) as reference:
        reports = reports_on(read_table(bootstrap, topics.DESK, extra=extra), reference.trust)
        yield Desk(installation, bootstrap, extra, reference, reports)


@contextmanager
def _alone(installation: Installation) -> Iterator[None]:
    with (installation.party(CENTER) / "catalog.lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError("another catalog command is at work on this desk: try again when it is done") from None
        yield


def check_retention(entries: Sequence[CatalogEntry]) -> None:
    """Refuse limits longer than the topics of topics.yaml keep requests, less 30 days. Raises ConfigError."""
    from pipeline.kafka.topic_rules import validate
    from pipeline.kafka.topology import TOPICS_FILE, load

    calendar = load_calendar(data_dir() / "calendar")
    longest = max((_longest(entry, calendar) for entry in entries), default=timedelta())
    problems = validate(load(TOPICS_FILE), longest)
    if problems:
        raise ConfigError("; ".join(map(str, problems)))


def _longest(entry: CatalogEntry, calendar: Calendar) -> timedelta:
    """How long a provider has under `entry` at most; with working days, around the longest holidays of the years known."""
    if entry["feedback_working_days"] is not None:
        return timedelta(milliseconds=calendar.longest(entry["feedback_working_days"]))
    return timedelta(seconds=entry["feedback_seconds"] or 0)
