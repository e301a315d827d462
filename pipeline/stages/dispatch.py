"""dispatch: the splitter. An accepted section goes, whole, to every provider it concerns; join learns what to expect."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pipeline.codec import framing, schemas
from pipeline.crypto import bundles, sealing
from pipeline.crypto.bundles import SealedBundle, parse_bundle
from pipeline.crypto.headers import Header
from pipeline.crypto.keys import Identity
from pipeline.crypto.trust import Trust
from pipeline.domain import dispatching, members
from pipeline.domain.parties import CENTER
from pipeline.domain.records import Acceptance, SectionExpected, SectionHead, SectionReceived, Warrant
from pipeline.domain.subqueries import attempt_of
from pipeline.stages.notices import SUITE, Entropy
from pipeline.stages.opening import OpenedSection, SectionOpener


class Dispatcher:
    """Seals sections to providers. One seal per provider and step: bundles of one envelope may share it."""

    def __init__(self, center: Identity, opener: SectionOpener, entropy: Entropy = os.urandom) -> None:
        self._center = center
        self._opener = opener
        self._entropy = entropy
        self._seals: dict[str, tuple[bytes, bytes]] = {}
        self._now: int | None = None

    def begin(self, now: int) -> None:
        """Start a step at `now` (ms): the seals of the last one are never used again."""
        self._seals = {}
        self._now = now

    def split(
        self,
        section: SectionReceived,
        providers: Sequence[str],
        acceptance: Acceptance,
        acceptance_raw: bytes,
        trust: Trust,
    ) -> list[tuple[str, SealedBundle]]:
        """(provider, request bundle) for each of `providers`."""
        bundle = parse_bundle(section["bundle"] or b"")
        opened = self._opener.section(bundle, self._opener.warrant(bundle, trust, seen_at=section["received_at"]))
        return self.seal(bundle.header, opened, providers, acceptance, acceptance_raw, trust)

    def seal(
        self,
        origin: Header,
        opened: OpenedSection,
        providers: Sequence[str],
        acceptance: Acceptance,
        acceptance_raw: bytes,
        trust: Trust,
    ) -> list[tuple[str, SealedBundle]]:
        """(provider, request bundle) for each of `providers`; `origin` is the header of the bundle opened.

        One that is not reached any more since the acceptance is left out: its deadline will say so.
        """
        heads = _heads(opened, acceptance_raw)
        padded = bundles.padded_size("request", max(len(person) for person in opened.persons))
        queries = acceptance["sub_queries"]
        return [
            (provider, self._request(origin, opened, heads, padded, provider, _rows(queries, provider), trust))
            for provider in providers
            if self._now is None or trust.reaches(provider, self._now)
        ]

    def _request(
        self,
        origin: Header,
        opened: OpenedSection,
        heads: Sequence[bytes],
        padded: int,
        provider: str,
        rows: tuple[int, ...],
        trust: Trust,
    ) -> SealedBundle:
        secret, seal = self._seal(provider, trust)
        header = Header(
            kind="request",
            bundle_id=self._entropy(16),
            sender=CENTER,
            to=provider,
            requester=origin.requester,
            application_id=origin.application_id,
            mandate_digest=origin.mandate_digest,
            section=origin.section,
            sections=origin.sections,
            members=members.to_bytes(members.full(len(opened.persons))),
            provider=provider,
            rows=rows,
            release=origin.release,
            version=attempt_of(opened.warrant.mandate["recheck"]),
            suite=SUITE,
            schema=schemas.schema_id("Person"),
            padded=padded,
        )
        return bundles.seal_bundle(header, opened.persons, secret, seal, heads=heads)

    def _seal(self, provider: str, trust: Trust) -> tuple[bytes, bytes]:
        if provider not in self._seals:
            self._seals[provider] = sealing.new_seal(CENTER, [trust.sealing_key(provider, self._now)], self._entropy)
        return self._seals[provider]


def batches(section: SectionReceived, acceptance: Acceptance, room: int) -> list[list[str]]:
    """The active providers, in groups whose request bundles together take about `room` bytes at most."""
    providers = dispatching.active_providers(acceptance["sub_queries"], acceptance["suspended"])
    size = len(section["bundle"] or b"") + len(framing.encode("Acceptance", acceptance))
    count = max(1, room // size)
    return [providers[start : start + count] for start in range(0, len(providers), count)]


def expectation(
    section: SectionReceived, acceptance: Acceptance, supplement_until: int, warn_at: Sequence[int]
) -> SectionExpected:
    """What join is told of a section, in the transaction that sends it out; `warn_at` (ms), one for each sub-query."""
    return SectionExpected(
        application_id=section["application_id"],
        requester=section["requester"],
        mandate_digest=acceptance["mandate_digest"],
        section=section["section"],
        sections=section["sections"],
        person_count=section["person_count"],
        sub_queries=[{**query, "coverage": None} for query in acceptance["sub_queries"]],  # the join has no use for it
        suspended=acceptance["suspended"],
        supplement_until=supplement_until,
        warn_at=list(warn_at),
    )


def _heads(opened: OpenedSection, acceptance_raw: bytes) -> list[bytes]:
    """Records 0 and 1 towards a provider: with the acceptance, without the form."""
    warrant = Warrant(mandate=opened.warrant.mandate_raw, acceptance=acceptance_raw)
    head = SectionHead(
        salt=opened.head["salt"],
        roster_date=opened.head["roster_date"],
        roster_dataset=opened.head["roster_dataset"],
        application=None,
        origin=opened.head["origin"],
    )
    return [framing.encode("Warrant", warrant), framing.encode("SectionHead", head)]


def _rows(queries: Sequence[object], provider: str) -> tuple[int, ...]:
    return tuple(query["row"] for query in dispatching.asked_of(provider, queries))  # type: ignore[arg-type]
