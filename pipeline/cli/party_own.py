"""`hedx party request` and `install`: a party's keys and certificates, at its own place."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.center import ceremony
from pipeline.center.installation import Installation
from pipeline.center.joining import hand_out_anchor, take_anchor
from pipeline.cli import options
from pipeline.cli.output import emit, remark
from pipeline.cli.trust_words import labelled
from pipeline.crypto import enrolment
from pipeline.crypto.certificates import common_name
from pipeline.crypto.requests import SERVERS, SERVICES, USAGES, Usage, read_request
from pipeline.crypto.suite import H
from pipeline.domain.parties import CENTER, is_party
from pipeline.domain.wording import Language
from pipeline.kafka.clock import wall_clock
from pipeline.settings import data_dir

_holder = click.option(
    "--service",
    type=click.Choice(SERVICES),
    help="Instead of a party: the exchange's own broker, administrator, watch or monitor.",
)
_party = click.option("--party", envvar="HEDX_PARTY", help="The party, by its code, or center (or HEDX_PARTY).")


@click.command()
@_party
@_holder
@click.option(
    "--host", "hosts", multiple=True, help="Address or name that a broker or monitor is reached under (repeatable)."
)
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
    if bool(hosts) != (service in SERVERS):
        raise click.UsageError(f"--host belongs to --service {' or '.join(SERVERS)}, which needs at least one")
    usages = only or (USAGES if service is None else ("tls",))
    paths = enrolment.prepare(folder, principal, usages, hosts)
    rows: list[dict[str, object]] = [
        {"usage": usage, "digest": read_request(path.read_bytes()).digest.hex(), "file": str(path)}
        for usage, path in paths.items()
    ]
    emit(rows if as_json else [labelled(row, lang) for row in rows], as_json)
    if not as_json:
        remark("send these files to the center, and tell it the SHA-256 by telephone; the keys stay here")


@click.command(short_help="Put certificates beside the keys that wait for them.")
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
        hand_out_anchor(installation, installation.folder / "anchor", wall_clock())
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
