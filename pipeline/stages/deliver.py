"""deliver: the requester's side. Verify the center's relay and the provider's proof, open, hand to the store.

In: hedx.<party>.responses. Here, and only here, answers are read; or not even here, where the entrusting unit holds the
reply key: then all is verified that a key is not needed for, and the bundle is handed on as it came. For every provider
whose bundles arrived a signed delivery receipt goes back through the center.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from pipeline.codec import framing
from pipeline.crypto import cbor, envelopes, relay, signed
from pipeline.crypto.bundles import Bundle
from pipeline.crypto.headers import Header
from pipeline.crypto.keys import Identity
from pipeline.crypto.sealing import unseal
from pipeline.domain import members
from pipeline.domain.agreeing import is_agreed
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER, EVERYONE
from pipeline.domain.records import Mandate, Receipt
from pipeline.stages.acts import Act, open_act
from pipeline.stages.bounds import TIMES, within
from pipeline.stages.effects import Batch, Message
from pipeline.stages.local import Delivered, Filed, LocalEffects, Posted, View, Witness, is_repeated
from pipeline.stages.notices import Entropy, Notice, post, sign_record
from pipeline.stages.opening import answers_in
from pipeline.stages.reference import Reference

_TAKEN: Final = frozenset({"withdrawal-ack", "delay", "extension", "review", "evidence-request", "evidence-judged"})
"""Types of acts that a requester takes: what the center says to it, and what providers say about its applications."""


class Deliver:
    """Receives results for one party."""

    name = "deliver"

    def __init__(self, identity: Identity, reference: Reference, entropy: Entropy = os.urandom) -> None:
        self._identity = identity
        self._reference = reference
        self._entropy = entropy
        self._secrets: dict[bytes, bytes] = {}  # seal -> S, for the bundles of one step

    def step(self, view: View, batch: Batch) -> LocalEffects:
        """Everything the batch brought, and the delivery receipts for it."""
        self._secrets = {}
        effects = LocalEffects()
        for message in batch.messages:
            try:
                self._receive(message, view, effects, batch.now)
            except InvalidMessage as error:
                effects.dead.append((message, error))
        effects.posts += self._receipts(effects.delivered, batch.now)
        return effects

    @property
    def party(self) -> str:
        """Whose results these are."""
        return self._identity.party

    def is_suspended(self) -> bool:
        """Whether the center has suspended this party."""
        trust, party = self._reference.trust, self._identity.party
        return party in trust.parties() and trust.suspended(party)

    def _receive(self, message: Message, view: View, effects: LocalEffects, now: int) -> None:
        party, trust = self._identity.party, self._reference.trust
        envelope = envelopes.open_envelope(message.value or b"", trust, audience=party, now=now)
        if envelope.issuer != CENTER:
            raise InvalidMessage("issuer_unexpected", envelope.issuer)
        if is_repeated(view, effects, envelope):
            return
        for bundle in envelope.bundles:
            try:
                self._bundle(bundle, view, effects, envelope.issued_at)
            except InvalidMessage as error:
                effects.dead.append((message, error))

    def _bundle(self, bundle: Bundle, view: View, effects: LocalEffects, at: int) -> None:
        """One bundle; what it holds was valid `at` the time the center signed the envelope around it."""
        kind = bundle.header.kind
        if bundle.header.to != self._identity.party:
            raise InvalidMessage("header_contradicts_envelope", "recipient")
        if kind == "relay":
            delivered = self._relayed(bundle, view, at)
            effects.delivered.append(delivered)
            if delivered.relay is not None:
                effects.witnesses.add(self._witness(cbor.leading(delivered.relay)))
            return
        for raw in bundle.records:
            if kind == "act":
                self._act(raw, view, effects, at)
            elif kind == "receipt":
                receipt: Receipt = self._signed(raw, "receipt", "Receipt", at)  # type: ignore[assignment]
                effects.receipted += [receipt["envelope_id"]] if receipt["envelope_id"] else []
            elif kind == "acceptance":
                record = self._ours(raw, "acceptance", "Acceptance", view, at, effects)
                effects.acceptances.append((record, raw))  # type: ignore[arg-type]
            elif kind == "rejection":
                record = self._ours(raw, "rejection", "Rejection", view, at, effects)
                effects.rejections.append((record, raw))  # type: ignore[arg-type]
            elif kind == "certificate" and bundle.header.section:
                record = self._ours(raw, "section-certificate", "SectionCertificate", view, at, effects)
                effects.certificates.append((record, raw))  # type: ignore[arg-type]
            elif kind == "certificate":
                record = self._ours(raw, "certificate", "ApplicationResult", view, at, effects)
                effects.results.append((record, raw))  # type: ignore[arg-type]
            else:
                raise InvalidMessage("kind_unexpected", kind)

    def _act(self, raw: bytes, view: View, effects: LocalEffects, at: int) -> None:
        """An act of the center's for us, or a provider's about an application of ours, which the center relays."""
        act = open_act(raw, self._reference.trust, at=at)
        if act.typ not in _TAKEN:
            raise InvalidMessage("act_unexpected", act.typ)
        audience = signed.peek(raw).claims.audience
        if audience != (self._identity.party if act.issuer == CENTER else CENTER):
            raise InvalidMessage("audience_mismatch", f"for {audience}")
        if act.record.get("requester", self._identity.party) != self._identity.party:
            raise InvalidMessage("act_misdirected", "of another requester")
        application_id = act.record.get("application_id")
        if application_id is not None:
            filed = view.filed(application_id)
            if filed is None:
                raise InvalidMessage("application_unknown", application_id)
            if act.record.get("mandate_digest") not in (None, filed.mandate_digest):
                raise InvalidMessage("mandate_mismatch", application_id)
        for name in ("until", "due"):  # a time that cannot be written as a day would stop who reads it
            if act.record.get(name) is not None:
                within(act.record, **{name: TIMES})
        _check_founded(act, view)
        effects.witnesses.add(self._witness(raw))
        effects.acts.append(act)

    def _ours(self, raw: bytes, typ: str, name: str, view: View, at: int, effects: LocalEffects) -> object:
        """What the center signed about one of our applications: under the mandate we gave, not another."""
        record: Mapping[str, Any] = self._signed(raw, typ, name, at)  # type: ignore[assignment]
        effects.witnesses.add(self._witness(raw))
        application_id = record["application_id"]
        if application_id is None:  # a rejection of an envelope
            return record
        filed = view.filed(application_id)
        if filed is None:
            raise InvalidMessage("application_unknown", application_id)
        if record["mandate_digest"] not in (None, filed.mandate_digest):
            raise InvalidMessage("mandate_mismatch", application_id)
        return record

    def _signed(self, raw: bytes, typ: str, name: str, at: int) -> object:
        verified = signed.verify(raw, typ, self._reference.trust, now=at, issuer=CENTER, audience=self._identity.party)
        return framing.decode_as(name, verified.payload)

    def _relayed(self, outer: Bundle, view: View, at: int) -> Delivered:
        filed = view.filed(outer.header.application_id)
        if filed is None:
            raise InvalidMessage("application_unknown", outer.header.application_id)
        if len(outer.records) != 1:
            raise InvalidMessage("relay_count", "one bundle a relay")
        inner = relay.open_relay(outer.records[0], self._reference.trust, now=at)
        header = inner.bundle.header
        party = self._identity.party
        if header.kind != "answer" or not header.to == header.requester == party or header.provider != inner.issuer:
            raise InvalidMessage("relay_misdirected")
        if header.mandate_digest != filed.mandate_digest or header.application_id != filed.application_id:
            raise InvalidMessage("mandate_mismatch", outer.header.application_id)
        answers: list[tuple[int, bytes]] = []
        if filed.reply_key is None:
            _check_scope(header, filed.mandate)
        elif header.outcome == "done":
            answers = self._open(inner.bundle, filed)
        return Delivered(
            application_id=filed.application_id,
            section=header.section,
            provider=inner.issuer,
            digest=inner.bundle.leaf,
            rows=header.rows,
            members=header.members,
            outcome=header.outcome or "done",
            answers=answers,
            relay=outer.records[0] if filed.reply_key is None else None,
            code=header.code,
        )

    def _witness(self, raw: bytes) -> Witness:
        """The certificate that a signed object was just verified under: kept, it verifies years later."""
        thumbprint = signed.peek(raw).thumbprint
        return Witness(thumbprint, *self._reference.trust.listed(thumbprint))

    def _open(self, bundle: Bundle, filed: Filed) -> list[tuple[int, bytes]]:
        """Roster index and bytes of each answer of one bundle, read and found in scope. Bundles may share a seal."""
        seal = bundle.seal
        if seal is None or filed.reply_key is None:
            raise InvalidMessage("seal_missing")
        if seal not in self._secrets:
            self._secrets[seal] = unseal(seal, bundle.header.sender, filed.reply_key)
        return [(answer["index"], record) for answer, record in answers_in(bundle, self._secrets[seal])]

    def _receipts(self, delivered: list[Delivered], now: int) -> list[Posted]:
        digests: dict[tuple[str, str], list[bytes]] = {}
        for bundle in delivered:
            digests.setdefault((bundle.application_id, bundle.provider), []).append(bundle.digest)
        posts: list[Posted] = []
        party = self._identity.party
        for (application_id, provider), held in digests.items():
            receipt = Receipt(
                kind="delivered",
                application_id=application_id,
                provider=provider,
                envelope_id=None,
                envelope_digest=None,
                bundles=held,
                at=now,
            )
            raw = sign_record("receipt", "Receipt", receipt, self._identity.signer, CENTER, now)
            notice = Notice("receipt", CENTER, party, application_id)
            posts.append(Posted("requests", post(notice, [raw], party, self._entropy)))
        return posts


def _check_scope(header: Header, mandate: Mandate | None) -> None:
    """Section, persons and rows that a sealed bundle is about, by its header: those of the mandate.

    Raises InvalidMessage `answer_out_of_scope`.
    """
    asked = [] if mandate is None else mandate["schedule"]
    sections = [] if mandate is None else mandate["sections"]
    rows = {row["row"] for row in asked if row["provider"] in (header.provider, EVERYONE)}
    section = header.section - 1
    if not (0 <= section < len(sections) and header.sections == len(sections) and rows.issuperset(header.rows)):
        raise InvalidMessage("answer_out_of_scope")
    if members.from_bytes(header.members) & ~members.full(sections[section]["count"]):
        raise InvalidMessage("answer_out_of_scope", "members")


def _check_founded(act: Act, view: View) -> None:
    """What the center says that we said, we said: raises InvalidMessage `act_unfounded` where no act of ours stands behind it."""
    record = act.record
    if act.typ == "review" and record["kind"] == "withdrawn" and not view.has_withdrawn(record["application_id"]):
        raise InvalidMessage("act_unfounded", "withdrawn, and nobody asked for it")
    if act.typ == "extension":
        delay, reply = view.act("delay", record["delay"]), view.act("delay-reply", record["reply"])
        if not is_agreed(record, delay, reply):
            raise InvalidMessage("act_unfounded", "an extension that was not agreed")
