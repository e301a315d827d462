"""`hedx party`: a party's keys and certificates at its own place, its registration at the center."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.center import ceremony
from pipeline.center.anchor_files import write_anchor
from pipeline.center.installation import Installation
from pipeline.center.joining import anchor_now, take_anchor
from pipeline.center.registry_rows import Certificate, Member
from pipeline.cli import cluster, options, party_ip, party_keys
from pipeline.cli.ca import issue_all, naming, write_certificates
from pipeline.cli.output import emit, remark
from pipeline.cli.trust_words import labelled, row_of, timed, who
from pipeline.crypto import enrolment
from pipeline.crypto.certificates import common_name, party_of_principal
from pipeline.crypto.requests import BROKER, SERVICES, USAGES, Usage, read_request
from pipeline.crypto.suite import H
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER, is_party
from pipeline.domain.wording import Language
from pipeline.kafka.clock import wall_clock
from pipeline.settings import data_dir
from pipeline.signer.client import open_identity

_holder = click.option(
    "--service",
    type=click.Choice(SERVICES),
    help="Instead of a party: the exchange's own broker, administrator or watch.",
)
_party = click.option("--party", envvar="HEDX_PARTY", help="The party, by its code, or center (or HEDX_PARTY).")


@click.group()
def command() -> None:
    """Parties: keys and requests at the party; joining, addresses and suspension at the center (Art. 4, 5)."""


command.add_command(party_ip.command, "ip")
command.add_command(party_keys.command, "keys")


@command.command("request")
@_party
@_holder
@click.option("--host", "hosts", multiple=True, help="Address or name that a broker is reached under (repeatable).")
@click.option("--only", "only", type=click.Choice(USAGES), multiple=True, help="Not all three (repeatable).")
@options.lang
@options.as_json
def ask(
    party: str | None,
    service: str | None,
    hosts: tuple[str, ...],
    only: tuple[Usage, ...],
    lang: Language,
    as_json: bool,
) -> None:
    """Make new keys and a certificate request for each; also to renew. Only the requests leave this machine."""
    principal, folder = _place(party, service)
    Installation(data_dir()).make_folder()
    if bool(hosts) != (service == BROKER):
        raise click.UsageError("--host belongs to --service broker, which needs at least one")
    usages = only or (USAGES if service is None else ("tls",))
    paths = enrolment.prepare(folder, principal, usages, hosts)
    rows: list[dict[str, object]] = [
        {"usage": usage, "digest": read_request(path.read_bytes()).digest.hex(), "file": str(path)}
        for usage, path in paths.items()
    ]
    emit(rows if as_json else [labelled(row, lang) for row in rows], as_json)
    if not as_json:
        remark("send these files to the center, and tell it the SHA-256 by telephone; the keys stay here")


@command.command(short_help="Put certificates beside the keys that wait for them.")
@click.argument(
    "certificates", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True), metavar="CERT..."
)
@_party
@_holder
@click.option(
    "--anchor",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="The anchor that came with the first certificates, or with a new issuing CA.",
)
@options.lang
@options.as_json
def install(
    certificates: tuple[Path, ...],
    party: str | None,
    service: str | None,
    anchor: Path | None,
    lang: Language,
    as_json: bool,
) -> None:
    """Put certificates beside the keys that wait for them; refused unless they fit key, name and authority."""
    installation = Installation(data_dir())
    principal, folder = _place(party, service)
    if anchor is not None:
        root = ceremony.shown(take_anchor(installation, anchor))
        remark(f"compare by telephone before anything runs here: root {root.fingerprint}")
    found = [der for path in certificates for der in enrolment.certificates_in(path.read_bytes())]
    done = enrolment.install(folder, installation.transport(principal), principal, found, installation.roots())
    if party == CENTER and installation.has_registry() and not installation.is_set_up():
        _write_anchor(installation, installation.folder / "anchor", wall_clock())
    rows: list[dict[str, object]] = [
        {
            "usage": each.usage,
            "digest": H(each.certificate).hex(),
            "replaced": "" if each.replaced is None else H(each.replaced).hex()[:16],
        }
        for each in done
    ]
    emit(rows if as_json else [labelled(row, lang) for row in rows], as_json)
    if not as_json:
        remark("restart what runs for this party, so that it takes the new keys up")


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
@options.lang
@options.as_json
def join(
    party: str,
    addresses: tuple[str, ...],
    requests: tuple[Path, ...],
    out: Path | None,
    lang: Language,
    as_json: bool,
) -> None:
    """Register party CODE, issue its certificates, and lay out the folder that it is handed.

    Compare the SHA-256 of each request with what the party says by telephone before. All or nothing: a wrong request
    registers nobody.
    """
    installation, now = Installation(data_dir()), wall_clock()
    for path in requests:
        with naming(path):
            principal = read_request(path.read_bytes()).principal
        if party_of_principal(principal) != party:
            raise ConfigError(f"{path} asks for {principal}, not for {common_name(party)}")
    folder = out or installation.folder / "joining" / party
    with installation.registry() as registry, registry.together():
        registry.register(party, now, addresses)
        made = issue_all(registry, installation.issuing(), requests, now, renewal=False)
    files = write_certificates(made, folder)
    if party != CENTER:
        _write_anchor(installation, folder / "anchor", now)
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
    certificates = [row_of(each, now) for each in held]
    actions: list[dict[str, object]] = [{"at": each.at, "kind": each.kind, "detail": each.detail} for each in trail]
    summary = _summary(member, held, now, lang)
    if as_json:
        emit({**summary, "certificates": certificates, "trail": actions}, as_json)
        return
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
    _write_anchor(Installation(data_dir()), out, wall_clock())


def _write_anchor(installation: Installation, folder: Path, now: int) -> None:
    with open_identity(installation.identity_folder(CENTER)) as center:
        write_anchor(folder, anchor_now(installation, center.signer, now))


def _publish(party: str, suspended: bool, bootstrap: str, lang: Language, as_json: bool) -> None:
    from pipeline.cli.publishing import publish_change

    record = {"party": party, "suspended": suspended, **publish_change(bootstrap)}
    emit(record if as_json else labelled(record, lang), as_json)


def _place(party: str | None, service: str | None) -> tuple[str, Path]:
    """Principal, and the folder of its pending keys: a party's own, or a service's TLS folder."""
    installation = Installation(data_dir())
    if service is not None:
        return service, installation.transport(service)
    if party is None:
        raise click.UsageError("say for whom: --party CODE (or HEDX_PARTY), or --service NAME")
    if not is_party(party):
        raise click.BadParameter(f"{party} is no party: give a province's code, e.g. 37, 00 for 部中心, or center")
    return common_name(party), installation.party(party)


def _summary(member: Member, held: list[Certificate], now: int, lang: Language) -> dict[str, object]:
    return {
        "party": member.party,
        "name": who(member.party, lang),
        "number": member.number,
        "suspended": member.suspended,
        "addresses": [each.address for each in member.addresses if each.in_force(now)],
        "certificates": sum(each.state(now) == "valid" for each in held),
    }
