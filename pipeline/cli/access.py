"""`hedx access`: the access log of a party, or of the center (Art. 11)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import click

from pipeline.center.installation import Installation
from pipeline.center.opening import ACCESS_LOG
from pipeline.cli import options
from pipeline.cli.dossier_table import category_words
from pipeline.cli.output import emit
from pipeline.domain.calendar import start_of_day
from pipeline.domain.parties import CENTER, is_provider
from pipeline.domain.wording import Language, provider_words
from pipeline.kafka.clock import wall_clock
from pipeline.province import access, usage_report
from pipeline.province.access import AccessEntry
from pipeline.province.database import access_log, connect
from pipeline.province.usage_report import Use
from pipeline.settings import data_dir
from pipeline.stages.clock import local_date, local_time

_DAY = click.DateTime(["%Y-%m-%d"])


def _owner(_: click.Context, __: click.Parameter, text: str) -> str:
    if text != CENTER and not is_provider(text):
        raise click.BadParameter(f"{text} is no party: give a province's code, e.g. 37, 00 for 部中心, or center")
    return text


@click.group()
def command() -> None:
    """The access log: every opening, reading and export, for whom and for which purpose."""


@command.command("list")
@click.option("--application", "application_id", help="Only what was done with this application.")
@click.option("--party", envvar="HEDX_PARTY", required=True, callback=_owner, help="Whose log (or HEDX_PARTY).")
@options.as_json
def list_(application_id: str | None, party: str, as_json: bool) -> None:
    """List the log in order. It has no gaps: a number that is missing was taken out."""
    installation = Installation(data_dir())
    if party == CENTER:
        connection = access_log(installation.party(CENTER) / ACCESS_LOG)
    else:
        connection = connect(installation.store(party))
    with closing(connection):
        found = access.entries(connection, application_id)
    emit([_data(entry) if as_json else _words(entry) for entry in found], as_json)


@command.command()
@click.option("--party", envvar="HEDX_PARTY", required=True, callback=_owner, help="Whose log (or HEDX_PARTY).")
@click.option("--from", "first", type=_DAY, help="First day, in China; the beginning by default.")
@click.option("--to", "last", type=_DAY, help="Last day, itself included; today by default.")
@options.lang
@options.as_json
def report(party: str, first: dt.datetime | None, last: dt.datetime | None, lang: Language, as_json: bool) -> None:
    """Report who asked what and opened what: by entrusting unit, business and purpose, without any person (Art. 11).

    It names the rows of the log that it covers and their SHA-256, which the same days give again.
    """
    today = local_date(wall_clock())
    begin, end = first.date() if first else dt.date(1970, 1, 2), last.date() if last else today
    if begin > end:
        raise click.BadParameter("--from is after --to")
    span = start_of_day(begin), start_of_day(end + dt.timedelta(days=1))
    installation = Installation(data_dir())
    if party == CENTER:
        with closing(access_log(installation.party(CENTER) / ACCESS_LOG)) as connection:
            found = usage_report.usage_of_log(connection, *span)
    else:
        with closing(connect(installation.store(party))) as connection:
            found = usage_report.usage(connection, *span)
    covers = {"rows": found.rows, "first": found.first, "last": found.last, "sha256": found.digest.hex()}
    days = {"from": begin.isoformat() if first else None, "to": end.isoformat()}
    if as_json:
        emit({"party": party, **days, "log": covers, "uses": [_use(each) for each in found.uses]}, as_json)
        return
    emit([_use_in_words(each, lang) for each in found.uses], as_json)
    said = (
        "access log: {rows} rows, {first} to {last}, SHA-256 {sha256}"
        if lang == "en"
        else "所依据的访问日志：{rows} 行（第 {first} 至 {last} 号），SHA-256 {sha256}"
    )
    click.echo(said.format_map(covers))


_USE = {
    "requester": ("申请单位", "requester"),
    "unit": ("委托单位", "entrusting unit"),
    "business_category": ("业务类别", "business"),
    "purpose": ("用途", "purpose"),
    "applications": ("申请数", "applications"),
    "persons": ("人数", "persons"),
    "sub_queries": ("子查询数", "sub-queries"),
    "openings": ("解封", "openings"),
    "readings": ("查阅", "readings"),
    "exports": ("导出", "exports"),
    "refusals": ("拒绝", "refusals"),
    "other": ("其他", "other"),
}


def _use(use: Use) -> dict[str, Any]:
    return {name: getattr(use, name) for name in _USE}


def _use_in_words(use: Use, lang: Language) -> dict[str, object]:
    """For a terminal: categories under their names."""
    row: dict[str, object] = {**_use(use), "requester": provider_words(use.requester, lang)}
    row["sub_queries"] = _counts({category_words(name, {}, lang): count for name, count in use.sub_queries.items()})
    row["other"] = _counts(use.other)
    return {_USE[name][lang == "en"]: value for name, value in row.items()}


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _data(entry: AccessEntry) -> dict[str, Any]:
    names = ("number", "at", "actor", "act", "application_id", "requester", "unit", "purpose", "detail")
    return {name: getattr(entry, name) for name in names}


def _words(entry: AccessEntry) -> dict[str, object]:
    """For a terminal."""
    detail = ", ".join(f"{name} {value}" for name, value in entry.detail.items())
    return {**_data(entry), "at": local_time(entry.at), "detail": detail}
