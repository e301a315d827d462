"""Options that many commands share, so that they mean the same everywhere."""

from __future__ import annotations

import datetime as dt

import click

from pipeline.domain.calendar import CHINA, end_of_day
from pipeline.domain.free_text import free_text_fault
from pipeline.domain.parties import is_party, is_provider
from pipeline.settings import language
from pipeline.stages.acts import REASON_LIMIT

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

_REASONS = {
    "missing": "a reason is missing",
    "too_long": f"a reason has {REASON_LIMIT} characters at most",
    "control_characters": "the reason holds characters that nobody can see",
    "long_number": "the reason holds a number as long as a person's: it is sent and kept, so give a roster number instead",
}


def free_text(_: click.Context, __: click.Parameter, text: str | None) -> str:
    """A callback for a reason that travels in a signed object; "" for one that may be left out, and is."""
    if text is None:
        return ""
    if fault := free_text_fault(text, REASON_LIMIT):
        raise click.BadParameter(_REASONS[fault])
    return text


def instant(_: click.Context, __: click.Parameter, text: str | None) -> int | None:
    """A callback for a time in China, ms; a day means its end."""
    if text is None:
        return None
    try:
        if len(text) == len("YYYY-MM-DD"):
            return end_of_day(dt.date.fromisoformat(text))
        return int(dt.datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=CHINA).timestamp()) * 1000
    except ValueError:
        raise click.BadParameter(f"{text} is no time: give YYYY-MM-DD or 'YYYY-MM-DD HH:MM'") from None


member_code = click.argument("party", metavar="CODE", callback=_member)
"""Gives the command `party: str`, the code of a party or `center`, as an argument."""
