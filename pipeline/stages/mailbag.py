"""Outgoing post of one step: bundles gathered by inbox, packed into as few envelopes as the size limit allows."""

from __future__ import annotations

from pipeline.crypto import envelopes
from pipeline.crypto.bundles import SealedBundle
from pipeline.crypto.keys import Signer
from pipeline.domain.parties import InboxKind, inbox
from pipeline.domain.tracing import TraceContext
from pipeline.stages.effects import Output


class Mailbag:
    """Collects bundles; `outputs()` signs one envelope per (inbox, partition) and size limit."""

    def __init__(self, signer: Signer, now: int) -> None:
        self._signer = signer
        self._now = now
        self._bundles: dict[tuple[str, InboxKind, int | None], list[SealedBundle]] = {}
        self._traces: dict[bytes, TraceContext] = {}  # by leaf

    def add(
        self,
        to: str,
        kind: InboxKind,
        bundle: SealedBundle,
        partition: int | None = None,
        *,
        trace: TraceContext | None = None,
    ) -> None:
        """Post `bundle` to party `to`'s `requests` or `responses`; `partition` None: by envelope id.

        `trace`: the span it follows; by default what its header tells.
        """
        self._bundles.setdefault((to, kind, partition), []).append(bundle)
        if trace is not None:
            self._traces[bundle.leaf] = trace

    def fork(self) -> Mailbag:
        """An empty bag of the same sender, to be merged or thrown away."""
        return Mailbag(self._signer, self._now)

    def merge(self, other: Mailbag) -> None:
        """Take over what another bag holds."""
        for place, bundles in other._bundles.items():  # its own kind
            self._bundles.setdefault(place, []).extend(bundles)
        self._traces |= other._traces

    def weigh(self) -> int:
        """Bytes of the bundles in it."""
        return sum(len(bundle.raw) for bundles in self._bundles.values() for bundle in bundles)

    def outputs(self) -> list[Output]:
        """The envelopes to write, in order of posting."""
        written: list[Output] = []
        for (to, kind, partition), bundles in self._bundles.items():
            for group in envelopes.pack(bundles):
                envelope = envelopes.build(group, self._signer, audience=to, now=self._now, traces=self._traces)
                written.append(Output(inbox(to, kind), envelope.id, envelope.value, envelope.headers, partition))
        return written
