"""`hedx catalog preview | publish | prune`: numbered releases, at the center."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.center.catalog_archive import archive, horizons, tombstones
from pipeline.center.cataloguing import Plan, plan, publication
from pipeline.center.open_applications import read_open_applications
from pipeline.cli import cluster, options
from pipeline.cli.catalog_desk import Desk, check_retention, officer, opened_desk
from pipeline.cli.catalog_words import plan_data, plan_lines
from pipeline.cli.exits import Exit
from pipeline.cli.output import emit, remark
from pipeline.crypto.keystore import write_durably
from pipeline.domain.catalog_changes import OpenApplication, changes
from pipeline.domain.catalog_checks import check_names
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER
from pipeline.domain.wording import Language
from pipeline.kafka.clock import wall_clock
from pipeline.signer.client import open_identity
from pipeline.stages import topics

DAY = 24 * 3600 * 1000


@click.command()
@cluster.bootstrap
@options.lang
@options.as_json
def preview(bootstrap: str, lang: Language, as_json: bool) -> Exit:
    """Show the next release: what the accepted reports change, and which open applications that concerns. Exits 2 with faults."""
    with opened_desk(bootstrap) as desk:
        planned = _plan(desk)
    emit(plan_data(planned, lang) if as_json else plan_lines(planned, lang), as_json)
    return Exit.DRIFT if planned.faults else Exit.FINE


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--yes", is_flag=True, help="Do not ask.")
@officer
@cluster.bootstrap
@options.lang
@options.as_json
def publish(files: tuple[Path, ...], yes: bool, officer: str, bootstrap: str, lang: Language, as_json: bool) -> None:
    """Publish the next release: the one in force, with the accepted reports put in (hedx catalog review).

    Shows first what changes and which open applications that concerns, and asks. One transaction writes the release, its
    manifest, and the signed decisions for the parties. The founding release may be made of FILES instead, one YAML
    file a party. Refused when a feedback limit is longer than the topics of topics.yaml keep requests, less 30 days.
    """
    from pipeline.province.catalog_files import load_release

    founding = load_release(files) if files else None
    if founding is not None:
        check_retention(list(founding.entries.values()))
    with opened_desk(bootstrap) as desk, open_identity(desk.installation.identity_folder(CENTER)) as center:
        if founding is None:
            planned = _plan(desk)
            check_retention(planned.entries)
        elif desk.current is None:
            entries = [founding.entries[key] for key in sorted(founding.entries)]
            faults = [("", fault) for fault in check_names(entries)]
            planned = Plan(1, entries, changes(None, entries), [], [], faults)
        else:
            raise ConfigError(
                f"release {desk.current.number} is in force: files are for the founding release only; parties report their"
                " changes (hedx catalog report)"
            )
        if not as_json:
            for line in plan_lines(planned, lang):
                remark(line)
        outputs = publication(planned, officer, center.signer, wall_clock())
        if founding is None and not yes and not click.confirm("publish it?", err=True):
            raise ConfigError("nothing is published")
        desk.write(outputs)
    emit(plan_data(planned, lang) if as_json else {"release": planned.number, "entries": len(planned.entries)}, as_json)


@click.command()
@click.option(
    "--older-than",
    type=click.IntRange(1),
    help="Days since a release was replaced; by default, and at least, as long as results are kept.",
)
@click.option(
    "--archive",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Where the archive files go.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@cluster.bootstrap
@options.as_json
def prune(older_than: int | None, folder: Path, yes: bool, bootstrap: str, as_json: bool) -> Exit:
    """Take old releases off the topic, each after its archive file is on the disk: FOLDER/catalog-N.cbor.

    A release stays while an application accepted under it is open, and until it was replaced as long ago as results are
    kept (hedx.center.results in topics.yaml), so that whoever reads a result finds its catalog. Exits 2 when none may go.
    """
    from pipeline.kafka.readers import read_table

    kept = _days_kept()
    days = kept if older_than is None else older_than
    if days < kept:
        raise ConfigError(f"results are kept for {kept} days, and so are the releases that they rest on")
    with opened_desk(bootstrap) as desk:
        trust = desk.reference.trust
        rows = read_table(bootstrap, topics.CATALOG, extra=desk.extra)
        found = horizons(rows, _applications(desk), trust, older_than=days * DAY, now=wall_clock())
        going = [horizon.number for horizon in found if horizon.why_not is None]
        if not as_json:
            for horizon in found:
                remark(f"release {horizon.number}: {horizon.why_not or 'is archived and taken off the topic'}")
        if going and not yes and not click.confirm(f"take {len(going)} releases off the topic?", err=True):
            raise ConfigError("nothing is taken off")
        files = {number: archive(rows, number, trust) for number in going}
        for number, content in files.items():
            folder.mkdir(parents=True, exist_ok=True)
            write_durably(folder / f"catalog-{number}.cbor", content)
        if going:
            desk.write([output for number in going for output in tombstones(rows, number)])
    stay = {str(horizon.number): horizon.why_not for horizon in found if horizon.why_not is not None}
    emit({"archived": [str(folder / f"catalog-{number}.cbor") for number in going], "kept": stay}, as_json)
    return Exit.FINE if going else Exit.DRIFT


def _plan(desk: Desk) -> Plan:
    if desk.current is None and not any(reported.is_accepted for reported in desk.reports):
        raise ConfigError(
            "there is no release yet: accept the parties' reports (hedx catalog review), or publish the founding one from"
            " files (hedx catalog publish FILES)"
        )
    return plan(desk.current, desk.reports, _applications(desk))


def _applications(desk: Desk) -> list[OpenApplication]:
    return read_open_applications(desk.bootstrap, desk.reference.release, desk.extra)


def _days_kept() -> int:
    """Days that hedx.center.results keeps a result."""
    from pipeline.kafka.topology import TOPICS_FILE, load

    [spec] = [topic for topic in load(TOPICS_FILE).topics if topic.name == topics.RESULTS]
    return int(spec.config["retention.ms"]) // DAY
