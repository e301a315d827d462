"""`hedx catalog`: the resource catalog (资源目录)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from pipeline.center.installation import Installation
from pipeline.cli import cluster, options
from pipeline.cli.output import emit, remark
from pipeline.domain.calendar import Calendar
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER, provider_name
from pipeline.domain.records import CatalogEntry
from pipeline.kafka.clock import wall_clock
from pipeline.province.calendar_files import load_calendar
from pipeline.settings import data_dir
from pipeline.signer.client import open_identity


@click.group()
def command() -> None:
    """The resource catalog: what each provider offers, in numbered releases (Art. 12, 13)."""


@command.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@cluster.bootstrap
@options.as_json
def publish(files: tuple[Path, ...], bootstrap: str, as_json: bool) -> None:
    """Publish the entries of FILES (one YAML file a party) as the next release, in one transaction.

    Refused when a feedback limit is longer than the topics of topics.yaml keep requests, less 30 days.
    """
    from pipeline.app import publish as write
    from pipeline.app import reference_for
    from pipeline.province.catalog_files import load_entries
    from pipeline.stages.reference import publish_catalog

    installation = Installation(data_dir())
    entries = [entry for path in files for entry in load_entries(path)]
    _check_retention(entries)
    extra = cluster.security("center")
    with reference_for(installation, bootstrap, extra) as reference:
        number = 1 + max(reference.releases(), default=0)
    with open_identity(installation.identity_folder(CENTER)) as identity:
        outputs = publish_catalog(number, entries, identity.signer, wall_clock())
    write(bootstrap, outputs, "hedx.center.catalog", extra=extra)
    if not as_json:
        remark(f"release {number} published")
    emit({"release": number, "entries": len(entries)}, as_json)


@command.command("list")
@click.option("--release", type=int, help="Number of the release; the newest by default.")
@cluster.bootstrap
@options.as_json
def list_(release: int | None, bootstrap: str, as_json: bool) -> None:
    """List what a release offers, by category and provider."""
    entries = _entries(bootstrap, release)
    limits = ("feedback_working_days", "feedback_seconds")
    keys = ("release", "category", "provider", "region", "as_of", "update_cycle", *limits)
    rows = [{key: entry[key] for key in keys} | {"name": entry["name"]} for entry in entries]  # type: ignore[literal-required]
    emit(rows, as_json)


@command.command()
@click.argument("provider")
@click.argument("category")
@click.option("--release", type=int, help="Number of the release; the newest by default.")
@cluster.bootstrap
@options.as_json
def show(provider: str, category: str, release: int | None, bootstrap: str, as_json: bool) -> None:
    """Show one entry whole: PROVIDER by code, CATEGORY by id or Chinese name."""
    for entry in _entries(bootstrap, release):
        if entry["provider"] == provider and category in (entry["category"], entry["name"]):
            emit(entry if as_json else {**entry, "provider": provider_name(provider)}, as_json)
            return
    raise ConfigError(f"the release has no entry of {provider} for {category}")


def _check_retention(entries: list[CatalogEntry]) -> None:
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


def _entries(bootstrap: str, number: int | None) -> list[CatalogEntry]:
    from pipeline.app import reference_for

    with reference_for(Installation(data_dir()), bootstrap, cluster.readers_security()) as reference:
        release = reference.current if number is None else reference.release(number)
    if release is None:
        raise ConfigError("no catalog release is published yet" if number is None else f"no release {number}")
    return sorted(release.entries.values(), key=lambda entry: (entry["category"], entry["provider"]))
