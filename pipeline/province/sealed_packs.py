"""Sealed packs: the result of an application whose reply key the entrusting unit (委托单位) holds, from province to unit.

A pack is one CBOR map. All evidence stands in it as it was signed; what names persons (form, section salts, roster) is
sealed to the unit's key. The unit opens it without a network, trusting nothing in it but what verifies under the root
certificates it was given on another way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.codec import framing
from pipeline.crypto import cbor, relay, roster, sealing, signed
from pipeline.crypto.bundles import split
from pipeline.crypto.keys import Unsealer, public_sealing_key
from pipeline.crypto.relay import RelayedBundle
from pipeline.crypto.sealing import SealCache
from pipeline.crypto.suite import H, aead_decrypt, aead_encrypt
from pipeline.crypto.trust import Trust
from pipeline.domain.coverage import accepted
from pipeline.domain.dossiers import AnswerKey, Dossier, MissingAnswer, assemble
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.domain.records import (
    Acceptance,
    Application,
    ApplicationResult,
    Mandate,
    Person,
    ResourceAnswer,
    RevocationList,
    SectionCertificate,
    TrustEntry,
)
from pipeline.province.casefile import CaseFile
from pipeline.province.sealed_rows import SealedRows
from pipeline.province.store import form_text
from pipeline.stages.membership import signing_entry
from pipeline.stages.opening import answers_in

FORMAT: Final = "hedx/sealed-pack/2"
_SEALED: Final = "sealed-pack"  # no party's name, so a seal from the wire never passes for a pack's


@dataclass(frozen=True, slots=True)
class OpenedPack:
    """A pack that verified. `certificate`: digest of the certificate of completeness."""

    mandate: Mandate
    certificate: bytes
    form: Application
    dossiers: list[Dossier]


def pack(case: CaseFile, rows: SealedRows) -> bytes:
    """The pack of a complete application; for who notes it in the access log, in the caller's transaction."""
    mandate, result, acceptance = case.mandate(), case.result_raw(), case.acceptance_raw()
    certificate = case.certificate()
    if result is None or certificate is None or acceptance is None:
        raise ConfigError(f"application {case.application_id} is not complete yet")
    relays = [_relay(case, digest) for section in certificate.result["sections"] for digest in section["bundles"]]
    secret, seal = sealing.new_seal(_SEALED, [public_sealing_key(mandate["reply_key"])])
    sections = [[salt, persons] for salt, persons in zip(case.salts(rows), case.sealed_roster(rows), strict=True)]
    inner = cbor.dumps([form_text(case.sealed_form(rows)), sections])
    signatures = [case.mandate_raw, acceptance, result, *(s["certificate"] for s in certificate.result["sections"])]
    signatures += [cbor.leading(record) for record in relays]
    return cbor.dumps(
        {
            "format": FORMAT,
            "mandate": case.mandate_raw,
            "acceptance": acceptance,
            "result": result,
            "relays": relays,
            "witnesses": _witnesses(case, signatures),
            "seal": seal,
            "roster": aead_encrypt(secret, _about(seal, case.mandate_digest), inner),
        }
    )


def reply_key_of(raw: bytes) -> bytes:
    """Kid of the reply key that a pack asks for, nothing verified. Raises InvalidMessage."""
    return public_sealing_key(_mandate(signed.peek(_read(raw)["mandate"]).payload)["reply_key"]).kid


def open_pack(raw: bytes, keys: Unsealer, roots: Sequence[bytes], crl: RevocationList | None = None) -> OpenedPack:
    """Verify a pack and open it with the unit's key. `roots`: DER, the root certificate and the issuing CAs'.

    Every signed object is verified as of when it says that it was signed, which a stolen key can say of anything. With a
    `crl`, what a revoked certificate signed counts only if the center, its own certificate not revoked, has stated that it
    was there before; nobody in the pack witnesses for the center, so once revoked its certificate proves nothing here.
    Without one no revocation is looked at. Raises InvalidMessage: `pack_invalid`, `mandate_mismatch`, `bundle_missing`,
    `relay_misdirected`, `section_root_mismatch`, `answer_out_of_scope`, `certificate_revoked`, and those of `Trust.revoke`,
    `signed.verify`, `open_relay`, `unseal` and `open_records`. NotReady `crl_stale` for a list that
    ended before something in the pack was signed.
    """
    # 1. The form of the pack; the certificates in it are believed as far as they lead to a root.
    parts = _read(raw)
    trust = Trust(roots, _entries(parts["witnesses"]), crl)
    # 2. What the requester asked for, for whom and for which purpose.
    mandate, digest = _verified_mandate(parts["mandate"], trust)
    # 3. What the center accepted, and certifies, of this mandate.
    payload = _verify(parts["acceptance"], "acceptance", trust, CENTER).payload
    acceptance: Acceptance = framing.decode_as("Acceptance", payload)  # type: ignore[assignment]
    outer = _verify(parts["result"], "certificate", trust, CENTER)
    result: ApplicationResult = framing.decode_as("ApplicationResult", outer.payload)  # type: ignore[assignment]
    certificates = _certificates(result, trust)
    if crl is not None:
        _check_revocations(parts, result, certificates, trust)
    for record in (acceptance, result, *certificates.values()):
        if record["mandate_digest"] != digest or record["application_id"] != mandate["application_id"]:
            raise InvalidMessage("mandate_mismatch", "acceptance or certificate")
    # 4. The persons: those whose roots the requester signed.
    form, persons = _roster(parts, mandate, digest, keys)
    # 5. The answers: each proved its provider's, named by the certificate, under this mandate.
    proved = {bundle.bundle.leaf: bundle for bundle in (_proved(record, trust) for record in parts["relays"])}
    answers: dict[AnswerKey, ResourceAnswer] = {}
    seals = SealCache(keys)
    for section in result["sections"]:
        for named in section["bundles"]:
            if named not in proved:
                raise InvalidMessage("bundle_missing", named.hex())
            for key, answer in _answers(proved[named], mandate, digest, seals).items():
                answers.setdefault(key, answer)  # of two bundles the first stands, as in the join
    # 6. A dossier a household.
    try:
        dossiers = assemble(persons, certificates, answers, accepted(acceptance["sub_queries"]))
    except MissingAnswer as error:
        raise InvalidMessage("bundle_missing", str(error)) from None
    return OpenedPack(mandate, outer.digest, form, dossiers)


def _check_revocations(
    parts: Mapping[str, Any], result: ApplicationResult, certificates: Mapping[int, SectionCertificate], trust: Trust
) -> None:
    """Hold the list against every signer. What the center stated of others' objects is the time at which they were there.

    That is, of a provider's bundle when it was appended; of the mandate when the first of them, or a certificate, was.
    """
    statements = [parts["acceptance"], parts["result"], *(section["certificate"] for section in result["sections"])]
    for raw in statements:
        revoked = trust.revoked(trust.signer(signed.peek(raw).thumbprint))
        if revoked is not None:
            raise InvalidMessage("certificate_revoked", f"certificate of {CENTER}, {revoked.reason}")
    came = {ref["digest"]: ref["appended_at"] for each in certificates.values() for ref in each["bundles"]}
    stated = min(signed.peek(raw).claims.issued_at for raw in statements)
    trust.check_revocation(trust.signer(signed.peek(parts["mandate"]).thumbprint), min([stated, *came.values()]))
    for record in parts["relays"]:
        match cbor.loads(record, 2):
            case [bytes() as sign1, bytes() as bundle, *_]:
                leaf = split(bundle).leaf
                trust.check_revocation(trust.signer(signed.peek(sign1).thumbprint), came.get(leaf, stated))
            case _:
                raise InvalidMessage("relay_invalid")


def _relay(case: CaseFile, digest: bytes) -> bytes:
    row = case.connection.execute("SELECT relay FROM sealed_bundle WHERE digest = ?", (digest,)).fetchone()
    if row is None:
        raise ConfigError(f"bundle {digest.hex()} of {case.application_id} is not kept sealed")
    record: bytes = row[0]
    return record


def _witnesses(case: CaseFile, signatures: Sequence[bytes]) -> list[list[object]]:
    """[party, certificate] of everybody who signed something of the pack."""
    found: dict[bytes, list[object]] = {}
    for raw in signatures:
        thumbprint = signed.peek(raw).thumbprint
        query = "SELECT party, certificate FROM witness WHERE thumbprint = ?"
        row = case.connection.execute(query, (thumbprint,)).fetchone()
        if row is None:
            raise ConfigError(f"the certificate {thumbprint.hex()} of a signer is not kept")
        found[thumbprint] = list(row)
    return list(found.values())


def _read(raw: bytes) -> dict[str, Any]:
    match cbor.loads(raw, 4):
        case {
            "format": str() as name,
            "mandate": bytes(),
            "acceptance": bytes(),
            "result": bytes(),
            "relays": [*relays],
            "witnesses": [*witnesses],
            "seal": bytes(),
            "roster": bytes(),
        } as parts if name == FORMAT and len(parts) == 8 and all(isinstance(record, bytes) for record in relays):
            if all(isinstance(w, list) and [*map(type, w)] == [str, bytes] for w in witnesses):
                return dict(parts)
    raise InvalidMessage("pack_invalid", f"not of {FORMAT}")


def _entries(witnesses: Sequence[tuple[str, bytes]]) -> list[TrustEntry]:
    """Of each party that signed something, the certificates that came along."""
    by_party: dict[str, list[bytes]] = {}
    for party, certificate in witnesses:
        by_party.setdefault(party, []).append(certificate)
    return [signing_entry(party, certificates) for party, certificates in by_party.items()]


def _verified_mandate(raw: bytes, trust: Trust) -> tuple[Mandate, bytes]:
    requester = _mandate(signed.peek(raw).payload)["requester"]
    verified = _verify(raw, "mandate", trust, requester)
    return _mandate(verified.payload), verified.digest


def _mandate(payload: bytes) -> Mandate:
    return framing.decode_as("Mandate", payload)  # type: ignore[return-value]


def _certificates(result: ApplicationResult, trust: Trust) -> dict[int, SectionCertificate]:
    found: dict[int, SectionCertificate] = {}
    for section in result["sections"]:
        payload = _verify(section["certificate"], "section-certificate", trust, CENTER).payload
        found[section["section"]] = framing.decode_as("SectionCertificate", payload)  # type: ignore[assignment]
    return found


def _roster(
    parts: Mapping[str, Any], mandate: Mandate, digest: bytes, keys: Unsealer
) -> tuple[Application, list[list[Person]]]:
    secret = sealing.unseal(parts["seal"], _SEALED, keys)
    inner = cbor.loads(aead_decrypt(secret, _about(parts["seal"], digest), parts["roster"]), 4)
    form, sections = _inner(inner, len(mandate["sections"]))
    for number, ((salt, persons), stated) in enumerate(zip(sections, mandate["sections"], strict=True), start=1):
        if len(persons) != stated["count"] or roster.section_root(salt, persons) != stated["root"]:
            raise InvalidMessage("section_root_mismatch", f"section {number}")
    read = [[framing.read("Person", person) for person in persons] for _, persons in sections]
    return form, read  # type: ignore[return-value]


def _inner(inner: object, count: int) -> tuple[Application, list[tuple[bytes, list[bytes]]]]:
    """Form, and salt and persons of each section. Anybody can seal to the unit's key: nothing is sure of what comes out."""
    match inner:
        case [str() as text, [*sections]] if len(sections) == count:
            shapes = [_is_section(section) for section in sections]
            try:
                form = json.loads(text)
            except ValueError:
                form = None
            if all(shapes) and isinstance(form, dict):
                return form, sections  # type: ignore[return-value]
    raise InvalidMessage("pack_invalid", "roster")


def _is_section(section: object) -> bool:
    match section:
        case [bytes(), [*persons]]:
            return all(isinstance(person, bytes) for person in persons)
    return False


def _proved(record: bytes, trust: Trust) -> RelayedBundle:
    sign1 = cbor.leading(record)
    if not isinstance(sign1, bytes):
        raise InvalidMessage("relay_invalid")
    return relay.open_relay(record, trust, now=signed.peek(sign1).claims.issued_at)


def _answers(
    proved: RelayedBundle, mandate: Mandate, digest: bytes, seals: SealCache
) -> dict[AnswerKey, ResourceAnswer]:
    bundle, header = proved.bundle, proved.bundle.header
    addressed = header.to == header.requester == mandate["requester"]
    if header.kind != "answer" or not addressed or header.provider != proved.issuer:
        raise InvalidMessage("relay_misdirected")
    if header.mandate_digest != digest or header.application_id != mandate["application_id"]:
        raise InvalidMessage("mandate_mismatch", bundle.leaf.hex())
    if header.outcome != "done":
        return {}
    if bundle.seal is None:
        raise InvalidMessage("seal_missing")
    return {
        (header.section, proved.issuer, found["row"], answer["index"]): found
        for answer, _ in answers_in(bundle, seals.unseal(bundle.seal, header.sender))
        for found in answer["results"]
    }


def _verify(raw: bytes, typ: str, trust: Trust, issuer: str) -> signed.Signed:
    return signed.verify(raw, typ, trust, now=signed.peek(raw).claims.issued_at, issuer=issuer)


def _about(seal: bytes, mandate_digest: bytes) -> bytes:
    return H(seal) + mandate_digest
