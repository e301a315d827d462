"""`hedx center`: the center's processors."""

from __future__ import annotations

from contextlib import closing

import click

from pipeline import logs
from pipeline.center.installation import Installation
from pipeline.cli import cluster, options
from pipeline.cli.crew import Crew, crew_figures
from pipeline.cli.dossier_table import show_dossiers, show_statuses
from pipeline.cli.output import emit
from pipeline.cli.stopping import stop_on_signals
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.domain.wording import Language
from pipeline.kafka.clock import wall_clock
from pipeline.settings import data_dir
from pipeline.signer.client import open_identity
from pipeline.stages.names import STAGES


@click.group()
def command() -> None:
    """The center's processors: intake, applications (admit, dispatch, certify), collect, join."""


@command.command()
@click.argument("stages", nargs=-1, type=click.Choice(STAGES))
@click.option("--processes", type=click.IntRange(1, 64), default=1, help="Processes for each stage.")
@click.option(
    "--slot", type=click.IntRange(0), help="Number of each stage's first worker here, when others run elsewhere."
)
@cluster.bootstrap
def run(stages: tuple[str, ...], processes: int, slot: int | None, bootstrap: str) -> None:
    """Run STAGES (all by default) until stopped.

    One stage with one process runs in this process; otherwise each worker is a process of its own, started again when
    it fails. Start as many of these commands as you like: Kafka shares the work out. Workers of a stage on one machine
    find numbers of their own; on several machines give each a range of its own with --slot.
    """
    stop = stop_on_signals()
    alone = len(stages) == 1 and processes == 1
    logs.configure(f"center.{stages[0]}" if alone else "center")
    if alone:
        from pipeline.app import run_stage

        run_stage(stages[0], Installation(data_dir()), bootstrap, stop, number=slot, extra=cluster.security("center"))
        return
    with Crew() as crew, crew_figures("center", Installation(data_dir()), crew):
        for stage in stages or STAGES:
            for number in range(processes):
                own = () if slot is None else ("--slot", str(slot + number))
                crew.start(f"{stage}.{number}", "center", "run", stage, "--bootstrap", bootstrap, *own)
        while not stop.wait(0.2):
            crew.tend()


@command.command("open")
@click.argument("application_id")
@cluster.bootstrap
@options.lang
@options.as_json
def open_(application_id: str, bootstrap: str, lang: Language, as_json: bool) -> None:
    """Open the result of APPLICATION_ID into its dossiers, where its mandate has them sealed to the center too."""
    from pipeline.app import reference_for
    from pipeline.center.opening import ACCESS_LOG, open_logged, read_material
    from pipeline.province.database import access_log

    installation = Installation(data_dir())
    extra = cluster.security("center")
    material = read_material(bootstrap, application_id, extra)
    with (
        open_identity(installation.identity_folder(CENTER)) as identity,
        closing(access_log(installation.party(CENTER) / ACCESS_LOG)) as log,
        reference_for(installation, bootstrap, extra) as reference,
    ):
        try:
            dossiers = open_logged(material, identity, reference, log, now=wall_clock())
        except InvalidMessage as error:
            if error.code != "not_a_recipient":
                raise
            raise ConfigError(f"the answers of {application_id} are not sealed to the center") from error
    if as_json:
        emit(dossiers, as_json)
        return
    show_dossiers(dossiers, {}, lang)
    show_statuses(dossiers, {}, lang)
