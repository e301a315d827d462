"""`hedx ca`: the exchange's certificate authority (证书签发)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import get_args

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.center import ceremony
from pipeline.center.installation import Installation
from pipeline.center.registry import CRL_LIFE
from pipeline.center.registry_rows import Reason
from pipeline.cli import ca_witnesses, cluster, options
from pipeline.cli.certifying import issue_all, write_certificates
from pipeline.cli.output import emit, remark
from pipeline.cli.trust_words import labelled, row_of, timed
from pipeline.domain.errors import ConfigError
from pipeline.domain.wording import Language
from pipeline.kafka.clock import wall_clock
from pipeline.settings import data_dir

_root = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="Folder of the root's key: a removable medium that is locked away afterwards.",
)
_requests = click.argument(
    "requests", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="CSR..."
)
_out = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where the certificates go; by default beside the requests.",
)


@click.group()
def command() -> None:
    """The certificate authority: an offline root, an issuing CA, certificates from requests, revocation (Art. 5)."""


command.add_command(ca_witnesses.command, "witnesses")


@command.command(short_help="Found the authority: a root in DIR, an issuing CA here.")
@_root
@options.lang
@options.as_json
def init(root: Path, lang: Language, as_json: bool) -> None:
    """Found the authority: the root in DIR, the issuing CA and the registry in HEDX_HOME/authority."""
    authority = ceremony.found(Installation(data_dir()), root, wall_clock())
    _show_authority([authority.root, authority.issuing], lang, as_json)
    if not as_json:
        remark(f"write both fingerprints into the record of the ceremony, then take {root} away and lock it up")


@command.command("renew-issuing", short_help="Make a new issuing CA, to be switched to once all know it.")
@_root
@options.lang
@options.as_json
def renew_issuing(root: Path, lang: Language, as_json: bool) -> None:
    """Make a new issuing CA under the root in DIR. The earlier one signs lists and certificates until switch-issuing."""
    authority = ceremony.renew_issuing(Installation(data_dir()), root, wall_clock())
    _show_authority([authority.issuing, *authority.earlier], lang, as_json)
    if not as_json:
        remark("hand the anchor (hedx party anchor) to every party; when all have it: hedx ca switch-issuing")


@command.command("switch-issuing", short_help="Sign with the new issuing CA from now on.")
@click.option("--yes", is_flag=True, help="Do not ask whether every party has the new anchor.")
@options.lang
@options.as_json
def switch_issuing(yes: bool, lang: Language, as_json: bool) -> None:
    """Sign lists and certificates with the issuing CA that renew-issuing made; the earlier one's stay valid to their end.

    Whoever has not got the new anchor refuses the next list, and a week later everything.
    """
    if not yes:
        click.confirm("has every party installed the new anchor?", abort=True, err=True)
    authority = ceremony.switch_issuing(Installation(data_dir()))
    _show_authority([authority.issuing, *authority.earlier], lang, as_json)


@command.command(short_help="Issue certificates from requests.")
@_requests
@_out
@options.lang
@options.as_json
def issue(requests: tuple[Path, ...], out: Path | None, lang: Language, as_json: bool) -> None:
    """Issue the certificates that the requests CSR ask for, all or none; each goes into a .pem of the same name."""
    _issue(requests, out, lang, as_json, renewal=False)


@command.command(short_help="Issue certificates for new keys beside those in force.")
@_requests
@_out
@options.lang
@options.as_json
def renew(requests: tuple[Path, ...], out: Path | None, lang: Language, as_json: bool) -> None:
    """Issue certificates for new keys beside those in force, which stay valid to their end; all or none."""
    _issue(requests, out, lang, as_json, renewal=True)
    if not as_json:
        remark(
            "first hedx ca publish and hedx ca witnesses --wait 60; then hand them over: until then nobody takes them"
        )


@command.command()
@click.argument("serials", nargs=-1, required=True, metavar="SERIAL...")
@click.option(
    "--reason",
    type=click.Choice([reason.replace("_", "-") for reason in get_args(Reason)]),
    required=True,
    help="Why (RFC 5280); key-compromise when somebody else may have the key.",
)
@click.option("--publish", is_flag=True, help="Tell everybody at once; else `hedx ca publish` does.")
@cluster.bootstrap_later
@options.lang
@options.as_json
def revoke(
    serials: tuple[str, ...], reason: str, publish: bool, bootstrap: str | None, lang: Language, as_json: bool
) -> None:
    """Revoke certificates for good, by serial number or SHA-256. What they signed before stays valid."""
    with Installation(data_dir()).registry() as registry, registry.together():
        now = wall_clock()
        word: Reason = reason.replace("-", "_")  # type: ignore[assignment]
        revoked = [registry.revoke(serial, word, now) for serial in serials]
    _show([{**row_of(each, now), "reason": each.reason} for each in revoked], lang, as_json)
    _publish_or_remark(publish, bootstrap, as_json)


@command.command(short_help="Make a new revocation list (吊销列表), good for 7 days.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Also as PEM into FILE.")
@click.option("--publish", is_flag=True, help="Publish it; daily, since readers stop trusting a list after 7 days.")
@cluster.bootstrap_later
@options.lang
@options.as_json
def crl(out: Path | None, publish: bool, bootstrap: str | None, lang: Language, as_json: bool) -> None:
    """Make a new revocation list (吊销列表), numbered one higher, good for 7 days."""
    installation, now = Installation(data_dir()), wall_clock()
    with installation.registry() as registry:
        made = registry.crl(installation.issuing(), now)
        count = sum(each.revoked_at is not None for each in registry.status())
    if out is not None:
        out.write_bytes(x509.load_der_x509_crl(made["crl"]).public_bytes(Encoding.PEM))
    record: dict[str, object] = {"crl": made["number"], "revoked": count, "next_update": now + CRL_LIFE}
    emit(record if as_json else labelled(timed(record), lang), as_json)
    _publish_or_remark(publish, bootstrap, as_json)


@command.command()
@click.option("--all", "everything", is_flag=True, help="Expired and revoked ones as well.")
@click.option("--within", type=click.IntRange(0), metavar="DAYS", help="Only those that expire within DAYS.")
@options.lang
@options.as_json
def status(everything: bool, within: int | None, lang: Language, as_json: bool) -> None:
    """List the certificates issued, with the days they have left."""
    now = wall_clock()
    with Installation(data_dir()).registry() as registry:
        rows = [row_of(each, now) for each in registry.status() if everything or each.state(now) == "valid"]
    _show([row for row in rows if within is None or _days(row) <= within], lang, as_json)


@command.command(short_help="Bring the cluster in step: hedx.trust and rights. Daily.")
@cluster.bootstrap
@options.lang
@options.as_json
def publish(bootstrap: str, lang: Language, as_json: bool) -> None:
    """Bring the cluster in step with the registry: hedx.trust, and the rights (ACLs) of registered addresses."""
    from pipeline.cli.publishing import publish_registry

    done = publish_registry(bootstrap)
    emit(done if as_json else labelled(done, lang), as_json)


@command.command(short_help="Bring a restored registry up to what hedx.trust says.")
@cluster.bootstrap
@options.lang
@options.as_json
def recover(bootstrap: str, lang: Language, as_json: bool) -> None:
    """Bring a registry that was restored from a backup, or lost, up to what hedx.trust says; each line is verified."""
    from pipeline.cli.publishing import published_on

    published = published_on(bootstrap)
    if published is None:
        raise ConfigError("nothing is published on hedx.trust: there is nothing to learn")
    with Installation(data_dir()).registry() as registry:
        learnt = asdict(registry.learn(published, wall_clock()))
    emit(learnt if as_json else labelled(learnt, lang), as_json)


def _issue(requests: tuple[Path, ...], out: Path | None, lang: Language, as_json: bool, *, renewal: bool) -> None:
    installation, now = Installation(data_dir()), wall_clock()
    with installation.registry() as registry:
        made = issue_all(registry, installation.issuing(), requests, now, renewal=renewal)
    files = write_certificates(made, out)
    rows = [{**row_of(each, now), "file": str(file)} for each, file in zip(made.values(), files, strict=True)]
    _show(rows, lang, as_json)


def _publish_or_remark(publish: bool, bootstrap: str | None, as_json: bool) -> None:
    if not publish:
        if not as_json:
            remark("nobody knows yet: hedx ca publish tells all parties")
        return
    from pipeline.cli.publishing import publish_change

    done = publish_change(cluster.resolve(bootstrap))
    if not as_json:
        remark(f"published: {done['records']} records on hedx.trust")


def _show_authority(certificates: list[x509.Certificate], lang: Language, as_json: bool) -> None:
    records = [ceremony.shown(each) for each in certificates]
    rows: list[dict[str, object]] = [
        {"name": each.name, "not_after": each.not_after, "fingerprint": each.fingerprint} for each in records
    ]
    _show(rows, lang, as_json)


def _show(rows: list[dict[str, object]], lang: Language, as_json: bool) -> None:
    emit(rows if as_json else [labelled(timed(row), lang) for row in rows], as_json)


def _days(row: dict[str, object]) -> int:
    return int(str(row["days_left"]))
