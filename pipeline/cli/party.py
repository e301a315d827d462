"""`hedx party`: registration, listing and suspension at the center; what a party does itself is in `party_own`."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.center.installation import Installation
from pipeline.center.joining import hand_out_anchor
from pipeline.center.registry_rows import Certificate, Member
from pipeline.cli import cluster, options, party_ip, party_keys, party_membership, party_own
from pipeline.cli.certifying import issue_all, naming, write_certificates
from pipeline.cli.output import emit, remark
from pipeline.cli.trust_words import labelled, row_of, timed, who
from pipeline.crypto.certificates import common_name, party_of_principal
from pipeline.crypto.requests import read_request
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER
from pipeline.domain.wording import Language
from pipeline.kafka.clock import wall_clock
from pipeline.settings import data_dir
from pipeline.stages.clock import local_time


@click.group()
def command() -> None:
    """Parties: keys and requests at the party; joining, addresses and suspension at the center (Art. 4, 5)."""


command.add_command(party_ip.command, "ip")
command.add_command(party_keys.command, "keys")
command.add_command(party_own.ask, "request")
command.add_command(party_own.install, "install")
command.add_command(party_membership.application)
command.add_command(party_membership.filing)
command.add_command(party_membership.inspect)
command.add_command(party_membership.inspections)


@command.command(short_help="Register a party, issue its certificates, lay out its folder.")
@options.member_code
@click.option("--address", "addresses", multiple=True, help="Address it connects from (Art. 5; repeatable).")
@click.option(
    "--csr",
    "requests",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A request of the party's (repeatable): sign, encrypt, tls.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder to hand over: the certificates and the anchor; by default HEDX_HOME/joining/CODE.",
)
@click.option(
    "--founding", is_flag=True, help="It was connected before this registry was kept: no papers are on record here."
)
@options.lang
@options.as_json
def join(
    party: str,
    addresses: tuple[str, ...],
    requests: tuple[Path, ...],
    out: Path | None,
    founding: bool,
    lang: Language,
    as_json: bool,
) -> None:
    """Register party CODE, issue its certificates, and lay out the folder that it is handed.

    A province must have applied in writing and its connection be filed before (Art. 4: hedx party application, filing).
    Compare the SHA-256 of each request with what the party says by telephone before. All or nothing: a wrong request
    registers nobody.
    """
    installation, now = Installation(data_dir()), wall_clock()
    if not addresses and party != CENTER:
        raise click.UsageError("a party is let in from registered addresses only: --address says which")
    for path in requests:
        with naming(path):
            principal = read_request(path.read_bytes()).principal
        if party_of_principal(principal) != party:
            raise ConfigError(f"{path} asks for {principal}, not for {common_name(party)}")
    folder = out or installation.folder / "joining" / party
    with installation.registry() as registry, registry.together():
        if founding:
            registry.note_founding(party, now)
        else:
            registry.check_papers(party)
        registry.register(party, now, addresses)
        made = issue_all(registry, installation.issuing(), requests, now, renewal=False)
    files = write_certificates(made, folder)
    if party != CENTER:
        hand_out_anchor(installation, folder / "anchor", now)
    rows = [{**row_of(each, now), "file": str(file)} for each, file in zip(made.values(), files, strict=True)]
    emit(rows if as_json else [labelled(timed(row), lang) for row in rows], as_json)
    if not as_json:
        following = "hedx topics apply makes its inboxes, hedx ca publish tells everybody"
        remark(f"hand {folder} over; {following}" if party != CENTER else f"now hedx party install {folder}/*.pem")


@command.command("list")
@options.lang
@options.as_json
def list_(lang: Language, as_json: bool) -> None:
    """List the registered parties."""
    now = wall_clock()
    with Installation(data_dir()).registry() as registry:
        rows = [_summary(each, registry.status(common_name(each.party)), now, lang) for each in registry.members()]
    emit(rows if as_json else [labelled(row, lang) for row in rows], as_json)


@command.command(short_help="Show a party, its certificates, and what was done to it.")
@options.member_code
@options.lang
@options.as_json
def show(party: str, lang: Language, as_json: bool) -> None:
    """Show a party: its entry, its certificates, and all that was done to it."""
    now = wall_clock()
    with Installation(data_dir()).registry() as registry:
        member, held = registry.member(party), registry.status(common_name(party))
        trail = registry.trail(party)
        papers = {kind: paper for kind in ("application", "filing") if (paper := registry.paper(party, kind))}
        inspections = registry.inspections(party)
    certificates = [row_of(each, now) for each in held]
    actions: list[dict[str, object]] = [{"at": each.at, "kind": each.kind, "detail": each.detail} for each in trail]
    summary = _summary(member, held, now, lang)
    told = {
        kind: " ".join(filter(None, (paper.document, paper.number, paper.date.isoformat())))
        for kind, paper in papers.items()
    }
    inspected = [{"at": each.at, "kind": each.kind, "passed": each.passed} for each in inspections]
    if as_json:
        emit({**summary, **told, "inspections": inspected, "certificates": certificates, "trail": actions}, as_json)
        return
    summary |= {**told, **({"inspected": local_time(inspections[-1].at)} if inspections else {})}
    emit(labelled(summary, lang), as_json)
    emit([labelled(timed(row), lang) for row in certificates], as_json)
    emit([labelled(timed(row), lang) for row in actions], as_json)


@command.command(short_help="Suspend a party, at the broker and for all others.")
@options.member_code
@click.option("--reason", required=True, help="For the record, without names of persons.")
@cluster.bootstrap
@options.lang
@options.as_json
def suspend(party: str, reason: str, bootstrap: str, lang: Language, as_json: bool) -> None:
    """Suspend a party: the broker refuses it at once, and all others are told. Again: makes sure of both."""
    with Installation(data_dir()).registry() as registry:
        registry.suspend(party, reason, wall_clock())
    _publish(party, True, bootstrap, lang, as_json)


@command.command()
@options.member_code
@cluster.bootstrap
@options.lang
@options.as_json
def resume(party: str, bootstrap: str, lang: Language, as_json: bool) -> None:
    """Let a suspended party in again, and tell all others."""
    with Installation(data_dir()).registry() as registry:
        registry.resume(party, wall_clock())
    _publish(party, False, bootstrap, lang, as_json)


@command.command(short_help="Lay out what a party trusts from the start.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, metavar="DIR", help="Where it goes."
)
def anchor(out: Path) -> None:
    """Lay out an anchor as of now: what a party trusts from the start, such as a new issuing CA. Nothing is secret."""
    hand_out_anchor(Installation(data_dir()), out, wall_clock())


def _publish(party: str, suspended: bool, bootstrap: str, lang: Language, as_json: bool) -> None:
    from pipeline.cli.publishing import publish_change

    record = {"party": party, "suspended": suspended, **publish_change(bootstrap)}
    emit(record if as_json else labelled(record, lang), as_json)


def _summary(member: Member, held: list[Certificate], now: int, lang: Language) -> dict[str, object]:
    return {
        "party": member.party,
        "name": who(member.party, lang),
        "number": member.number,
        "suspended": member.suspended,
        "addresses": [each.address for each in member.addresses if each.in_force(now)],
        "certificates": sum(each.state(now) == "valid" for each in held),
    }
