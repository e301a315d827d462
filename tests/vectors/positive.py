"""Vectors that verify, with every intermediate value. Byte strings are lower-case hex, times ms since the epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from pipeline.crypto import bundles, cbor, cose, merkle, roster, sealing, suite
from pipeline.crypto.bundles import SealedBundle
from pipeline.crypto.certificates import role_of
from pipeline.crypto.envelopes import Envelope
from pipeline.crypto.keys import SealingKey
from pipeline.crypto.signed import SignedObject
from pipeline.crypto.suite import H
from tests.vectors import scenario
from tests.vectors.identities import NOW, PARTIES, member, roots

Json = dict[str, Any]


def plain(value: Any) -> Any:
    """`value` as JSON has it: byte strings in hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


def parties() -> Json:
    """Certificates and keys."""
    listed = [
        {
            "party": name,
            "role": role_of(name),
            "signing_key": scalar(member(name).signer.key),
            "signing_certificate": member(name).signer.certificate,
            "x5t": member(name).signer.thumbprint,
            "sealing_key": scalar(member(name).sealing.private_key),
            "sealing_certificate": member(name).sealing_certificate,
            "kid": member(name).sealing.kid,
        }
        for name in PARTIES
    ]
    reply = scenario.reply_key()
    return {
        "roots": roots(),
        "parties": listed,
        "reply_key": {"private": scalar(reply.private_key), "point": reply.public_bytes, "kid": reply.kid},
    }


def trees() -> list[Json]:
    """The record tree over 0 to 9 records, with every path."""
    found = []
    for size in range(10):
        records = [b"record %d" % i for i in range(size)]
        leaves = merkle.record_leaves(records)
        found.append(
            {
                "name": f"{size}_records",
                "records": records,
                "leaves": leaves,
                "root": merkle.root(leaves, merkle.RECORD_NODE),
                "paths": [merkle.path(leaves, i, merkle.RECORD_NODE) for i in range(size)],
            }
        )
    return found


def sections() -> list[Json]:
    """Section roots."""
    return [_section(number) for number in range(1, len(scenario.SECTIONS) + 1)]


def signed_objects() -> list[Json]:
    """Mandate, acceptance, receipt; and the mandate under the other valid signature of ECDSA: the same object."""
    found = [
        _signed("mandate", scenario.mandate(), "mandate", {"record": scenario.mandate_record()}),
        _signed("acceptance", scenario.acceptance(), "acceptance", {"record": scenario.acceptance_record()}),
        _signed("receipt", scenario.receipt(), "receipt", {"record": scenario.receipt_record()}),
    ]
    protected, unprotected, payload, signature = cbor.loads(scenario.mandate().raw)
    s = suite._ORDER - int.from_bytes(signature[32:], "big")
    raw = cbor.dumps([protected, unprotected, payload, signature[:32] + s.to_bytes(32, "big")])
    twin = SignedObject(raw, scenario.mandate().digest, scenario.mandate().cti, NOW, NOW)
    return [*found, _signed("mandate_with_the_other_s", twin, "mandate", {})]


def seals() -> list[Json]:
    """Seals, from what was drawn to what travels."""
    return [_seal(name, made) for name, made in scenario.seals().items()]


def all_bundles() -> list[Json]:
    """One bundle of each kind of content."""
    done, refused, later = scenario.answer_bundles()
    return [
        _bundle("application", scenario.section_bundle("application", 1), "application"),
        _bundle("request", scenario.section_bundle("request", 1), "request"),
        _bundle("request_under_the_same_seal", scenario.section_bundle("request", 2), "request"),
        _bundle("answer_done", done, "answer"),
        _bundle("answer_refused", refused, None),
        _bundle("answer_unavailable", later, None),
        _bundle("receipt", scenario.receipt_bundle(), None),
        _bundle("relay", scenario.relay_bundle(), None),
    ]


def envelopes() -> list[Json]:
    """Whole Kafka values."""
    return [
        _envelope("request", scenario.request_envelope(), "center", "53"),
        _envelope("answer", scenario.answer_envelope(), "53", "center"),
        _envelope("relay", scenario.relay_envelope(), "center", "37"),
    ]


def relays() -> list[Json]:
    """53's bundles as the center hands them on."""
    found = []
    for index, bundle in enumerate(scenario.answer_bundles()):
        sign1, (place, size, path) = scenario.answer_proof(index)
        proof = {"sign1": sign1, "bundle": bundle.raw, "index": place, "size": size, "path": path}
        record = cbor.dumps([sign1, bundle.raw, place, size, path])
        found.append({"name": f"bundle_{index}", "issuer": "53", "leaf": bundle.leaf, **proof, "record": record})
    return found


def scalar(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The private scalar, 32 bytes."""
    return key.private_numbers().private_value.to_bytes(32, "big")


def _section(number: int) -> Json:
    salt, persons = scenario.salt(number), scenario.encoded_section(number)
    return {
        "name": f"section_{number}",
        "salt": salt,
        "records": [scenario.persons()[index] for index in scenario.SECTIONS[number - 1]],
        "persons": persons,
        "person_salts": roster.person_salts(salt, len(persons)),
        "leaves": roster.person_leaves(salt, persons),
        "root": roster.section_root(salt, persons),
    }


def _signed(name: str, made: SignedObject, typ: str, more: Json) -> Json:
    protected, _, payload, signature = cbor.loads(made.raw)
    claims = cbor.loads(protected)[cose.CWT_CLAIMS]
    return {
        "name": name,
        "type": typ,
        "now": NOW,
        "issuer": claims[cose.ISS],
        "audience": claims[cose.AUD],
        **more,
        "payload": payload,
        "protected": protected,
        "sig_structure": cose.sig_structure(typ, protected, payload),
        "digest": made.digest,
        "signature": signature,
        "sign1": made.raw,
    }


def _seal(name: str, made: scenario.Seal) -> Json:
    secret, content_key, iv, *ephemeral = made.drawn
    ctx = sealing.context(made.sender)
    body = cbor.dumps({1: sealing.A256GCM})
    aad = cbor.dumps(["Encrypt", body, ctx])
    ciphertext = AESGCM(content_key).encrypt(iv, secret, aad)
    steps = [_recipient(to, entropy, content_key, ctx) for to, entropy in zip(made.readers, ephemeral, strict=True)]
    parts = [[step["protected"], {-1: step.pop("cose_key")}, step["wrapped_key"]] for step in steps]
    assert cbor.dumps([body, {5: iv}, ciphertext, parts]) == made.raw
    return {
        "name": name,
        "sender": made.sender,
        "secret": secret,
        "content_key": content_key,
        "iv": iv,
        "ctx": ctx,
        "enc_structure": aad,
        "ciphertext": ciphertext,
        "recipients": steps,
        "seal": made.raw,
    }


def _recipient(to: SealingKey, entropy: bytes, content_key: bytes, ctx: bytes) -> Json:
    ephemeral = suite.generate_key(lambda _: entropy)
    point = suite.point(ephemeral.public_key())
    shared = suite.agree(ephemeral, to.public.public_key)
    protected = cbor.dumps({1: sealing.ECDH_ES_A256KW, 4: to.kid})
    info = cbor.dumps([sealing.A256KW, [None] * 3, [None] * 3, [256, protected, ctx]])
    wrapping_key = HKDF(hashes.SHA256(), 32, None, info).derive(shared)
    return {
        "private_key": scalar(to.private_key),
        "kid": to.kid,
        "protected": protected,
        "ephemeral_private_key": scalar(ephemeral),
        "ephemeral_point": point,
        "shared_x": shared,
        "kdf_context": info,
        "wrapping_key": wrapping_key,
        "wrapped_key": aes_key_wrap(wrapping_key, content_key),
        "cose_key": {1: 2, -1: 1, -2: point[1:33], -3: point[33:]},
    }


def _bundle(name: str, made: SealedBundle, seal: str | None) -> Json:
    header, wrapped, records = cbor.loads(made.raw)
    leaves = merkle.record_leaves(records)
    vector: Json = {
        "name": name,
        "header_fields": {field.name: getattr(made.header, field.name) for field in fields(made.header)},
        "header": header,
        "header_digest": H(header),
        "seal": wrapped,
        "seal_digest": H(wrapped or b""),
    }
    if seal is not None:
        secret = scenario.seals()[seal].secret
        base = bundles.bundle_key(secret, H(header))
        steps = [_record(i, record, base, H(header)) for i, record in enumerate(records)]
        vector |= {"secret": secret, "bundle_key": base, "records": steps}
    else:
        vector["records"] = [{"record": record} for record in records]
    root = merkle.root(leaves, merkle.RECORD_NODE)
    return vector | {"leaves": leaves, "record_root": root, "leaf": made.leaf, "bundle": made.raw}


def _record(index: int, record: bytes, base: bytes, header_digest: bytes) -> Json:
    number = index.to_bytes(4, "big")
    key = suite.hmac(base, b"record" + number)
    kc, ciphertext = cbor.loads(record)
    padded = suite.aead_decrypt(key, header_digest + number, ciphertext)
    size = int.from_bytes(padded[:4], "big")
    return {
        "plaintext": padded[4 : 4 + size],
        "padded": padded,
        "record_key": key,
        "kc": kc,
        "aad": header_digest + number,
        "ciphertext": ciphertext,
        "record": record,
    }


def _envelope(name: str, made: Envelope, issuer: str, audience: str) -> Json:
    sign1, raws = cbor.loads(made.value)
    leaves = [bundles.split(raw).leaf for raw in raws]
    protected, _, payload, signature = cbor.loads(sign1)
    return {
        "name": name,
        "issuer": issuer,
        "audience": audience,
        "now": NOW,
        "cti": made.id,
        "leaves": leaves,
        "root": merkle.root(leaves, merkle.BUNDLE_NODE),
        "paths": [merkle.path(leaves, i, merkle.BUNDLE_NODE) for i in range(len(leaves))],
        "payload": payload,
        "protected": protected,
        "digest": made.digest,
        "signature": signature,
        "sign1": sign1,
        "kafka_headers": {key: value.decode() for key, value in made.headers},
        "value": made.value,
    }
