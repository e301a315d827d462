"""answer: a provider's side. Verify, open, drop duplicates; after the look-ups, seal each section's answers.

In: hedx.<party>.requests. Out: the outbox towards hedx.center.responses. Pure in two halves, with the look-ups (one
per resource and batch) between them: `open` gives questions, `reply` takes what the databases said.
A provider trusts the center for transport only: mandate, acceptance and section root are checked here again, and
answers are sealed to nothing but the reply key the requester signed for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.codec import framing, schemas
from pipeline.crypto import bundles, envelopes, sealing, signed
from pipeline.crypto.bundles import Bundle, SealedBundle, parse_bundle
from pipeline.crypto.headers import MAX_MEMBERS, Header
from pipeline.crypto.keys import Identity, public_sealing_key
from pipeline.crypto.trust import Trust
from pipeline.domain import members
from pipeline.domain.catalog import AnswerChecker
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.domain.records import (
    Acceptance,
    AdministrativeLevel,
    Answer,
    Entry,
    Mandate,
    Period,
    Person,
    Receipt,
    ResourceAnswer,
    SubQuery,
)
from pipeline.domain.subjects import subject_of
from pipeline.stages import heeding
from pipeline.stages.effects import Batch, Message
from pipeline.stages.local import LocalEffects, Parked, ParkedRow, Posted, View, is_repeated
from pipeline.stages.notices import Entropy
from pipeline.stages.opening import OpenedSection, OpenedWarrant, SectionOpener
from pipeline.stages.origins import check_origin
from pipeline.stages.reference import Reference

Need = tuple[str, str, str | None, str | None]
"""(category, kind of period, start, end): what one bulk look-up is about."""

RECORD_OVERHEAD = 64
"""Bytes a sealed record takes beyond its padded plaintext."""
BUNDLE_LIMIT = envelopes.SOFT_LIMIT - 16 * 1024
RECORD_LIMIT = envelopes.HARD_LIMIT - 16 * 1024
LARGE = 16 * 1024
"""Bytes of an answer record above which it travels in bundles of its own kind of size."""
TOO_LARGE = "answer_too_large"
DONE = "done", None, None
"""(outcome, code, until) of what could be answered."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one bulk look-up said. Subjects not in `refused` are in `entries`."""

    entries: Mapping[str, list[Entry]]
    refused: Mapping[str, str]
    unavailable_until: int | None
    refused_all: str | None
    as_of: str
    coverage: str
    region_codes: list[str] | None = None
    levels: list[AdministrativeLevel] | None = None
    because: str | None = None  # why it is unavailable, where the provider asks for more time


@dataclass(frozen=True, slots=True)
class Question:
    """One section put to this provider: either persons and sub-queries, or the reason why it is refused whole.

    `mandate` is None when its signature does not hold. `at`: when (ms) what the bundle holds was valid. `rows`: those that
    are still to be answered; None: all that the bundle asks.
    """

    bundle: Bundle
    mandate: Mandate | None
    queries: list[SubQuery]
    persons: list[Person]
    refusal: InvalidMessage | None
    at: int = 0
    rows: tuple[int, ...] | None = None


def need_of(query: SubQuery) -> Need:
    """The look-up a sub-query belongs to."""
    period = query["period"]
    return query["category"], period["kind"], period["start"], period["end"]


def period_of(need: Need) -> Period:
    """The period of a look-up."""
    return Period(kind=need[1], start=need[2], end=need[3])  # type: ignore[typeddict-item]


class Answerer:
    """Answers for one party."""

    name = "answer"

    def __init__(self, identity: Identity, reference: Reference, entropy: Entropy = os.urandom) -> None:
        self._identity = identity
        self._reference = reference
        self._entropy = entropy
        self._opener = SectionOpener(identity.sealing)
        self._speaker = heeding.Speaker(identity, entropy)
        self._now: int | None = None

    # -- first half --------------------------------------------------------------------------------------------------

    def open(self, view: View, batch: Batch) -> tuple[list[Question], LocalEffects]:
        """The batch's new questions, and what else it brought (delivery receipts, poison)."""
        effects = LocalEffects()
        self._now = batch.now
        questions: list[Question] = []
        for message in batch.messages:
            try:
                questions += self._receive(message, view, effects, batch.now)
            except InvalidMessage as error:
                effects.dead.append((message, error))
        off = {(c.requester, c.mandate_digest) for c in effects.called_off if c.rows is None}
        dropped = [question for question in questions if _mandated(question) in off]
        self._speaker.acknowledge(view, effects, _sections(dropped), batch.now)
        left = [question for question in questions if _mandated(question) not in off]
        return [open_one for question in left if (open_one := _without_closed(question, view, effects))], effects

    def _receive(self, message: Message, view: View, effects: LocalEffects, now: int) -> list[Question]:
        party = self._identity.party
        trust = self._reference.trust
        envelope = envelopes.open_envelope(message.value or b"", trust, audience=party, now=now)
        if envelope.issuer != CENTER:
            raise InvalidMessage("issuer_unexpected", envelope.issuer)
        if is_repeated(view, effects, envelope):
            return []
        questions: list[Question] = []
        for bundle in envelope.bundles:
            try:
                asked = self._bundle(bundle, envelope.issued_at, view, effects, now)
                effects.refused += [(message, question.refusal) for question in asked if question.refusal]
                questions += asked
            except InvalidMessage as error:  # the other bundles of the envelope are none the worse
                effects.dead.append((message, error))
        return questions

    def _bundle(self, bundle: Bundle, at: int, view: View, effects: LocalEffects, now: int) -> list[Question]:
        """One bundle; what it holds was valid `at` the time the center signed the envelope around it."""
        header = bundle.header
        if header.kind == "receipt":
            effects.settled += self._receipt(bundle, at)
            return []
        if header.kind == "act":
            for raw in bundle.records:
                heeding.heed(raw, header, self._identity.party, self._reference.trust, at, view, effects)
            return []
        if header.kind == "request" and header.requester and header.to == header.provider == self._identity.party:
            return self._question(bundle, at, view, effects, now)
        raise InvalidMessage("kind_unexpected", header.kind)

    def _receipt(self, bundle: Bundle, at: int) -> list[bytes]:
        digests: list[bytes] = []
        for raw in bundle.records:
            verified = signed.verify(raw, "receipt", self._reference.trust, now=at, issuer=bundle.header.requester)
            receipt: Receipt = framing.decode_as("Receipt", verified.payload)  # type: ignore[assignment]
            if receipt["kind"] == "delivered" and receipt["provider"] == self._identity.party:
                digests += receipt["bundles"]
        return digests

    def _question(self, bundle: Bundle, at: int, view: View, effects: LocalEffects, now: int) -> list[Question]:
        header = bundle.header
        once = (header.mandate_digest, header.section, header.version)
        if view.has_answered(*once) or once in effects.answered:
            if view.is_parked(*once):  # asked again, sealed anew: to a key that is kept for longer
                effects.resealed.append((once, bundle.raw, at))
            crossed = view.crossed_rows(*once)
            if not crossed or once in effects.reanswered:
                return []
            effects.reanswered.append(once)  # our answer named rows that were closed: the center did not pass it on
            return [_about(self._opened(bundle, at, view, effects, now), crossed)]
        effects.answered.append(once)
        if view.is_withdrawn(header.requester, header.mandate_digest):
            return []  # the withdrawal overtook it: it is not even opened
        return [self._opened(bundle, at, view, effects, now)]

    def _opened(self, bundle: Bundle, at: int, view: View, effects: LocalEffects, now: int) -> Question:
        mandate: Mandate | None = None
        try:
            warrant = self._opener.warrant(bundle, self._reference.trust, seen_at=at)
            mandate = warrant.mandate
            opened, queries = self._check(bundle, warrant, at, view, effects, now)
            persons: list[Person] = [framing.read("Person", person) for person in opened.persons]  # type: ignore[misc]
        except InvalidMessage as error:
            return Question(bundle, mandate, [], [], error, at)
        return Question(bundle, mandate, queries, persons, None, at)

    def reopen(self, view: View, parked: Parked, rows: Collection[int], now: int) -> Question:
        """A parked request once more, for some of its rows only."""
        self._now = now
        question = self._opened(parse_bundle(parked.bundle), parked.at, view, LocalEffects(), now)
        return _about(question, rows)

    def _check(
        self, bundle: Bundle, warrant: OpenedWarrant, at: int, view: View, effects: LocalEffects, now: int
    ) -> tuple[OpenedSection, list[SubQuery]]:
        trust = self._reference.trust
        if warrant.mandate["not_after"] < now:
            raise InvalidMessage("mandate_expired")
        acceptance = _acceptance(warrant.acceptance_raw, trust, at)
        if acceptance["mandate_digest"] != warrant.digest:
            raise InvalidMessage("acceptance_mismatch", "of another mandate")
        queries = _granted(bundle.header, warrant.mandate, acceptance)
        reply_key = warrant.mandate["reply_key"]
        once = (warrant.mandate["requester"], reply_key)
        owner = view.mandate_of(*once) or next((d for *known, d in effects.reply_keys if tuple(known) == once), None)
        if owner is not None and owner != warrant.digest:
            raise InvalidMessage("reply_key_reused")
        public_sealing_key(reply_key)
        effects.reply_keys.append((*once, warrant.digest))
        opened = self._opener.section(bundle, warrant)
        check_origin(opened, trust)
        return opened, queries

    # -- second half -------------------------------------------------------------------------------------------------

    def needs(self, questions: Sequence[Question]) -> dict[Need, list[str]]:
        """One bulk look-up per resource and period for the whole batch: need -> subjects."""
        needs: dict[Need, dict[str, None]] = {}
        for question in questions:
            subjects = [subject_of(person) for person in question.persons]
            for query in question.queries:
                needs.setdefault(need_of(query), {}).update(dict.fromkeys(subjects))
        return {need: list(subjects) for need, subjects in needs.items()}

    def park(
        self, view: View, questions: Sequence[Question], found: Mapping[Need, Found], effects: LocalEffects, now: int
    ) -> list[Question]:
        """Put aside what a register that is away for a reason would answer; returns what is to be answered now.

        The requester is told of rows that will be late, once for all sections of an application (Art. 10).
        """
        left: list[Question] = []
        for question in questions:
            waits = [query for query in question.queries if found[need_of(query)].because is not None]
            if not waits or question.mandate is None:
                left.append(question)
                continue
            rows = [_parked_row(query, found[need_of(query)]) for query in waits]
            effects.parked.append(_parked(question, question.mandate["not_after"], rows))
            warrant = heeding.Warranted(question.mandate, question.bundle.header.mandate_digest)
            self._speaker.tell_delay(view, effects, warrant, list(zip(waits, rows, strict=True)), now)
            if rest := [query for query in question.queries if query not in waits]:
                left.append(replace(question, queries=rest))
        return left

    def reply(self, questions: Sequence[Question], found: Mapping[Need, Found]) -> list[Posted]:
        """The sealed answers. One seal per mandate and step; not per reply key, which another may have copied."""
        seals: dict[bytes, tuple[bytes, bytes]] = {}
        posts: list[Posted] = []
        for question in questions:
            if question.refusal is not None or question.mandate is None:
                code = question.refusal.code if question.refusal else None
                posts.append(Posted("responses", self._refused_whole(question, code)))
                continue
            digest = question.bundle.header.mandate_digest
            if digest not in seals:
                seals[digest] = self._seal(question.mandate)
            posts += [Posted("responses", bundle) for bundle in self._answers(question, found, seals[digest])]
        return posts

    def _seal(self, mandate: Mandate) -> tuple[bytes, bytes]:
        recipients = [public_sealing_key(mandate["reply_key"])]
        if mandate["seal_to_center"]:
            recipients.append(self._reference.trust.sealing_key(CENTER, self._now))
        return sealing.new_seal(self._identity.party, recipients, self._entropy)

    def _answers(
        self, question: Question, found: Mapping[Need, Found], seal: tuple[bytes, bytes]
    ) -> list[SealedBundle]:
        subjects = [subject_of(person) for person in question.persons]
        outcomes = [self._outcomes(query, found[need_of(query)], subjects, question) for query in question.queries]
        written: list[SealedBundle] = []
        # One record a person for all that could be answered: grouped by row instead, a few persons whom one row cannot
        # answer would make everybody's answers two records.
        done = [masks.pop(DONE, 0) for masks in outcomes]
        for positions, mask in members.by_membership(done).items():
            queries = [question.queries[position] for position in positions]
            header = self._header(question.bundle, [query["row"] for query in queries], mask)
            written += self._done(replace(header, outcome="done"), queries, subjects, found, seal)
        groups: dict[tuple[str, str | None, int | None, int], list[int]] = {}
        for position, masks in enumerate(outcomes):
            for key, mask in masks.items():
                groups.setdefault((*key, mask), []).append(question.queries[position]["row"])
        for (outcome, code, until, mask), rows in groups.items():
            header = self._header(question.bundle, rows, mask)
            header = replace(header, outcome=outcome, code=code, until=until)  # type: ignore[arg-type]
            written.append(bundles.clear_bundle(header, []))
        return written

    def _outcomes(
        self, query: SubQuery, found: Found, subjects: Sequence[str], question: Question
    ) -> dict[tuple[str, str | None, int | None], int]:
        """Of one sub-query: (outcome, code, until) -> members."""
        everyone = members.full(len(subjects))
        if found.refused_all is not None:
            return {("refused", found.refused_all, None): everyone}
        if found.unavailable_until is not None:
            return {("unavailable", None, found.unavailable_until): everyone}
        misfits = self._misfits(query, found, subjects, question.bundle.header.release)
        masks: dict[tuple[str, str | None, int | None], int] = {}
        done = everyone
        for index, subject in enumerate(subjects):
            code = found.refused.get(subject) or misfits.get(subject)
            if code is not None:
                key = ("refused", code, None)
                masks[key] = masks.get(key, 0) | 1 << index
                done &= ~(1 << index)
        if done:
            masks[DONE] = done
        return masks

    def _misfits(self, query: SubQuery, found: Found, subjects: Sequence[str], release: int) -> dict[str, str]:
        """Subjects whose record does not fit the catalog entry: a provider never sends what its entry does not name.

        Of this section's subjects only: `found` is the whole batch's.
        """
        catalog = self._reference.release(release)
        if catalog is None:
            return dict.fromkeys(subjects, "release_unknown")
        checker = AnswerChecker(catalog.entry(self._identity.party, query["category"]))
        codes = {
            subject: checker.check(_resource_answer(query["row"], entries, found))
            for subject in subjects
            if (entries := found.entries.get(subject))
        }
        return {subject: code for subject, code in codes.items() if code is not None}

    def _done(
        self,
        header: Header,
        queries: Sequence[SubQuery],
        subjects: Sequence[str],
        found: Mapping[Need, Found],
        seal: tuple[bytes, bytes],
    ) -> list[SealedBundle]:
        """Sealed answers, split into parts that fit an envelope; a record that never fits gets a status of its own."""
        looked_up = [(query["row"], found[need_of(query)]) for query in queries]
        records: list[tuple[int, bytes]] = []
        oversized = 0
        for index in members.indexes(members.from_bytes(header.members)):
            subject = subjects[index]
            results = [_resource_answer(row, source.entries[subject], source) for row, source in looked_up]
            record = framing.write("Answer", Answer(index=index, results=results))
            if len(record) + RECORD_OVERHEAD > RECORD_LIMIT:
                oversized |= 1 << index
            else:
                records.append((index, record))
        written = self._parts(header, records, seal)
        if oversized:
            refused = replace(header, members=members.to_bytes(oversized), outcome="refused", code=TOO_LARGE)
            written.append(bundles.clear_bundle(refused, []))
        return written

    def _parts(
        self, header: Header, records: Sequence[tuple[int, bytes]], seal: tuple[bytes, bytes]
    ) -> list[SealedBundle]:
        """Bundles of one padded size each. The rare record beyond `LARGE` does not make all others as large.

        That a person has so much on record can be told from the bundle's size; anything below cannot.
        """
        chunks: list[tuple[int, Sequence[tuple[int, bytes]]]] = []
        for group in ([r for r in records if len(r[1]) <= LARGE], [r for r in records if len(r[1]) > LARGE]):
            if group:
                padded = bundles.padded_size("answer", max(len(record) for _, record in group))
                room = max(1, BUNDLE_LIMIT // (padded + RECORD_OVERHEAD))
                chunks += [(padded, group[start : start + room]) for start in range(0, len(group), room)]
        written: list[SealedBundle] = []
        first = 0
        for number, (padded, chunk) in enumerate(chunks, start=1):
            part = replace(
                header,
                bundle_id=self._entropy(16),
                first=first,
                members=members.to_bytes(members.of(index for index, _ in chunk)),
                padded=padded,
                part=number,
                parts=len(chunks),
            )
            written.append(bundles.seal_bundle(part, [record for _, record in chunk], *seal))
            first += len(chunk)
        return written

    def _refused_whole(self, question: Question, code: str | None) -> SealedBundle:
        """For everybody the requester signed for, not for those the request happens to hold."""
        header, mandate = question.bundle.header, question.mandate
        stated = {} if mandate is None else dict(enumerate(mandate["sections"], start=1))
        count = stated[header.section]["count"] if header.section in stated else header.count
        if not 0 <= count <= MAX_MEMBERS:  # whoever signed for more than can be asked about is told of those that were
            count = header.count
        rows = list(header.rows if question.rows is None else question.rows)
        answer = self._header(question.bundle, rows, members.full(count))
        return bundles.clear_bundle(replace(answer, outcome="refused", code=code), [])

    def _header(self, request: Bundle, rows: list[int], mask: int) -> Header:
        asked = request.header
        return Header(
            kind="answer",
            bundle_id=self._entropy(16),
            sender=self._identity.party,
            to=asked.requester,
            requester=asked.requester,
            application_id=asked.application_id,
            mandate_digest=asked.mandate_digest,
            section=asked.section,
            sections=asked.sections,
            members=members.to_bytes(mask),
            provider=self._identity.party,
            rows=tuple(rows),
            release=asked.release,
            answers=request.leaf,
            version=asked.version,
            suite=asked.suite,
            schema=schemas.schema_id("Answer"),
        )


def _mandated(question: Question) -> tuple[str, bytes]:
    """(requester, digest of the mandate) of a question, as its header says."""
    return question.bundle.header.requester, question.bundle.header.mandate_digest


def _about(question: Question, rows: Collection[int]) -> Question:
    """The question, of `rows` only."""
    queries = [query for query in question.queries if query["row"] in rows]
    return replace(question, queries=queries, rows=tuple(sorted(rows)))


def _without_closed(question: Question, view: View, effects: LocalEffects) -> Question | None:
    """What of a question is to be answered: not what was closed by agreement (Art. 10); None when that is all of it."""
    mandated = _mandated(question)
    closed = set(view.closed_rows(*mandated))
    for called in effects.called_off:
        if called.rows is not None and (called.requester, called.mandate_digest) == mandated:
            closed.update(called.rows)
    asked = set(question.bundle.header.rows if question.rows is None else question.rows)
    if closed.isdisjoint(asked):
        return question
    return _about(question, asked - closed) if asked - closed else None


def _sections(questions: Sequence[Question]) -> dict[tuple[str, bytes], set[int]]:
    """Their sections, by mandate."""
    found: dict[tuple[str, bytes], set[int]] = {}
    for question in questions:
        found.setdefault(_mandated(question), set()).add(question.bundle.header.section)
    return found


def _parked(question: Question, not_after: int, rows: list[ParkedRow]) -> Parked:
    header, bundle = question.bundle.header, question.bundle
    return Parked(
        header.requester,
        header.application_id,
        header.mandate_digest,
        header.section,
        header.version,
        bundle.raw,
        question.at,
        not_after,
        rows,
    )


def _parked_row(query: SubQuery, found: Found) -> ParkedRow:
    until, because = found.unavailable_until or 0, found.because or ""
    return ParkedRow(query["row"], query["category"], until, because, query["deadline"])


def _acceptance(raw: bytes | None, trust: Trust, at: int) -> Acceptance:
    """The center's word, as of when the center sent it, or of its own end: who owes answers is asked again for weeks."""
    if raw is None:
        raise InvalidMessage("acceptance_missing")
    try:
        verified = signed.verify_kept(raw, "acceptance", trust, witness=at, issuer=CENTER)
    except InvalidMessage as error:
        raise InvalidMessage("acceptance_invalid", str(error)) from error
    return framing.decode_as("Acceptance", verified.payload)  # type: ignore[return-value]


def _granted(header: Header, mandate: Mandate, acceptance: Acceptance) -> list[SubQuery]:
    """The sub-queries put to this provider, each held against the schedule the requester signed."""
    schedule = {row["row"]: row for row in mandate["schedule"]}
    queries = [query for query in acceptance["sub_queries"] if query["provider"] == header.provider]
    checks: Sequence[tuple[str, Callable[[], bool]]] = (
        ("application", lambda: acceptance["application_id"] == mandate["application_id"]),
        ("release", lambda: acceptance["catalog_release"] == mandate["catalog_release"]),
        ("rows", lambda: [query["row"] for query in queries] == list(header.rows) and bool(queries)),
        ("schedule", lambda: all(_in_schedule(query, schedule.get(query["row"])) for query in queries)),
    )
    for name, holds in checks:
        if not holds():
            raise InvalidMessage("acceptance_mismatch", name)
    return queries


def _in_schedule(query: SubQuery, row: object) -> bool:
    match row:
        case {"provider": provider, "category": category, "period": period}:
            asked = provider in ("all", query["provider"])
            return asked and category == query["category"] and period == query["period"]
    return False


def _resource_answer(row: int, entries: list[Entry], found: Found) -> ResourceAnswer:
    return ResourceAnswer(
        row=row,
        status="found" if entries else "no_record",
        as_of=found.as_of,
        coverage=found.coverage,
        entries=entries,
        region_codes=found.region_codes,
        levels=found.levels,
    )
