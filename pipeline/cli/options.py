"""Options that many commands share, so that they mean the same everywhere."""

from __future__ import annotations

import click

from pipeline.domain.parties import is_party, is_provider
from pipeline.settings import language

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
"""Gives the command `as_json: bool`; hand it to `output.emit`."""

lang = click.option(
    "--lang",
    type=click.Choice(["zh", "en"]),
    default=language,
    help="Language of the words for officials; by default English in an English locale, else Chinese.",
)
"""Gives the command `lang: Language`."""


def _party(_: click.Context, __: click.Parameter, text: str) -> str:
    if not is_provider(text):
        raise click.BadParameter(f"{text} is no party: give a province's code, e.g. 37, or 00 for 部中心")
    return text


party = click.option(
    "--party", envvar="HEDX_PARTY", required=True, callback=_party, help="The party, by its code (or HEDX_PARTY)."
)
"""Gives the command `party: str`, a province's code or `00`."""


def _member(_: click.Context, __: click.Parameter, text: str) -> str:
    if not is_party(text):
        raise click.BadParameter(f"{text} is no party: give a province's code, e.g. 37, 00 for 部中心, or center")
    return text


member = click.option(
    "--party", envvar="HEDX_PARTY", required=True, callback=_member, help="The party, by its code, or center."
)
"""Gives the command `party: str`, as `party`, or `center`."""

member_code = click.argument("party", metavar="CODE", callback=_member)
"""Gives the command `party: str`, the code of a party or `center`, as an argument."""
