"""The origin of a re-check (复核, Art. 10): proof, from signed objects alone, that it goes no further than its original.

The re-check's mandate names the original's by digest. Beside its persons travel the original's mandate, its acceptance by
the center, and for each person the salt and the path of their leaf: they show that this very line of the roster stood in
the original, and nothing about anybody else in it. Center and providers check the same, each for themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pipeline.codec import framing
from pipeline.crypto import cose, merkle, roster, signed
from pipeline.crypto.trust import Trust
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.domain.records import Acceptance, Mandate, PersonOrigin, RecheckOrigin
from pipeline.domain.subqueries import rows_beyond, rows_not_asked
from pipeline.stages.opening import SALT_SIZE, OpenedSection

ORIGIN, SCOPE = "recheck_origin_invalid", "recheck_beyond_original"
"""Codes: the proof does not hold; it holds, and the re-check asks for more than the original did."""
CODES: Final = frozenset({ORIGIN, SCOPE})


def prove(
    numbers: Mapping[int, Sequence[int]], salts: Sequence[bytes], persons: Sequence[Sequence[bytes]]
) -> dict[tuple[int, int], PersonOrigin]:
    """(section, index) → proof. `numbers`: indexes wanted by section; `salts` and `persons` (bytes) of all sections."""
    proofs: dict[tuple[int, int], PersonOrigin] = {}
    for section, indexes in numbers.items():
        salt, records = salts[section - 1], persons[section - 1]
        leaves, own = roster.person_leaves(salt, records), roster.person_salts(salt, len(records))
        for index in indexes:
            path = merkle.path(leaves, index, merkle.RECORD_NODE)
            proofs[section, index] = PersonOrigin(section=section, index=index, salt=own[index], path=path)
    return proofs


def check_origin(opened: OpenedSection, trust: Trust) -> None:
    """Return if a section of a re-check stays within its original; at once for a first application.

    Raises InvalidMessage `recheck_origin_invalid` and `recheck_beyond_original`.
    """
    mandate, origin = opened.warrant.mandate, opened.head["origin"]
    recheck = mandate["recheck"]
    if recheck is None:
        if origin is not None:
            raise InvalidMessage("recheck_origin_invalid", "of a first application")
        return
    if origin is None:
        raise InvalidMessage("recheck_origin_invalid", "missing")
    # 1. The original's mandate is the one that the requester named when it signed the re-check's.
    original = _original(origin, mandate)
    # 2. The center accepted that mandate, and asked the providers named here.
    acceptance = _acceptance(origin, mandate, trust)
    # 3. The schedule goes no further.
    beyond = rows_beyond(mandate["schedule"], original["schedule"])
    beyond += rows_not_asked(mandate["schedule"], acceptance["sub_queries"])
    if beyond:
        raise InvalidMessage("recheck_beyond_original", f"row {beyond[0]}")
    # 4. Each person stood in the original, in these very words.
    if len(origin["persons"]) != len(opened.persons):
        raise InvalidMessage("recheck_origin_invalid", "as many proofs as persons")
    for record, proof in zip(opened.persons, origin["persons"], strict=True):
        _check_person(record, proof, original)


def _original(origin: RecheckOrigin, mandate: Mandate) -> Mandate:
    recheck = mandate["recheck"]
    assert recheck is not None, "checked by the caller"
    try:
        sign1 = cose.decode(origin["mandate"])
        if sign1.typ != "mandate" or sign1.digest != recheck["mandate_digest"]:
            raise InvalidMessage("recheck_origin_invalid", "another mandate")
        original: Mandate = framing.decode_as("Mandate", sign1.payload)  # type: ignore[assignment]
    except InvalidMessage as error:
        raise InvalidMessage("recheck_origin_invalid", str(error)) from error
    named = original["application_id"] == recheck["original"] and original["requester"] == mandate["requester"]
    for key in ("entrusting_unit", "business_category", "purpose", "seal_to_center"):
        named = named and original[key] == mandate[key]
    if not named:
        raise InvalidMessage("recheck_beyond_original", "another application, unit, business or purpose")
    return original


def _acceptance(origin: RecheckOrigin, mandate: Mandate, trust: Trust) -> Acceptance:
    """It is years old perhaps, and nobody but its signer says when it was signed: it is judged as of then."""
    recheck = mandate["recheck"]
    assert recheck is not None, "checked by the caller"
    raw = origin["acceptance"]
    try:
        at = signed.peek(raw).claims.issued_at
        verified = signed.verify(raw, "acceptance", trust, now=at, issuer=CENTER, audience=mandate["requester"])
        acceptance: Acceptance = framing.decode_as("Acceptance", verified.payload)  # type: ignore[assignment]
    except InvalidMessage as error:
        raise InvalidMessage("recheck_origin_invalid", str(error)) from error
    if acceptance["mandate_digest"] != recheck["mandate_digest"]:
        raise InvalidMessage("recheck_origin_invalid", "the acceptance is of another mandate")
    return acceptance


def _check_person(record: bytes, proof: PersonOrigin, original: Mandate) -> None:
    sections = original["sections"]
    if not 1 <= proof["section"] <= len(sections) or len(proof["salt"]) != SALT_SIZE:
        raise InvalidMessage("recheck_origin_invalid", "section or salt")
    stated = sections[proof["section"] - 1]
    if not 0 <= proof["index"] < stated["count"]:
        raise InvalidMessage("recheck_beyond_original", "a person that the original did not have")
    leaf = roster.person_leaf(proof["index"], proof["salt"], record)
    try:
        root = merkle.verify_path(leaf, proof["index"], stated["count"], proof["path"], merkle.RECORD_NODE)
    except InvalidMessage as error:
        raise InvalidMessage("recheck_origin_invalid", str(error)) from error
    if root != stated["root"]:
        raise InvalidMessage("recheck_beyond_original", "a person that the original did not have")
