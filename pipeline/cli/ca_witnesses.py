"""`hedx ca witnesses`: how far the parties have witnessed the trust log, which is how far others believe it."""

from __future__ import annotations

import time

import click

from pipeline.center.installation import Installation
from pipeline.cli import cluster, options
from pipeline.cli.exits import Exit
from pipeline.cli.output import emit
from pipeline.cli.trust_words import labelled, who
from pipeline.domain.parties import CENTER
from pipeline.domain.wording import Language
from pipeline.settings import data_dir


@click.command(short_help="Show how far new certificates are witnessed and believed.")
@click.option("--wait", "seconds", type=click.FloatRange(0), default=0.0, metavar="SECONDS", help="Wait for so long.")
@cluster.bootstrap
@options.lang
@options.as_json
def command(seconds: float, bootstrap: str, lang: Language, as_json: bool) -> Exit:
    """Show how far the trust log is witnessed; exits 2 while certificates published are not believed yet.

    Every party's adapter signs the log's head as it sees it grow. The signatures of two provinces (of all, where they
    are fewer) make a new certificate count; 00, the center's own, is no witness.
    """
    from pipeline.app import reference_for

    installation = Installation(data_dir())
    with installation.registry() as registry:
        parties = [member for member in registry.members() if member.party != CENTER]
    deadline = time.monotonic() + seconds
    with reference_for(installation, bootstrap, cluster.security(CENTER)) as reference:
        log = reference.log
        while log.accepted.size < log.size and time.monotonic() < deadline:
            time.sleep(0.1)
        signed = {member.party: log.cosigned_by(member.party) for member in parties}
        size, believed = log.size, log.accepted.size
    rows: list[dict[str, object]] = [
        {"party": member.party, "name": who(member.party, lang), "witnessed": signed[member.party]}
        for member in parties
        if not member.suspended
    ]
    record: dict[str, object] = {"size": size, "believed": believed}
    if as_json:
        emit({**record, "witnesses": rows}, as_json)
    else:
        if rows:
            emit([labelled(row, lang) for row in rows], as_json)
        emit(labelled(record, lang), as_json)
    return Exit.FINE if believed >= size else Exit.DRIFT
