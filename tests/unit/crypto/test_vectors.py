"""The published vectors: what they hold is what this code makes and accepts, or refuses with the code they name."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pipeline.codec import framing
from pipeline.crypto import bundles, cbor, merkle, relay, roster, sealing, signed, suite
from pipeline.crypto.envelopes import open_envelope
from pipeline.crypto.keys import SealingKey, public_sealing_key
from pipeline.crypto.suite import H
from pipeline.crypto.trust import Trust
from pipeline.domain.records import RevocationList, TrustEntry
from pipeline.stages.opening import SectionOpener
from tests.unit.crypto.exchange import refusal
from tests.vectors.make_vectors import documents

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
Json = dict[str, Any]


def load(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


def named(name: str) -> list[Any]:
    """The vectors of a file as parameters, each under its own name."""
    return [pytest.param(vector, id=vector["name"]) for vector in load(name)]


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def raws(texts: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


def key(scalar: str) -> SealingKey:
    number = int(scalar, 16)
    return SealingKey(suite.generate_key(lambda _: (number - 1).to_bytes(40, "big")))


@cache
def parties() -> dict[str, Json]:
    return {party["party"]: party for party in load("parties")["parties"]}


def entry(party: Json) -> TrustEntry:
    """A trust entry, from a party of parties.json or as a negative vector gives it."""
    return TrustEntry(
        party=party["party"],
        name=party["party"],
        role=party["role"],
        signing_certificates=raws(party.get("signing_certificates") or [party["signing_certificate"]]),
        sealing_certificates=raws(party.get("sealing_certificates") or [party["sealing_certificate"]]),
        transport_certificates=[],
        addresses=[],
        minimum_suite=party.get("minimum_suite", 1),
        suspended=party.get("suspended", False),
        number=1,
    )


def trust(replaced: Json | None = None, crl: str | None = None) -> Trust:
    known = parties() | ({replaced["party"]: replaced} if replaced else {})
    listed = RevocationList(number=1, crl=raw(crl)) if crl else None
    return Trust(raws(load("parties")["roots"]), [entry(party) for party in known.values()], listed)


def sealing_key(party: str) -> SealingKey:
    return key(parties()[party]["sealing_key"])


def test_the_files_are_what_the_script_makes() -> None:
    """Byte for byte; after a change of the format, run `python -m tests.vectors.make_vectors` and review the diff."""
    written = {path.name: path.read_text(encoding="utf-8") for path in VECTORS.glob("*.json")}
    assert written == documents()


def test_keys_have_the_thumbprints_stated() -> None:
    """x5t over the certificate, kid over the COSE_Key; the certificates are in order and for their use."""
    for name, party in parties().items():
        assert H(raw(party["signing_certificate"])).hex() == party["x5t"]
        assert trust().signer(raw(party["x5t"])).party == name
        assert trust().sealing_key(name).kid.hex() == party["kid"] == sealing_key(name).kid.hex()
    reply = load("parties")["reply_key"]
    assert public_sealing_key(raw(reply["point"])).kid.hex() == reply["kid"] == key(reply["private"]).kid.hex()


@pytest.mark.parametrize("vector", named("merkle"))
def test_trees(vector: Json) -> None:
    """Leaves, root, and each path to the root."""
    leaves = merkle.record_leaves(raws(vector["records"]))
    assert leaves == raws(vector["leaves"])
    assert merkle.root(leaves, merkle.RECORD_NODE).hex() == vector["root"]
    for index, path in enumerate(vector["paths"]):
        found = merkle.verify_path(leaves[index], index, len(leaves), raws(path), merkle.RECORD_NODE)
        assert found.hex() == vector["root"]


@pytest.mark.parametrize("vector", named("section"))
def test_sections(vector: Json) -> None:
    """From records to person bytes to the root a mandate states."""
    persons = raws(vector["persons"])
    assert [framing.write("Person", person) for person in vector["records"]] == persons
    salts = roster.person_salts(raw(vector["salt"]), len(persons))
    leaves = [roster.person_leaf(i, salt, persons[i]) for i, salt in enumerate(salts)]
    assert (salts, leaves) == (raws(vector["person_salts"]), raws(vector["leaves"]))
    assert roster.section_root(raw(vector["salt"]), persons).hex() == vector["root"]


@pytest.mark.parametrize("vector", named("signed"))
def test_signed_objects(vector: Json) -> None:
    """Each verifies, is identified by its digest whatever its signature bytes, and holds the payload stated."""
    got = signed.verify(
        raw(vector["sign1"]),
        vector["type"],
        trust(),
        now=vector["now"],
        audience=vector["audience"],
        issuer=vector["issuer"],
    )
    assert (got.digest.hex(), got.payload.hex()) == (vector["digest"], vector["payload"])
    assert H(raw(vector["sig_structure"])) == got.digest


def test_the_mandate_has_one_digest_under_both_its_signatures() -> None:
    """ECDSA is malleable; identity is not."""
    mandates = [vector for vector in load("signed") if vector["type"] == "mandate"]
    assert len({vector["signature"] for vector in mandates}) == 2
    assert len({vector["digest"] for vector in mandates}) == 1


@pytest.mark.parametrize("vector", named("seal"))
def test_seals(vector: Json) -> None:
    """Each recipient opens it."""
    assert sealing.context(vector["sender"]).hex() == vector["ctx"]
    for recipient in vector["recipients"]:
        secret = sealing.unseal(raw(vector["seal"]), vector["sender"], key(recipient["private_key"]))
        assert secret.hex() == vector["secret"]


@pytest.mark.parametrize("vector", named("bundle"))
def test_bundles(vector: Json) -> None:
    """Header, digests, leaf, and every record's plaintext."""
    bundle = bundles.parse_bundle(raw(vector["bundle"]))
    assert bundle.header_digest.hex() == vector["header_digest"]
    assert bundle.leaf.hex() == vector["leaf"]
    assert merkle.root(raws(vector["leaves"]), merkle.RECORD_NODE).hex() == vector["record_root"]
    shown = {
        name: value.hex() if isinstance(value, bytes) else list(value) if isinstance(value, tuple) else value
        for name in vector["header_fields"]
        for value in (getattr(bundle.header, name),)
    }
    assert shown == vector["header_fields"]
    assert [record.hex() for record in bundle.records] == [record["record"] for record in vector["records"]]
    if "secret" in vector:
        opened = bundles.open_records(bundle, raw(vector["secret"]))
        assert [record.hex() for record in opened] == [record["plaintext"] for record in vector["records"]]
        for index, record in enumerate(vector["records"]):
            padded = bundle.header.padded if index >= bundle.heads else None
            plaintext = bundles.open_record(
                bundle.records[index], index, raw(record["record_key"]), bundle.header_digest, padded
            )
            assert plaintext.hex() == record["plaintext"]


@pytest.mark.parametrize("vector", named("envelope"))
def test_envelopes(vector: Json) -> None:
    """Whole Kafka values open into the bundles stated, each provable by its path."""
    got = open_envelope(raw(vector["value"]), trust(), audience=vector["audience"], now=vector["now"])
    assert (got.id.hex(), got.issuer, got.digest.hex()) == (vector["cti"], vector["issuer"], vector["digest"])
    assert [bundle.leaf.hex() for bundle in got.bundles] == vector["leaves"]
    assert [bundle.proof()[2] for bundle in got.bundles] == [raws(path) for path in vector["paths"]]


@pytest.mark.parametrize("vector", named("relay"))
def test_relays(vector: Json) -> None:
    """Bundles lifted out of a provider's envelope."""
    now = load("envelope")[0]["now"]
    got = relay.open_relay(raw(vector["record"]), trust(), now=now)
    assert (got.issuer, got.bundle.leaf.hex()) == (vector["issuer"], vector["leaf"])


def test_the_section_opens_as_the_mandate_says() -> None:
    """The whole way of a provider, on the request of the vectors."""
    envelope = load("envelope")[0]
    opener = SectionOpener(sealing_key("53"))
    got = open_envelope(raw(envelope["value"]), trust(), audience="53", now=envelope["now"])
    for bundle, section in zip(got.bundles[:2], load("section"), strict=True):
        opened = opener.section(bundle, opener.warrant(bundle, trust(), envelope["now"]))
        assert [person.hex() for person in opened.persons] == section["persons"]


def open_section(vector: Json, data: bytes) -> object:
    bundle = bundles.parse_bundle(data)
    opener = SectionOpener(sealing_key(vector["reader"]))
    return opener.section(bundle, opener.warrant(bundle, trust(), vector["now"]))


CHECKS = {
    "cbor": lambda v, data: cbor.loads(data),
    "path": lambda v, data: merkle.verify_path(data, v["index"], v["size"], raws(v["path"]), merkle.RECORD_NODE),
    "signed": lambda v, data: signed.verify(data, v["type"], trust(), now=v["now"]),
    "envelope": lambda v, data: open_envelope(
        data, trust(v.get("trust"), v.get("crl")), audience=v["audience"], now=v["now"]
    ),
    "bundle": lambda v, data: bundles.parse_bundle(data),
    "records": lambda v, data: bundles.open_records(bundles.parse_bundle(data), raw(v["secret"])),
    "seal": lambda v, data: sealing.unseal(data, v["sender"], sealing_key(v["reader"])),
    "relay": lambda v, data: relay.open_relay(data, trust(), now=v["now"]),
    "section": open_section,
}


@pytest.mark.parametrize("vector", named("negative"))
def test_refuses(vector: Json) -> None:
    """Each defect, with its code."""
    given = vector["input"]
    data = raw(given["repeat"]) * given["times"] if isinstance(given, dict) else raw(given)
    assert refusal(lambda: CHECKS[vector["check"]](vector, data)) == vector["code"]


def test_negative_vectors_differ_by_name() -> None:
    """A name is a defect."""
    names = [vector["name"] for vector in load("negative")]
    assert len(set(names)) == len(names) >= 25
