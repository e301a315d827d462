"""cataloguing: a party's report for the catalog (资源上报, Art. 13), from the center's front door to the officers' desk.

A report is about no application, so no other stage has a part in it: it waits on hedx.center.desk, signed as it came,
until an officer decides and a release is published (`center.cataloguing`).
"""

from __future__ import annotations

from typing import Final

from pipeline.codec import framing
from pipeline.domain.catalog import Release
from pipeline.domain.catalog_checks import check_report
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.records import DeskItem
from pipeline.stages import topics
from pipeline.stages.acts import Act
from pipeline.stages.effects import Output
from pipeline.stages.reasons import listed

DESK_PREFIX: Final = b"catalog/"
"""What the desk's keys of reports start with."""
MOST_NUMBER: Final = 1 << 31
_MOST_FAULTS: Final = 50  # beside a report of full size, in one message


def desk_key(party: str, number: int) -> bytes:
    """Where a party's report stands on the desk."""
    return DESK_PREFIX + f"{party}/{number}".encode()


def to_desk(act: Act, current: Release | None, received_at: int) -> Output:
    """Put a report on the desk, with what is wrong with it by the release of now.

    Raises InvalidMessage `act_invalid` when its number is none.
    """
    report = act.record
    if not 1 <= report["number"] < MOST_NUMBER:
        raise InvalidMessage("act_invalid", "number of the report")
    item = DeskItem(
        kind="catalog",
        application_id=None,
        party=act.issuer,
        since=received_at,
        due=None,
        stage="open",
        faults=listed(check_report(act.issuer, report["entries"], report["retire"], current))[:_MOST_FAULTS],
        approvals=[],
        persons=0,
        subject=act.raw,
    )
    return Output(topics.DESK, desk_key(act.issuer, report["number"]), framing.encode("DeskItem", item))
