"""`hedx unit`: an entrusting unit (委托单位) that holds the reply keys of its applications itself."""

from __future__ import annotations

from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.cli import options
from pipeline.cli.output import emit, remark
from pipeline.codec import framing
from pipeline.crypto.certificates import UNREADABLE, instant
from pipeline.crypto.keystore import write_durably
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.records import RevocationList
from pipeline.province.exports import as_csv
from pipeline.province.exports import as_json as json_bytes
from pipeline.province.handover import Kind, about_export, csv_head
from pipeline.province.sealed_packs import open_pack, reply_key_of
from pipeline.province.unit_keys import find_key, make_keys
from pipeline.stages.clock import local_time

_DER = b"\x30"
"""What a list in DER starts with: a SEQUENCE."""
_FILE = click.Path(path_type=Path)
_EXISTING = click.Path(path_type=Path, exists=True)

passphrase_file = click.option(
    "--passphrase-file", type=_EXISTING, help="A file with the keys' passphrase; without it you are asked."
)


@click.group()
def command() -> None:
    """An entrusting unit (委托单位) that opens its results itself, without its province."""


@command.command()
@click.option("--output", "-o", type=_FILE, required=True, help="The folder to write the keys to.")
@click.option("--count", type=click.IntRange(1, 1000), default=1, help="How many: one for each application.")
@passphrase_file
@options.as_json
def keygen(output: Path, count: int, passphrase_file: Path | None, as_json: bool) -> None:
    """Make reply keys: give a `.pub` file to the province for each application (hedx apply submit --reply-key).

    A key serves one application: providers refuse it under another mandate. Without its `.key` file and the passphrase
    nobody opens the answers, so keep a copy of both.
    """
    made = make_keys(output, count, _passphrase(passphrase_file, new=True))
    emit([str(path) for path in made], as_json)


@command.command("open")
@click.argument("pack", type=_EXISTING)
@click.option("--key", type=_EXISTING, required=True, help="The private key, or the folder that keygen wrote.")
@click.option(
    "--roots", type=_EXISTING, required=True, help="The authority's certificates, PEM, as you were given them."
)
@click.option("--crl", type=_EXISTING, help="The center's newest revocation list (hedx ca crl --out), PEM or DER.")
@click.option("--format", "kind", type=click.Choice(["json", "csv"]), default="json", help="What to write.")
@click.option("--output", "-o", type=_FILE, required=True, help="The file to write.")
@passphrase_file
@options.as_json
def open_(
    pack: Path,
    key: Path,
    roots: Path,
    crl: Path | None,
    kind: Kind,
    output: Path,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Verify a PACK (hedx apply export --sealed) and write its dossiers. Needs no network.

    Nothing in the pack is believed but what verifies under --roots, which come from the center on another way. So does
    --crl; without it a pack that was forged with a stolen, revoked key opens as well.
    """
    raw, certificates = pack.read_bytes(), _certificates(roots)
    listed = None if crl is None else _revocation_list(crl)
    opener = find_key(key, reply_key_of(raw), _passphrase(passphrase_file))
    found = open_pack(raw, opener, certificates, None if listed is None else listed[0])
    about = about_export(found.mandate, found.certificate.hex(), found.form)
    content = as_csv(found.dossiers, csv_head(about)) if kind == "csv" else json_bytes(found.dossiers, about)
    write_durably(output, content)
    emit(
        {
            "file": str(output),
            "dossiers": len(found.dossiers),
            "unit": found.mandate["entrusting_unit"],
            "purpose": found.mandate["purpose"],
            "certificate": found.certificate.hex(),
            "revocation_list": None if listed is None else listed[0]["number"],
            "revocation_list_of": None if listed is None else listed[1],
        },
        as_json,
    )
    if listed is None:
        remark("REVOCATION WAS NOT CHECKED: ask the center for its newest list and open the pack with --crl")
    else:
        remark(f"revocation was checked as of {local_time(listed[1])}: what was revoked later is not in that list")


def _passphrase(file: Path | None, *, new: bool = False) -> bytes:
    text = file.read_text().strip() if file else click.prompt("passphrase", hide_input=True, confirmation_prompt=new)
    if len(text) < 12:
        raise ConfigError("a passphrase has at least 12 characters")
    return str(text).encode()


def _revocation_list(path: Path) -> tuple[RevocationList, int]:
    """A list from a file, PEM, DER or as it stands on hedx.trust without its signature; and of when it is (ms)."""
    data = path.read_bytes()
    try:
        if data.startswith(b"-----BEGIN"):
            data = x509.load_pem_x509_crl(data).public_bytes(Encoding.DER)
        elif not data.startswith(_DER):
            data = framing.decode_as("RevocationList", data)["crl"]
        crl = x509.load_der_x509_crl(data)
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        return RevocationList(number=number, crl=data), instant(crl.last_update_utc)
    except (InvalidMessage, *UNREADABLE) as error:
        raise ConfigError(f"{path}: no revocation list with a number, in PEM or DER") from error


def _certificates(path: Path) -> list[bytes]:
    try:
        return [found.public_bytes(Encoding.DER) for found in x509.load_pem_x509_certificates(path.read_bytes())]
    except ValueError as error:
        raise ConfigError(f"{path}: no certificates in PEM") from error
