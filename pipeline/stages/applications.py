"""applications: the process manager, keyed by application. Admit, dispatch, certify; one step each, in this order.

In: hedx.center.applications. Out: providers' requests, hedx.center.join, the requester's responses,
hedx.center.results. Accepted sections stay here, sealed, until the requester has receipted their bundles.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.codec import framing
from pipeline.crypto import cose
from pipeline.crypto.headers import Kind
from pipeline.crypto.keys import Identity
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.faults import fault
from pipeline.domain.parties import CENTER
from pipeline.domain.records import (
    Acceptance,
    ApplicationState,
    DeliveryReceipted,
    DispatchDue,
    Fault,
    Mandate,
    Rejection,
    SectionCertified,
    SectionReceived,
    SectionResult,
)
from pipeline.domain.sections import MOST_SECTIONS
from pipeline.stages import admit, certify, topics
from pipeline.stages.bounds import PERSONS, TIMES, VERSIONS, WORDS, within
from pipeline.stages.dispatch import Dispatcher, batches, expectation
from pipeline.stages.effects import (
    Batch,
    Effects,
    Message,
    Output,
    Overlay,
    State,
    timer_due,
    timer_key,
    timer_subject,
)
from pipeline.stages.events import EventLog
from pipeline.stages.keys import application_key, section_key
from pipeline.stages.mailbag import Mailbag
from pipeline.stages.notices import Entropy, Notice, post, sign_record
from pipeline.stages.opening import SectionOpener
from pipeline.stages.reasons import listed
from pipeline.stages.reference import Reference

HOUR = 3600 * 1000
ARRIVAL_LIMIT = 24 * HOUR
"""How long an application may wait for its missing sections before it is rejected (ms)."""
SUPPLEMENT_WINDOW = 30 * 24 * HOUR
"""How long after the last deadline late answers still become supplements (ms)."""
STRAIGHT_THROUGH = 4 * 1024 * 1024
"""Bytes of request bundles an admission sends out itself; a larger application goes on a message at a time, so that no
transaction outgrows its limit."""
DUE_AT_ONCE = 1000


@dataclass(slots=True)
class _Step:
    """The effects of one step in the making."""

    overlay: Overlay
    mailbag: Mailbag
    events: EventLog
    outputs: list[Output]
    now: int

    def fork(self) -> _Step:
        """The effects of one message, to be merged when it turned out well."""
        return _Step(Overlay(self.overlay), self.mailbag.fork(), self.events.fork(), [], self.now)

    def merge(self, message: _Step) -> None:
        """Take over the effects of one message."""
        self.overlay.changes.update(message.overlay.changes)
        self.mailbag.merge(message.mailbag)
        self.events.merge(message.events)
        self.outputs += message.outputs


class Applications:
    """The life of applications at the center."""

    name = "applications"
    inputs: tuple[str, ...] = (topics.APPLICATIONS,)
    changelog: str | None = topics.changelog("applications")
    tick: float | None = 5.0

    def __init__(self, center: Identity, reference: Reference, entropy: Entropy = os.urandom) -> None:
        self._center = center
        self._reference = reference
        self._entropy = entropy
        self._dispatcher = Dispatcher(center, SectionOpener(center.sealing), entropy)

    def step(self, state: State, batch: Batch) -> Effects:
        """Sections, certificates and delivery receipts of one batch; on a tick, what has waited too long."""
        self._dispatcher.begin(batch.now)
        effects = Effects()
        step = _Step(
            Overlay(state),
            Mailbag(self._center.signer, batch.now),
            EventLog(self.name, batch.now),
            effects.outputs,
            batch.now,
        )
        for message in batch.messages:
            trial = step.fork()
            try:
                self._receive(message, trial)
            except InvalidMessage as error:
                effects.dead.append((message, error))
            else:
                step.merge(trial)
        for progress in batch.owned if not batch.messages else ():
            for timer in state.due(progress.partition, batch.now, DUE_AT_ONCE):
                self._due(progress.partition, timer, step)
        effects.outputs += step.mailbag.outputs() + step.events.outputs()
        effects.changes = step.overlay.changes
        return effects

    def _receive(self, message: Message, step: _Step) -> None:
        name, record = framing.decode(message.value or b"")
        handlers: dict[str, Callable[[int, object, _Step], None]] = {
            "SectionReceived": self._section,  # type: ignore[dict-item]
            "SectionCertified": self._certified,  # type: ignore[dict-item]
            "DeliveryReceipted": self._delivered,  # type: ignore[dict-item]
            "DispatchDue": self._dispatch_due,  # type: ignore[dict-item]
        }
        if name not in handlers:
            raise InvalidMessage("schema_unexpected", name)
        handlers[name](message.partition, record, step)

    # -- admit -------------------------------------------------------------------------------------------------------

    def _section(self, partition: int, record: SectionReceived, step: _Step) -> None:
        within(record, requester=WORDS, application_id=WORDS, person_count=PERSONS, received_at=TIMES)
        if not 1 <= record["section"] <= record["sections"] <= MOST_SECTIONS:
            raise InvalidMessage("sections_contradict", f"section {record['section']}")
        key = application_key(record["requester"], record["application_id"])
        application = _load(step.overlay, partition, key) or _arriving(record)
        if application["phase"] != "arriving" or record["section"] in application["arrived"]:
            step.events.add(
                "section_repeated",
                subject=record["bundle_digest"],
                application_id=record["application_id"],
                section=record["section"],
                party=record["requester"],
            )
            return
        if record["sections"] != application["sections"]:
            raise InvalidMessage("sections_contradict", f"section {record['section']}")
        if not application["arrived"]:
            step.overlay.put(partition, timer_key(application["expires_at"], key), b"\0")
        application["arrived"].append(record["section"])
        step.overlay.put(partition, _stored(key, record["section"]), framing.encode("SectionReceived", record))
        if len(application["arrived"]) == application["sections"]:
            self._admit(partition, key, application, step)
        _save(step.overlay, partition, key, application)

    def _admit(self, partition: int, key: bytes, application: ApplicationState, step: _Step) -> None:
        sections = [_section(step.overlay, partition, key, n) for n in range(1, application["sections"] + 1)]
        mandate_raw = sections[0]["mandate"]
        mandate, digest = _mandate(mandate_raw) if mandate_raw else (None, b"")
        application["mandate_digest"] = digest
        release = self._reference.release(mandate["catalog_release"]) if mandate else None
        faults = admit.judge(sections, release)
        if faults or mandate is None or release is None:
            self._reject(partition, key, application, faults, step)
            return
        acceptance = admit.accept(mandate, digest, release, self._reference.trust, step.now)
        raw = sign_record(
            "acceptance", "Acceptance", acceptance, self._center.signer, application["requester"], step.now
        )
        application["phase"] = "open"
        application["acceptance"] = raw
        application["person_count"] = sum(section["person_count"] for section in sections)
        step.overlay.put(partition, timer_key(application["expires_at"], key), None)
        application["expires_at"] = _last_deadline(acceptance) + SUPPLEMENT_WINDOW
        step.overlay.put(partition, timer_key(application["expires_at"], key), b"\0")
        self._notify("acceptance", application, [raw], step)
        step.events.add(
            "accepted",
            application_id=application["application_id"],
            party=application["requester"],
            count=application["person_count"],
        )
        self._dispatch(sections, acceptance, raw, application, step)

    def _reject(
        self, partition: int, key: bytes, application: ApplicationState, faults: list[Fault], step: _Step
    ) -> None:
        rejection = Rejection(
            application_id=application["application_id"],
            mandate_digest=application["mandate_digest"] or None,
            envelope_id=None,
            faults=faults,
            at=step.now,
        )
        requester = application["requester"]
        raw = sign_record("rejection", "Rejection", rejection, self._center.signer, requester, step.now)
        application["phase"] = "rejected"
        for section in application["arrived"]:
            step.overlay.put(partition, _stored(key, section), None)
        self._notify("rejection", application, [raw], step)
        step.events.add(
            "rejected",
            application_id=application["application_id"],
            party=requester,
            count=len(faults),
            code=faults[0]["code"],
        )

    # -- dispatch ----------------------------------------------------------------------------------------------------

    def _dispatch(
        self,
        sections: list[SectionReceived],
        acceptance: Acceptance,
        acceptance_raw: bytes,
        application: ApplicationState,
        step: _Step,
    ) -> None:
        """Tell join what to expect; send out at once what fits this transaction, and the rest one message a time."""
        room = STRAIGHT_THROUGH
        for section in sections:
            key = section_key(section["requester"], section["application_id"], section["section"])
            expected = expectation(section, acceptance, application["expires_at"])
            step.outputs.append(Output(topics.JOIN, key, framing.encode("SectionExpected", expected)))
            for providers in batches(section, acceptance, STRAIGHT_THROUGH):
                room -= len(section["bundle"] or b"") * len(providers)
                if room >= 0:
                    self._send_out(section, providers, acceptance, acceptance_raw, step)
                else:
                    step.outputs.append(_due_dispatch(section, providers))

    def _dispatch_due(self, partition: int, record: DispatchDue, step: _Step) -> None:
        key = application_key(record["requester"], record["application_id"])
        application = _load(step.overlay, partition, key)
        if application is None or application["acceptance"] is None:
            raise InvalidMessage("application_unknown", record["application_id"])
        within(record, section=range(1, application["sections"] + 1))
        section = _section(step.overlay, partition, key, record["section"])
        self._send_out(section, record["providers"], _acceptance(application), application["acceptance"], step)

    def _send_out(
        self,
        section: SectionReceived,
        providers: list[str],
        acceptance: Acceptance,
        acceptance_raw: bytes,
        step: _Step,
    ) -> None:
        trust = self._reference.trust
        split = self._dispatcher.split(section, providers, acceptance, acceptance_raw, trust)
        for provider, bundle in split:
            step.mailbag.add(provider, "requests", bundle)
            step.events.add(
                "dispatched",
                application_id=section["application_id"],
                section=section["section"],
                party=section["requester"],
                provider=provider,
                count=section["person_count"],
            )

    # -- certify -----------------------------------------------------------------------------------------------------

    def _certified(self, partition: int, record: SectionCertified, step: _Step) -> None:
        key = application_key(record["requester"], record["application_id"])
        application = _load(step.overlay, partition, key)
        if application is None or application["phase"] not in ("open", "closed"):
            raise InvalidMessage("application_unknown", record["application_id"])
        within(record, section=range(1, application["sections"] + 1), version=VERSIONS)
        if not certify.note(application, record):
            return
        if certify.is_certified(application):
            result = certify.fold(application, step.now)
            application["phase"] = "closed"
            application["version"] = result["version"]
            requester = application["requester"]
            raw = sign_record("certificate", "ApplicationResult", result, self._center.signer, requester, step.now)
            self._notify("certificate", application, [raw], step)
            step.outputs.append(Output(topics.RESULTS, key, raw))
            step.events.add(
                "certified" if result["version"] == 1 else "supplemented",
                subject=result["version"].to_bytes(4, "big"),
                application_id=application["application_id"],
                party=requester,
                count=result["person_count"],
                code="complete" if result["complete"] else "incomplete",
            )
        self._release(partition, key, application, step)
        _save(step.overlay, partition, key, application)

    def _delivered(self, partition: int, record: DeliveryReceipted, step: _Step) -> None:
        key = application_key(record["requester"], record["application_id"])
        application = _load(step.overlay, partition, key)
        if application is None or application["acceptance"] is None:
            raise InvalidMessage("application_unknown", record["application_id"])
        if record["provider"] not in {query["provider"] for query in _acceptance(application)["sub_queries"]}:
            raise InvalidMessage("receipt_invalid", "of a provider that was not asked")
        certify.settle(application, record["bundles"])
        notice = Notice(
            "receipt",
            record["provider"],
            record["requester"],
            record["application_id"],
            application["mandate_digest"],
        )
        step.mailbag.add(record["provider"], "requests", post(notice, [record["receipt"]], CENTER, self._entropy))
        self._release(partition, key, application, step)
        _save(step.overlay, partition, key, application)

    def _release(self, partition: int, key: bytes, application: ApplicationState, step: _Step) -> None:
        """Let go of the sealed sections once the requester holds every bundle the certificates name."""
        if application["phase"] == "closed" and not application["awaiting"]:
            for section in range(1, application["sections"] + 1):
                if step.overlay.get(partition, _stored(key, section)) is not None:
                    step.overlay.put(partition, _stored(key, section), None)

    # -- time --------------------------------------------------------------------------------------------------------

    def _due(self, partition: int, timer: bytes, step: _Step) -> None:
        key = timer_subject(timer)
        application = _load(step.overlay, partition, key)
        step.overlay.put(partition, timer, None)
        if application is None or application["expires_at"] != timer_due(timer):
            return
        if application["phase"] == "arriving":
            missing = sorted(set(range(1, application["sections"] + 1)) - set(application["arrived"]))
            arrived = [_section(step.overlay, partition, key, section) for section in application["arrived"]]
            faults = [fault("sections_missing", sections=", ".join(map(str, missing)))]
            faults += [reason for section in arrived for reason in section["faults"]]
            self._reject(partition, key, application, listed(faults), step)
            application["expires_at"] = step.now + ARRIVAL_LIMIT
            step.overlay.put(partition, timer_key(application["expires_at"], key), b"\0")
            _save(step.overlay, partition, key, application)
            return
        if application["phase"] == "open":  # the join is behind, not the providers: its certificates are still to come
            application["expires_at"] = step.now + SUPPLEMENT_WINDOW
            step.overlay.put(partition, timer_key(application["expires_at"], key), b"\0")
            _save(step.overlay, partition, key, application)
            return
        for section in range(1, application["sections"] + 1):
            step.overlay.put(partition, _stored(key, section), None)
        step.overlay.put(partition, b"a" + key, None)

    def _notify(self, kind: Kind, application: ApplicationState, objects: list[bytes], step: _Step) -> None:
        requester = application["requester"]
        notice = Notice(kind, requester, requester, application["application_id"], application["mandate_digest"])
        step.mailbag.add(requester, "responses", post(notice, objects, CENTER, self._entropy))


def _arriving(record: SectionReceived) -> ApplicationState:
    return ApplicationState(
        application_id=record["application_id"],
        requester=record["requester"],
        phase="arriving",
        sections=record["sections"],
        arrived=[],
        person_count=0,
        mandate_digest=b"",
        acceptance=None,
        expires_at=record["received_at"] + ARRIVAL_LIMIT,
        version=0,
        certified=[SectionResult(section=n, certificate=b"", bundles=[]) for n in range(1, record["sections"] + 1)],
        certified_versions=[0] * record["sections"],
        awaiting=[],
        delivered=[],
    )


def _due_dispatch(section: SectionReceived, providers: list[str]) -> Output:
    record = DispatchDue(
        application_id=section["application_id"],
        requester=section["requester"],
        section=section["section"],
        providers=providers,
    )
    key = application_key(section["requester"], section["application_id"])
    return Output(topics.APPLICATIONS, key, framing.encode("DispatchDue", record))


def _last_deadline(acceptance: Acceptance) -> int:
    return max(query["deadline"] for query in acceptance["sub_queries"])


def _acceptance(application: ApplicationState) -> Acceptance:
    """The acceptance this stage has signed."""
    payload = cose.decode(application["acceptance"] or b"").payload
    return framing.decode_as("Acceptance", payload)  # type: ignore[return-value]


def _mandate(raw: bytes) -> tuple[Mandate, bytes]:
    """The mandate intake has verified, and its digest."""
    sign1 = cose.decode(raw)
    return framing.decode_as("Mandate", sign1.payload), sign1.digest  # type: ignore[return-value]


def _stored(key: bytes, section: int) -> bytes:
    return b"s" + key + section.to_bytes(4, "big")


def _section(overlay: Overlay, partition: int, key: bytes, section: int) -> SectionReceived:
    data = overlay.get(partition, _stored(key, section))
    if data is None:  # it was let go of: the requester holds every bundle of it
        raise InvalidMessage("section_unknown", f"section {section}")
    return framing.decode_as("SectionReceived", data)  # type: ignore[return-value]


def _load(overlay: Overlay, partition: int, key: bytes) -> ApplicationState | None:
    data = overlay.get(partition, b"a" + key)
    return None if data is None else framing.decode_as("ApplicationState", data)  # type: ignore[return-value]


def _save(overlay: Overlay, partition: int, key: bytes, application: ApplicationState) -> None:
    overlay.put(partition, b"a" + key, framing.encode("ApplicationState", application))
