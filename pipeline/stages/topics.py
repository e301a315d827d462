"""Names of the center's own topics; inboxes are `domain.parties.inbox(party, kind)`."""

from __future__ import annotations

APPLICATIONS = "hedx.center.applications"
JOIN = "hedx.center.join"
RESULTS = "hedx.center.results"
DESK = "hedx.center.desk"
EVENTS = "hedx.events"
CATALOG = "hedx.catalog"
TRUST = "hedx.trust"
CHECKPOINTS = "hedx.checkpoints"
BULLETIN = "hedx.bulletin"
DEAD_LETTERS = "hedx.deadletters"


def changelog(stage: str) -> str:
    """The changelog topic of a stage of the center."""
    return f"hedx.center.{stage}.changelog"
