"""What the handlers of the `applications` stage work with: the effects of one step in the making, and one application.

An application's state is changed by `Case.change` only, through the table of `domain.lifecycle`: each change is a line of
its history and an event on hedx.events, and whatever takes it out of `held` takes it off the officer's desk.

Keys of its state, each followed by that of the application: `a` the state, `s` a section, `d` its item on the desk, `h`
when that is looked at next; `c` what stays of it for re-checks (`stages.rechecking`); `r` the rejection it was told
(`stages.rejecting`); `l` that its withdrawal was declined; `n` how many changes there were, once the history is full.
Followed by a requester: `w`, how many withdrawals of applications that are not here wait (`stages.withdrawing`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.codec import framing
from pipeline.crypto.headers import Kind
from pipeline.crypto.keys import Signer
from pipeline.domain import lifecycle
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.lifecycle import Event, Facts, Transition
from pipeline.domain.parties import CENTER, InboxKind
from pipeline.domain.records import ApplicationState, Change, DeskItem, EventPart, RecheckEnded, SectionReceived
from pipeline.domain.tracing import TraceContext
from pipeline.stages import topics
from pipeline.stages.acts import post_act, sign_act
from pipeline.stages.effects import Output, Overlay, timer_due, timer_key, timer_subject
from pipeline.stages.events import EventLog
from pipeline.stages.keys import application_key
from pipeline.stages.mailbag import Mailbag
from pipeline.stages.notices import Entropy, Notice, post, sign_record

LONGEST_HISTORY = 200
"""Changes of state that are kept of one application; hedx.events has them all."""
FIRST_CHANGES = 20
"""How many of them are the first ones; the others are the newest."""
_FRAMING = 80
"""Bytes counted for a record beside key and value, as `kafka.limits` counts them."""
_OVER = frozenset({"completed", "incomplete", "withdrawn", "rejected"})
"""States that a re-check ends in."""
POLICY, CLOCK = "policy", "clock"
"""Who changes a state where nobody does: the rules, or time."""


@dataclass(slots=True)
class Casework:
    """The effects of one step (or of one message, to be merged when it turned out well)."""

    overlay: Overlay
    mailbag: Mailbag
    events: EventLog
    outputs: list[Output]
    now: int
    signer: Signer
    entropy: Entropy

    def fork(self) -> Casework:
        """The effects of one message, to be merged when it turned out well."""
        return Casework(
            Overlay(self.overlay), self.mailbag.fork(), self.events.fork(), [], self.now, self.signer, self.entropy
        )

    def merge(self, message: Casework) -> None:
        """Take over the effects of one message."""
        self.overlay.changes.update(message.overlay.changes)
        self.mailbag.merge(message.mailbag)
        self.events.merge(message.events)
        self.outputs += message.events.traced(message.outputs)

    def weigh(self) -> int:
        """What it will write, in bytes, about: outputs, changes and post, each record with its framing."""
        sizes = [len(output.value or b"") for output in self.outputs]
        sizes += [len(key) + len(value or b"") for (_, key), value in self.overlay.changes.items()]
        return sum(sizes) + _FRAMING * len(sizes) + self.mailbag.weigh()

    # -- one application ---------------------------------------------------------------------------------------------

    def case(self, partition: int, requester: str, application_id: str) -> Case | None:
        """The application as it stands in this step; None when the center does not know it (any more)."""
        return self.case_at(partition, application_key(requester, application_id))

    def case_at(self, partition: int, key: bytes) -> Case | None:
        """`case` by its state key."""
        data = self.overlay.get(partition, b"a" + key)
        if data is None:
            return None
        state: ApplicationState = framing.decode_as("ApplicationState", data)  # type: ignore[assignment]
        return Case(self, partition, key, state)

    def known(self, partition: int, requester: str, application_id: str) -> Case:
        """`case`, or InvalidMessage `application_unknown`."""
        case = self.case(partition, requester, application_id)
        if case is None:
            raise InvalidMessage("application_unknown", application_id)
        return case


@dataclass(slots=True)
class Case:
    """One application in one step. Write it back with `save` after changing `state`."""

    work: Casework
    partition: int
    key: bytes
    state: ApplicationState

    def save(self) -> None:
        """Keep the state as it is now."""
        self.work.overlay.put(self.partition, b"a" + self.key, framing.encode("ApplicationState", self.state))

    def drop(self) -> None:
        """Forget the application."""
        self.work.overlay.put(self.partition, b"a" + self.key, None)
        self.work.overlay.put(self.partition, b"n" + self.key, None)
        if self.work.overlay.get(self.partition, b"c" + self.key) is None:
            self.work.overlay.put(self.partition, b"l" + self.key, None)

    def change(
        self, event: Event, *, by: str, code: str | None = None, facts: Facts | None = None, count: int | None = None
    ) -> Transition:
        """Let `event` happen: state, history and lifecycle event. Raises lifecycle.NotAllowed."""
        state = self.state
        transition = lifecycle.advance(state["state"], event, facts)
        state["state"] = transition.after
        if transition.state == "held" != transition.after:
            self._leave_desk()
        if state["recheck"] is not None and transition.after in _OVER and transition.state not in _OVER:
            self._tell_original(state["recheck"]["original"])
        if (event is Event.DELIVER and transition.state == transition.after) or transition.after == "archived":
            return transition  # nothing changed that anybody would want to read; or there is no history left to keep
        line = Change(at=self.work.now, by=by, event=event.value, state=transition.after, code=code)
        state["history"].append(line)
        changes = self._count_change()
        if len(state["history"]) > LONGEST_HISTORY:
            del state["history"][FIRST_CHANGES]  # how it began and how it stands are worth more than what was between
        subject = b"".join(n.to_bytes(4, "big") for n in (changes, state["version"], state["pressing"]))
        self.note(lifecycle.FACT[event], subject, count=count, code=code, by=by, change=changes)
        return transition

    def note(
        self,
        kind: str,
        subject: bytes,
        *,
        by: str,
        provider: str | None = None,
        count: int | None = None,
        code: str | None = None,
        since: int | None = None,
        change: int | None = None,
        parts: Sequence[EventPart] = (),
    ) -> None:
        """An event about this application; `subject`, `since` and `parts` as in `EventLog.add`.

        `count`: by default its persons. `change`: the number of the change of state that it is; one is told since the
        application came.
        """
        state = self.state
        self.work.events.add(
            kind,
            subject=subject,
            application_id=state["application_id"],
            party=state["requester"],
            provider=provider,
            count=state["person_count"] if count is None else count,
            code=code,
            by=by,
            since=since if change is None else state["received_at"],
            state=None if change is None else state["state"],
            change=change,
            parts=parts,
        )

    def _tell_original(self, original: str) -> None:
        """A re-check is over, however it ended: its original, perhaps in another partition, hears of it."""
        state = self.state
        record = RecheckEnded(
            application_id=original,
            requester=state["requester"],
            recheck=state["application_id"],
            outcome=state["state"],
        )
        key = application_key(state["requester"], original)
        self.work.outputs.append(Output(topics.APPLICATIONS, key, framing.encode("RecheckEnded", record)))

    # -- sections and timers -----------------------------------------------------------------------------------------

    def section(self, number: int) -> SectionReceived:
        """A section as it arrived. Raises InvalidMessage `section_unknown` when it was let go of."""
        section = self.kept_section(number)
        if section is None:
            raise InvalidMessage("section_unknown", f"section {number}")
        return section

    def kept_section(self, number: int) -> SectionReceived | None:
        """A section as it arrived; None when it was let go of."""
        data = self.work.overlay.get(self.partition, self._stored(number))
        return None if data is None else framing.decode_as("SectionReceived", data)  # type: ignore[return-value]

    def _count_change(self) -> int:
        """Number of this change, from 1: the history has them all until it is full, then it is counted beside it."""
        length = len(self.state["history"])
        data = self.work.overlay.get(self.partition, b"n" + self.key) if length > LONGEST_HISTORY else None
        number = length if data is None else int.from_bytes(data, "big") + 1
        if length > LONGEST_HISTORY:
            self.work.overlay.put(self.partition, b"n" + self.key, number.to_bytes(4, "big"))
        return number

    def keep_section(self, record: SectionReceived) -> None:
        """Keep a section, sealed as it came, until it is let go of."""
        self.work.overlay.put(
            self.partition, self._stored(record["section"]), framing.encode("SectionReceived", record)
        )

    def release_sections(self, keep: Collection[int] = ()) -> None:
        """Let go of the sealed sections, but for those numbered in `keep`."""
        for number in set(range(1, self.state["sections"] + 1)) - set(keep):
            if self.work.overlay.get(self.partition, self._stored(number)) is not None:
                self.work.overlay.put(self.partition, self._stored(number), None)

    def _stored(self, section: int) -> bytes:
        return b"s" + self.key + section.to_bytes(4, "big")

    def set_expiry(self, due: int) -> None:
        """When the application is looked at next for its end (ms); there is one such time."""
        self.work.overlay.put(self.partition, timer_key(self.state["expires_at"], b"x" + self.key), None)
        self.state["expires_at"] = due
        self.work.overlay.put(self.partition, timer_key(due, b"x" + self.key), b"\0")

    def set_timer(self, kind: bytes, due: int) -> None:
        """A timer of this application: `kind` is one byte that `applications` has a handler for."""
        self.work.overlay.put(self.partition, timer_key(due, kind + self.key), b"\0")

    # -- the officer's desk ------------------------------------------------------------------------------------------

    def desk_item(self) -> DeskItem | None:
        """What is on the desk about it; None where nothing is."""
        data = self.work.overlay.get(self.partition, b"d" + self.key)
        return None if data is None else framing.decode_as("DeskItem", data)  # type: ignore[return-value]

    def put_on_desk(self, item: DeskItem) -> None:
        """Put it on the desk, in place of what is there about it."""
        data = framing.encode("DeskItem", item)
        self.work.overlay.put(self.partition, b"d" + self.key, data)
        self.work.outputs.append(Output(topics.DESK, desk_key(self.key), data))

    def look_again(self, due: int) -> None:
        """When its hold is looked at next (ms); there is one such time."""
        self._forget_look()
        self.work.overlay.put(self.partition, b"h" + self.key, due.to_bytes(8, "big"))
        self.set_timer(b"h", due)

    def looks_at(self) -> int | None:
        """When its hold is looked at next (ms); None where it is not held."""
        data = self.work.overlay.get(self.partition, b"h" + self.key)
        return None if data is None else int.from_bytes(data, "big")

    def _forget_look(self) -> None:
        due = self.looks_at()
        if due is not None:
            self.work.overlay.put(self.partition, timer_key(due, b"h" + self.key), None)

    def _leave_desk(self) -> None:
        self._forget_look()
        self.work.overlay.put(self.partition, b"h" + self.key, None)
        self.work.overlay.put(self.partition, b"d" + self.key, None)
        self.work.outputs.append(Output(topics.DESK, desk_key(self.key), None))
        self.state["approvals"] = []

    # -- post --------------------------------------------------------------------------------------------------------

    def sign(self, typ: str, name: str, record: Mapping[str, object]) -> bytes:
        """A signed object for the requester."""
        return sign_record(typ, name, record, self.work.signer, self.state["requester"], self.work.now)

    def notify(self, kind: Kind, objects: list[bytes]) -> None:
        """Signed objects into the requester's responses."""
        state = self.state
        requester = state["requester"]
        notice = Notice(kind, requester, requester, state["application_id"], state["mandate_digest"])
        bundle = post(notice, objects, CENTER, self.work.entropy)
        self.work.mailbag.add(requester, "responses", bundle, trace=self._newest())

    def act(self, typ: str, record: Mapping[str, Any], to: str, inbox: InboxKind) -> bytes:
        """Sign an act of the center for `to` and post it; returns the signed object."""
        raw = sign_act(typ, record, self.work.signer, to, self.work.now)
        self.relay(raw, to, inbox)
        return raw

    def relay(self, raw: bytes, to: str, inbox: InboxKind) -> None:
        """Post a signed act, a party's own or the center's, to `to`."""
        bundle = post_act(raw, CENTER, to, self.state["requester"], self.state["application_id"], self.work.entropy)
        self.work.mailbag.add(to, inbox, bundle, trace=self._newest())

    def _newest(self) -> TraceContext:
        return self.work.events.newest(self.state["application_id"], self.state["requester"])


def desk_key(key: bytes) -> bytes:
    """Key on hedx.center.desk of the application with the state key `key`: `review/<requester>/<id>`."""
    return b"review/" + key


def timer_of(timer: bytes) -> tuple[bytes, bytes, int]:
    """(kind, state key, due in ms) of a timer of this stage."""
    subject = timer_subject(timer)
    return subject[:1], subject[1:], timer_due(timer)
