"""The whole exchange on a real Kafka: a fresh broker, a fresh installation, and every stage and adapter a process."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from pipeline.app import publish, publish_seal_keys
from pipeline.center.installation import Installation, set_up
from pipeline.codec import framing
from pipeline.crypto.keystore import load_identity
from pipeline.crypto.trust import Trust
from pipeline.demo.application import Sample
from pipeline.demo.preparation import connect_databases, declare, entries_of
from pipeline.domain.parties import CENTER, inbox
from pipeline.domain.records import Application, LifecycleEvent, Person
from pipeline.kafka.brokers import Broker
from pipeline.kafka.clients import Extra, admin_config
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.dockerised import DockerBroker
from pipeline.kafka.embedded import EmbeddedBroker
from pipeline.kafka.ends import end_offsets
from pipeline.kafka.security import client_security
from pipeline.kafka.tailing import CommittedLog, partitions_of
from pipeline.province.casefile import CaseFile
from pipeline.province.database import connect
from pipeline.province.filing import file_application
from pipeline.province.store import Store
from pipeline.stages import topics
from pipeline.stages.effects import Message
from pipeline.stages.names import STAGES
from pipeline.stages.reference import publish_catalog
from tests.processes import Processes, wait_until

LONG = 180.0
"""Patience (s) where nothing is measured: the machine may be busy with something else."""

INPUTS = {
    "intake": inbox(CENTER, "requests"),
    "applications": topics.APPLICATIONS,
    "collect": inbox(CENTER, "responses"),
    "join": topics.JOIN,
}
"""What each of the center's stages reads."""


def own_broker(folder: Path) -> Broker:
    """A broker for the exchange in `folder` alone, as the demo's; never a cluster that HEDX_BOOTSTRAP names.

    Of its own, since the topics' names are fixed. It lets a worker that a test freezes keep its transaction open for longer
    than any broker of the exchange does, so that two hand-overs fit into it.
    """
    principals = Installation(folder / "installation").transport("")
    if os.environ.get("HEDX_BROKER") == "docker":
        return DockerBroker(principals)
    return EmbeddedBroker(folder / "broker", principals=principals, extra={"transaction.max.timeout.ms": "60000"})


def has_open_transaction(admin: AdminClient, topic: str) -> bool:
    """Whether the last stable offset of a partition of `topic` is behind its end."""
    places = [TopicPartition(topic, number) for number in range(partitions_of(admin, topic))]
    ends = []
    for level in (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED):
        latest = {place: OffsetSpec.latest() for place in places}  # type: ignore[no-untyped-call]
        answers = admin.list_offsets(latest, isolation_level=level)
        ends.append([answers[place].result().offset for place in places])
    return ends[0] != ends[1]


COMING = {KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS}
"""What a broker says of a group just after its start."""


def _of_coordinator(ask: Callable[[], dict[Any, Any]]) -> Any:
    """The answer to a question about one group, asked until the group has a coordinator."""
    deadline = time.monotonic() + LONG
    while True:
        [answer] = ask().values()
        try:
            return answer.result()
        except KafkaException as failure:
            if failure.args[0].code() not in COMING or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


class Exchange:
    """Center and parties of `sample` as processes around `broker`; made, and ended, by `with`.

    `releases`: catalog release -> provider -> feedback limit (s) where it is not the report's own. Release 1 is always
    there; all of them are published before any process starts. `environment`: what the processes get beside this one's.
    """

    def __init__(
        self,
        folder: Path,
        sample: Sample,
        broker: Broker,
        releases: Mapping[int, Mapping[str, int]] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.sample = sample
        self.broker = broker
        self.releases = {1: {}, **(releases or {})}
        self.installation = Installation(folder / "installation")
        home = {"HEDX_HOME": str(self.installation.folder)}
        self.processes = Processes(folder / "logs", {**home, **(environment or {})})
        self._connections: dict[str, Any] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            set_up(self.installation, self.sample.parties, wall_clock())
            self.broker.start()
            undo.callback(self.broker.stop)
            connect_databases(self.installation, self.sample)
            self.trust = Trust(self.installation.roots(), self.installation.trust_entries())
            self._equip()
            undo.callback(self.processes.close)
            for stage in STAGES:
                self.start_stage(stage)
            for party in self.sample.parties:
                self.start_adapter(party)
            self._admin = AdminClient(admin_config(self.bootstrap, self.security("admin")))
            self._open = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def bootstrap(self) -> str:
        """Where clients find the broker."""
        return self.broker.bootstrap

    def security(self, principal: str) -> Extra:
        """Client settings of a Kafka principal: `admin`, `center`, `ops`, `P37`."""
        return client_security(self.installation.transport(principal))

    # -- processes ---------------------------------------------------------------------------------------------------

    def start_stage(self, stage: str, *, name: str | None = None) -> None:
        """One worker of a center's stage, named as the stage unless a name is given."""
        self.processes.start(name or stage, "pipeline.cli.main", "center", "run", stage, "--bootstrap", self.bootstrap)

    def start_adapter(self, party: str) -> None:
        """One party's adapter, named as the party."""
        arguments = ("province", "run", "--party", party, "--bootstrap", self.bootstrap)
        self.processes.start(party, "pipeline.cli.main", *arguments)

    def start_faulty(self, name: str, stage: str, signal: str, point: str, nth: int = 1, **extra: int | str) -> None:
        """A worker of `stage` that sends itself `signal` when it passes `point` of a transaction for the `nth` time."""
        settings = [f"{key.replace('_', '.')}={value}" for key, value in extra.items()]
        self.processes.start(name, "tests.e2e.faulty_stage", self.bootstrap, stage, signal, point, str(nth), *settings)

    def run_all(self) -> None:
        """See to it that every stage and adapter runs as it should, whatever the last test left."""
        for name in self.processes.names():
            if name in (*STAGES, *self.sample.parties):
                if not self.processes.is_running(name):
                    self.processes.restart(name)
            elif self.processes.is_running(name):
                self.processes.kill(name)
        wait_until("all groups at work", lambda: all(any(self.members(g).values()) for g in self.readers()), LONG)

    # -- applications ------------------------------------------------------------------------------------------------

    def application(self, persons: Sequence[Person], requester: str = "53") -> Application:
        """The sample's form under a new id, for `persons` of its roster."""
        return {
            **self.sample.application,
            "application_id": str(uuid.uuid4()),
            "requester": requester,
            "person_count": len(persons),
            "lead_person": persons[0]["name"],
        }

    def file(self, application: Application, persons: Sequence[Person], *, release: int = 1, size: int = 500) -> None:
        """Put the application into its requester's outbox, in sections of at most `size` persons."""
        identity = load_identity(self.installation.identity_folder(application["requester"]))
        filing = file_application(
            application,
            persons,
            identity=identity,
            trust=self.trust,
            release=release,
            now=wall_clock(),
            section_size=size,
        )
        with closing(connect(self.installation.store(application["requester"]))) as connection:
            Store(connection, identity).file(filing, release, wall_clock())

    def case(self, application: Application) -> CaseFile:
        """The application as its requester holds it now."""
        requester = application["requester"]
        identity = load_identity(self.installation.identity_folder(requester))
        return CaseFile(self.store(requester), application["application_id"], self.trust, identity)

    def wait_complete(self, application: Application, seconds: float = LONG, *, version: int = 1) -> CaseFile:
        """Wait for certificate `version` and every bundle it names. Fails at once on a rejection."""

        def complete() -> bool:
            case = self.case(application)
            assert case.state != "rejected", f"rejected: {case.rejection()}"
            certificate = case.certificate()
            return certificate is not None and certificate.result["version"] >= version and not case.missing()

        wait_until(f"application {application['application_id']} complete", complete, seconds, pause=0.2)
        return self.case(application)

    # -- what Kafka and the stores hold --------------------------------------------------------------------------------

    def readers(self) -> dict[str, str]:
        """Every consumer group with the topic it reads."""
        readers = {f"hedx.center.{stage}": topic for stage, topic in INPUTS.items()}
        for party in self.sample.parties:
            readers[f"hedx.{party}.answer"] = inbox(party, "requests")
            readers[f"hedx.{party}.deliver"] = inbox(party, "responses")
        return readers

    def lag(self) -> dict[tuple[str, str], int]:
        """(group, topic) -> records not worked through, as Kafka's tools count: end less committed offsets."""
        readers = self.readers()
        committed: dict[tuple[str, str, int], int] = {}
        for group in readers:
            asked = [ConsumerGroupTopicPartitions(group)]
            found = _of_coordinator(partial(self._admin.list_consumer_group_offsets, asked))
            for place in found.topic_partitions:
                committed[group, place.topic, place.partition] = max(0, place.offset)
        places = [(t, p) for t in readers.values() for p in range(partitions_of(self._admin, t))]
        ends = end_offsets(self._admin, places)  # after the offsets: lag may look too large, never too small
        return {
            (group, topic): sum(
                end - committed.get((group, *place), 0) for place, end in ends.items() if place[0] == topic
            )
            for group, topic in readers.items()
        }

    def stage_lag(self, stage: str) -> int:
        """Lag of one of the center's stages."""
        return self.lag()[f"hedx.center.{stage}", INPUTS[stage]]

    def members(self, group: str) -> dict[str, int]:
        """Member of a consumer group (its `group.instance.id` if it has one) -> how many partitions it has."""
        found = _of_coordinator(lambda: self._admin.describe_consumer_groups([group]))
        return {
            member.group_instance_id or member.member_id: len(member.assignment.topic_partitions)
            for member in found.members
        }

    def has_open_transaction(self, topic: str) -> bool:
        """Whether a transaction on `topic` has neither been committed nor aborted yet."""
        return has_open_transaction(self._admin, topic)

    def wait_rest(self, *, without: str | None = None, seconds: float = LONG) -> None:
        """Wait until nothing moves: no lag, and nothing in an outbox unsent; `without` names a stage that stands still."""
        resting = 0

        def rests() -> bool:
            nonlocal resting
            still = all(lag == 0 for (group, _), lag in self.lag().items() if group != f"hedx.center.{without}")
            unsent = sum(self.count(party, "outbox_bundle") for party in self.sample.parties)
            unsent += sum(self.count(party, "outbox_envelope WHERE sends = 0") for party in self.sample.parties)
            resting = resting + 1 if still and not unsent else 0
            return resting == 3

        try:
            wait_until("rest", rests, seconds, pause=0.2)
        except AssertionError as error:
            raise AssertionError(f"{error}; lag {self.lag()}") from None

    def unsettled(self) -> dict[str, int]:
        """Party -> envelopes in its outbox that are not receipted."""
        return {party: self.count(party, "outbox_envelope") for party in self.sample.parties}

    def dead_letters(self) -> list[str]:
        """Code and place of every dead letter, of the center and of the parties."""
        found = []
        for message in self.messages(topics.DEAD_LETTERS):
            headers = dict(message.headers)
            found.append(" ".join(headers[key].decode() for key in sorted(headers) if key.startswith("__connect")))
        for party in self.sample.parties:
            rows = self.store(party).execute("SELECT topic, offset, code, detail FROM dead_letter").fetchall()
            found += [" ".join(map(str, row)) for row in rows]
        return found

    def messages(self, topic: str) -> list[Message]:
        """Every committed record of `topic`."""
        with closing(CommittedLog(self.bootstrap, topic, extra=self.security("admin"))) as log:
            found: list[Message] = []
            while not log.reached_end:
                found += log.poll(0.1)
            return found

    def events(self, application: Application, kind: str) -> list[LifecycleEvent]:
        """The application's lifecycle events of one kind."""
        events = [framing.decode_as("LifecycleEvent", message.value or b"") for message in self.messages(topics.EVENTS)]
        mine = [event for event in events if event["application_id"] == application["application_id"]]
        return [event for event in mine if event["kind"] == kind]  # type: ignore[misc]

    def _equip(self) -> None:
        """Topics, rights, trust entries, catalog releases."""
        declare(self.bootstrap, self.installation, self.sample.parties)
        signer = load_identity(self.installation.identity_folder(CENTER)).signer
        outputs = self.installation.publication(signer, wall_clock())
        for number, seconds in sorted(self.releases.items()):
            entries = [
                {**entry, "feedback_seconds": seconds[entry["provider"]], "feedback_working_days": None}
                if entry["provider"] in seconds
                else entry
                for entry in entries_of(self.sample)
            ]
            outputs += publish_catalog(number, entries, signer, wall_clock())  # type: ignore[arg-type]
        publish(self.bootstrap, outputs, "hedx.center.setup", extra=self.security("center"))
        publish_seal_keys(self.installation.identity_folder(CENTER), self.bootstrap, self.security("center"))

    def store(self, party: str) -> Any:
        """A connection to a party's own database, for reading."""
        if party not in self._connections:
            self._connections[party] = connect(self.installation.store(party))
            self._open.callback(self._connections[party].close)
        return self._connections[party]

    def count(self, party: str, table: str) -> int:
        """How many rows a table of a party's store has; `table` may go on with WHERE."""
        count: int = self.store(party).execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
        return count
