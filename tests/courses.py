"""Random courses of the whole procedure on the in-memory network: a list of events that anybody can run again.

An event is a name and a number; all that the event leaves open (which application, which party, how long) is drawn from
that number, so a course stays a course when events are taken out of it, and a failing one can be made shorter.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import cbor2

from pipeline.codec import framing
from pipeline.crypto.bundles import SealedBundle, parse_bundle
from pipeline.demo.application import Sample
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER, InboxKind
from pipeline.domain.records import Application, CatalogEntry, EvidenceAsked, EvidenceJudged, Person
from pipeline.kafka.clients import murmur2_partition
from pipeline.kafka.memory import MemoryWorker
from pipeline.province.catalog_files import load_entries
from pipeline.province.database import transaction
from pipeline.province.filing import Origin
from pipeline.province.rechecking import Dispute, RecheckRefused, prepare
from pipeline.stages import topics
from pipeline.stages.applications import Applications
from pipeline.stages.clock import local_date
from pipeline.stages.collect import Collect
from pipeline.stages.effects import Stage
from pipeline.stages.intake import Intake
from pipeline.stages.join import Join
from pipeline.stages.keys import application_key
from pipeline.stages.membership import trust_entry
from tests import delaying
from tests.delaying import BECAUSE, told
from tests.forgery import send
from tests.network import PARTITIONS, Network
from tests.officer import DOUBTFUL, decision, on_desk
from tests.scenario import PARTIES, REQUESTER, inbox_messages, network_for, renumbered, schedule_of, small_sample

HOUR = 3600
DAY = 24 * HOUR
PROVIDERS = ("00", "32", "37")
OTHER = "37"
"""A provider that files applications, too."""
STAGES = ("intake", "applications", "collect", "join")
ROWS = (
    ("全国", "vehicles", ""),
    ("全国", "social_insurance", ""),
    ("山东", "housing_fund", "2026/10/15"),
    ("山东", "medical", ""),
    ("部中心", "marriage", ""),
    ("部中心", "household_registration", "2026/09/30"),  # refused: it knows the present only
    ("江苏", "business", ""),  # refused: sharing_suspended
    ("江苏", "education", ""),  # unavailable until 2030
)
"""What applications ask for, each category once."""

Event = tuple[str, int]
"""What happens, and the number that everything it leaves open is drawn from."""

LIKELY: Mapping[str, int] = {
    "file": 4,
    "file_in_parts": 2,
    "run": 3,
    "wait": 6,
    "stop": 4,
    "go": 4,
    "silence": 3,
    "away": 2,
    "back": 2,
    "delay": 4,
    "reply": 5,
    "withdraw": 3,
    "call_off": 3,
    "recheck": 3,
    "two_rechecks": 1,
    "again": 4,
    "rewrapped": 3,
    "restart": 3,
    "suspend": 1,
    "resume": 2,
    "release": 1,
    "decide": 4,
    "evidence": 1,
}
"""Event -> how often it is drawn, of all these together."""


@dataclass
class Filed:
    """An application of a course, and what the course did to it. Instants in ms."""

    application: Application
    persons: list[Person]
    at: int
    original: Filed | None = None
    withdrawn_at: int | None = None
    decisions: list[str] = field(default_factory=list)
    closed: set[tuple[str, int]] = field(default_factory=set)  # (provider, row) that a reply was to close
    kept_back: list[tuple[str, bytes]] = field(default_factory=list)  # bundles not in the outbox yet
    in_parts: bool = False

    @property
    def id(self) -> str:
        """Its id."""
        return self.application["application_id"]

    @property
    def requester(self) -> str:
        """Who filed it."""
        return self.application["requester"]


@dataclass
class Done:
    """What a course did, in order: what the oracle explains results by. Instants in ms."""

    at: int
    what: str
    about: Any = None


def drawn(seed: int, length: int = 15) -> list[Event]:
    """The course of a seed; it begins with an application."""
    random = Random(f"course {seed}")
    names = random.choices(list(LIKELY), list(LIKELY.values()), k=length - 1)
    return [(name, random.getrandbits(32)) for name in ("file", *names)]


@cache
def _sample(folder: Path) -> Sample:
    """Registers of all courses: they are read and never written."""
    return small_sample(folder / "registers", *ROWS[:1])


class Course:
    """One course on a network of its own, in `folder`; `registers` is shared by all courses of a process."""

    def __init__(self, folder: Path, registers: Path) -> None:
        self.sample = _sample(registers)
        self.network: Network = network_for(self.sample, folder)
        self.entries = [entry for party in PARTIES for entry in load_entries(self.sample.catalog / f"{party}.yaml")]
        self.applications: list[Filed] = []
        self.log: list[Done] = []
        self.evidence: dict[str, Filed] = {}
        self.stopped: set[str] = set()
        self.suspended: set[str] = set()
        self._numbers = {"release": 1, "trust": 1, "clerk": 0}

    @property
    def now(self) -> int:
        """The network's clock, ms."""
        return self.network.clock()

    def play(self, events: Sequence[Event]) -> None:
        """Let the events happen, one after the other."""
        for name, number in events:
            getattr(self, f"_{name}")(Random(number))

    def note(self, what: str, about: Any = None) -> None:
        """Write down what was done."""
        self.log.append(Done(self.now, what, about))

    def rest(self) -> None:
        """Everything works again, and all of it is let run."""
        for filed in self.applications:
            self._send_kept_back(filed)
        for party in sorted(self.suspended):
            self._suspension(party, suspended=False)
        for party in PROVIDERS:
            delaying.back(self.network, self.sample, party)
        self.stopped.clear()
        self.network.run()

    def days(self, count: int) -> None:
        """Days pass, one at a time, each some seconds long: watermarks are behind the clock."""
        for _ in range(count):
            self.network.pass_time(DAY + 5, without=sorted(self.stopped))

    def close(self) -> None:
        """Officers decide what is held still; all windows pass, and the year in which a re-check finds its original."""
        for waiting in on_desk(self.network):
            for filed in self.applications:
                if waiting.application_id == filed.id and waiting.item["kind"] == "review":
                    self.decide(filed, "approve" if int(filed.id[:2], 16) % 2 else "reject")
        for request_id, filed in self.evidence.items():
            self._judge(request_id, filed)
        self.network.run()
        self.days(50)
        self.network.pass_time(401 * DAY)
        self.days(2)

    # -- applications ------------------------------------------------------------------------------------------------

    def _file(self, random: Random, requester: str | None = None) -> Filed:
        requester = requester or random.choice((REQUESTER, REQUESTER, REQUESTER, OTHER))
        persons = renumbered(random.sample(self.sample.persons, random.randint(2, 4)))
        rows = random.sample(ROWS, random.randint(2, 3))
        application: Application = {
            **self.sample.application,
            "application_id": str(uuid.UUID(int=random.getrandbits(128), version=4)),
            "requester": requester,
            "person_count": len(persons),
            "lead_person": persons[0]["name"],
            "schedule": schedule_of(*rows),
        }
        if random.random() < 0.25:
            application["purpose"] = DOUBTFUL
        filed = self._put(application, persons, section_size=random.choice((2, 3, 500)))
        if random.random() < 0.7:
            self._run(random)
        return filed

    def _put(self, application: Application, persons: list[Person], section_size: int = 500, **details: Any) -> Filed:
        original = details.pop("original", None)
        self.network.file(application, persons, section_size=section_size, **details)
        filed = Filed(application, persons, self.now, original)
        self.applications.append(filed)
        self.note("filed", filed.id)
        return filed

    def _file_in_parts(self, random: Random) -> None:
        """Some of the sections stay behind, until `go` or the end."""
        stopped, self.stopped = self.stopped, {*self.stopped, REQUESTER}
        filed = self._file(random, REQUESTER)
        self.stopped = stopped
        db = self.network.parties[REQUESTER].store.connection
        rows = db.execute("SELECT id, inbox, raw FROM outbox_bundle ORDER BY id").fetchall()
        mine = [row for row in rows if parse_bundle(row[2]).header.application_id == filed.id]
        behind = mine[1:]
        filed.kept_back = [(kind, raw) for _, kind, raw in behind]
        filed.in_parts = bool(behind)
        with transaction(db):
            db.executemany("DELETE FROM outbox_bundle WHERE id = ?", [(row[0],) for row in behind])
        self._run(random)

    def _send_kept_back(self, filed: Filed) -> None:
        db = self.network.parties[filed.requester].store.connection
        with transaction(db):
            db.executemany("INSERT INTO outbox_bundle (inbox, raw) VALUES (?, ?)", filed.kept_back)
        filed.kept_back = []

    def _any(self, random: Random) -> Filed:
        return random.choice(self.applications)

    def _any_open(self, random: Random) -> Filed:
        """One that is not over, as far as its requester knows; any, where all are."""
        still = [f for f in self.applications if self.network.case(f.application).state in _OPEN]
        return random.choice(still or self.applications)

    def _call_off(self, random: Random) -> None:
        """An application is withdrawn while somebody stands still: in flight, somewhere."""
        self._stop(random)
        filed = self._file(random)
        if random.random() < 0.5:
            self.network.pass_time(random.randint(1, 3000), without=sorted(self.stopped))
        self._withdraw(random, filed)

    def _silence(self, random: Random) -> None:
        """A provider says nothing to an application, past its limit perhaps."""
        self._stop(random, random.choice(PROVIDERS))
        self._file(random)
        self._wait(random)

    def _delay(self, random: Random) -> None:
        """A register is away when it is asked; mostly the requester says something to that."""
        self._away(random)
        self._file(random)
        if random.random() < 0.7:
            self._reply(random)

    def _withdraw(self, random: Random, filed: Filed | None = None) -> None:
        filed = filed or self._any_open(random)
        try:
            delaying.withdraw(self.network, filed.application)
        except ConfigError:
            return  # over, as far as its requester knows
        filed.withdrawn_at = filed.withdrawn_at or self.now
        self.note("withdrawn", filed.id)
        if random.random() < 0.6:
            self._run(random)

    def _recheck(self, random: Random) -> None:
        self._recheck_of(random, [filed for filed in self.applications if filed.original is None])
        self._run(random)

    def _two_rechecks(self, random: Random) -> None:
        """Of two applications at once, or of one twice, which its province's own program does not let happen."""
        originals = [filed for filed in self.applications if filed.original is None]
        for filed in random.sample(originals, min(2, len(originals))):
            self._recheck_of(random, [filed])
        self._run(random)

    def _recheck_of(self, random: Random, originals: Sequence[Filed]) -> None:
        original = random.choice(originals)
        numbers = random.sample([person["number"] for person in original.persons], random.randint(1, 2))
        rows = random.sample([row["row"] for row in original.application["schedule"]], random.randint(1, 2))
        dispute = Dispute(frozenset(numbers), frozenset(rows), None, "登记与事实不符")
        application_id = str(uuid.UUID(int=random.getrandbits(128), version=4))
        try:
            prepared = prepare(
                self.network.case(original.application),
                dispute,
                application_id=application_id,
                today=local_date(self.now),
            )
            origin: Origin = prepared.origin
            self._put(
                prepared.application, prepared.persons, evidence=prepared.evidence, origin=origin, original=original
            )
        except RecheckRefused:
            return

    # -- time, and who works -----------------------------------------------------------------------------------------

    def _run(self, random: Random) -> None:
        self.network.run(without=sorted(self.stopped))

    def _wait(self, random: Random) -> None:
        unit, most = random.choice(((60, 90), (HOUR, 20), (HOUR, 20), (DAY, 3), (DAY, 9)))
        seconds = unit * random.randint(1, most)
        self.note("waited", seconds)
        self.days(seconds // DAY)
        self.network.pass_time(seconds % DAY + 5, without=sorted(self.stopped))

    def _stop(self, random: Random, who: str | None = None) -> None:
        who = who or random.choice((*PROVIDERS, *PROVIDERS, *STAGES, REQUESTER))
        self.stopped.add(who)
        self.note("stopped", who)

    def _go(self, random: Random) -> None:
        """One or all come back, and sections that stayed behind are sent."""
        back = sorted(self.stopped)
        if back and random.random() < 0.6:
            back = [random.choice(back)]
        self.stopped -= set(back)
        self.note("back", back)
        for filed in self.applications:
            self._send_kept_back(filed)
        self._run(random)

    def _restart(self, random: Random) -> None:
        """A new worker of the same group, its state from the changelog."""
        stage = random.choice(STAGES)
        center, network = network_identity(self.network), self.network
        fresh: Mapping[str, Callable[[], Stage]] = {
            "intake": lambda: Intake(center, network.reference, b"tag secret"),
            "applications": lambda: Applications(center, network.reference, network.calendar, network.rules),
            "collect": lambda: Collect(network.reference, sources=PARTITIONS, join_partitions=PARTITIONS),
            "join": lambda: Join(center, lambda _, key: murmur2_partition(key, PARTITIONS)),
        }
        [position] = [n for n, worker in enumerate(network.workers) if worker.stage.name == stage]
        network.workers[position].close()
        network.workers[position] = MemoryWorker(fresh[stage](), network.broker, network.clock)
        self.note("restarted", stage)

    # -- providers ---------------------------------------------------------------------------------------------------

    def _away(self, random: Random) -> None:
        """A register is away: with a reason what is asked of it is parked, without one it is refused as unavailable."""
        party = random.choice(PROVIDERS)
        categories = [category for _, category, _ in ROWS if (party, category) != _AWAY_FOR_YEARS]
        until = self.now + 1000 * random.choice((HOUR // 2, 3 * HOUR, DAY, 4 * DAY, 8 * DAY))
        because = BECAUSE if random.random() < 0.8 else None
        delaying.away(self.network, self.sample, party, categories, until, because)
        self.note("away", (party, because))
        self._run(random)

    def _back(self, random: Random) -> None:
        party = random.choice(PROVIDERS)
        delaying.back(self.network, self.sample, party)
        self.note("registers back", party)

    def _reply(self, random: Random) -> None:
        """The requester replies to a delay that is not settled yet."""
        waiting = [
            (filed, delay)
            for filed in self.applications
            for delay in told(self.network, filed.application)
            if delay.extension is None
        ]
        if not waiting:
            return
        filed, delay = random.choice(waiting)
        what = random.choice(("agree", "shorten", "close"))
        until = None if what != "shorten" else (self.now + delay.delay["until"]) // 2
        delaying.reply(self.network, filed.application, what, until, delay)  # type: ignore[arg-type]
        if what == "close":
            filed.closed |= {(delay.delay["provider"], row) for row in delay.delay["rows"]}
        self.note(what, (filed.id, delay.delay["provider"], delay.delay["rows"]))
        if random.random() < 0.7:
            self._run(random)

    def _suspend(self, random: Random) -> None:
        self._suspension(random.choice(PROVIDERS), suspended=True)

    def _resume(self, random: Random) -> None:
        if self.suspended:
            self._suspension(random.choice(sorted(self.suspended)), suspended=False)
            self._run(random)

    def _suspension(self, party: str, *, suspended: bool) -> None:
        self._numbers["trust"] += 1
        entry = trust_entry(self.network.identities[party], self._numbers["trust"], suspended=suspended)
        self.network.trust(entry)
        (self.suspended.add if suspended else self.suspended.discard)(party)
        self.note("suspended" if suspended else "resumed", party)

    # -- the center's officers ---------------------------------------------------------------------------------------

    def _release(self, random: Random) -> None:
        """A new release of the catalog: the same categories, other limits."""
        self._numbers["release"] += 1
        limit = random.choice((HOUR // 2, 2 * HOUR))
        changed: list[CatalogEntry] = [
            {**entry, "feedback_seconds": limit} if entry["feedback_seconds"] is not None else entry
            for entry in self.entries
        ]
        self.network.publish(self._numbers["release"], changed)
        self.note("release", self._numbers["release"])

    def _decide(self, random: Random) -> None:
        """An officer decides: often about what is held, sometimes about what is not."""
        waiting = {w.application_id for w in on_desk(self.network)} if random.random() < 0.9 else set()
        held = [filed for filed in self.applications if filed.id in waiting]
        filed = random.choice(held or self.applications)
        self.decide(filed, random.choice(("approve", "approve", "reject", "hold")))
        self._run(random)

    def decide(self, filed: Filed, what: Any) -> None:
        """Put an officer's decision on its way."""
        decision(self.network, filed.application, what)
        filed.decisions.append(what)
        self.note(what, filed.id)

    def _evidence(self, random: Random) -> None:
        """An officer asks for documents of which the province has none."""
        filed = self._any(random)
        record = EvidenceAsked(
            request_id=str(uuid.UUID(int=random.getrandbits(128), version=4)),
            application_id=filed.id,
            requester=filed.requester,
            numbers=[filed.persons[0]["number"]],
            kinds=[],
            draw=None,
            officer="张",
            reason="抽查",
            at=self.now,
        )
        key = application_key(filed.requester, filed.id)
        self.network.broker.produce(topics.APPLICATIONS, key, framing.encode("EvidenceAsked", record))
        self.evidence[record["request_id"]] = filed
        self.note("evidence", filed.id)
        self._run(random)

    def _judge(self, request_id: str, filed: Filed) -> None:
        """The officer ends a request."""
        record = EvidenceJudged(
            request_id=request_id,
            application_id=filed.id,
            requester=filed.requester,
            verdict="questioned",
            officer="张",
            reason="没有材料",
            at=self.now,
        )
        key = application_key(filed.requester, filed.id)
        self.network.broker.produce(topics.APPLICATIONS, key, framing.encode("EvidenceJudged", record))

    # -- what comes twice --------------------------------------------------------------------------------------------

    def _again(self, random: Random) -> None:
        """An envelope once more, byte for byte."""
        party, kind = random.choice((CENTER, CENTER, *PARTIES)), random.choice(_KINDS)
        messages = inbox_messages(self.network, party, kind)
        for message in random.sample(messages, min(len(messages), random.randint(1, 4))):
            self.network.broker.produce(message.topic, message.key, message.value, message.headers)
        self.note("again", (party, kind))
        self._run(random)

    def _rewrapped(self, random: Random) -> None:
        """The bundles of an envelope once more, in a new one."""
        kind = random.choice(_KINDS)
        messages = inbox_messages(self.network, CENTER, kind)
        if not messages:
            return
        message = random.choice(messages)
        sender = dict(message.headers)["ce_source"].decode().rpartition(":")[2]
        sealed = [_as_sent(raw) for raw in cbor2.loads(message.value or b"")[1]]
        send(self.network, sender, CENTER, kind, *sealed)
        self.note("rewrapped", (sender, kind, [bundle.header.kind for bundle in sealed]))
        self._run(random)


_AWAY_FOR_YEARS = ("32", "education")
_OPEN = frozenset({"filed", "under_review", "held", "accepted", "started", "partly_answered"})
_KINDS: tuple[InboxKind, ...] = ("requests", "responses")


def network_identity(network: Network) -> Any:
    """The center's identity."""
    return network.identities[CENTER]


def _as_sent(raw: bytes) -> SealedBundle:
    bundle = parse_bundle(raw)
    return SealedBundle(raw, bundle.leaf, len(bundle.records), bundle.header)
