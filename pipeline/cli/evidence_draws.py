"""`hedx evidence draw | reveal | verify FILE`: spot checks of persons already queried (抽查, Art. 9)."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import click

from pipeline.center import evidence_candidates, evidence_desk, evidence_draws
from pipeline.center.evidence_candidates import Facts
from pipeline.center.evidence_draws import DrawFile
from pipeline.center.installation import Installation
from pipeline.cli import cluster, options
from pipeline.cli.evidence_words import officer_name, officer_option, reason_of
from pipeline.cli.exits import Exit
from pipeline.cli.filing import offline_trust
from pipeline.cli.output import emit, remark
from pipeline.crypto.keystore import write_durably
from pipeline.crypto.trust import Trust
from pipeline.domain.parties import CENTER
from pipeline.domain.rules import RuleBook
from pipeline.domain.sampling import EVERYBODY, Candidate, population
from pipeline.kafka.clients import Extra
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.posting import Poster
from pipeline.kafka.readers import read_table
from pipeline.kafka.tailing import CommittedLog
from pipeline.province.calendar_files import load_calendar
from pipeline.province.rule_files import load_rule_book
from pipeline.settings import data_dir
from pipeline.signer.client import open_identity
from pipeline.stages import topics

_MONTH = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])")
_WAIT = 60.0


def _month(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    if text is not None and not _MONTH.fullmatch(text):
        raise click.BadParameter(f"{text} is no month: give YYYY-MM")
    return text


def _folder() -> Path:
    return Installation(data_dir()).party(CENTER) / "draws"


@click.command()
@click.option("--month", callback=_month, help="Applications certified in this month, YYYY-MM.")
@click.option(
    "--count", type=click.IntRange(1), help="How many persons in all; by default each province's share by the rules."
)
@click.option(
    "--reason", default="抽查", show_default=True, callback=reason_of, help="What the provinces are told. Name nobody."
)
@officer_option
@click.option("--dry-run", is_flag=True, help="Show who could be drawn, and draw nobody.")
@click.option("--resume", metavar="DRAW", help="Go on with a draw that was interrupted; nobody is asked twice.")
@cluster.bootstrap
@options.as_json
def draw(
    month: str | None,
    count: int | None,
    reason: str,
    officer: str | None,
    dry_run: bool,
    resume: str | None,
    bootstrap: str,
    as_json: bool,
) -> Exit:
    """Draw persons of closed applications, by weight, and ask their provinces for their documents.

    The commitment is on hedx.bulletin before anybody is asked. Keep the draw secret until `hedx evidence reveal`.
    """
    from pipeline.app import reference_for

    if (month is None) == (resume is None):
        raise click.UsageError("give --month, or --resume")
    installation, extra = Installation(data_dir()), cluster.security(CENTER)
    facts = Facts(load_calendar(data_dir() / "calendar"), wall_clock())
    _read_facts(facts, bootstrap, extra)
    if month is not None:
        rules = load_rule_book(data_dir() / "rules")
        with reference_for(installation, bootstrap, extra) as reference:
            found = _candidates(bootstrap, facts, rules, reference.trust, month, extra)
        quotas = evidence_candidates.quotas_by(rules, found) if count is None else {EVERYBODY: count}
        if dry_run:
            emit(_preview(found, quotas, as_json), as_json)
            return Exit.FINE
        with open_identity(installation.identity_folder(CENTER)) as identity:
            name = _next_id(month)
            file = evidence_draws.make_draw(name, found, quotas, identity.signer, wall_clock(), os.urandom)
        file.write(_folder())
    else:
        file = evidence_draws.read_draw(_folder() / f"{resume}.json")
    return _carry_out(file, facts, officer_name(officer), reason, bootstrap, extra, as_json)


def _carry_out(
    file: DrawFile, facts: Facts, officer: str, reason: str, bootstrap: str, extra: Extra | None, as_json: bool
) -> Exit:
    _publish(file, bootstrap, extra)
    records, unknown = evidence_candidates.questions(file, facts, officer=officer, reason=reason, now=wall_clock())
    waiting = evidence_desk.send(bootstrap, records, _WAIT, extra)
    emit(
        {
            "draw": file.draw_id,
            "persons": len(file.drawn),
            "requests": [record["request_id"] for record in records],
            "rosters_not_kept": len(unknown),
            "not_on_desk_yet": len(waiting),
        },
        as_json,
    )
    if unknown:
        remark(f"{len(unknown)} persons are of applications whose rosters the center does not keep any more")
    return Exit.DRIFT if unknown or waiting else Exit.FINE


def _preview(found: list[Candidate], quotas: dict[str, int], as_json: bool) -> object:
    listed = [
        {"requester": c.requester, "application": c.application_id, "persons": c.persons, "weight": c.weight,
         "facts": ", ".join(c.facts)}
        for c in found
    ]  # fmt: skip
    return {"population": population(found), "quotas": quotas, "candidates": listed} if as_json else listed


def _candidates(
    bootstrap: str, facts: Facts, rules: RuleBook, trust: Trust, month: str, extra: Extra | None
) -> list[Candidate]:
    results = read_table(bootstrap, topics.RESULTS, extra=extra)
    return evidence_candidates.candidates(results, facts, rules, trust, month)


def _read_facts(facts: Facts, bootstrap: str, extra: Extra | None) -> None:
    log = CommittedLog(bootstrap, topics.APPLICATIONS, extra=extra)
    try:
        while not log.reached_end:
            facts.take(log.poll(0.1))
    finally:
        log.close()


def _next_id(month: str) -> str:
    numbers = [int(path.stem.rpartition(".")[2]) for path in _folder().glob(f"{month}.*.json")]
    return f"{month}.{max(numbers, default=0) + 1}"


def _publish(file: DrawFile, bootstrap: str, extra: Extra | None) -> None:
    poster = Poster(bootstrap, extra=extra)
    try:
        poster.send(evidence_draws.published(file))
    finally:
        poster.close()


@click.command()
@click.argument("draw_id")
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, help="The public file to write.")
@cluster.bootstrap
@options.as_json
def reveal(draw_id: str, output: Path, bootstrap: str, as_json: bool) -> None:
    """Publish the seed of DRAW_ID on hedx.bulletin, and write the file from which anyone draws again.

    The file names applications, weights and positions, and no person. Do it when the documents are judged.
    """
    path = _folder() / f"{draw_id}.json"
    if path.parent != _folder():
        raise click.BadParameter("not a draw's id")
    installation = Installation(data_dir())
    with open_identity(installation.identity_folder(CENTER)) as identity:
        file = evidence_draws.reveal(evidence_draws.read_draw(path), identity.signer, wall_clock())
    file.write(_folder())
    _publish(file, bootstrap, cluster.security(CENTER))
    write_durably(output, json.dumps(file.public(), ensure_ascii=False, indent=1).encode())
    emit({"draw": draw_id, "file": str(output), "persons": len(file.drawn), "seed": file.seed.hex()}, as_json)


def verify_file(path: Path, party: str, as_json: bool, bootstrap: str | None) -> Exit:
    """Draw again from a public file, under the trust that `party`'s processes saw last.

    With `bootstrap`, commitment and seed must be those on hedx.bulletin.
    """
    file = evidence_draws.read_draw(path)
    drawn = evidence_draws.verify(file, offline_trust(Installation(data_dir()), party))
    if bootstrap is not None:
        evidence_draws.check_published(file, read_table(bootstrap, topics.BULLETIN, extra=cluster.readers_security()))
    listed = [{"requester": d.requester, "application": d.application_id, "position": d.position} for d in drawn]
    if as_json:
        emit({"draw": file.draw_id, "holds": True, "population": population(file.candidates), "drawn": listed}, as_json)
    else:
        remark(f"{file.draw_id} holds: {len(drawn)} of {population(file.candidates)} persons are drawn again")
        emit(listed, as_json)
    return Exit.FINE
