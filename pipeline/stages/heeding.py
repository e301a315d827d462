"""heeding: what a provider does about the acts that the center passes on to it, and what it says itself (Art. 10).

A withdrawal must be the requester's own, an extension or a reminder (催报) the center's for this provider. An extension counts with
the delay of ours and the requester's signed reply that it names: the center alone closes nothing. What is withdrawn is not answered any
more, and that is acknowledged; rows that were closed are let go of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.crypto import signed
from pipeline.crypto.headers import Header
from pipeline.crypto.keys import Identity
from pipeline.crypto.trust import Trust
from pipeline.domain.agreeing import is_agreed
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.domain.records import Delay, Mandate, SubQuery, WithdrawalAck
from pipeline.stages.acts import Act, open_act, post_act, sign_act
from pipeline.stages.local import CalledOff, LocalEffects, ParkedRow, Posted, View
from pipeline.stages.notices import Entropy

HEEDED: Final = frozenset({"withdrawal", "delay-reply", "extension", "review", "catalog-decision"})
"""Types of acts that a provider takes."""
TO_ANSWER: Final = 15 * 60 * 1000
"""How long (ms) after its register is back a provider may take to answer what waited for it."""


@dataclass(frozen=True, slots=True)
class Warranted:
    """A mandate that was verified, and its digest."""

    mandate: Mandate
    digest: bytes


def heed(raw: bytes, header: Header, party: str, trust: Trust, at: int, view: View, effects: LocalEffects) -> None:
    """One act of a bundle from the center, valid `at` (ms).

    Raises InvalidMessage: those of `open_act`, `act_unexpected` for a type that is not for a provider, `act_misdirected`
    when it is another's or about something else than its bundle's header says, and `act_unfounded` for an extension that
    does not follow from what requester and provider signed.
    """
    act = open_act(raw, trust, at=at)
    if act.typ not in HEEDED:
        raise InvalidMessage("act_unexpected", act.typ)
    if act.typ == "review" and act.record["kind"] not in ("reminder", "declined"):
        raise InvalidMessage("act_unexpected", act.record["kind"])
    audience = signed.peek(raw).claims.audience
    if audience != (party if act.issuer == CENTER else CENTER):
        raise InvalidMessage("audience_mismatch", f"for {audience}")
    record = act.record
    if act.typ == "catalog-decision":
        if record["party"] != party:
            raise InvalidMessage("act_misdirected", "about another party's report")
    elif (record["requester"], record["application_id"]) != (header.requester, header.application_id):
        raise InvalidMessage("act_misdirected", "about another application")
    if act.typ == "withdrawal":
        effects.called_off.append(CalledOff(record["requester"], record["mandate_digest"]))
    elif act.typ == "delay-reply":
        if record["provider"] != party:
            raise InvalidMessage("act_misdirected", "to another provider")
    elif act.typ == "extension":
        if record["provider"] != party:
            raise InvalidMessage("act_misdirected", "of another provider")
        found = {heard.digest: heard.record for heard in effects.acts if heard.typ == "delay-reply"}
        reply = found.get(record["reply"]) or view.act("delay-reply", record["reply"])
        if not is_agreed(record, view.act("delay", record["delay"]), reply):
            raise InvalidMessage("act_unfounded", "an extension that was not agreed")
        if record["closed"]:
            closed = CalledOff(record["requester"], record["mandate_digest"], tuple(record["rows"]))
            effects.called_off.append(closed)
    effects.acts.append(act)


@dataclass(frozen=True, slots=True)
class Speaker:
    """A provider that signs what it says; what it says is posted, and kept beside what it heard."""

    identity: Identity
    entropy: Entropy

    def acknowledge(
        self, view: View, effects: LocalEffects, dropped: Mapping[tuple[str, bytes], set[int]], now: int
    ) -> None:
        """Say of each withdrawal in `effects` that is new what was answered before it, and what will not be.

        `dropped`: sections, by (requester, mandate), that this very step would have answered. A section that is answered
        in part is one that will not be.
        """
        told: set[tuple[str, bytes]] = set()
        for act in [act for act in effects.acts if act.typ == "withdrawal"]:
            record = act.record
            mandate = (record["requester"], record["mandate_digest"])
            if mandate in told or view.is_withdrawn(*mandate):
                continue
            told.add(mandate)
            answered, parked = view.sections_taken(*mandate)
            not_answered = parked | dropped.get(mandate, set())
            ack = WithdrawalAck(
                application_id=record["application_id"],
                requester=record["requester"],
                mandate_digest=record["mandate_digest"],
                provider=self.identity.party,
                withdrawal=act.digest,
                answered=sorted(answered - not_answered),
                dropped=sorted(not_answered),
                at=now,
            )
            self._say("withdrawal-ack", ack, effects, now)

    def tell_delay(
        self,
        view: View,
        effects: LocalEffects,
        warrant: Warranted,
        waits: Sequence[tuple[SubQuery, ParkedRow]],
        now: int,
    ) -> None:
        """Tell the requester which rows will be late, until when and why, unless it was told so already.

        The time asked for is that of the register and `TO_ANSWER`. Rows that this brings in before their deadline just wait.
        """
        said = {(digest, row): until for digest, row, until in effects.told}
        late: dict[tuple[int, str], list[int]] = {}
        for query, row in waits:
            known = said.get((warrant.digest, row.row), view.told_until(warrant.digest, row.row))
            until = row.until + TO_ANSWER
            if until > query["deadline"] and until != known:
                late.setdefault((until, row.reason), []).append(row.row)
        for (until, reason), numbers in late.items():
            delay = Delay(
                application_id=warrant.mandate["application_id"],
                requester=warrant.mandate["requester"],
                mandate_digest=warrant.digest,
                provider=self.identity.party,
                rows=sorted(numbers),
                until=until,
                reason=reason,
                at=now,
            )
            self._say("delay", delay, effects, now)
            effects.told += [(warrant.digest, row, until) for row in numbers]

    def _say(self, typ: str, record: WithdrawalAck | Delay, effects: LocalEffects, now: int) -> None:
        raw = sign_act(typ, record, self.identity.signer, CENTER, now)
        party, requester, application_id = self.identity.party, record["requester"], record["application_id"]
        effects.posts.append(Posted("requests", post_act(raw, party, CENTER, requester, application_id, self.entropy)))
        effects.acts.append(Act(typ, party, signed.peek(raw).digest, raw, now, record))
