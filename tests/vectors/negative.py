"""Vectors that must be refused, named by their defect, each with the code of the check that finds it.

`check` says which procedure is given `input`: cbor, path, signed, envelope, bundle, records, seal, relay or section.
Defects behind the signature are signed rightly, so that only the check meant can find them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from pipeline.codec import framing
from pipeline.crypto import bundles, cbor, cose, envelopes, merkle, suite
from pipeline.crypto.bundles import SealedBundle
from pipeline.crypto.certificates import ENCRYPT_USAGE, SIGN_USAGE
from pipeline.crypto.headers import Header
from pipeline.crypto.suite import H
from pipeline.domain.records import TrustEntry, Warrant
from tests.vectors import scenario
from tests.vectors.identities import NOW, DeterministicSigner, certify, member, revocation_list

Json = dict[str, Any]
Change = Callable[[dict[Any, Any]], object]
DAY = scenario.DAY


def vectors() -> list[Json]:
    """All of them, in the order of the checks."""
    groups = (_cbor, _outer, _cose, _certificates, _signatures, _roots, _claims, _headers, _relays, _paths)
    return [vector for group in (*groups, _seals, _records, _sections) for vector in group()]


def _vector(check: str, name: str, code: str, data: bytes, **context: Any) -> Json:
    return {"check": check, "name": name, "code": code, **context, "input": data}


def _envelope(name: str, code: str, value: bytes, **context: Any) -> Json:
    return _vector("envelope", name, code, value, **({"audience": "53", "now": NOW} | context))


# ---- bending what is right ----------------------------------------------------------------------------------------


def _value(sign1: bytes, raws: list[bytes]) -> bytes:
    return cbor.dumps([sign1, raws])


def _parts() -> tuple[bytes, list[bytes]]:
    sign1, raws = cbor.loads(scenario.request_envelope().value)
    return sign1, raws


def _resigned(change: Change | None = None, *, payload: bytes | None = None, party: str = "center") -> bytes:
    """The request envelope's sign1 with its protected header changed, then signed again."""
    protected, _, old, _ = cbor.loads(_parts()[0])
    header = cbor.loads(protected)
    if change:
        change(header)
    return _sign1("envelope", cbor.dumps(header), payload or old, member(party).signer)


def _sign1(typ: str, protected: bytes, payload: bytes, signer: DeterministicSigner) -> bytes:
    signature = signer.sign(cose.sig_structure(typ, protected, payload))
    return cose.encode(protected, payload, signature)


def _signed_over(raws: list[bytes]) -> bytes:
    """A whole envelope from the center to 53 over `raws`, whatever is in them."""
    leaves = [bundles.split(raw).leaf for raw in raws]
    payload = envelopes.encode_root(merkle.root(leaves, merkle.BUNDLE_NODE), len(leaves))
    return _value(_resigned(payload=payload), raws)


def _bent(raw: bytes, change: Callable[[list[Any]], object]) -> bytes:
    """A bundle, or any array, with `change` made to its items."""
    body = cbor.loads(raw)
    change(body)
    return cbor.dumps(body)


def _with_header(raw: bytes, change: Change) -> bytes:
    def apply(body: list[Any]) -> None:
        header = cbor.loads(body[0])
        change(header)
        body[0] = cbor.dumps(header)

    return _bent(raw, apply)


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] if at >= 0 else _flip(data, len(data) + at)


def _claim(label: int, value: object) -> Change:
    return lambda header: header[cose.CWT_CLAIMS].__setitem__(label, value)


def _set(key: object, value: object) -> Change:
    return lambda header: header.__setitem__(key, value)


# ---- what is refused ------------------------------------------------------------------------------------------------


def _cbor() -> Iterator[Json]:
    defects = {
        "duplicate_map_key": "a2010a010b",
        "map_keys_out_of_order": "a2020a010b",
        "map_of_65_pairs": "b841" + "".join(cbor.dumps(key).hex() + "f6" for key in range(65)),
        "indefinite_length_array": "9f01ff",
        "indefinite_length_string": "5f4101ff",
        "head_longer_than_need_be": "1817",
        "length_head_longer_than_need_be": "5900014a",
        "bytes_after_the_end": "0000",
        "data_ends_inside_an_item": "4401",
        "tag": "c100",
        "float": "f93c00",
        "undefined": "f7",
        "text_is_not_utf8": "61ff",
        "map_key_is_a_byte_string": "a14100f6",
        "array_longer_than_the_data": "9b00000000ffffffff00",
        "nested_too_deep": "81" * 9 + "00",
    }
    for name, data in defects.items():
        yield _vector("cbor", name, "cbor_invalid", bytes.fromhex(data))


def _outer() -> Iterator[Json]:
    sign1, raws = _parts()
    oversized = _envelope("over_the_hard_limit", "size", b"")
    yield oversized | {"input": {"repeat": "00", "times": envelopes.HARD_LIMIT + 1}}
    yield _envelope("byte_after_the_envelope", "cbor_invalid", scenario.request_envelope().value + b"\0")
    yield _envelope("envelope_without_bundles", "envelope_invalid", cbor.dumps([sign1, []]))
    yield _envelope("bundle_not_a_byte_string", "envelope_invalid", cbor.dumps([sign1, [*raws, "bundle"]]))
    mandate = scenario.mandate().raw
    yield _envelope("mandate_in_place_of_the_envelopes_signature", "type_mismatch", _value(mandate, raws))
    zero = _resigned(payload=envelopes.encode_root(merkle.EMPTY, 0))
    yield _envelope("payload_counts_no_bundles", "envelope_invalid", _value(zero, raws))
    more = _resigned(payload=cbor.dumps({1: merkle.EMPTY, 2: 3, 3: 0}))
    yield _envelope("payload_has_a_third_key", "envelope_invalid", _value(more, raws))


def _cose() -> Iterator[Json]:
    sign1, raws = _parts()
    unprotected = _bent(sign1, lambda body: body.__setitem__(1, {4: b"kid"}))
    yield _envelope("unprotected_header_not_empty", "cose_invalid", _value(unprotected, raws))
    tagged = b"\xd2" + sign1
    yield _envelope("sign1_tagged", "cbor_invalid", _value(tagged, raws))
    detached = _bent(sign1, lambda body: body.__setitem__(2, None))
    yield _envelope("payload_detached", "cose_invalid", _value(detached, raws))
    changes: dict[str, tuple[str, Change]] = {
        "algorithm_of_another_suite": ("cose_invalid", _set(cose.ALG, -35)),
        "suite_of_the_future": ("suite_unknown", _set(cose.SUITE_LABEL, 2)),
        "suite_not_critical": ("cose_invalid", _set(cose.CRIT, [])),
        "second_critical_label": ("cose_invalid", _set(cose.CRIT, [cose.SUITE_LABEL, 99])),
        "unknown_protected_label": ("cose_invalid", _set(99, 0)),
        "thumbprint_by_another_hash": ("cose_invalid", _set(cose.X5T, [-15, bytes(8)])),
        "type_without_prefix": ("cose_invalid", _set(cose.TYP, "envelope")),
        "claim_too_many": ("cose_invalid", _claim(2, "subject")),
        "cti_of_15_bytes": ("cose_invalid", _claim(cose.CTI, bytes(15))),
        "exp_not_after_iat": ("cose_invalid", _claim(cose.EXP, NOW // 1000)),
    }
    for name, (code, change) in changes.items():
        yield _envelope(name, code, _value(_resigned(change), raws))


def _trusting(**changes: object) -> dict[str, TrustEntry]:
    """Trust in which the center's entry differs."""
    return {"trust": member("center").entry(**changes)}


def _certificates() -> Iterator[Json]:
    value, (_, raws) = scenario.request_envelope().value, _parts()
    unknown = _resigned(_set(cose.X5T, [-16, bytes(32)]))
    yield _envelope("certificate_nobody_registered", "certificate_unknown", _value(unknown, raws))
    key = member("center").signer.key.public_key()
    for name, code, der in (
        ("certificate_for_sealing", "certificate_invalid", certify("center", key, ENCRYPT_USAGE)),
        ("certificate_made_out_to_another", "certificate_invalid", certify("53", key, SIGN_USAGE)),
        ("certificate_ended_before_iat", "certificate_expired", certify("center", key, SIGN_USAGE, 10)),
    ):
        sign1 = _resigned(_set(cose.X5T, [-16, H(der)]))
        yield _envelope(name, code, _value(sign1, raws), **_trusting(signing_certificates=[der]))
    made = scenario.sign("mandate", scenario.mandate_record()["reply_key"], "center", "53")
    yield _vector("signed", "mandate_by_the_center", "role_not_allowed", made.raw, type="mandate", now=NOW)
    sealing, mandate = member("37"), scenario.mandate_record()["reply_key"]
    encrypting = DeterministicSigner("37", sealing.sealing.private_key, sealing.sealing_certificate)
    for typ, signer in (("mandate", encrypting), ("seal-key", sealing.signer)):
        made = scenario.sign(typ, mandate, "37", "all", signer)
        yield _vector("signed", f"{typ}_under_the_other_certificate", "usage_not_allowed", made.raw, type=typ, now=NOW)
    signing = member("center").signer.certificate
    for name, code, crl in (
        ("certificate_revoked_the_second_it_came", "certificate_revoked", revocation_list({signing: NOW}, NOW + DAY)),
        ("certificate_revoked_before_iat", "certificate_revoked", revocation_list({signing: NOW - DAY}, NOW + DAY)),
        ("revocation_list_past_its_next_update", "crl_stale", revocation_list({}, NOW - 1000)),
    ):
        yield _envelope(name, code, value, crl=crl)
    impostor = _resigned(_claim(cose.ISS, "37"))
    yield _envelope("iss_of_another_party", "issuer_mismatch", _value(impostor, raws))
    yield _envelope("suite_below_the_partys_minimum", "suite_below_minimum", value, **_trusting(minimum_suite=2))


def _signatures() -> Iterator[Json]:
    value, (sign1, raws) = scenario.request_envelope().value, _parts()
    yield _envelope("signature_altered", "signature_invalid", _value(_flip(sign1, -1), raws))
    payload = _bent(sign1, lambda body: body.__setitem__(2, _flip(body[2], -1)))
    yield _envelope("payload_altered", "signature_invalid", _value(payload, raws))
    short = _bent(sign1, lambda body: body.__setitem__(3, body[3][:63]))
    yield _envelope("signature_of_63_bytes", "signature_invalid", _value(short, raws))
    renamed = _bent(
        scenario.mandate().raw,
        lambda body: body.__setitem__(0, body[0].replace(b"hedx/1/mandate", b"hedx/1/receipt")),
    )
    yield _vector("signed", "mandate_renamed_receipt", "signature_invalid", renamed, type="receipt", now=NOW)
    yield _envelope("party_suspended", "party_suspended", value, **_trusting(suspended=True))


def _roots() -> Iterator[Json]:
    sign1, raws = _parts()
    yield _envelope("bundle_left_out", "root_mismatch", _value(sign1, raws[:2]))
    yield _envelope("bundles_out_of_order", "root_mismatch", _value(sign1, [raws[1], raws[0], raws[2]]))
    yield _envelope("last_bundle_twice", "root_mismatch", _value(sign1, [*raws, raws[2]]))
    record = _bent(raws[0], lambda body: body[2].__setitem__(2, _flip(body[2][2], -1)))
    yield _envelope("record_altered", "root_mismatch", _value(sign1, [record, *raws[1:]]))
    header = _with_header(raws[0], _set(8, 2))
    yield _envelope("header_altered", "root_mismatch", _value(sign1, [header, *raws[1:]]))
    unsealed = _bent(raws[0], lambda body: body.__setitem__(1, None))
    yield _envelope("seal_left_out", "root_mismatch", _value(sign1, [unsealed, *raws[1:]]))
    yield _envelope("bundle_of_four_fields", "bundle_invalid", _value(sign1, [_bent(raws[0], lambda b: b.append(0))]))


def _claims() -> Iterator[Json]:
    value, (_, raws) = scenario.request_envelope().value, _parts()
    yield _envelope("for_another_party", "audience_mismatch", value, audience="37")
    yield _envelope("issued_in_the_future", "issued_in_future", value, now=NOW - 300_001)
    long = _resigned(_claim(cose.EXP, NOW // 1000 + 14 * 86400 + 1))
    yield _envelope("life_of_more_than_14_days", "lifetime_too_long", _value(long, raws))
    yield _envelope("expired", "expired", value, now=NOW + 14 * DAY + 1)


def _headers() -> Iterator[Json]:
    _, raws = _parts()
    request, receipt = raws[0], raws[2]
    changes: dict[str, tuple[str, bytes]] = {
        "unknown_header_key": ("header_invalid", _with_header(receipt, _set(27, 0))),
        "required_header_key_left_out": ("header_invalid", _with_header(receipt, lambda h: h.pop(20))),
        "null_in_a_header": ("header_invalid", _with_header(receipt, _set(12, None))),
        "bundle_id_of_15_bytes": ("header_invalid", _with_header(receipt, _set(2, bytes(15)))),
        "unknown_kind": ("header_invalid", _with_header(receipt, _set(1, "mandate"))),
        "section_beyond_the_last": ("header_invalid", _with_header(request, _set(8, 3))),
        "part_beyond_the_last": ("header_invalid", _with_header(request, _set(25, 2))),
        "more_members_than_records": ("header_invalid", _with_header(request, _set(11, b"\x0f"))),
        "header_of_another_suite": ("suite_unknown", _with_header(receipt, _set(17, 2))),
        "from_is_not_the_issuer": ("sender_mismatch", _with_header(receipt, _set(3, "00"))),
        "count_beyond_the_records": ("count_mismatch", _with_header(receipt, _set(19, 2))),
        "three_records_before_the_persons": (
            "count_mismatch",
            _with_header(request, lambda h: h.update({11: b"\x03", 19: 2})),
        ),
        "sealed_kind_without_seal": ("seal_missing", _bent(request, lambda body: body.__setitem__(1, None))),
        "clear_kind_with_seal": ("seal_unexpected", _bent(receipt, lambda body: body.__setitem__(1, b"seal"))),
        "padding_not_on_the_scale": ("size_mismatch", _with_header(request, _set(20, 200))),
        "person_records_of_two_sizes": (
            "size_mismatch",
            _bent(request, lambda body: body[2].__setitem__(3, body[2][3] + b"\0")),
        ),
    }
    refused = scenario.answer_bundles()[1].raw
    from_center = _with_header(refused, _set(3, "center"))
    changes |= {
        "answer_without_outcome": ("header_invalid", _with_header(from_center, lambda h: h.pop(21))),
        "done_without_records": ("header_invalid", _with_header(from_center, _set(21, "done"))),
        "outcome_in_a_receipt": ("header_invalid", _with_header(receipt, _set(21, "refused"))),
    }
    for name, (code, raw) in changes.items():
        yield _envelope(name, code, _signed_over([raw]))
    yield _envelope("one_bundle_id_twice", "bundle_id_repeated", _signed_over([receipt, receipt]))
    yield _vector("bundle", "records_missing", "bundle_invalid", _bent(receipt, lambda body: body.pop()))


def _relays() -> Iterator[Json]:
    sign1, (index, size, path) = scenario.answer_proof(0)
    first, second, _ = (bundle.raw for bundle in scenario.answer_bundles())

    def relay(name: str, code: str, *fields: object, **context: Any) -> Json:
        return _vector("relay", name, code, cbor.dumps(fields), **({"now": NOW} | context))

    yield relay("relay_of_four_fields", "relay_invalid", sign1, first, index, size)
    yield relay("relay_of_another_bundle_of_the_envelope", "root_mismatch", sign1, second, index, size, path)
    yield relay("relay_with_another_index", "root_mismatch", sign1, first, 1, size, path)
    yield relay("relay_path_too_short", "path_invalid", sign1, first, index, size, path[:-1])
    yield relay("relay_signature_altered", "signature_invalid", _flip(sign1, -1), first, index, size, path)
    request, raws = _parts()
    proof = merkle.path([bundles.split(raw).leaf for raw in raws], 0, merkle.BUNDLE_NODE)
    yield relay("relayed_envelope_was_not_for_the_center", "audience_mismatch", request, raws[0], 0, 3, proof)
    yield relay("relayed_after_expiry", "expired", sign1, first, index, size, path, now=NOW + 15 * DAY)


def _paths() -> Iterator[Json]:
    leaves = merkle.record_leaves([b"record %d" % i for i in range(5)])
    path = merkle.path(leaves, 2, merkle.RECORD_NODE)

    def bad(name: str, index: int, size: int, path: list[bytes]) -> Json:
        return _vector("path", name, "path_invalid", leaves[2], index=index, size=size, path=path)

    yield bad("path_too_long", 2, 5, [*path, bytes(32)])
    yield bad("path_too_short", 2, 5, path[:-1])
    yield bad("path_to_an_index_outside_the_tree", 5, 5, path)
    yield bad("path_into_an_empty_tree", 0, 0, [])
    yield bad("path_of_a_larger_tree", 2, 9, path)
    yield bad("path_with_a_sibling_of_31_bytes", 2, 5, [path[0][:31], *path[1:]])


def _seals() -> Iterator[Json]:
    seal = scenario.seals()["request"].raw

    def bad(name: str, code: str, data: bytes, sender: str = "center", reader: str = "53") -> Json:
        return _vector("seal", name, code, data, sender=sender, reader=reader)

    def edited(change: Callable[[list[Any]], object]) -> bytes:
        return _bent(seal, change)

    yield bad("seal_over_its_limit", "size", seal + bytes(1024))
    yield bad("sealed_to_another", "not_a_recipient", seal, reader="37")
    yield bad("seal_of_another_sender", "unseal_failed", seal, sender="00")
    yield bad("seal_ciphertext_altered", "unseal_failed", edited(lambda b: b.__setitem__(2, _flip(b[2], 0))))
    yield bad("wrapped_key_altered", "unseal_failed", edited(lambda b: b[3][0].__setitem__(2, _flip(b[3][0][2], 0))))
    off = edited(lambda b: b[3][0][1][-1].__setitem__(-3, bytes(32)))
    yield bad("ephemeral_point_off_the_curve", "key_off_curve", off)
    yield bad("seal_with_a_second_unprotected_label", "seal_invalid", edited(lambda b: b[1].__setitem__(4, b"kid")))
    yield bad("seal_iv_of_16_bytes", "seal_invalid", edited(lambda b: b[1].__setitem__(5, bytes(16))))
    yield bad("seal_by_another_algorithm", "seal_invalid", edited(lambda b: b.__setitem__(0, cbor.dumps({1: 1}))))
    yield bad("content_key_of_16_bytes", "seal_invalid", edited(lambda b: b[3][0].__setitem__(2, bytes(24))))
    yield bad("secret_of_31_bytes", "seal_invalid", edited(lambda b: b.__setitem__(2, bytes(47))))
    yield bad("five_recipients", "seal_invalid", edited(lambda b: b.__setitem__(3, [[b"", {}, b""]] * 5)))


def _records() -> Iterator[Json]:
    made, secret = scenario.section_bundle("request", 1), scenario.seals()["request"].secret

    def bad(name: str, code: str, raw: bytes, with_secret: bytes = secret) -> Json:
        return _vector("records", name, code, raw, secret=with_secret)

    def record(index: int, change: Callable[[list[Any]], object]) -> bytes:
        return _bent(made.raw, lambda body: body[2].__setitem__(index, _bent(body[2][index], change)))

    yield bad("secret_of_another_seal", "key_commitment_mismatch", made.raw, bytes(32))
    exchanged = _bent(made.raw, lambda body: body[2].__setitem__(slice(2, 4), [body[2][3], body[2][2]]))
    yield bad("two_persons_exchanged", "key_commitment_mismatch", exchanged)
    other_header = _with_header(made.raw, _set(4, "00"))
    yield bad("header_of_another_reader", "key_commitment_mismatch", other_header)
    yield bad("commitment_altered", "key_commitment_mismatch", record(2, lambda r: r.__setitem__(0, _flip(r[0], 0))))
    yield bad("ciphertext_altered", "decrypt_failed", record(2, lambda r: r.__setitem__(1, _flip(r[1], 0))))
    mixed = _bent(
        made.raw,
        lambda body: body[2].__setitem__(2, cbor.dumps([cbor.loads(body[2][2])[0], cbor.loads(body[2][3])[1]])),
    )
    yield bad("ciphertext_of_another_record", "decrypt_failed", mixed)
    yield bad("head_record_of_three_fields", "record_invalid", record(0, lambda r: r.append(b"")))
    for name, spoil in {
        "padding_not_zero": lambda plain: plain[:-1] + b"\x01",
        "length_short_of_the_record": lambda plain: _length(
            plain, -3
        ),  # its last two bytes are zeros: no form, no origin
        "length_beyond_the_record": lambda plain: b"\xff\xff\xff\xff" + plain[4:],
        "padded_to_no_step": lambda plain: plain + bytes(1),
    }.items():
        yield bad(name, "padding_invalid", _repadded(made, secret, spoil))


def _length(plain: bytes, by: int) -> bytes:
    return (int.from_bytes(plain[:4], "big") + by).to_bytes(4, "big") + plain[4:]


def _repadded(made: SealedBundle, secret: bytes, spoil: Callable[[bytes], bytes]) -> bytes:
    """The bundle with the padded plaintext of its record 1 spoiled, then encrypted rightly."""
    header, seal, records = cbor.loads(made.raw)
    index = 1  # a head: it has no fixed size, so nothing before decryption can find the defect
    key = suite.hmac(bundles.bundle_key(secret, H(header)), b"record" + index.to_bytes(4, "big"))
    aad = H(header) + index.to_bytes(4, "big")
    kc, ciphertext = cbor.loads(records[index])
    plain = spoil(suite.aead_decrypt(key, aad, ciphertext))
    records[index] = cbor.dumps([kc, suite.aead_encrypt(key, aad, plain)])
    return cbor.dumps([header, seal, records])


def _sections() -> Iterator[Json]:
    made = scenario.section_bundle("request", 1)
    persons, heads = scenario.encoded_section(1), scenario.heads(1, to_center=False)

    def section(
        name: str, code: str, head: Header = made.header, persons: list[bytes] = persons, heads: list[bytes] = heads
    ) -> Json:
        seal = scenario.seals()["request"]
        sealed = bundles.seal_bundle(replace(head, padded=0), persons, seal.secret, seal.raw, heads=heads)
        return _vector("section", name, code, sealed.raw, reader="53", now=NOW)

    def warrant(mandate: bytes) -> list[bytes]:
        return [framing.encode("Warrant", Warrant(mandate=mandate, acceptance=scenario.acceptance().raw)), heads[1]]

    other = scenario.sign("mandate", framing.encode("Mandate", scenario.mandate_record()), "53", "center").raw
    yield section("mandate_signed_by_another_province", "mandate_invalid", heads=warrant(other))
    forged = _flip(scenario.mandate().raw, -1)
    yield section("mandate_altered", "mandate_invalid", heads=warrant(forged))
    yield section("record_0_is_no_warrant", "schema_unexpected", heads=[heads[1], heads[1]])
    yield section("record_0_of_an_unknown_schema", "schema_unknown", heads=[bytes(8), heads[1]])
    yield section("byte_after_the_warrant", "avro_invalid", heads=[heads[0] + b"\0", heads[1]])
    for name, head in {
        "header_names_another_application": replace(made.header, application_id="another"),
        "header_names_another_mandate": replace(made.header, mandate_digest=bytes(32)),
        "header_counts_sections_otherwise": replace(made.header, sections=3),
        "header_names_another_section": replace(made.header, section=2),
        "header_names_another_release": replace(made.header, release=4),
    }.items():
        yield section(name, "header_contradicts_mandate", head=head)
    swapped = [persons[1], persons[0], persons[2]]
    yield section("persons_out_of_order", "section_root_mismatch", persons=swapped)
    altered = [persons[0].replace("测试".encode(), "调试".encode()), *persons[1:]]
    yield section("person_altered", "section_root_mismatch", persons=altered)
    extra = replace(made.header, members=b"\x0f")
    yield section("person_added", "header_contradicts_mandate", head=extra, persons=[*persons, persons[0]])
