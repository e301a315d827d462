"""`hedx apply copy`: a new form from an old one (Art. 8: 每次提出查询申请前, each time anew)."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli import options
from pipeline.cli.handover import opened_case
from pipeline.cli.output import emit, remark
from pipeline.domain.errors import ConfigError
from pipeline.domain.wording import Language
from pipeline.kafka.clock import wall_clock
from pipeline.province.copying import copied
from pipeline.province.handover import note_file
from pipeline.stages.clock import local_date

_FILE = click.Path(path_type=Path)
_SAID = {
    "zh": "请核对授权（已取得、范围）和名单后用 hedx apply submit 提交；不会自动提交。",
    "en": "fill in the consent again, look through the roster, then file both with hedx apply submit; nothing files itself",
}


@click.command("copy")
@click.argument("application_id")
@click.option("--output", "-o", type=_FILE, required=True, help="The form to write, YAML.")
@click.option("--roster-out", type=_FILE, required=True, help="The roster to write, CSV.")
@options.party
@options.lang
@options.as_json
def copy(application_id: str, output: Path, roster_out: Path, party: str, lang: Language, as_json: bool) -> None:
    """Write form and roster of APPLICATION_ID as those of a new application of today; files nothing.

    What has to be confirmed each time is not copied: that consent is held is set to no, its scope is blank. Mode 0600; in
    the access log.
    """
    if there := [path for path in (output, roster_out) if path.exists()]:
        raise ConfigError(f"{there[0]} is there already; nothing was written")
    with opened_case(party, application_id) as case:
        form, roster = copied(case.form(), case.roster(), local_date(wall_clock()), lang)
        written = note_file(case, "form_exported", output, form, {"format": "yaml", "roster": False, "copy": True})
        listed = note_file(case, "form_exported", roster_out, roster, {"format": "csv", "roster": True, "copy": True})
    emit(
        {
            "form": str(output),
            "form_sha256": written.sha256,
            "roster": str(roster_out),
            "roster_sha256": listed.sha256,
            "access": listed.number,
        },
        as_json,
    )
    remark(_SAID[lang])
