"""cataloguing: a party's report for the catalog (资源上报, Art. 13), from the center's front door to the officers' desk.

A report waits on hedx.center.desk, signed as it came, until an officer decides and a release is published
(`center.cataloguing`). It gets there through hedx.center.applications, where all reports of one party are in one partition:
a number is used once, so what an officer was shown as 37/1 is 37/1 for good; and one report of a party waits, the newest,
since each tells everything that is new in what its party offers.

Key of the state: `p` and the party; value: the newest number (4 bytes) and the digest of the report that has it.
"""

from __future__ import annotations

from typing import Final

from pipeline.codec import framing
from pipeline.domain.catalog import Release
from pipeline.domain.catalog_checks import check_report
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.domain.records import Acted, CatalogDecision, DeskItem
from pipeline.stages import topics
from pipeline.stages.acts import Act, post_act, sign_act
from pipeline.stages.casework import Casework
from pipeline.stages.effects import Output
from pipeline.stages.keys import application_key
from pipeline.stages.office import Office
from pipeline.stages.reasons import listed

DESK_PREFIX: Final = b"catalog/"
"""What the desk's keys of reports start with."""
MOST_NUMBER: Final = 1 << 31
LARGEST: Final = 256 * 1024
"""Bytes of a signed report; some two hundred categories with all their items."""
_NEWEST: Final = b"p"
_MOST_FAULTS: Final = 50  # beside a report of full size, in one message


def desk_key(party: str, number: int) -> bytes:
    """Where a party's report stands on the desk."""
    return DESK_PREFIX + f"{party}/{number}".encode()


def forwarded(act: Act, received_at: int) -> Output:
    """A report on its way from the front door. Raises InvalidMessage `act_invalid` when its number is none."""
    if not 1 <= act.record["number"] < MOST_NUMBER:
        raise InvalidMessage("act_invalid", "number of the report")
    record = Acted(
        application_id="", requester=act.issuer, actor=act.issuer, typ=act.typ, act=act.raw, received_at=received_at
    )
    return Output(topics.APPLICATIONS, application_key(act.issuer, ""), framing.encode("Acted", record))


def reported(office: Office, work: Casework, partition: int, record: Acted, act: Act) -> None:
    """Put a report on the desk in place of the party's older one, or refuse it, signed. The same one again does nothing."""
    party, number, key = act.issuer, act.record["number"], _NEWEST + act.issuer.encode()
    known = work.overlay.get(partition, key)
    newest, digest = (0, b"") if known is None else (int.from_bytes(known[:4], "big"), known[4:])
    if (number, act.digest) == (newest, digest):
        return
    if number <= newest:
        _refuse(work, act, f"第{number}号已经用过，或者晚于第{newest}号送达，请以新的编号报送")
    elif len(act.raw) > LARGEST:
        _refuse(work, act, f"报送超过{LARGEST}字节，请分次报送")
    else:
        if newest:
            work.outputs.append(Output(topics.DESK, desk_key(party, newest), None))
        work.outputs.append(to_desk(act, office.reference.current, record["received_at"]))
        work.overlay.put(partition, key, number.to_bytes(4, "big") + act.digest)


def _refuse(work: Casework, act: Act, reason: str) -> None:
    decision = CatalogDecision(
        party=act.issuer, report=act.digest, accepted=False, reason=reason, release=None, at=work.now
    )
    raw = sign_act("catalog-decision", decision, work.signer, act.issuer, work.now)
    work.mailbag.add(act.issuer, "requests", post_act(raw, CENTER, act.issuer, "", "", work.entropy))
    work.events.add("catalog_refused", subject=act.digest, party=act.issuer, by=CENTER)


def to_desk(act: Act, current: Release | None, received_at: int) -> Output:
    """A report for the desk, with what is wrong with it by the release of now."""
    report = act.record
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
