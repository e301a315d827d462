"""intake: what provinces send the center. Verify, open, decode, validate each section by itself; receipt.

In: hedx.center.requests. Out: hedx.center.applications (sealed as it came), receipts to the sender.
Order of checks: envelope.md. A section that cannot be read or is faulty still goes on, without its bundle and with
the reasons, so that the whole application is rejected with every reason at once.
"""

from __future__ import annotations

import datetime as dt
import hmac
import os
from collections.abc import Sequence

from pipeline.codec import framing
from pipeline.crypto import envelopes, signed
from pipeline.crypto.bundles import Bundle, SealedBundle
from pipeline.crypto.envelopes import VerifiedEnvelope
from pipeline.crypto.keys import Identity
from pipeline.domain import review
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.evidence import MOST_NAMED
from pipeline.domain.faults import fault
from pipeline.domain.free_text import has_long_number
from pipeline.domain.identity import person_key
from pipeline.domain.parties import CENTER, inbox
from pipeline.domain.records import (
    Acted,
    Application,
    DeliveryReceipted,
    EvidenceArrived,
    Fault,
    Person,
    Receipt,
    Rejection,
    ReviewNotice,
    SectionReceived,
)
from pipeline.stages import cataloguing, origins, topics
from pipeline.stages.acts import Act, open_receipted, post_act, sign_act, unverified
from pipeline.stages.clock import local_date
from pipeline.stages.effects import Batch, Effects, Message, Output, Overlay, State
from pipeline.stages.events import EventLog
from pipeline.stages.keys import application_key
from pipeline.stages.mailbag import Mailbag
from pipeline.stages.notices import Entropy, Notice, post, sign_record
from pipeline.stages.opening import OpenedSection, SectionOpener
from pipeline.stages.origins import check_origin
from pipeline.stages.reasons import listed
from pipeline.stages.receiver import forget_expired, remember, seen_before
from pipeline.stages.reference import Reference
from pipeline.stages.suspicion import Suspicion

TAG_SIZE = 16
LONGEST_MANDATE = 400 * 24 * 3600 * 1000
"""How long (ms) after it came a mandate may still hold: what waits under it is kept as long."""
LAPSES = frozenset({"expired", "certificate_expired", "certificate_revoked"})
"""Faults of an act that honest senders run into, after an outage or a revocation, and that never heal: it is declined."""


class Intake:
    """The center's front door."""

    name = "intake"
    inputs: tuple[str, ...] = (inbox(CENTER, "requests"),)
    changelog: str | None = topics.changelog("intake")
    tick: float | None = 60.0

    def __init__(
        self, center: Identity, reference: Reference, tag_secret: bytes, entropy: Entropy = os.urandom
    ) -> None:
        self._center = center
        self._reference = reference
        self._tag_secret = tag_secret
        self._entropy = entropy
        self._opener = SectionOpener(center.sealing)
        self._suspicion = Suspicion()

    def step(self, state: State, batch: Batch) -> Effects:
        """Sections, receipts and re-sends of one batch; on a tick, forget old envelope ids."""
        overlay = Overlay(state)
        effects = Effects()
        events = EventLog(self.name, batch.now)
        mailbag = Mailbag(self._center.signer, batch.now)
        for message in batch.messages:
            try:
                effects.outputs += self._receive(message, overlay, mailbag, events, effects, batch.now)
            except InvalidMessage as error:
                self._suspicion.note(message, error, batch.now)
                effects.dead.append((message, error))
        for progress in batch.owned if not batch.messages else ():
            forget_expired(state, overlay, progress.partition, batch.now)
        effects.outputs = events.traced(effects.outputs) + mailbag.outputs() + events.outputs()
        effects.changes = overlay.changes
        return effects

    def can_wait(self, message: Message, now: int) -> bool:
        """Messages in a name under suspicion can."""
        return self._suspicion.rests_on(message, now)

    def _receive(
        self, message: Message, overlay: Overlay, mailbag: Mailbag, events: EventLog, effects: Effects, now: int
    ) -> list[Output]:
        trust = self._reference.trust
        envelope = envelopes.open_envelope(message.value or b"", trust, audience=CENTER, now=now)
        try:
            seen = seen_before(overlay, message.partition, envelope)
        except InvalidMessage:
            mailbag.add(envelope.issuer, "responses", self._conflict(envelope, now))
            raise
        outputs: list[Output] = []
        if seen is None:
            for bundle in envelope.bundles:
                outputs += self._route(bundle, envelope, mailbag, events, effects, message, now)
        receipt = seen["reply"] if seen and seen["reply"] else self._receipt(envelope, message.timestamp, now)
        mailbag.add(
            envelope.issuer,
            "responses",
            post(Notice("receipt", envelope.issuer, envelope.issuer), [receipt], CENTER, self._entropy),
        )
        if seen is None:
            remember(overlay, message.partition, envelope, receipt)
        events.add(
            "envelope_received" if seen is None else "envelope_resent",
            subject=envelope.id + (b"" if seen is None else message.offset.to_bytes(8, "big")),
            party=envelope.issuer,
            count=len(envelope.bundles),
        )
        return outputs

    def _conflict(self, envelope: VerifiedEnvelope, now: int) -> SealedBundle:
        """Tell the sender that this id already stands for other bytes; both stay: in the topic, and as a dead letter."""
        return self._rejection(envelope, fault("envelope_conflict"), now)

    def _rejection(self, envelope: VerifiedEnvelope, found: Fault, now: int) -> SealedBundle:
        """Something of an envelope is refused, signed."""
        rejection = Rejection(
            application_id=None,
            mandate_digest=None,
            envelope_id=envelope.id,
            faults=[found],
            at=now,
        )
        raw = sign_record("rejection", "Rejection", rejection, self._center.signer, envelope.issuer, now)
        return post(Notice("rejection", envelope.issuer, envelope.issuer), [raw], CENTER, self._entropy)

    def _receipt(self, envelope: VerifiedEnvelope, appended_at: int, now: int) -> bytes:
        receipt = Receipt(
            kind="received",
            application_id=None,
            provider=None,
            envelope_id=envelope.id,
            envelope_digest=envelope.digest,
            bundles=[bundle.leaf for bundle in envelope.bundles],
            at=appended_at,
        )
        return sign_record("receipt", "Receipt", receipt, self._center.signer, envelope.issuer, now)

    def _route(
        self,
        bundle: Bundle,
        envelope: VerifiedEnvelope,
        mailbag: Mailbag,
        events: EventLog,
        effects: Effects,
        message: Message,
        now: int,
    ) -> list[Output]:
        if bundle.header.sender != envelope.issuer or bundle.header.to != CENTER:
            raise InvalidMessage("header_contradicts_envelope", "sender or recipient")
        if bundle.header.kind == "receipt":
            return [self._delivery(bundle, envelope.issuer, now)]
        if bundle.header.kind == "act":
            return self._act(bundle, envelope, mailbag, events, message.timestamp, now)
        if bundle.header.kind == "evidence" and bundle.header.requester == envelope.issuer:
            return [_evidence(bundle, message.timestamp)]
        if bundle.header.kind == "application" and bundle.header.requester == envelope.issuer:
            return [self._section(bundle, events, effects, message, now)]
        raise InvalidMessage("kind_unexpected", bundle.header.kind)

    def _delivery(self, bundle: Bundle, issuer: str, now: int) -> Output:
        """A requester's delivery receipt, on its way to the provider."""
        if len(bundle.records) != 1:
            raise InvalidMessage("receipt_count", "one receipt a bundle")
        raw = bundle.records[0]
        verified = signed.verify(raw, "receipt", self._reference.trust, now=now, issuer=issuer)
        receipt: Receipt = framing.decode_as("Receipt", verified.payload)  # type: ignore[assignment]
        if receipt["kind"] != "delivered" or receipt["application_id"] is None or receipt["provider"] is None:
            raise InvalidMessage("receipt_invalid", "not a delivery receipt")
        record = DeliveryReceipted(
            application_id=receipt["application_id"],
            requester=issuer,
            provider=receipt["provider"],
            receipt=raw,
            bundles=receipt["bundles"],
        )
        key = application_key(issuer, receipt["application_id"])
        return Output(topics.APPLICATIONS, key, framing.encode("DeliveryReceipted", record))

    def _act(
        self,
        bundle: Bundle,
        envelope: VerifiedEnvelope,
        mailbag: Mailbag,
        events: EventLog,
        appended_at: int,
        now: int,
    ) -> list[Output]:
        """A party's act, passed on; or declined, which settles it: what else is in its envelope does not wait for it."""
        try:
            act = self._opened_act(bundle, envelope.issuer, appended_at, now)
        except InvalidMessage as error:
            if error.code not in LAPSES:
                raise
            self._decline(unverified(bundle.records[0]), "act_lapsed", envelope, mailbag, events, now)
            return []
        if has_long_number(str(act.record.get("reason", ""))):
            self._decline(act, "act_reason_number", envelope, mailbag, events, now)
            return []
        return [_forwarded(act, events, appended_at)]

    def _opened_act(self, bundle: Bundle, issuer: str, appended_at: int, now: int) -> Act:
        if len(bundle.records) != 1:
            raise InvalidMessage("act_count", "one act a bundle")
        [raw] = bundle.records
        trust = self._reference.trust
        return open_receipted(raw, trust, appended_at=appended_at, now=now, issuer=issuer, audience=CENTER)

    def _decline(
        self, act: Act, code: str, envelope: VerifiedEnvelope, mailbag: Mailbag, events: EventLog, now: int
    ) -> None:
        """An act goes no further; whoever sent the envelope is told, signed, which one and why.

        A requester hears it about its application; anybody else, that the message was refused.
        """
        party, found = envelope.issuer, fault(code, digest=act.digest.hex())
        if act.record.get("requester") == party:
            notice = ReviewNotice(
                application_id=act.record["application_id"],
                requester=party,
                mandate_digest=act.record.get("mandate_digest"),
                kind="declined",
                faults=[found],
                due=None,
                at=now,
            )
            raw = sign_act("review", notice, self._center.signer, party, now)
            answer = post_act(raw, CENTER, party, party, act.record["application_id"], self._entropy)
        else:
            answer = self._rejection(envelope, found, now)
        mailbag.add(party, "responses", answer)
        events.add("act_declined", subject=act.digest, party=party, code=found["code"], by=CENTER)

    def _section(self, bundle: Bundle, events: EventLog, effects: Effects, message: Message, now: int) -> Output:
        header = bundle.header
        key = application_key(header.requester, header.application_id)
        record = self._unreadable(bundle, message.timestamp)
        try:
            warrant = self._opener.warrant(bundle, self._reference.trust, now)
            if warrant.mandate["not_after"] < now:
                raise InvalidMessage("mandate_expired")
            if warrant.mandate["not_after"] > now + LONGEST_MANDATE:
                raise InvalidMessage("mandate_too_long")
            record["mandate"] = warrant.mandate_raw
            opened = self._opener.section(bundle, warrant)
            check_origin(opened, self._reference.trust)
            self._judge(opened, record, local_date(now))
        except InvalidMessage as error:
            unreadable = fault("section_unreadable", reason=error.code, section=header.section)
            record["faults"] = [fault(error.code) if error.code in origins.CODES else unreadable]
            effects.refused.append((message, error))
        if not record["faults"]:
            record["bundle"] = bundle.raw
        span = events.add(
            "section_received",
            application_id=header.application_id,
            section=header.section,
            party=header.requester,
            count=header.count,
            code=record["faults"][0]["code"] if record["faults"] else None,
            since=message.timestamp,
        )
        headers = () if span is None else span.headers()
        return Output(topics.APPLICATIONS, key, framing.encode("SectionReceived", record), headers)

    def _unreadable(self, bundle: Bundle, appended_at: int) -> SectionReceived:
        header = bundle.header
        return SectionReceived(
            application_id=header.application_id,
            requester=header.requester,
            section=header.section,
            sections=header.sections,
            mandate=b"",
            bundle=None,
            bundle_digest=bundle.leaf,
            person_count=header.count,
            stated_count=0,
            lead_present=False,
            person_tags=b"",
            numbers=[],
            guarded_count=0,
            undocumented_count=0,
            form_tag=b"",
            faults=[],
            received_at=appended_at,
        )

    def _judge(self, opened: OpenedSection, record: SectionReceived, today: dt.date) -> None:
        """The formal review of one section (Art. 9): the form, each person, and the form against the mandate."""
        form = opened.head["application"]
        if form is None:
            raise InvalidMessage("form_missing")
        persons: list[Person] = [framing.read("Person", person) for person in opened.persons]  # type: ignore[misc]
        record["stated_count"] = form["person_count"]
        record["lead_present"] = any(person["name"] == form["lead_person"] for person in persons)
        record["person_tags"] = b"".join(self._tag(record, person_key(person)) for person in persons)
        record["numbers"] = [person["number"] for person in persons]
        record["guarded_count"] = sum(person["consent_by"] == "guardian" for person in persons)
        record["undocumented_count"] = sum(person["document_type"] == "none" for person in persons)
        record["form_tag"] = self._tag(record, framing.write("Application", form))
        record["faults"] = listed(
            [
                *_contradictions(form, opened, self._reference),
                *review.check_application(form, today),
                *review.check_section(form, persons, today, opened.head["roster_date"], opened.head["roster_dataset"]),
            ]
        )

    def _tag(self, record: SectionReceived, content: bytes) -> bytes:
        """A keyed mark of a person, or of the form, in one application: the same across sections, telling others nothing."""
        application = f"{record['requester']}/{record['application_id']}/".encode()
        return hmac.digest(self._tag_secret, application + content, "sha256")[:TAG_SIZE]


def _forwarded(act: Act, events: EventLog, appended_at: int) -> Output:
    """A party's act about an application, on its way to that application; or its report for the catalog."""
    if act.typ == "catalog-report":
        output = cataloguing.forwarded(act, appended_at)
        count = len(act.record["entries"]) + len(act.record["retire"])
        events.add("catalog_reported", subject=act.digest, party=act.issuer, count=count, by=act.issuer)
        return output
    record = Acted(
        application_id=act.record["application_id"],
        requester=act.record["requester"],
        actor=act.issuer,
        typ=act.typ,
        act=act.raw,
        received_at=appended_at,
    )
    key = application_key(record["requester"], record["application_id"])
    return Output(topics.APPLICATIONS, key, framing.encode("Acted", record))


def _evidence(bundle: Bundle, appended_at: int) -> Output:
    """A part of a document that a province releases, sealed as it came, on its way to the request it is for."""
    header = bundle.header
    if header.answers is None or not header.application_id:
        raise InvalidMessage("evidence_unknown", "for no request")
    record = EvidenceArrived(
        application_id=header.application_id,
        requester=header.requester,
        bundle=bundle.raw,
        received_at=appended_at,
    )
    key = application_key(header.requester, header.application_id)
    return Output(topics.APPLICATIONS, key, framing.encode("EvidenceArrived", record))


def _contradictions(form: Application, opened: OpenedSection, reference: Reference) -> list[Fault]:
    """Where form, mandate and section head do not say the same (Art. 9: consistency), and the release they rest on."""
    mandate = opened.warrant.mandate
    fields: Sequence[tuple[str, object, object]] = (
        ("application_id", form["application_id"], mandate["application_id"]),
        ("requester", form["requester"], mandate["requester"]),
        ("approving_authority", form["approving_authority"], mandate["approving_authority"]),
        ("entrusting_unit", form["approving_authority"], mandate["entrusting_unit"]),
        ("business_category", form["business_category"], mandate["business_category"]),
        ("purpose", form["purpose"], mandate["purpose"]),
        ("schedule", form["schedule"], mandate["schedule"]),
        ("seal_to_center", form["seal_to_center"], mandate["seal_to_center"]),
        ("unit_consent", form["unit_consent"], mandate["unit_consent"]),
        ("recheck", form["recheck"], mandate["recheck"]),
        ("person_count", form["person_count"], sum(section["count"] for section in mandate["sections"])),
    )
    faults = [fault("mandate_differs", key=name) for name, ours, theirs in fields if ours != theirs]
    if len(mandate["evidence"]) > MOST_NAMED:
        faults.append(fault("evidence_too_many", limit=MOST_NAMED))
    release = reference.release(mandate["catalog_release"])
    if release is None:
        faults.append(fault("release_unknown", release=mandate["catalog_release"]))
    else:
        faults += review.check_schedule(form, release)
    return faults
