"""The format read by other hands: docs/envelope.md put into code with `cwt`, `cbor2` and plain primitives.

Nothing here calls the package, so a mistake made alike in its writing and reading would show. What is read are the
vectors, which another test holds against what the package writes.
"""

from __future__ import annotations

import ast
import hashlib
import hmac
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cwt import COSE, COSEKey

REPOSITORY = Path(__file__).resolve().parents[3]
SIGN_USAGE = "2.25.51837860837203087124002029131814062175"


def vectors(name: str) -> Any:
    return json.loads((REPOSITORY / "tests" / "vectors" / f"{name}.json").read_text(encoding="utf-8"))


PARTIES = {party["party"]: party for party in vectors("parties")["parties"]}
ENVELOPES = {vector["name"]: bytes.fromhex(vector["value"]) for vector in vectors("envelope")}


# ---- section 2: notation ----------------------------------------------------------------------------------------------


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def mac(key: bytes, *parts: bytes) -> bytes:
    return hmac.new(key, b"".join(parts), "sha256").digest()


def u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


# ---- section 3: signed objects ----------------------------------------------------------------------------------------


class Object(NamedTuple):
    issuer: str
    audience: str
    payload: bytes
    digest: bytes


def verified(sign1: bytes, typ: str) -> Object:
    """A signed object, verified by cwt under the certificate that its x5t names and the authorities vouch for."""
    protected = cbor2.loads(sign1)[0]
    stated = cbor2.loads(protected)
    party, der = next(
        (name, bytes.fromhex(party["signing_certificate"]))
        for name, party in PARTIES.items()
        if stated[34] == [-16, sha(bytes.fromhex(party["signing_certificate"]))]
    )
    certificate = vouched_for(der)
    pem = certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key = COSEKey.from_pem(pem, alg="ES256")
    tagged = cbor2.CBORTag(18, cbor2.loads(sign1))
    aad = f"hedx/1/{typ}".encode()
    header, unprotected, payload = COSE.new().decode_with_headers(tagged, key, external_aad=aad)
    claims = header[15]
    assert header == {1: -7, 2: [-65537], 15: claims, 16: f"hedx/1/{typ}", 34: stated[34], -65537: 1}
    assert (unprotected, claims.keys(), claims[1]) == ({}, {1, 3, 4, 6, 7}, party)
    assert 0 < claims[4] - claims[6] <= 14 * 86400
    assert (len(claims[7]), claims[7][6] >> 4) == (16, 7)
    digest = sha(cbor2.dumps(["Signature1", protected, aad, payload], canonical=True))
    return Object(claims[1], claims[3], payload, digest)


def vouched_for(der: bytes) -> x509.Certificate:
    """Section 12: the certificate, under issuing authority and root, and for signing only."""
    root, issuing = (x509.load_der_x509_certificate(bytes.fromhex(der)) for der in vectors("parties")["roots"])
    certificate = x509.load_der_x509_certificate(der)
    root.verify_directly_issued_by(root)
    issuing.verify_directly_issued_by(root)
    certificate.verify_directly_issued_by(issuing)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [use.dotted_string for use in usage] == [SIGN_USAGE]
    return certificate


# ---- sections 4 to 6: envelopes, bundles, trees -----------------------------------------------------------------------


class Bundle(NamedTuple):
    header: dict[int, Any]
    header_digest: bytes
    seal: bytes | None
    records: list[bytes]
    leaf: bytes


def tree(leaves: list[bytes], prefix: bytes) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else sha(b"\x04")
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(prefix, tree(leaves[:k], prefix), tree(leaves[k:], prefix))


def climb(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root of the tree of bundles that a proof leads to."""
    last, siblings = size - 1, iter(path)
    while last:
        if index % 2:
            leaf = sha(b"\x03", next(siblings), leaf)
        elif index < last:
            leaf = sha(b"\x03", leaf, next(siblings))
        index, last = index // 2, last // 2
    assert not list(siblings)
    return leaf


def bundle(raw: bytes) -> Bundle:
    header, seal, records = cbor2.loads(raw)
    root = tree([sha(b"\x00", u32(i), record) for i, record in enumerate(records)], b"\x01")
    leaf = sha(b"\x02", sha(header), sha(seal or b""), u32(len(records)), root)
    return Bundle(cbor2.loads(header), sha(header), seal, records, leaf)


def opened(value: bytes, audience: str) -> tuple[str, list[Bundle]]:
    """Issuer and bundles of an envelope."""
    sign1, raws = cbor2.loads(value)
    signature = verified(sign1, "envelope")
    bundles = [bundle(raw) for raw in raws]
    assert signature.audience == audience
    assert cbor2.loads(signature.payload) == {1: tree([b.leaf for b in bundles], b"\x03"), 2: len(bundles)}
    assert {b.header[3] for b in bundles} == {signature.issuer}
    return signature.issuer, bundles


# ---- sections 7 and 8: seals and records ------------------------------------------------------------------------------


def private_key(scalar: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int(scalar, 16), ec.SECP256R1())


def unsealed(seal: bytes, sender: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    """S, opened by cwt with the KDF context written out."""
    numbers = key.public_key().public_numbers()
    x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
    kid = sha(cbor2.dumps({1: 2, -1: 1, -2: x, -3: y}))
    body = cbor2.loads(seal)
    protected = next(recipient[0] for recipient in body[3] if cbor2.loads(recipient[0]) == {1: -31, 4: kid})
    ctx = sha(cbor2.dumps(["hedx/1/seal", 1, sender]))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    reader = COSEKey.from_pem(pem, alg="ECDH-ES+A256KW", kid=kid)
    nobody = [None, None, None]
    context = [-5, nobody, nobody, [256, protected, ctx]]
    return bytes(COSE.new().decode(cbor2.CBORTag(96, body), reader, context=context, external_aad=ctx))


def contents(sealed: Bundle, secret: bytes) -> Iterator[bytes]:
    """The contents of the records, one after the other: kc first, then decryption, then padding."""
    base = mac(secret, b"bundle", sealed.header_digest)
    heads = len(sealed.records) - sealed.header[19]
    for i, record in enumerate(sealed.records):
        kc, ciphertext = cbor2.loads(record)
        key = mac(base, b"record", u32(i))
        assert kc == sha(b"\x06", key)
        padded = AESGCM(key).decrypt(bytes(12), ciphertext, sealed.header_digest + u32(i))
        size = int.from_bytes(padded[:4], "big")
        assert len(padded) % 128 == 0 if i < heads else len(padded) == sealed.header[20]
        assert not any(padded[4 + size :])
        yield padded[4 : 4 + size]


# ---- section 9: Avro ----------------------------------------------------------------------------------------------------


def whole(name: str) -> Any:
    """The schema of a record, each named type written out where it first occurs."""
    known: set[str] = set()

    def written_out(schema: Any) -> Any:
        if isinstance(schema, list):
            return [written_out(branch) for branch in schema]
        if isinstance(schema, str):
            return load(schema) if schema.startswith("hedx.") and schema not in known else schema
        if "name" in schema:
            known.add(f"hedx.{schema['name']}")
        inner = {key: written_out(schema[key]) for key in ("items", "values") if key in schema}
        if not isinstance(schema["type"], str):
            inner["type"] = written_out(schema["type"])
        if "fields" in schema:
            inner["fields"] = [{**field, "type": written_out(field["type"])} for field in schema["fields"]]
        return {**schema, **inner}

    def load(full: str) -> Any:
        path = REPOSITORY / "avro" / f"{full.removeprefix('hedx.')}.avsc"
        return written_out(json.loads(path.read_text(encoding="utf-8")))

    return load(f"hedx.{name}")


def schema_id(name: str) -> bytes:
    text = json.dumps(whole(name), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha(text.encode())[:8]


class Avro:
    """Reads the binary encoding, as far as these records need it."""

    def __init__(self, data: bytes) -> None:
        self.data = io.BytesIO(data)
        self.types: dict[str, Any] = {}

    def long(self) -> int:
        number = shift = 0
        while True:
            [byte] = self.data.read(1)
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number >> 1 ^ -(number & 1)

    def blocks(self, item: Any) -> Iterator[Any]:
        while count := self.long():
            yield from (self.value(item) for _ in range(count))

    def value(self, schema: Any) -> Any:
        match schema:
            case list():
                return self.value(schema[self.long()])
            case {"type": "record" | "enum", "name": name}:
                self.types[f"hedx.{name}"] = schema
        match schema:
            case {"type": "record", "fields": fields}:
                return {field["name"]: self.value(field["type"]) for field in fields}
            case {"type": "enum", "symbols": symbols}:
                return symbols[self.long()]
            case {"type": "array", "items": items}:
                return list(self.blocks(items))
            case {"type": inner}:
                return self.value(inner)
            case "null":
                return None
            case "boolean":
                return self.data.read(1) == b"\x01"
            case "int" | "long":
                return self.long()
            case "bytes":
                return self.data.read(self.long())
            case "string":
                return self.data.read(self.long()).decode()
        return self.value(self.types[schema])


def bare(name: str, data: bytes) -> dict[str, Any]:
    reader = Avro(data)
    record: dict[str, Any] = reader.value(whole(name))
    assert reader.data.read() == b""
    return record


def framed(name: str, data: bytes) -> dict[str, Any]:
    assert data[:8] == schema_id(name)
    return bare(name, data[8:])


# ---- what the three readers do ------------------------------------------------------------------------------------------


def test_this_file_is_independent() -> None:
    """No import of the package, directly or through another test's module."""
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name for name in imported if name.split(".")[0] in ("pipeline", "tests")}


def test_a_provider_reads_a_request() -> None:
    """From the Kafka value to the persons under the mandate's root, signature by signature and hash by hash."""
    issuer, bundles = opened(ENVELOPES["request"], "53")
    assert issuer == "center"
    key = private_key(PARTIES["53"]["sealing_key"])
    for number, request in enumerate(bundles[:2], 1):
        assert (request.header[1], request.header[4], request.header[8]) == ("request", "53", number)
        assert request.seal is not None
        warrant_bytes, head_bytes, *persons = contents(request, unsealed(request.seal, "center", key))
        warrant = framed("Warrant", warrant_bytes)
        mandate_object = verified(warrant["mandate"], "mandate")
        mandate = framed("Mandate", mandate_object.payload)
        assert (mandate_object.issuer, mandate["requester"], request.header[5]) == ("37", "37", "37")
        assert (mandate_object.digest, mandate["application_id"]) == (request.header[7], request.header[6])
        acceptance_object = verified(warrant["acceptance"], "acceptance")
        acceptance = framed("Acceptance", acceptance_object.payload)
        assert (acceptance_object.issuer, acceptance["mandate_digest"]) == ("center", mandate_object.digest)
        asked = [query["row"] for query in acceptance["sub_queries"] if query["provider"] == "53"]
        assert asked == request.header[13] == [row["row"] for row in mandate["schedule"]]
        salt = framed("SectionHead", head_bytes)["salt"]
        leaves = [sha(b"\x05", u32(i), mac(mac(salt, u32(i)), person)) for i, person in enumerate(persons)]
        stated = mandate["sections"][number - 1]
        assert (tree(leaves, b"\x01"), len(persons)) == (stated["root"], stated["count"])
        assert request.header[18] == schema_id("Person")
        assert [bare("Person", person)["name"][:2] for person in persons] == ["测试"] * len(persons)


def test_a_requester_reads_a_relayed_answer() -> None:
    """Two signatures, a proof, the reply key; then found or not, person by person."""
    issuer, bundles = opened(ENVELOPES["relay"], "37")
    assert issuer == "center"
    sign1, raw, index, size, path = cbor2.loads(bundles[0].records[0])
    provider = verified(sign1, "envelope")
    answer = bundle(raw)
    assert (provider.issuer, provider.audience, answer.header[3], answer.header[12]) == ("53", "center", "53", "53")
    assert cbor2.loads(provider.payload) == {1: climb(answer.leaf, index, size, path), 2: size}
    mandate = verified(bytes.fromhex(vectors("signed")[0]["sign1"]), "mandate")
    assert answer.header[7] == mandate.digest
    assert answer.header[15] == opened(ENVELOPES["request"], "53")[1][0].leaf
    assert answer.seal is not None
    secret = unsealed(answer.seal, "53", private_key(vectors("parties")["reply_key"]["private"]))
    records = [bare("Answer", record) for record in contents(answer, secret)]
    members = [i for i in range(8 * len(answer.header[11])) if answer.header[11][i // 8] >> i % 8 & 1]
    assert [record["index"] for record in records] == members == [0, 2]
    statuses = [[result["status"] for result in record["results"]] for record in records]
    assert statuses == [["no_record", "found"], ["no_record", "no_record"]]
    assert records[0]["results"][1]["entries"] == [{"items": [{"item": "plate", "value": "云A00000"}]}]


def test_the_center_verifies_answers_that_it_cannot_read() -> None:
    """Scope and outcomes are in the headers; its own key is no recipient's."""
    issuer, bundles = opened(ENVELOPES["answer"], "center")
    assert issuer == "53"
    assert [(b.header[8], b.header[11], b.header[21]) for b in bundles] == [
        (1, b"\x05", "done"),
        (1, b"\x02", "refused"),
        (2, b"\x01", "unavailable"),
    ]
    assert [b.seal is None and not b.records for b in bundles] == [False, True, True]
    kid = bytes.fromhex(PARTIES["center"]["kid"])
    assert bundles[0].seal is not None
    assert [cbor2.loads(recipient[0])[4] == kid for recipient in cbor2.loads(bundles[0].seal)[3]] == [False]


def test_a_receipt_reaches_the_provider_signed_by_the_requester() -> None:
    """The record of a clear bundle is the signed object itself."""
    _, bundles = opened(ENVELOPES["request"], "53")
    receipt = verified(bundles[2].records[0], "receipt")
    assert receipt.issuer == "37"
    _, answers = opened(ENVELOPES["answer"], "center")
    assert framed("Receipt", receipt.payload)["bundles"] == [answers[0].leaf]


def test_what_is_written_is_deterministic_to_others() -> None:
    """Each CBOR item of an envelope is what cbor2's canonical writer makes of it (our keys sort alike in both orders)."""
    for value in ENVELOPES.values():
        sign1, raws = cbor2.loads(value)
        items = [value, sign1, *cbor2.loads(sign1)[:1], *raws]
        for raw in raws:
            header, seal, _ = cbor2.loads(raw)
            items += [header] if seal is None else [header, seal]
        for item in items:
            assert cbor2.dumps(cbor2.loads(item), canonical=True) == item
