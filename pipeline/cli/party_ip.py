"""`hedx party ip`: registered addresses and their change in time (Art. 5)."""

from __future__ import annotations

from datetime import date, datetime

import click

from pipeline.center.addresses import Address
from pipeline.center.installation import Installation
from pipeline.center.registry_rows import Member
from pipeline.cli import cluster, options
from pipeline.cli.output import emit, remark
from pipeline.cli.trust_words import labelled, timed, who
from pipeline.domain.wording import Language
from pipeline.kafka.clock import wall_clock
from pipeline.settings import data_dir
from pipeline.stages.clock import CHINA, local_date

_effective = click.option(
    "--effective", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Day of the change; today by default."
)


@click.group()
def command() -> None:
    """Registered addresses of Article 5: list them, change them in time."""


@command.command()
@options.member_code
@click.option("--from", "old", required=True, metavar="ADDRESS", help="The registered address that is given up.")
@click.option("--to", "new", required=True, metavar="ADDRESS", help="The new one.")
@click.option(
    "--overlap-days", type=click.IntRange(0, 90), required=True, help="For how long the old one goes on being let in."
)
@_effective
@cluster.bootstrap
@options.lang
@options.as_json
def change(
    party: str,
    old: str,
    new: str,
    overlap_days: int,
    effective: datetime | None,
    bootstrap: str,
    lang: Language,
    as_json: bool,
) -> None:
    """File a change of address; both addresses are let in until the overlap ends.

    A change is to be filed before it happens: an --effective day that has passed is taken, and marked as filed late.
    """
    now = wall_clock()
    since = None if effective is None else _start_of(effective.date())
    with Installation(data_dir()).registry() as registry:
        member = registry.change_address(party, old, new, now, overlap_days=overlap_days, since=since)
    _publish(member, now, bootstrap, lang, as_json)


@command.command()
@options.member_code
@click.argument("address")
@_effective
@cluster.bootstrap
@options.lang
@options.as_json
def add(party: str, address: str, effective: datetime | None, bootstrap: str, lang: Language, as_json: bool) -> None:
    """File one more ADDRESS, such as a second site's, beside those there are."""
    now = wall_clock()
    with Installation(data_dir()).registry() as registry:
        member = registry.add_address(party, address, now, None if effective is None else _start_of(effective.date()))
    _publish(member, now, bootstrap, lang, as_json)


@command.command("list")
@click.argument("parties", nargs=-1, metavar="[CODE]...")
@options.lang
@options.as_json
def list_(parties: tuple[str, ...], lang: Language, as_json: bool) -> None:
    """List registered addresses, with when each was filed and from when it counts; of all parties, or some."""
    now = wall_clock()
    with Installation(data_dir()).registry() as registry:
        members = [registry.member(party) for party in parties] if parties else registry.members()
    rows = [_row(member.party, each, now, lang) for member in members for each in member.addresses]
    emit(rows if as_json else [labelled(timed(row), lang) for row in rows], as_json)


def _publish(member: Member, now: int, bootstrap: str, lang: Language, as_json: bool) -> None:
    """Say when the newest address counts from, and tell the cluster."""
    from pipeline.cli.publishing import publish_change

    filed = member.addresses[-1]
    if filed.filed_late:
        days = (now - filed.since) // 86_400_000
        remark(f"filed late: it counts from {local_date(filed.since)}, {days} days before it was filed (Art. 5)")
    elif filed.since > now:
        remark(f"{filed.address} is let in from {local_date(filed.since)}: have hedx ca publish run on that day")
    done = publish_change(bootstrap)
    rows = [_row(member.party, each, now, lang) for each in member.addresses]
    if as_json:
        emit({"party": member.party, "addresses": rows, **done}, as_json)
        return
    emit([labelled(timed(row), lang) for row in rows], as_json)
    emit(labelled(done, lang), as_json)


def _row(party: str, address: Address, now: int, lang: Language) -> dict[str, object]:
    return {
        "party": party,
        "name": who(party, lang),
        "address": address.address,
        "since": address.since,
        "until": address.until,
        "filed_at": address.filed_at,
        "in_force": address.in_force(now),
        "filed_late": address.filed_late,
    }


def _start_of(day: date) -> int:
    """Midnight in China (ms)."""
    return int(datetime(day.year, day.month, day.day, tzinfo=CHINA).timestamp()) * 1000
