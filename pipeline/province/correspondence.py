"""What a requester, the center and providers have said to each other about an application: signed acts, kept (Art. 10).

What was kept is verified on every reading, as of when it came. What the requester says itself is signed here, kept, and put
into the outbox, in one transaction.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

from pipeline.crypto import signed
from pipeline.crypto.keys import Identity
from pipeline.crypto.trust import Trust
from pipeline.domain import dispatching
from pipeline.domain.errors import ConfigError
from pipeline.domain.lifecycle import Event, allows
from pipeline.domain.parties import CENTER
from pipeline.domain.records import (
    Delay,
    DelayReply,
    Extension,
    Fault,
    LifecycleState,
    ReviewNotice,
    Withdrawal,
    WithdrawalAck,
)
from pipeline.province.casefile import CaseFile
from pipeline.province.store import Store
from pipeline.stages.acts import Act, kept_act, post_act, sign_act
from pipeline.stages.notices import Entropy

Decision = Literal["agree", "shorten", "close"]


@dataclass(frozen=True, slots=True)
class ToldDelay:
    """A delay that a provider, or the center, has told; our reply to it, and what came of that."""

    digest: bytes
    delay: Delay
    reply: DelayReply | None
    extension: Extension | None


class Correspondence:
    """The acts about one application in its requester's store."""

    def __init__(self, case: CaseFile, trust: Trust) -> None:
        self._case = case
        self._trust = trust

    def withdrawal(self) -> Withdrawal | None:
        """Our withdrawal, the first one."""
        found = [cast("Withdrawal", act.record) for act in self._acts("withdrawal")]
        return found[0] if found else None

    def acknowledgements(self) -> dict[str, WithdrawalAck]:
        """Provider → that it knows of the withdrawal, and what it had answered before."""
        acks = [cast("WithdrawalAck", act.record) for act in self._acts("withdrawal-ack")]
        return {ack["provider"]: ack for ack in acks}

    def asked(self) -> list[str]:
        """The providers that the center has asked, or would have; nobody before its acceptance."""
        acceptance = self._case.acceptance()
        if acceptance is None:
            return []
        return dispatching.active_providers(acceptance["sub_queries"], acceptance["suspended"])

    def delays(self) -> list[ToldDelay]:
        """The delays that were told, in the order in which they came."""
        replies = {act.record["delay"]: act.record for act in self._acts("delay-reply")}
        extensions = {act.record["delay"]: act.record for act in self._acts("extension")}
        return [
            ToldDelay(
                act.digest,
                cast("Delay", act.record),
                cast("DelayReply | None", replies.get(act.digest)),
                cast("Extension | None", extensions.get(act.digest)),
            )
            for act in self._acts("delay")
        ]

    def holds(self) -> list[ReviewNotice]:
        """What the center said while an officer was to decide, in order: held, why, by when; escalated, as often as it was."""
        notices = [cast("ReviewNotice", act.record) for act in self._acts("review")]
        return sorted((n for n in notices if n["kind"] in ("held", "escalated")), key=lambda notice: notice["at"])

    def declined(self) -> list[Fault]:
        """Why the center did not do what we asked, all such notices together."""
        notices = [cast("ReviewNotice", act.record) for act in self._acts("review")]
        return [fault for notice in notices if notice["kind"] == "declined" for fault in notice["faults"]]

    def _acts(self, typ: str) -> Iterator[Act]:
        query = "SELECT signed, at FROM act WHERE application_id = ? AND typ = ? ORDER BY at, digest"
        for raw, at in self._case.connection.execute(query, (self._case.application_id, typ)).fetchall():
            act = kept_act(raw, self._trust, witness=at)
            if act.record.get("mandate_digest") in (None, self._case.mandate_digest):
                yield act


def withdraw(
    case: CaseFile, store: Store, identity: Identity, reason: str, now: int, entropy: Entropy = os.urandom
) -> Act:
    """Sign the withdrawal (撤销) and send it. Raises ConfigError when the application is over as far as we know."""
    state = cast("LifecycleState", case.state)
    if not allows(state, Event.WITHDRAW):
        raise ConfigError(f"application {case.application_id} is {state}: it cannot be withdrawn any more")
    record = Withdrawal(
        application_id=case.application_id,
        requester=identity.party,
        mandate_digest=case.mandate_digest,
        reason=reason,
        at=now,
    )
    return _send("withdrawal", record, case, store, identity, now, entropy)


def reply(
    case: CaseFile,
    store: Store,
    identity: Identity,
    told: ToldDelay,
    decision: Decision,
    reason: str,
    now: int,
    until: int | None = None,
    entropy: Entropy = os.urandom,
) -> Act:
    """Sign what we say to a delay and send it. `until` (ms) goes with `shorten`. Raises ConfigError when it is settled."""
    if told.extension is not None:
        raise ConfigError("what was agreed about this delay is signed already")
    record = DelayReply(
        application_id=case.application_id,
        requester=identity.party,
        mandate_digest=case.mandate_digest,
        provider=told.delay["provider"],
        delay=told.digest,
        decision=decision,
        until=until if decision == "shorten" else None,
        reason=reason,
        at=now,
    )
    return _send("delay-reply", record, case, store, identity, now, entropy)


def _send(typ: str, record: Any, case: CaseFile, store: Store, identity: Identity, now: int, entropy: Entropy) -> Act:
    raw = sign_act(typ, record, identity.signer, CENTER, now)
    act = Act(typ, identity.party, signed.peek(raw).digest, raw, now, record)
    store.send(act, post_act(raw, identity.party, CENTER, identity.party, case.application_id, entropy), now)
    return act
