"""A line of the log for each hop of an application: its id leads from the filing to the certificate, through all processes.

INFO has a line for each change of an application's state, and one for what a piece of work did to many of its
sections or providers at once, with how many; DEBUG has each of them, with its span. Above INFO nothing is written, nor made.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from pipeline import logs
from pipeline.domain.parties import is_party
from pipeline.kafka.hops import Hop

NAME = "pipeline.hops"
"""The logger's."""


class HopLog:
    """Writes hops down."""

    def __init__(self) -> None:
        self._log = logs.logger(NAME)
        self._level = logging.getLogger(NAME)

    @property
    def wanted(self) -> bool:
        """Whether the log's level has a place for hops at all."""
        return self._level.isEnabledFor(logging.INFO)

    def hopped(self, hops: Sequence[Hop], began: int, seconds: float) -> None:
        """A line for each, or for each kind of hop of each application."""
        if not self.wanted:
            return
        if self._level.isEnabledFor(logging.DEBUG):
            for hop in hops:
                self._log.debug(hop.kind, **_each(hop))
            return
        together: dict[tuple[str, str, str, str | None], list[Hop]] = {}
        for hop in hops:
            together.setdefault((hop.application_id, hop.stage, hop.kind, hop.code), []).append(hop)
        for alike in together.values():
            self._log.info(alike[0].kind, **_together(alike))

    def carried(self, stage: str, messages: object, outputs: object, began: int, seconds: float) -> None:
        """Envelopes have no lines: what was in them has."""


def _by(hop: Hop) -> str | None:
    """Who: a party, or what acts by itself; an officer without the name."""
    known = hop.by is None or is_party(hop.by) or hop.by in _THEMSELVES
    return hop.by if known else "officer"


_THEMSELVES = frozenset(("policy", "clock"))


def _each(hop: Hop) -> dict[str, object]:
    return {
        "stage": hop.stage,
        "application_id": hop.application_id,
        "trace_id": hop.span.trace_id.hex(),
        "span_id": hop.span.span_id.hex(),
        "section": hop.section,
        "requester": hop.party,
        "provider": hop.provider,
        "count": hop.count,
        "code": hop.code,
        "by": _by(hop),
    }


def _together(hops: Sequence[Hop]) -> dict[str, object]:
    first = hops[0]
    about = {
        "stage": first.stage,
        "application_id": first.application_id,
        "trace_id": first.span.trace_id.hex(),
        "requester": first.party,
        "code": first.code,
    }
    if first.section is None and len(hops) == 1:
        return {**about, "provider": first.provider, "count": first.count, "by": _by(first)}
    providers = sorted({hop.provider for hop in hops if hop.provider is not None})
    return {
        **about,
        "sections": len({hop.section for hop in hops}),
        "providers": providers or None,
        "count": sum(hop.count for hop in hops),
    }
