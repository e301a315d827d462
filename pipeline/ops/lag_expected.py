"""Which consumer groups the exchange ought to have, and which of those found are nobody's concern."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.domain.parties import CENTER, inbox
from pipeline.kafka.clients import READER_GROUP
from pipeline.stages import topics
from pipeline.stages.names import STAGES

INPUTS = {
    "intake": inbox(CENTER, "requests"),
    "applications": topics.APPLICATIONS,
    "collect": inbox(CENTER, "responses"),
    "join": topics.JOIN,
}
"""What each of the center's stages reads (a test compares it with the stages' own `inputs`)."""

WATCHES = "hedx.ops.watch."
"""Each `hedx watch` has a group of its own, under a name that never comes again, and commits nothing in it."""


def expected_groups(parties: Iterable[str]) -> dict[str, str]:
    """Group → the topic that it reads: the center's stages, and the two desks of each party's adapter."""
    groups = {f"hedx.center.{stage}": INPUTS[stage] for stage in STAGES}
    for party in parties:
        groups[f"hedx.{party}.answer"] = inbox(party, "requests")
        groups[f"hedx.{party}.deliver"] = inbox(party, "responses")
    return groups


def is_passing(group: str) -> bool:
    """Whether a group has no lag to speak of: nobody joins `hedx.reader`, and a watch says itself how far behind it is."""
    return group == READER_GROUP or group.startswith(WATCHES)
