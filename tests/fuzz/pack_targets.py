"""Targets that are handed over in a file from party to party: sealed packs, anchors."""

from __future__ import annotations

from functools import cache
from typing import Any

from pipeline.codec import framing
from pipeline.crypto import cbor, roster, sealing, signed
from pipeline.crypto.suite import H, aead_encrypt
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.province.sealed_packs import FORMAT, open_pack, reply_key_of
from tests.fuzz.harness import Run, Target, loaded, refused
from tests.vectors import scenario
from tests.vectors.identities import NOW, Draws, member, roots

_SEALED = "sealed-pack"


def read_pack(data: bytes) -> None:
    """A pack as it comes: the unit's key opens what verifies, or it is refused."""
    refused(lambda: reply_key_of(data))
    refused(lambda: open_pack(data, scenario.reply_key(), roots()))


def read_made_pack(data: bytes) -> None:
    """Input: `[mandate, result, section certificate, [* relay], form, [* [salt, [* person]]]]`; the harness signs and seals."""
    collect(data, read_pack)


def collect(data: bytes, run: Run) -> None:
    """Give `run` the pack made of an input, if one can be."""
    match loaded(data, 4):
        case [
            bytes() as mandate,
            bytes() as result,
            bytes() as certificate,
            list() as relays,
            str() as form,
            list() as sections,
        ]:
            pack = _pack(mandate, result, certificate, relays, form, sections)
            if pack is not None:
                run(pack)


def _pack(
    mandate: bytes, result: bytes, certificate: bytes, relays: list[Any], form: str, sections: list[Any]
) -> bytes | None:
    try:
        given = _signed("mandate", _fitted(mandate, sections), "37", CENTER)
        under = {"mandate_digest": given.digest}
        accepted = framing.encode("Acceptance", {**scenario.acceptance_record(), **under})
        acceptance = _signed("acceptance", accepted, CENTER, "37").raw
        section = framing.encode("SectionCertificate", framing.decode_as("SectionCertificate", certificate) | under)
        stated = _signed("section-certificate", section, CENTER, "37").raw
        record = framing.decode_as("ApplicationResult", result) | under
        for named in record["sections"]:
            named["certificate"] = stated
        whole = _signed("certificate", framing.encode("ApplicationResult", record), CENTER, "37").raw
    except (InvalidMessage, ValueError, TypeError, AttributeError, IndexError):
        return None
    secret, seal = _seal()
    inner = cbor.dumps([form, sections])
    return cbor.dumps(
        {
            "format": FORMAT,
            "mandate": given.raw,
            "acceptance": acceptance,
            "result": whole,
            "relays": relays,
            "witnesses": [[party, member(party).signer.certificate] for party in (CENTER, "37", "53")],
            "seal": seal,
            "roster": aead_encrypt(secret, H(seal) + given.digest, inner),
        }
    )


def _fitted(mandate: bytes, sections: list[Any]) -> bytes:
    """The mandate with these sections, as far as they can be sections."""
    record = framing.decode_as("Mandate", mandate)
    record["sections"] = [
        {"root": roster.section_root(salt, persons), "count": len(persons)} for salt, persons in sections
    ]
    return framing.encode("Mandate", record)


@cache
def _seal() -> tuple[bytes, bytes]:
    return sealing.new_seal(_SEALED, [scenario.reply_key().public], Draws("fuzz/pack"))


def _signed(typ: str, payload: bytes, party: str, audience: str) -> signed.SignedObject:
    cti = Draws(f"fuzz/pack/{typ}")(16)
    return signed.sign(typ, payload, member(party).signer, audience=audience, now=NOW, cti=cti)


TARGETS = [
    Target("pack", "province.sealed_packs.open_pack", read_pack, 1, 16384),
    Target("pack-sealed", "the same behind signatures and seal", read_made_pack, 3, 16384),
]
