"""`hedx demo`: everything on this machine, from a filed application to verified dossiers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli import options
from pipeline.cli.crew import Crew, crew_figures
from pipeline.cli.demo_console import Console, start_console, want_figures
from pipeline.cli.dossier_table import show_dossiers, show_statuses
from pipeline.cli.exits import Exit
from pipeline.cli.facts import in_words
from pipeline.cli.output import emit, remark
from pipeline.cli.stopping import stop_on_signals
from pipeline.domain.dossiers import Dossier, count_by_status
from pipeline.domain.errors import ConfigError
from pipeline.settings import Language, data_dir

if TYPE_CHECKING:
    from pipeline.demo.preparation import Prepared
    from pipeline.province.casefile import CaseFile, Certificate

LIMIT = 120.0
"""Seconds the application may take before the demo says that it failed."""
SHOWN = 12
"""Households in the table; the files hold all."""
TEND = 0.2
"""Seconds between two looks at the processes that `--serve` keeps running."""

_CERTIFIED = {
    "zh": ("完整性证明 {digest}：签名验证通过，{whole}", "全部查询均已反馈。", "部分查询未获反馈（见上表“原因”）。"),
    "en": (
        "Certificate {digest}: verified; {whole}",
        "every sub-query was answered.",
        "some were not, see the reasons.",
    ),
}
_MORE = {"zh": "… 其余 {more} 户见 {file} 和 {other}", "en": "… and {more} households more in {file} and {other}"}
_SERVING = {
    "zh": "运行中，按 Ctrl-C 结束。在另一终端中：",
    "en": "Running until Ctrl-C. In a second terminal:",
}

_CONSOLE = {
    "zh": "控制台 {url}，用证书登录。请在浏览器中导入其一：",
    "en": "The console is at {url}; it asks for a certificate. Import one of these into your browser:",
}
_ROLES = {
    "zh": {"operator": "运维", "officer": "审核"},
    "en": {"operator": "operator", "officer": "officer "},
}
_PASSPHRASE = {
    "zh": "口令在同一文件夹的 passphrase 文件中；签发机构的证书是 {authorities}（见 docs/console.md）\n",
    "en": "The passphrase is in the file beside it, the authority to trust is {authorities} (docs/console.md)\n",
}

_MADE_UP = {
    "zh": "{year} 年的放假安排未知，演示所用为虚构",
    "en": "the working days of {year} are not known: they are made up for this demonstration",
}


@dataclass(frozen=True, slots=True)
class Running:
    """The demo's exchange while it runs."""

    folder: Path
    bootstrap: str
    prepared: Prepared
    crew: Crew

    def stop_adapter(self, party: str) -> None:
        """End a party's adapter, as if its machine were off."""
        self.crew.end(_adapter(party))

    def start_adapter(self, party: str) -> None:
        """Start a party's adapter."""
        self.crew.start(_adapter(party), "province", "run", "--party", party, "--bootstrap", self.bootstrap)

    @property
    def party(self) -> str:
        """The province that files the sample."""
        return self.prepared.sample.application["requester"]

    @property
    def category_names(self) -> dict[str, str]:
        """Category → the name its providers report."""
        from pipeline.demo.preparation import entries_of

        return {entry["category"]: entry["name"] for entry in entries_of(self.prepared.sample)}


@click.command()
@click.option("--serve", is_flag=True, help="File nothing: keep everything running until Ctrl-C, for your own forms.")
@click.option(
    "--story", is_flag=True, help="Go through the whole procedure on a simulated calendar, and tell each step."
)
@options.lang
@options.as_json
def command(serve: bool, story: bool, lang: Language, as_json: bool) -> Exit:
    """Start Kafka, the center, 部中心 and three provinces; file the sample application; print its dossiers.

    Runs in HEDX_HOME/demo (.hedx/demo), which is emptied first. Nothing is left running.
    """
    if serve and story:
        raise click.UsageError("--serve keeps everything running, --story ends by itself: take one of them")
    started = time.monotonic()
    folder = data_dir() / "demo"
    if story:
        return _story(folder, lang, as_json)
    if serve:
        want_figures()
    with exchange(folder) as running:
        if serve:
            _serve(running, lang, as_json)
            return Exit.FINE
        case, certificate, dossiers = _outcome(running)
    digest, complete = certificate.digest.hex(), certificate.result["complete"]
    facts = {
        "application_id": case.application_id,
        "persons": case.persons,
        "households": len(dossiers),
        "sub_queries": sum(status["count"] for status in certificate.result["statuses"]),
        "by_status": count_by_status(dossiers),
        "dossiers": len(dossiers),
        "certificate": {"digest": digest, "verified": True},
        "seconds": round(time.monotonic() - started, 1),
    }
    if as_json:
        emit(facts, as_json)
        return Exit.FINE
    names = running.category_names
    show_dossiers(dossiers[:SHOWN], names, lang)
    files = {"file": _from_here(folder / "dossiers.json"), "other": "dossiers.csv"}
    click.echo(_MORE[lang].format(more=len(dossiers) - SHOWN, **files))
    show_statuses(dossiers, names, lang)
    line, whole, partly = _CERTIFIED[lang]
    click.echo("\n" + line.format(digest=digest, whole=whole if complete else partly) + "\n")
    emit(in_words({key: value for key, value in facts.items() if key != "certificate"}, lang), as_json)
    return Exit.FINE


@contextmanager
def exchange(folder: Path, *, founded: bool = True) -> Iterator[Running]:
    """A fresh exchange in `folder`, running for as long as the block: Kafka, the center's stages, every party's adapter.

    `founded`: with catalog release 1, as if all had reported; else there is none yet. Raises ConfigError when a demo runs
    in `folder` already.
    """
    from pipeline.demo.preparation import entries_of, equip, prepare
    from pipeline.kafka.brokers import broker_from_environment

    _must_be_free(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.environ["HEDX_HOME"] = str(folder)  # of the processes started below
    with _step("keys, databases and the application's form"):
        prepared = prepare(folder)
    broker = broker_from_environment(folder / "broker", prepared.installation.transport(""))
    parties = prepared.sample.parties
    with ExitStack() as stack:
        with _step("Kafka"):
            stack.enter_context(broker)
        with _step("topics, trust entries" + (", catalog release 1" if founded else "")):
            equip(broker.bootstrap, prepared.installation, parties, entries_of(prepared.sample) if founded else ())
        crew = stack.enter_context(Crew(folder / "logs"))
        stack.enter_context(crew_figures("demo", prepared.installation, crew))
        with _step(f"the center's four stages and {len(parties)} adapters"):
            start_all(crew, broker.bootstrap, parties)
        yield Running(folder, broker.bootstrap, prepared, crew)


def _must_be_free(folder: Path) -> None:
    from pipeline.kafka.embedded import EmbeddedBroker

    if EmbeddedBroker(folder / "broker").is_running():
        home = _from_here(folder)
        raise ConfigError(f"a demo runs in {home} already: end it there, or with `HEDX_HOME={home} hedx broker stop`")


def start_all(crew: Crew, bootstrap: str, parties: Sequence[str]) -> None:
    """The center's stages and every party's adapter, a process each."""
    from pipeline.stages.names import STAGES

    for stage in STAGES:
        crew.start(stage, "center", "run", stage, "--bootstrap", bootstrap)
    for party in parties:
        crew.start(_adapter(party), "province", "run", "--party", party, "--bootstrap", bootstrap)


def _adapter(party: str) -> str:
    return f"province-{party}"


def _serve(running: Running, lang: Language, as_json: bool) -> None:
    """Say how to use it, and look after the processes until SIGTERM or Ctrl-C."""
    form, roster = running.prepared.form, running.prepared.roster
    stop = stop_on_signals()
    if as_json:
        facts = {"home": running.folder, "bootstrap": running.bootstrap, "form": form, "roster": roster}
        emit({**facts, "party": running.party}, as_json)
    else:
        remark(f"\n{_SERVING[lang]}\n")
        remark(f"  export HEDX_HOME={_from_here(running.folder)} HEDX_PARTY={running.party}")
        remark(f"  hedx apply submit {_from_here(form)} --roster {_from_here(roster)} --wait 60\n")
    installation, parties = running.prepared.installation, running.prepared.sample.parties
    console = start_console(running.crew, installation, running.bootstrap, parties, stop, running.crew.tend)
    if console is not None:
        _tell_console(console, lang, as_json)
    while not stop.wait(TEND):
        running.crew.tend()


def _tell_console(console: Console, lang: Language, as_json: bool) -> None:
    """The console's address, and how to get in."""
    if as_json:
        stores = {role: str(path) for role, path in console.keystores.items()}
        emit({"console": console.url, "keystores": stores, "authorities": console.authorities}, as_json)
        return
    remark(_CONSOLE[lang].format(url=console.url))
    for role, path in console.keystores.items():
        remark(f"  {_ROLES[lang][role]}  {_from_here(path)}")
    remark(_PASSPHRASE[lang].format(authorities=_from_here(console.authorities)))


def _story(folder: Path, lang: Language, as_json: bool) -> Exit:
    """The whole procedure, step by step. ConfigError at the first step that does not come out."""
    from pipeline.cli.main import run
    from pipeline.demo.clerk import Clerk, StoryFailed
    from pipeline.demo.story import Story
    from pipeline.demo.story_days import simulated_days
    from pipeline.demo.story_steps import tell
    from pipeline.demo.story_telling import Teller

    started = time.monotonic()
    _must_be_free(folder)
    teller = Teller(lang, remark if as_json else click.echo)
    with simulated_days(folder / "clock") as calendar, exchange(folder, founded=False) as running:
        os.environ["HEDX_BOOTSTRAP"] = running.bootstrap  # of the commands that the story runs
        logs = folder / "logs"
        for year in running.prepared.made_up_years:
            remark(_MADE_UP[lang].format(year=year))
        try:
            tell(Story(running.prepared, Clerk(run, logs / "commands.log"), calendar, running, teller))
        except StoryFailed as error:
            raise ConfigError(f"{error}; the logs are in {_from_here(logs)}") from error
    facts = {"steps": teller.steps, "seconds": round(time.monotonic() - started, 1)}
    emit(facts if as_json else in_words({"seconds": facts["seconds"]}, lang), as_json)
    return Exit.FINE


def _outcome(running: Running) -> tuple[CaseFile, Certificate, list[Dossier]]:
    """File the sample, wait for its dossiers and hand them over. ConfigError when it is rejected or takes too long."""
    from pipeline.cli.filing import await_result, offline_trust
    from pipeline.province.casefile import CaseFile
    from pipeline.province.database import connect
    from pipeline.province.handover import hand_over
    from pipeline.signer.client import open_identity

    installation, party = running.prepared.installation, running.party
    application_id = _file(running.prepared, running.bootstrap)
    remark(f"        filed {application_id} from {_from_here(running.prepared.form)}")
    if not await_result(installation, party, application_id, LIMIT):
        raise ConfigError(f"no result within {LIMIT:g} s; the logs are in {running.folder / 'logs'}")
    with (
        open_identity(installation.identity_folder(party)) as identity,
        closing(connect(installation.store(party))) as connection,
    ):
        case = CaseFile(connection, application_id, offline_trust(installation, party), identity)
        rejection, certificate = case.rejection(), case.certificate()
        if rejection is not None or certificate is None:
            raise ConfigError(f"the application was rejected: {rejection}")
        unit = case.mandate()["entrusting_unit"]
        hand_over(case, running.folder / "dossiers.json", "json", unit=unit)
        hand_over(case, running.folder / "dossiers.csv", "csv", unit=unit)
        return case, certificate, case.dossiers()


def _file(prepared: Prepared, bootstrap: str) -> str:
    """File the sample from its form and roster, as an official would."""
    from pipeline.app import reference_for
    from pipeline.cli.filing import put_in
    from pipeline.crypto.certificates import common_name
    from pipeline.kafka.clock import wall_clock
    from pipeline.kafka.security import client_security
    from pipeline.province.forms import load_form
    from pipeline.stages.clock import local_date

    sample = prepared.sample.application
    extra = client_security(prepared.installation.transport(common_name(sample["requester"])))
    with reference_for(prepared.installation, bootstrap, extra) as reference:
        assert reference.current is not None, "release 1 was just published"
        loaded = load_form(
            prepared.form,
            prepared.roster,
            release=reference.current,
            today=local_date(wall_clock()),
            requester=sample["requester"],
            application_id=sample["application_id"],
        )
        if loaded.application is None:
            raise ConfigError(f"the sample application has faults: {loaded.faults[:3]}")
        return put_in(prepared.installation, loaded.application, loaded.roster, reference)


def _from_here(path: Path) -> str:
    """The path as one would type it: relative when it lies below the current directory."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


@contextmanager
def _step(what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    remark(f"{time.monotonic() - started:5.1f} s  {what}")
