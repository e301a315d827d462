"""`hedx doctor`: what is about to expire, or wrong, and what to do about it."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.center.installation import Installation
from pipeline.cli import options
from pipeline.cli.exits import Exit
from pipeline.cli.output import emit, remark
from pipeline.cli.trust_words import labelled
from pipeline.domain.errors import ConfigError
from pipeline.domain.wording import Language
from pipeline.kafka.clock import wall_clock
from pipeline.ops import textfile
from pipeline.ops.health import Facts, Finding, examine, is_healthy
from pipeline.ops.health_facts import gather
from pipeline.ops.health_words import cure, told
from pipeline.settings import data_dir


@click.command()
@click.option(
    "--metrics",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write them for Prometheus' node_exporter (textfile collector).",
)
@options.lang
@options.as_json
def command(metrics: Path | None, lang: Language, as_json: bool) -> Exit:
    """Look at certificates (60, 30 and 7 days before their end), revocation list, seal keys and keystores here.

    Each finding comes with its cure. Exits 10 when there is a warning or an alarm; notices are for the calendar.
    """
    if not data_dir().is_dir():
        raise ConfigError(f"{data_dir()} is not there: set HEDX_HOME to the folder of this installation")
    facts = gather(Installation(data_dir()), wall_clock())
    findings = examine(facts)
    if metrics is not None:
        textfile.write(metrics, textfile.render(facts, findings))
    healthy = is_healthy(findings)
    if as_json:
        emit({"healthy": healthy, "findings": [_public(each, lang) for each in findings]}, as_json)
    else:
        _show(facts, findings, lang)
    return Exit.FINE if healthy else Exit.UNHEALTHY


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
