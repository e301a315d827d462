"""The center's opening of a result, where the mandate lets it: the same `ApplicationResult` into the same dossiers.

The center relays, it does not read (Art. 7). With `seal_to_center` in the mandate, which the requester signed and every
provider saw, each provider sealed its answers to the center as well, and what the requester assembles the center can
assemble too: from the result, the providers' bundles that passed the join, and the roster it has reviewed. Without it
the center holds no key that opens them, and `open_result` fails with `not_a_recipient`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.codec import framing
from pipeline.crypto import cose, relay, signed
from pipeline.crypto.bundles import Bundle, parse_bundle
from pipeline.crypto.keys import Identity
from pipeline.crypto.sealing import SealCache
from pipeline.crypto.trust import Trust
from pipeline.domain.catalog import Release
from pipeline.domain.coverage import coverage_of
from pipeline.domain.dossiers import AnswerKey, Dossier, assemble
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.domain.records import (
    AnswerArrived,
    ApplicationResult,
    Coverage,
    Mandate,
    Person,
    ResourceAnswer,
    SectionCertificate,
    SectionReceived,
)
from pipeline.kafka.clients import Extra
from pipeline.kafka.readers import read_table
from pipeline.kafka.tailing import CommittedLog
from pipeline.province import access
from pipeline.province.database import transaction
from pipeline.stages import topics
from pipeline.stages.effects import Message
from pipeline.stages.local import Access
from pipeline.stages.opening import SectionOpener, answers_in
from pipeline.stages.reference import Reference

ACCESS_LOG = "access.db"
"""Name of the center's access log, in its folder."""


@dataclass(frozen=True, slots=True)
class Material:
    """What the center holds of one application: its newest result, its sections and the bundles that came for it.

    `result` is the signed object; `sections` are by number, `bundles` by digest.
    """

    result: bytes
    sections: dict[int, SectionReceived]
    bundles: dict[bytes, AnswerArrived]


def gather(key: bytes, result: bytes, applications: Iterable[Message], join: Iterable[Message]) -> Material:
    """The material of the application at `key`, from the records of hedx.center.applications and hedx.center.join."""
    sections: dict[int, SectionReceived] = {}
    for section in _records(applications, "SectionReceived", lambda found: found == key):
        if section["bundle"] is not None:
            sections.setdefault(section["section"], section)  # type: ignore[arg-type]
    bundles: dict[bytes, AnswerArrived] = {}
    for answer in _records(join, "AnswerArrived", lambda found: found.startswith(key + b"/")):
        bundles.setdefault(answer["digest"], answer)  # type: ignore[arg-type]
    return Material(result, sections, bundles)


def open_result(material: Material, center: Identity, reference: Reference) -> list[Dossier]:
    """The dossiers, every signature verified on the way; coverage as the catalog release of the mandate has it.

    Raises InvalidMessage (`not_a_recipient` where nothing was sealed to the center) and ConfigError when the topics do
    not hold all of the application any more.
    """
    trust = reference.trust
    result: ApplicationResult = _signed(material.result, "certificate", "ApplicationResult", trust)  # type: ignore[assignment]
    seals = SealCache(center.sealing)
    answers: dict[AnswerKey, ResourceAnswer] = {}
    certificates: dict[int, SectionCertificate] = {}
    rosters: list[list[Person]] = []
    release: Release | None = None
    opener = SectionOpener(center.sealing)
    for number, section in enumerate(result["sections"], start=1):
        certificate = _signed(section["certificate"], "section-certificate", "SectionCertificate", trust)
        certificates[number] = certificate  # type: ignore[assignment]
        persons, mandate = _roster(material, number, result, opener, trust)
        rosters.append(persons)
        release = reference.release(mandate["catalog_release"])
        for digest in section["bundles"]:
            for key, answer in _answers(material, digest, result, seals, trust).items():
                answers.setdefault(key, answer)  # of two bundles the first stands, as in the join
    return assemble(rosters, certificates, answers, _accepted(certificates, release))


def _accepted(
    certificates: Mapping[int, SectionCertificate], release: Release | None
) -> dict[tuple[str, int], Coverage]:
    """(provider, row) → what was frozen at acceptance: the entry of the release, which stands as long as it can be read."""
    lines = {(line["provider"], line["row"]): line["category"] for c in certificates.values() for line in c["lines"]}
    entries = {} if release is None else release.entries
    return {
        (provider, row): coverage_of(entries[provider, category])
        for (provider, row), category in lines.items()
        if (provider, category) in entries
    }


def open_logged(
    material: Material,
    center: Identity,
    reference: Reference,
    log: sqlite3.Connection,
    *,
    now: int,
    by: str | None = None,
) -> list[Dossier]:
    """`open_result`, and a row in the center's access log before anything is given out; one too when it is refused.

    `log`: of `database.access_log`; `by`: who opens, by default the operating system's user.
    """
    try:
        dossiers = open_result(material, center, reference)
    except InvalidMessage as error:
        _note(material, log, error.code, by, now)
        raise
    except ConfigError:
        _note(material, log, "incomplete", by, now)
        raise
    _note(material, log, None, by, now)
    return dossiers


def _note(material: Material, log: sqlite3.Connection, code: str | None, by: str | None, now: int) -> None:
    with transaction(log):
        access.record(log, _access(material, code), actor=by or access.user(), at=now)


def _access(material: Material, code: str | None) -> Access:
    """What the log says of an opening, by the mandate; `code`: why it was refused."""
    outer = cose.decode(material.result)
    result: Mapping[str, Any] = framing.decode_as("ApplicationResult", outer.payload)
    detail: dict[str, object] = {"certificate": outer.digest.hex(), "persons": result["person_count"]}
    if code is not None:
        detail["code"] = code
    unit = purpose = ""
    for section in material.sections.values():
        mandate: Mapping[str, Any] = framing.decode_as("Mandate", cose.decode(section["mandate"]).payload)
        unit, purpose = mandate["entrusting_unit"], mandate["purpose"]
    act = "opened" if code is None else "refused"
    return Access(act, result["application_id"], result["requester"], unit, purpose, detail)


def read_material(bootstrap: str, application: str, extra: Extra | None = None) -> Material:
    """The material of `application`, an id or `requester/id`, from the center's topics, read to their ends.

    Raises ConfigError when there is no result of it, or more than one requester has one under this id.
    """
    results = read_table(bootstrap, topics.RESULTS, extra=extra)
    wanted = application.encode()
    found = [key for key in results if key == wanted or key.endswith(b"/" + wanted)]
    if len(found) != 1:
        many = ", ".join(sorted(key.decode() for key in found))
        raise ConfigError(f"no result of application {application}" if not found else f"which one: {many}?")
    [key] = found
    logs = (_committed(bootstrap, topic, extra) for topic in (topics.APPLICATIONS, topics.JOIN))
    return gather(key, results[key], *logs)


def _committed(bootstrap: str, topic: str, extra: Extra | None) -> Iterator[Message]:
    log = CommittedLog(bootstrap, topic, extra=extra)
    try:
        while not log.reached_end:
            yield from log.poll(0.1)
    finally:
        log.close()


def _records(messages: Iterable[Message], name: str, is_wanted: Callable[[bytes], bool]) -> Iterator[dict[str, object]]:
    """The records of one kind under the wanted keys; what cannot be read was put aside by its stage."""
    for message in messages:
        if not is_wanted(message.key or b""):
            continue
        try:
            found, record = framing.decode(message.value or b"")
        except InvalidMessage:
            continue
        if found == name:
            yield record


def _signed(raw: bytes, typ: str, name: str, trust: Trust) -> object:
    """What the center itself signed, verified as of then."""
    at = signed.peek(raw).claims.issued_at
    return framing.decode_as(name, signed.verify(raw, typ, trust, now=at, issuer=CENTER).payload)


def _roster(
    material: Material, number: int, result: ApplicationResult, opener: SectionOpener, trust: Trust
) -> tuple[list[Person], Mandate]:
    section = material.sections.get(number)
    if section is None or section["bundle"] is None:
        raise ConfigError(f"section {number} of {result['application_id']} is not kept any more")
    bundle = parse_bundle(section["bundle"])
    if bundle.header.mandate_digest != result["mandate_digest"]:
        raise InvalidMessage("mandate_mismatch", f"section {number}")
    warrant = opener.warrant(bundle, trust, seen_at=section["received_at"])
    opened = opener.section(bundle, warrant)
    return [framing.read("Person", person) for person in opened.persons], warrant.mandate  # type: ignore[misc]


def _answers(
    material: Material, digest: bytes, result: ApplicationResult, seals: SealCache, trust: Trust
) -> dict[AnswerKey, ResourceAnswer]:
    arrived = material.bundles.get(digest)
    if arrived is None:
        raise ConfigError(f"bundle {digest.hex()} of {result['application_id']} is not kept any more")
    bundle = _proved(arrived, trust)
    header = bundle.header
    if bundle.leaf != digest:
        raise InvalidMessage("digest_mismatch", digest.hex())
    if header.mandate_digest != result["mandate_digest"]:
        raise InvalidMessage("mandate_mismatch", digest.hex())
    if header.outcome != "done":
        return {}
    if bundle.seal is None:
        raise InvalidMessage("seal_missing")
    answers = answers_in(bundle, seals.unseal(bundle.seal, header.sender))
    provider = arrived["provider"]
    return {
        (header.section, provider, found["row"], answer["index"]): found
        for answer, _ in answers
        for found in answer["results"]
    }


def _proved(arrived: AnswerArrived, trust: Trust) -> Bundle:
    """The bundle, its provider's signature verified as of when it came."""
    record = relay.relay_record(arrived["sign1"], arrived["bundle"], arrived["index"], arrived["size"], arrived["path"])
    return relay.open_relay(record, trust, now=arrived["appended_at"]).bundle
