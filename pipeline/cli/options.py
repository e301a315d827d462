"""Options that many commands share, so that they mean the same everywhere."""

from __future__ import annotations

import click

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
