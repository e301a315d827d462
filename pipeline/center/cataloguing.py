"""The officers' desk for reports on the catalog (Art. 12, 13): accept, refuse, and the next release.

A report stands on hedx.center.desk as its party signed it, until it is refused, or a release takes it in. Each of these
is one transaction: the desk, the signed decision for the party, and with a release the catalog and its manifest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from pipeline.codec import framing
from pipeline.crypto import signed
from pipeline.crypto.keys import Signer
from pipeline.crypto.trust import Trust
from pipeline.domain.catalog import Release
from pipeline.domain.catalog_changes import Changes, Impact, OpenApplication, changes, compose, impact
from pipeline.domain.catalog_checks import check_names, check_report
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.domain.records import Approval, CatalogDecision, CatalogEntry, CatalogReport, DeskItem, Fault
from pipeline.province import access
from pipeline.stages import topics
from pipeline.stages.acts import Act, open_act, post_act, sign_act
from pipeline.stages.cataloguing import DESK_PREFIX
from pipeline.stages.clock import local_date
from pipeline.stages.effects import Output
from pipeline.stages.events import EventLog
from pipeline.stages.mailbag import Mailbag
from pipeline.stages.reference import publish_catalog


@dataclass(frozen=True, slots=True)
class Reported:
    """A report on the desk. `key`: of its record there; `unverified`: why its signature does not hold, None when it does.

    One that does not is shown and can be refused, and nothing else.
    """

    key: bytes
    item: DeskItem
    act: Act
    unverified: str | None = None

    @property
    def name(self) -> str:
        """How officers call it: party and number, `37/2`."""
        return self.key.removeprefix(DESK_PREFIX).decode()

    @property
    def report(self) -> CatalogReport:
        """What the party reports."""
        return cast("CatalogReport", self.act.record)

    @property
    def is_accepted(self) -> bool:
        """Whether an officer has accepted it for the next release."""
        return bool(self.item["approvals"]) and self.unverified is None


@dataclass(frozen=True, slots=True)
class Plan:
    """The next release before it is published. `faults`: by report's name; a plan with faults is not published."""

    number: int
    entries: list[CatalogEntry]
    changes: Changes
    impacts: list[Impact]
    taken: list[Reported]
    faults: list[tuple[str, Fault]]


def reports_on(desk: Mapping[bytes, bytes], trust: Trust) -> list[Reported]:
    """The reports on the desk, by party and number, each party's signature verified as of when the report came.

    One whose signature does not hold stops none of the others.
    """
    found = [_reported(key, value, trust) for key, value in desk.items() if key.startswith(DESK_PREFIX)]
    return sorted(found, key=lambda one: (one.report["party"], one.report["number"]))


def _reported(key: bytes, value: bytes, trust: Trust) -> Reported:
    item = cast("DeskItem", framing.decode_as("DeskItem", value))
    raw, party = item["subject"] or b"", item["party"]
    try:
        return Reported(key, item, open_act(raw, trust, at=item["since"], issuer=party, audience=CENTER))
    except InvalidMessage as error:
        digest = hashlib.sha256(raw).digest()
        with suppress(InvalidMessage):  # not even a signed object: told by the bytes it has
            digest = signed.peek(raw).digest
        number = int(key.rpartition(b"/")[2])
        nothing = CatalogReport(party=party, number=number, entries=[], retire=[], at=item["since"])
        act = Act("catalog-report", party, digest, raw, item["since"], cast("Mapping[str, object]", nothing))
        return Reported(key, item, act, unverified=error.code)


def report_named(reports: Iterable[Reported], name: str, digest: str | None = None) -> Reported:
    """The one that officers call `name`. `digest`: hexadecimal digits its digest begins with, as they were shown.

    Raises ConfigError when there is none, or it is another one than was shown.
    """
    for reported in reports:
        if reported.name == name:
            if digest is not None and not (digest and reported.act.digest.hex().startswith(digest.lower())):
                raise ConfigError(f"report {name} is not the one that was shown (hedx catalog review show {name})")
            return reported
    raise ConfigError(f"no report {name} waits on the desk (hedx catalog review list)")


def accept(
    reported: Reported, current: Release | None, officer: str, now: int, account: str | None = None
) -> list[Output]:
    """Take a report for the next release. `account`: of the operating system, by default that of this process.

    Raises ConfigError when it has faults by the release of now.
    """
    report = reported.report
    if reported.unverified:
        raise ConfigError(f"the signature of report {reported.name} does not hold ({reported.unverified}): refuse it")
    faults = check_report(report["party"], report["entries"], report["retire"], current)
    if faults:
        raise ConfigError(f"report {reported.name} has {len(faults)} faults and can only be refused")
    item = reported.item.copy()
    item["faults"] = []
    item["approvals"] = [Approval(officer=officer, account=account or access.user(), at=now)]
    events = EventLog("cataloguing", now)
    events.add("catalog_accepted", subject=reported.act.digest, party=report["party"], by=officer)
    return [Output(topics.DESK, reported.key, framing.encode("DeskItem", item)), *events.outputs()]


def refuse(reported: Reported, officer: str, reason: str, signer: Signer, now: int) -> list[Output]:
    """Refuse a report: it leaves the desk, and its party gets the signed decision with the officer's reason."""
    mailbag, events = Mailbag(signer, now), EventLog("cataloguing", now)
    _decide(reported, None, reason, mailbag, signer, now)
    events.add("catalog_refused", subject=reported.act.digest, party=reported.report["party"], by=officer)
    return [*mailbag.outputs(), Output(topics.DESK, reported.key, None), *events.outputs()]


def plan(current: Release | None, reports: Iterable[Reported], applications: Iterable[OpenApplication]) -> Plan:
    """What the accepted of `reports` make of the catalog, and which open applications that concerns."""
    taken = [reported for reported in reports if reported.is_accepted]
    entries = compose(current, [reported.report for reported in taken])
    found = changes(current, entries)
    faults = [
        (reported.name, fault)
        for reported in taken
        for fault in check_report(
            reported.report["party"], reported.report["entries"], reported.report["retire"], current
        )
    ]
    faults += [("", fault) for fault in check_names(entries)]
    number = 1 if current is None else current.number + 1
    return Plan(number, entries, found, impact(found, applications), taken, faults)


def publication(planned: Plan, officer: str, signer: Signer, now: int) -> list[Output]:
    """The release and all that goes with it, for one transaction; on hedx.catalog the manifest is the last record.

    Raises ConfigError when the plan has faults or changes nothing.
    """
    if planned.faults:
        raise ConfigError(f"{len(planned.faults)} faults stand against release {planned.number}")
    if planned.changes.is_empty():
        raise ConfigError("nothing is changed: accept a report first (hedx catalog review list)")
    mailbag, events = Mailbag(signer, now), EventLog("cataloguing", now)
    for reported in planned.taken:
        owed = [i for i in planned.impacts if i.asked.provider == reported.report["party"]]
        _decide(reported, planned.number, _still_owed(owed), mailbag, signer, now)
    events.add("catalog_published", count=len(planned.entries), code=str(planned.number), by=officer)
    return [
        *publish_catalog(planned.number, planned.entries, signer, now),
        *(Output(topics.DESK, reported.key, None) for reported in planned.taken),
        *mailbag.outputs(),
        *events.outputs(),
    ]


def _decide(reported: Reported, release: int | None, reason: str, mailbag: Mailbag, signer: Signer, now: int) -> None:
    party = reported.report["party"]
    decision = CatalogDecision(
        party=party,
        report=reported.act.digest,
        accepted=release is not None,
        reason=reason,
        release=release,
        at=now,
    )
    raw = sign_act("catalog-decision", decision, signer, party, now)
    mailbag.add(party, "requests", post_act(raw, CENTER, party, "", ""))


def _still_owed(impacts: Sequence[Impact]) -> str:
    """What the party must go on answering: it is told with the decision, since its own databases are in its hands."""
    if not impacts:
        return ""
    last = max((i.asked.deadline for i in impacts if i.asked.deadline is not None), default=None)
    count = len({(i.requester, i.application_id) for i in impacts})
    until = "" if last is None else f"，最迟 {local_date(last)}"
    return f"按此前版本受理的 {count} 件申请仍须按原目录反馈{until}"
