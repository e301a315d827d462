"""What the fuzzers once found, made smaller and named by its defect: `python -m tests.fuzz.past` writes corpus/past.

Each of these inputs broke a promise of its target before the product was mended.
"""

from __future__ import annotations

from typing import Any

from pipeline.codec import framing, schemas
from pipeline.crypto import cbor
from pipeline.domain.parties import CENTER, inbox
from pipeline.stages import topics
from tests.fuzz import genuine, stored
from tests.fuzz.make_corpus import Inputs
from tests.vectors import scenario
from tests.vectors.identities import NOW

BOMB = b"".join(b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 10) if n else b"x") for n in range(11))


def framed(name: str, **changes: Any) -> bytes:
    """A genuine record of the journey with `changes`, framed."""
    for values in genuine.journey().messages.values():
        for value in values:
            if value.startswith(schemas.schema_id(name)):
                return framing.encode(name, framing.decode_as(name, value) | changes)
    raise KeyError(name)


def of_center() -> Inputs:
    """Records on the center's own topics."""
    accepted = genuine.journey().messages[topics.APPLICATIONS][0]
    end = [value for value in genuine.journey().messages[topics.JOIN] if framing.decode(value)[0] == "Watermark"]
    return {
        "applications": {
            "sections-that-fill-the-memory": framed("SectionReceived", section=1, sections=1 << 31),
            "received-before-1970": framed("SectionReceived", received_at=-(1 << 50)),
            "certificate-of-section-99": cbor.dumps([accepted, framed("SectionCertified", section=99)]),
            "dispatch-of-a-section-that-is-not": cbor.dumps([accepted, _due(7)]),
        },
        "join": {
            "watermark-before-1970": framing.encode("Watermark", {"source": 0, "sources": 3, "time": -1}),
            "watermark-of-minus-one-sources": framing.encode("Watermark", {"source": 0, "sources": -1, "time": 0}),
            "watermark-of-more-sources-than-four-bytes-hold": framing.encode(
                "Watermark", {"source": 0, "sources": 1 << 32, "time": NOW}
            ),
            "watermark-of-four-thousand-million-sources": framing.encode(
                "Watermark", {"source": 0, "sources": (1 << 32) - 1, "time": NOW}
            ),
            "expectation-of-a-million-million-persons": framed("SectionExpected", person_count=1 << 40),
            "expectation-of-minus-one-persons": framed("SectionExpected", person_count=-1),
            "section-beyond-the-sections": cbor.dumps([framed("SectionExpected", section=5, sections=2), *end]),
            "id-longer-than-a-header-holds": cbor.dumps([framed("SectionExpected", application_id="x" * 100), *end]),
        },
    }


def _due(section: int) -> bytes:
    form = genuine.application()
    record = {
        "application_id": form["application_id"],
        "requester": form["requester"],
        "section": section,
        "providers": ["53"],
    }
    return framing.encode("DispatchDue", record)


def of_parties() -> Inputs:
    """What a party, or a dishonest center, can sign and seal."""
    application, request = cbor.loads(genuine.section("application"), 2), cbor.loads(genuine.section("request"), 2)
    raws = cbor.loads(genuine.journey().messages[inbox(CENTER, "requests")][0], 2)[1]
    header_bytes, seal, records = cbor.loads(raws[0], 2)
    header = cbor.loads(header_bytes, 2)
    many = [cbor.dumps([cbor.dumps(header | {8: 1, 9: n}), seal, records]) for n in (1 << 31, (1 << 32) - 1)]
    mandate = framing.decode_as("Mandate", request[1])
    mandate["sections"][0]["count"] = 1_000_000
    crowd = [request[0], framing.encode("Mandate", mandate), *request[2:5], 2]
    mandate["sections"][0]["count"] = -1
    nobody = [request[0], framing.encode("Mandate", mandate), *request[2:5], 2]
    unnamed = cbor.dumps(cbor.loads(request[0], 2) | {5: ""})
    return {
        "intake-signed": {
            "two-thousand-million-sections": cbor.dumps([0, [many[0]]]),
            "four-thousand-million-sections": cbor.dumps([0, [many[1]]]),
        },
        "intake-sealed": {"salt-longer-than-a-block": cbor.dumps(_salted(application))},
        "answer-sealed": {
            "salt-longer-than-a-block": cbor.dumps(_salted(request)),
            "mandate-for-a-million-persons": cbor.dumps(crowd),
            "mandate-for-minus-one-persons": cbor.dumps(nobody),
            "asked-by-nobody": cbor.dumps([unnamed, *request[1:]]),
        },
        "header": {"members-with-a-zero-byte-behind": _trailing()},
    }


def _salted(section: list[Any]) -> list[Any]:
    head = framing.decode_as("SectionHead", section[3]) | {"salt": bytes(65)}
    return [*section[:3], framing.encode("SectionHead", head), section[4], 2]


def _trailing() -> bytes:
    values = cbor.loads(scenario.answer_bundles()[0].header.encode(), 2)
    values[11] += b"\0"
    return cbor.dumps(values)


def of_form() -> Inputs:
    """CBOR and DER that had a second form, or none."""
    bit_string = (
        "30820209308201afa003020102020f71a36b5de908e4b91a59d97f1d0ed5300a06082a8648ce3d040302303a310d300b060355040a0c04"
        "4875445831123010060355040b0c09617574686f726974793115301306035504030c0c484544582069737375696e67301e170d32363132"
        "30313030303030305a170d3238313133303030303030305a3031310d300b060355040a030448454458310f300d060355040b0c0663656e"
        "746572310f300d06035504030c0663656e7465723059301306072a8648ce3d020106082a8648ce3d03010703420004be756154284ea429"
        "c28696ffe2aa79cf03aea428f211c4079a05afa110507548b8ff428bd29f1f79880f56ce0a29129446232e143cef442a0c0ab9d741c760"
        "3fa381a030819d301d0603551d0e04160414a88183ac02a720c28a0e622b7e9b09b8f90bd65f301f0603551d2304183016801493e7d242"
        "d7811faa5ebc1b131e33841e261f6109300c0603551d130101ff04023000300e0603551d0f0101ff04040302078030210603551d250101"
        "ff04173015061369cdffcdf7a6a3a283db8b9488a4a086ab905f301a0603551d1104133011860f75726e3a686564783a63656e74657230"
        "0a06082a8648ce3d0403020348003045022005cce0daaa640ba2d4bfd19505f35f6ff593182c4a6a9cbce65c1168adff300e022100802d"
        "73b4d361994bda6b9717f40ddcc3cb441c3f1e9292efe7ad0aafc3b407d5"
    )
    issued = stored.load("certificate-signed")["sign-37"]
    request, crl = stored.load("request")["sign"], stored.load("crl")["two"]
    curve, p256 = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06072a8648ce3d0201")
    return {
        "cbor": {
            "map-keys-out-of-order": bytes.fromhex("a2020a010b"),
        },
        "certificate": {"subject-of-bits": bytes.fromhex(bit_string)},
        "certificate-signed": {
            "version-5": issued.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x04", 1),
            "unknown-curve": issued.replace(curve, curve[:-1] + b"\x7f", 1),
            "unknown-key": issued.replace(p256, p256[:-1] + b"\x7f", 1),
        },
        "request": {
            "version-5": request.replace(b"\x02\x01\x00", b"\x02\x01\x04", 1),
            "name-that-is-no-text": request.replace(b"\x0c\x08province", b"\x00\x08province", 1),
        },
        "crl": {"version-6": crl.replace(b"\x02\x01\x01", b"\x02\x01\x05", 1)},
    }


def of_packs() -> Inputs:
    """Files from province to unit."""
    parts = cbor.loads(stored.load("pack")["silent"], 4)
    parts["witnesses"][0][0] = "\u4e2d"
    made = cbor.loads(stored.load("pack-sealed")["silent"], 4)
    nothing = [made[0], _with("ApplicationResult", made[1], sections=[]), *made[2:]]
    certificate = framing.decode_as("SectionCertificate", made[2])
    for line in certificate["lines"]:
        for part in line["parts"]:
            part |= {"status": "expired", "members": b"\xff\xff"}
    crowded = [*made[:2], framing.encode("SectionCertificate", certificate), *made[3:]]
    return {
        "pack": {"witness-whose-name-is-no-address": cbor.dumps(parts)},
        "pack-sealed": {
            "section-without-certificate": cbor.dumps(nothing),
            "certificate-for-more-persons-than-there-are": cbor.dumps(crowded),
        },
    }


def _with(name: str, data: bytes, **changes: Any) -> bytes:
    return framing.encode(name, framing.decode_as(name, data) | changes)


def of_files() -> Inputs:
    """YAML that no office writes."""
    hostile = {
        "control-character": b"party: '\x01'\n",
        "list-as-a-key": b"? [a, b]\n: c\n",
        "number-of-5000-digits": b"party: " + b"1" * 5000 + b"\n",
        "brackets-3000-deep": b"party: " + b"[" * 3000,
        "date-that-is-none": b"party: !!timestamp 2026-99-99\n",
    }
    roster = stored.load("roster-csv")["en"].replace(b"\r\n1,", b"\r\n0,", 1)
    found: Inputs = {"roster-csv": {"person-of-number-0": roster}}
    found |= dict.fromkeys(("catalog-file", "provider-file", "topics-file"), hostile)
    return found | {"catalog-file": hostile | {"aliases-that-multiply": BOMB + b"party: *a10\n"}}


def of_catalog() -> Inputs:
    """An archive with a key that no topic has."""
    parts = cbor.loads(stored.load("archive")["two"], 4)
    number, records = cbor.loads(stored.load("archive-signed")["two"], 3)
    key = b"1/\xff\xfe"
    parts["records"][0][0] = key
    named = [[key, records[0][1]], *records[1:]]
    return {
        "archive": {"key-that-is-no-text": cbor.dumps(parts)},
        "archive-signed": {"key-that-is-no-text": cbor.dumps([number, named])},
    }


PARTS = (of_center, of_parties, of_form, of_packs, of_catalog, of_files)


def main() -> None:
    """Write corpus/past."""
    for part in PARTS:
        for target, inputs in part().items():
            stored.save(target, inputs, stored.PAST)


if __name__ == "__main__":
    main()
