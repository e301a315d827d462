"""`hedx catalog review`: what parties report for the catalog, and what the center's officers decide about it."""

from __future__ import annotations

import click

from pipeline.center.cataloguing import accept as accept_report
from pipeline.center.cataloguing import refuse as refuse_report
from pipeline.center.cataloguing import report_named
from pipeline.cli import cluster, options
from pipeline.cli.catalog_desk import officer, opened_desk
from pipeline.cli.catalog_words import as_data, as_lines, fault_data, report_data
from pipeline.cli.exits import Exit
from pipeline.cli.output import emit, remark
from pipeline.domain.catalog_changes import changes, compose
from pipeline.domain.catalog_checks import check_report
from pipeline.domain.parties import CENTER
from pipeline.domain.wording import Language, explain, provider_words
from pipeline.kafka.clock import wall_clock
from pipeline.signer.client import open_identity
from pipeline.stages.acts import REASON_LIMIT
from pipeline.stages.clock import local_time

_HEADS = (
    ("报送", "单位", "收到", "条目", "停止提供", "问题", "采纳人"),
    ("report", "party", "received", "entries", "retire", "faults", "accepted by"),
)


@click.group("review")
def review() -> None:
    """Reports of parties that wait for a release (Art. 12, 13), at the center."""


@review.command("list")
@cluster.bootstrap
@options.lang
@options.as_json
def list_(bootstrap: str, lang: Language, as_json: bool) -> None:
    """List the reports on the desk, those accepted for the next release among them."""
    with opened_desk(bootstrap) as desk:
        found = [report_data(reported, lang) for reported in desk.reports]
    if as_json or not found:
        emit(found if as_json else ("没有待审的报送" if lang == "zh" else "no report waits"), as_json)
        return
    heads = _HEADS[lang == "en"]
    rows = [
        (
            one["report"],
            provider_words(one["party"], lang),
            local_time(one["received_at"]),
            one["entries"],
            ", ".join(one["retire"]),
            len(one["faults"]),
            ", ".join(one["accepted_by"]),
        )
        for one in found
    ]
    emit([dict(zip(heads, row, strict=True)) for row in rows], as_json)


@review.command()
@click.argument("report")
@cluster.bootstrap
@options.lang
@options.as_json
def show(report: str, bootstrap: str, lang: Language, as_json: bool) -> Exit:
    """Show a REPORT (37/2): what it would change, and what is wrong with it by the release of now. Exits 2 with faults."""
    with opened_desk(bootstrap) as desk:
        reported = report_named(desk.reports, report)
        found = changes(desk.current, compose(desk.current, [reported.report]))
        filed = reported.report
        faults = check_report(filed["party"], filed["entries"], filed["retire"], desk.current)
        told = {**report_data(reported, lang), "digest": reported.act.digest.hex(), "faults": fault_data(faults, lang)}
        told["unverified"] = reported.unverified
    if as_json:
        emit({**told, **as_data(found), "reported": filed["entries"]}, as_json)
    else:
        emit([*as_lines(found, lang), *(f"! {explain(fault, lang)}" for fault in faults)], as_json)
        remark(f"--digest {told['digest'][:16]}")
        if reported.unverified:
            remark(f"its signature does not hold ({reported.unverified}): it can only be refused")
    return Exit.DRIFT if faults else Exit.FINE


_shown = click.option(
    "--digest",
    metavar="HEX",
    help="The digest that `show` printed, or how it begins: another report is not decided on.",
)


@review.command()
@click.argument("report")
@_shown
@officer
@cluster.bootstrap
@options.as_json
def accept(report: str, digest: str | None, officer: str, bootstrap: str, as_json: bool) -> None:
    """Accept a REPORT for the next release. It counts, and its party is told, once that is published."""
    with opened_desk(bootstrap) as desk:
        desk.write(accept_report(report_named(desk.reports, report, digest), desk.current, officer, wall_clock()))
    if not as_json:
        remark("accepted; hedx catalog preview shows the next release, hedx catalog publish makes it")
    emit({"report": report, "accepted_by": officer}, as_json)


@review.command()
@click.argument("report")
@click.option(
    "--reason",
    required=True,
    callback=options.free_text,
    help=f"Why, for the party; at most {REASON_LIMIT} characters.",
)
@_shown
@officer
@cluster.bootstrap
@options.as_json
def refuse(report: str, reason: str, digest: str | None, officer: str, bootstrap: str, as_json: bool) -> None:
    """Refuse a REPORT, also one that was accepted and is not published yet; its party gets the signed decision."""
    with opened_desk(bootstrap) as desk, open_identity(desk.installation.identity_folder(CENTER)) as center:
        reported = report_named(desk.reports, report, digest)
        desk.write(refuse_report(reported, officer, reason.strip(), center.signer, wall_clock()))
    emit({"report": report, "refused_by": officer}, as_json)
