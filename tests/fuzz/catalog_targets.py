"""The catalog's ways in: what a party reports, and what an archive file holds."""

from __future__ import annotations

from typing import cast

from pipeline.center.catalog_archive import FORMAT, open_archive
from pipeline.cli.catalog_words import as_data, as_lines
from pipeline.codec import framing
from pipeline.crypto import cbor, signed
from pipeline.domain.catalog_changes import changes, compose
from pipeline.domain.parties import CENTER
from pipeline.domain.records import CatalogReport, DeskItem
from pipeline.domain.wording import explain
from pipeline.stages.acts import open_act
from pipeline.stages.cataloguing import to_desk
from tests.fuzz import world
from tests.fuzz.harness import Target, loaded, must, proportionate, refused
from tests.vectors.identities import NOW, Draws, member, roots


def read_report(data: bytes) -> None:
    """Input: a framed CatalogReport, which 37 signs: it goes to the desk with its faults in words, or is refused. Then the bytes as they are."""
    refused(lambda: open_act(data, world.trust(), at=NOW, issuer="37", audience=CENTER))
    record = refused(lambda: framing.decode_as("CatalogReport", data))
    if record is None:
        return
    payload = framing.encode("CatalogReport", {**record, "party": "37"})
    act = refused(lambda: open_act(_signed("catalog-report", payload, "37", CENTER), world.trust(), at=NOW))
    output = None if act is None else refused(lambda: to_desk(act, world.release(), NOW))
    if act is None or output is None:
        return
    proportionate(len(output.value or b""), len(data), 2)
    item = cast("DeskItem", framing.decode_as("DeskItem", output.value or b""))
    must(all(explain(fault, "zh") and explain(fault, "en") for fault in item["faults"]), "a fault without words")
    found = changes(world.release(), compose(world.release(), [cast("CatalogReport", act.record)]))
    told = [*as_lines(found, "zh"), *as_lines(found, "en"), repr(as_data(found))]
    proportionate(sum(map(len, told)), len(data), 40)


def read_archive(data: bytes) -> None:
    """An archive file as it comes: a release that the center signed, whole, or a refusal."""
    refused(lambda: open_archive(data, roots()))


def read_made_archive(data: bytes) -> None:
    """Input: `[release, [* [key, payload]]]`: the center signs each payload; a whole release, or a refusal."""
    match loaded(data, 3):
        case [int() as number, [*records]] if all(_is_record(record) for record in records):
            made = [[key, _signed("catalog", payload, CENTER, "all")] for key, payload in records]
            parts = {"format": FORMAT, "release": number, "records": made}
            read_archive(cbor.dumps({**parts, "witnesses": [member(CENTER).signer.certificate]}))


def _is_record(record: object) -> bool:
    match record:
        case [bytes(), bytes()]:
            return True
    return False


def _signed(typ: str, payload: bytes, party: str, audience: str) -> bytes:
    cti = Draws(f"fuzz/catalog/{typ}")(16)
    return signed.sign(typ, payload, member(party).signer, audience=audience, now=NOW, cti=cti).raw


TARGETS = [
    Target("catalog-report", "stages.cataloguing behind the signature", read_report, 3, 16384),
    Target("archive", "center.catalog_archive.open_archive", read_archive, 1, 16384),
    Target("archive-signed", "the same behind the signatures", read_made_archive, 2, 16384),
]
