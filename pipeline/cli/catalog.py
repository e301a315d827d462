"""`hedx catalog`: the resource catalog (资源目录): read it, report to it, and at the center review, publish and prune it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click

from pipeline.center.installation import Installation
from pipeline.cli import cluster, options
from pipeline.cli.catalog_publishing import preview, prune, publish
from pipeline.cli.catalog_review import review
from pipeline.cli.catalog_words import as_data, as_lines, fault_data
from pipeline.cli.exits import Exit
from pipeline.cli.filing import offline_trust
from pipeline.cli.output import emit, remark
from pipeline.crypto.certificates import common_name
from pipeline.domain.catalog import Release
from pipeline.domain.catalog_changes import changes, compose, news
from pipeline.domain.catalog_checks import check_listing, check_report
from pipeline.domain.coverage import coverage_of, coverage_words
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import provider_name
from pipeline.domain.records import CatalogEntry, CatalogItem, CatalogReport
from pipeline.domain.wording import Language, explain
from pipeline.kafka.clock import wall_clock
from pipeline.province.catalog_reports import OwnReport, file_report, own_reports
from pipeline.province.database import connect
from pipeline.province.store import Store
from pipeline.settings import data_dir
from pipeline.signer.client import open_identity
from pipeline.stages.clock import local_time

_EXISTING = click.Path(path_type=Path, exists=True, dir_okay=False)
_LISTED = (
    "release",
    "category",
    "provider",
    "region",
    "as_of",
    "update_cycle",
    "feedback_working_days",
    "feedback_seconds",
)
_archive = click.option("--archive", type=_EXISTING, help="An archive file of a release that is off the topic (prune).")
_release = click.option("--release", type=int, help="Number of the release; the newest by default.")


@click.group()
def command() -> None:
    """The resource catalog: what each provider offers, in numbered releases (Art. 12, 13)."""


for _command in (review, preview, publish, prune):
    command.add_command(_command)


@command.command("list")
@_release
@_archive
@cluster.bootstrap_later
@options.as_json
def list_(release: int | None, archive: Path | None, bootstrap: str | None, as_json: bool) -> None:
    """List what a release offers, by category and provider."""
    rows = [
        {key: entry[key] for key in _LISTED} | {"name": entry["name"]}  # type: ignore[literal-required]
        for entry in _entries(bootstrap, release, archive)
    ]
    emit(rows, as_json)


@command.command()
@click.argument("provider")
@click.argument("category")
@_release
@_archive
@cluster.bootstrap_later
@options.lang
@options.as_json
def show(
    provider: str,
    category: str,
    release: int | None,
    archive: Path | None,
    bootstrap: str | None,
    lang: Language,
    as_json: bool,
) -> None:
    """Show one entry whole: PROVIDER by code, CATEGORY by id or Chinese name."""
    for entry in _entries(bootstrap, release, archive):
        if entry["provider"] == provider and category in (entry["category"], entry["name"]):
            words = {
                "provider": provider_name(provider),
                "coverage": coverage_words(coverage_of(entry), lang),
                "items": [_item_words(item, lang) for item in entry["items"]],
            }
            emit(entry if as_json else {**entry, **words}, as_json)
            return
    raise ConfigError(f"the release has no entry of {provider} for {category}")


def _item_words(item: CatalogItem, lang: Language) -> str:
    required = ("必有" if lang == "zh" else "required") if item["required"] else ""
    return "  ".join(filter(None, (item["item"], item["name"], item["type"], required)))


@command.command()
@click.argument("file", type=_EXISTING)
@click.option(
    "--retire", multiple=True, help="A category that is no longer offered, by id or Chinese name; repeatable."
)
@options.party
@cluster.bootstrap
@options.lang
@options.as_json
def report(file: Path, retire: tuple[str, ...], party: str, bootstrap: str, lang: Language, as_json: bool) -> Exit:
    """Report to the center what the party's FILE (YAML) offers other than the catalog says, and what it retires.

    FILE lists all that the party offers; a change needs a higher version. Everything wrong is told at once, and then
    nothing is reported. The party's adapter (`hedx province run`) sends it; hedx catalog reports shows what became of it.
    """
    from pipeline.app import reference_for
    from pipeline.province.catalog_files import load_entries

    installation = Installation(data_dir())
    entries = load_entries(file)
    if entries[0]["provider"] != party:
        raise ConfigError(f"{file}: reports for party {entries[0]['provider']}, and you are {party}")
    with reference_for(installation, bootstrap, cluster.security(common_name(party))) as reference:
        current = reference.current
    gone = list(dict.fromkeys(category if current is None else current.category_from(category) for category in retire))
    fresh = news(entries, current)
    faults = [*check_listing(party, entries, gone, current), *check_report(party, fresh, gone, current)]
    if faults:
        emit({"faults": fault_data(faults, lang)} if as_json else [explain(fault, lang) for fault in faults], as_json)
        return Exit.FAILED
    with (
        open_identity(installation.identity_folder(party)) as identity,
        closing(connect(installation.store(party))) as connection,
    ):
        act = file_report(Store(connection, identity), identity, fresh, gone, wall_clock())
    filed = CatalogReport(party=party, number=act.record["number"], entries=fresh, retire=gone, at=act.at)
    found = changes(current, compose(current, [filed]))
    if as_json:
        emit({"report": filed["number"], "digest": act.digest.hex(), **as_data(found)}, as_json)
    else:
        remark(f"report {filed['number']} is on its way; hedx catalog reports shows what became of it")
        emit(as_lines(found, lang), as_json)
    return Exit.FINE


@command.command()
@options.party
@options.as_json
def reports(party: str, as_json: bool) -> None:
    """List the party's own reports and what the center decided about each."""
    installation = Installation(data_dir())
    with closing(connect(installation.store(party))) as connection:
        found = own_reports(connection, party, offline_trust(installation, party))
    emit([_own(one, as_json) for one in found] or ([] if as_json else "nothing was reported yet"), as_json)


def _own(one: OwnReport, as_json: bool) -> dict[str, object]:
    decision = one.decision
    state = "waits" if decision is None else "published" if decision["accepted"] else "refused"
    return {
        "report": one.report["number"],
        "sent_at": one.sent_at if as_json else local_time(one.sent_at),
        "entries": len(one.report["entries"]),
        "retire": one.report["retire"] if as_json else ", ".join(one.report["retire"]),
        "state": state,
        "release": None if decision is None else decision["release"],
        "reason": None if decision is None else decision["reason"],
    }


def _entries(bootstrap: str | None, number: int | None, archive: Path | None) -> Sequence[CatalogEntry]:
    release = _read(bootstrap, number) if archive is None else _archived(archive, number)
    return sorted(release.entries.values(), key=lambda entry: (entry["category"], entry["provider"]))


def _read(bootstrap: str | None, number: int | None) -> Release:
    from pipeline.app import reference_for

    installation = Installation(data_dir())
    with reference_for(installation, cluster.resolve(bootstrap), cluster.readers_security()) as reference:
        release = reference.current if number is None else reference.release(number)
    if release is None:
        raise ConfigError("no catalog release is published yet" if number is None else f"no release {number}")
    return release


def _archived(path: Path, number: int | None) -> Release:
    from pipeline.center.catalog_archive import open_archive

    found = open_archive(path.read_bytes(), Installation(data_dir()).anchor().roots)
    remark(f"release {found.release.number} of {local_time(found.published_at)}: whole, and signed by the center")
    if number is not None and number != found.release.number:
        raise ConfigError(f"{path} holds release {found.release.number}")
    return found.release
