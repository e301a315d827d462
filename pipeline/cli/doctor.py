"""`hedx doctor`: what is about to expire, or wrong, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from pipeline.center.installation import Installation
from pipeline.cli import cluster, options
from pipeline.cli.exits import Exit
from pipeline.cli.output import emit, remark
from pipeline.cli.trust_words import labelled
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER
from pipeline.domain.wording import Language
from pipeline.kafka.clock import wall_clock
from pipeline.ops import textfile
from pipeline.ops.health import Facts, Finding, examine, is_healthy
from pipeline.ops.health_facts import gather
from pipeline.ops.health_probes import PROBES, look_around
from pipeline.ops.health_site import Site
from pipeline.ops.health_words import cure, told
from pipeline.settings import data_dir

FILES = "files"
"""What `--only` calls certificates, revocation list, seal keys and keystores of this installation."""


@click.command()
@click.option(
    "--only",
    multiple=True,
    type=click.Choice((FILES, *PROBES)),
    help="Look at this alone (repeatable).",
)
@click.option("--offline", is_flag=True, help="Ask no broker: only what this machine itself says.")
@click.option(
    "--metrics",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write them for Prometheus' node_exporter (textfile collector).",
)
@cluster.bootstrap_later
@options.lang
@options.as_json
def command(
    only: Sequence[str], offline: bool, metrics: Path | None, bootstrap: str | None, lang: Language, as_json: bool
) -> Exit:
    """Look at this installation and its cluster; each finding comes with its cure.

    Certificates (60, 30 and 7 days before their end), keystores, brokers (names, TLS, certificates), rights, drift,
    schemas, clock, disks, versions, calendar, the officer's desk, dead letters. Nothing is changed anywhere. Exits 10 when there is a
    warning or an alarm; notices are for the calendar.
    """
    if not data_dir().is_dir():
        raise ConfigError(f"{data_dir()} is not there: set HEDX_HOME to the folder of this installation")
    facts = _facts(Installation(data_dir()), only, None if offline else _bootstrap(bootstrap))
    findings = examine(facts)
    if metrics is not None:
        textfile.write(metrics, textfile.render(facts, findings))
    healthy = is_healthy(findings)
    if as_json:
        public = [_public(each, lang) for each in findings]
        looked = {"looked_at": list(facts.seen.looked), "not_looked_at": _left_out(facts, only)}
        emit({"healthy": healthy, **looked, "findings": public}, as_json)
    else:
        _show(facts, findings, lang)
        _tell_looked(facts, _left_out(facts, only), lang)
    return Exit.FINE if healthy else Exit.UNHEALTHY


def _bootstrap(named: str | None) -> str | None:
    """The cluster named, or the embedded broker that runs; None when there is neither, and nothing to ask."""
    try:
        return cluster.resolve(named)
    except ConfigError:
        return None


def _facts(installation: Installation, only: Sequence[str], bootstrap: str | None) -> Facts:
    """What the installation's files say, and what the probes see."""
    facts = Facts(wall_clock()) if only and FILES not in only else gather(installation, wall_clock())
    probes = [name for name in only if name != FILES]
    if only and not probes:
        return facts
    site = Site(installation, wall_clock, bootstrap, _parties(installation))
    return replace(facts, seen=look_around(site, probes))


def _parties(installation: Installation) -> tuple[str, ...] | None:
    """Which of the file's parties the cluster is for: HEDX_PARTIES, else those that are registered; None: all."""
    named = os.environ.get("HEDX_PARTIES")
    if named:
        return tuple(party.strip() for party in named.split(",") if party.strip())
    if not installation.has_registry():
        return None
    with installation.registry() as registry:
        return tuple(member.party for member in registry.members() if member.party != CENTER)


def _public(finding: Finding, lang: Language) -> dict[str, object]:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "subject": finding.subject,
        **finding.args,
        "finding": told(finding, lang),
        "cure": cure(finding, lang),
    }


def _show(facts: Facts, findings: list[Finding], lang: Language) -> None:
    if not findings:
        emit("all is well" if lang == "en" else "一切正常", as_json=False)
    else:
        rows = [
            labelled({"severity": each.severity, "finding": told(each, lang), "cure": cure(each, lang)}, lang)
            for each in findings
        ]
        emit(rows, as_json=False)
    counts = len(facts.certificates), len(facts.seal_keys), len(facts.files)
    said = (
        "looked at {} certificates, {} seal keys, {} files"
        if lang == "en"
        else "已检查证书 {} 张、封装密钥 {} 把、文件 {} 个"
    )
    remark(said.format(*counts))


def _left_out(facts: Facts, only: Sequence[str]) -> list[str]:
    """What was not looked at although it was wanted: it takes a cluster, or the files of a principal that are not here."""
    failed = {each.probe for each in facts.seen.unlooked}
    wanted = [name for name in PROBES if not only or name in only]
    return [name for name in wanted if name not in facts.seen.looked and name not in failed]


def _tell_looked(facts: Facts, left_out: Sequence[str], lang: Language) -> None:
    """So that silence about something never passes for health."""
    if facts.seen.looked:
        remark(("and at: " if lang == "en" else "以及：") + ", ".join(facts.seen.looked))
    if left_out:
        why = "no cluster, or no principal here that may ask" if lang == "en" else "没有集群，或本机没有可用的身份"
        remark(("not at: " if lang == "en" else "未检查：") + f"{', '.join(left_out)} ({why})")
