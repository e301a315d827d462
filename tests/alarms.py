"""What fires at a Prometheus while faults are brought about, and the faults: each the real thing, on a running exchange."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from pipeline.app import publish
from pipeline.crypto import suite
from pipeline.crypto.authority import certify_transport
from pipeline.crypto.keystore import Transport, load_identity, write_transport
from pipeline.domain.parties import CENTER, inbox
from pipeline.kafka.clients import admin_config
from pipeline.kafka.clock import mapped, read_steps, real_clock, wall_clock
from pipeline.kafka.readiness import accepts, free_ports
from pipeline.province.database import connect
from pipeline.province.filing import file_application
from pipeline.province.store import Store
from pipeline.stages.reference import publish_trust
from tests.exchange import LONG, Exchange
from tests.processes import ROOT, Processes, _die_with_parent, wait_until
from tests.prometheus import START, Prometheus

LOOK_EVERY = 0.25
PATIENCE = 90.0
"""Seconds for an alert to fire or end; the slowest take 40 on an idle machine."""


class Alarms:
    """Whatever fires while the block runs: taken from /api/v1/alerts a few times a second."""

    def __init__(self, prometheus: Prometheus) -> None:
        self.seen: dict[str, list[dict[str, Any]]] = {}
        self._prometheus = prometheus
        self._now: dict[str, list[dict[str, Any]]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="alarms")
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def has_fired(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether the alert has fired with these labels, now or before."""
        assert self._failure is None, self._failure
        return any(labels.items() <= alert["labels"].items() for alert in self.seen.get(name, []))

    def forget(self, names: Iterable[str]) -> None:
        """Hold what has fired so far against these no more: they must fire again."""
        for name in names:
            self.seen.pop(name, None)

    def fires(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether it fires now."""
        assert self._failure is None, self._failure
        return any(labels.items() <= alert["labels"].items() for alert in self._now.get(name, []))

    def wait(self, name: str, labels: Mapping[str, str] | None = None) -> None:
        """Wait until the alert has fired with these labels."""
        try:
            wait_until("it fires", partial(self.has_fired, name, labels or {}), PATIENCE, pause=LOOK_EVERY)
        except AssertionError as error:
            raise AssertionError(f"{name} {labels}: {error}; fired so far: {sorted(self.seen)}") from None

    def wait_end(self, name: str, labels: Mapping[str, str]) -> None:
        """Wait until it does not fire with these labels any more."""
        wait_until(f"{name} {labels} ends", lambda: not self.fires(name, labels), PATIENCE, pause=LOOK_EVERY)

    def _watch(self) -> None:
        try:
            while not self._stop.wait(LOOK_EVERY):
                self._now = self._prometheus.firing()
                for name, alerts in self._now.items():
                    known = self.seen.setdefault(name, [])
                    known += [alert for alert in alerts if alert["labels"] not in [old["labels"] for old in known]]
        except BaseException as failure:  # noqa: BLE001 - raised where somebody waits for an alert
            self._failure = failure


class Faults:
    """The faults, one a method. `clock`: the file of HEDX_CLOCK that all processes go by."""

    def __init__(self, exchange: Exchange, prometheus: Prometheus, clock: Path) -> None:
        self.exchange = exchange
        self._prometheus = prometheus
        self._clock = clock
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._admin = AdminClient(admin_config(exchange.bootstrap, exchange.security("admin")))
        self.failures: list[BaseException] = []

    def close(self) -> None:
        """End what goes on in the background."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert self.failures == []

    def pass_time(self, minutes: int) -> None:
        """Let so many minutes pass for the exchange at once."""
        at = real_clock() + 100
        step = f"{at} {mapped(read_steps(self._clock), at) + minutes * 60_000}\n"
        with self._clock.open("a", encoding="ascii") as file:
            file.write(step)

    # -- stages and adapters -------------------------------------------------------------------------------------------

    def freeze(self, name: str) -> None:
        """SIGSTOP."""
        os.kill(self.exchange.processes.pid(name), signal.SIGSTOP)

    def keep_restarting(self, stage: str, slot: int) -> None:
        """A second worker of `stage`, killed as soon as it has read its state, and started again, until `close`."""
        name, instance = f"{stage}.looping", f"center.{stage}.{slot}"
        processes = self.exchange.processes

        started: set[float] = set()

        def restored_again() -> bool:
            restored = f'hedx_restores_total{{instance="{instance}"}} > 0'
            query = f'process_start_time_seconds{{instance="{instance}"}} and on (instance) {restored}'
            found = {value for _, value in self._prometheus.query(query)}
            fresh = bool(found - started)
            started.update(found)
            return fresh or self._stop.is_set()

        def loop() -> None:
            self.exchange.start_stage(stage, name=name)
            while True:
                wait_until("restored", restored_again, LONG, pause=0.1)
                processes.kill(name)
                if self._stop.is_set():
                    return
                processes.restart(name)

        self._in_background(loop)

    def crash_at_start(self) -> Processes:
        """A `hedx center run` whose workers find no anchor: each ends as soon as it has begun."""
        here = self.exchange.installation.folder
        broken = here.parent / "broken"
        shutil.copytree(here / "principals", broken / "principals")
        (broken / "metrics").symlink_to(here / "metrics")
        processes = Processes(here.parent / "logs", {"HEDX_HOME": str(broken), "HEDX_METRICS": "127.0.0.1:0"})
        arguments = ("center", "run", "collect", "join", "--slot", "7", "--bootstrap", self.exchange.bootstrap)
        processes.start("crew", "pipeline.cli.main", *arguments)
        return processes

    def forget_group(self, group: str) -> None:
        """Delete a consumer group as soon as it has no members, as if it had never been."""

        def gone() -> bool:
            [answer] = self._admin.delete_consumer_groups([group]).values()
            try:
                answer.result()
            except KafkaException:
                return False
            return True

        self._in_background(lambda: wait_until(f"{group} deleted", gone, LONG, pause=0.5))

    def take_register_away(self, party: str) -> None:
        """Let a party's registers be away for months, with a reason (不可抗力): from its next start on what is asked waits."""
        file = self.exchange.installation.provider_file(party)
        described = yaml.safe_load(file.read_text(encoding="utf-8"))
        for register in described["resources"].values():
            if "refuse" not in register:
                register |= {"unavailable_until": "2027-06-30T18:00:00+08:00", "because": "机房水灾，登记系统停用"}
        file.write_text(yaml.safe_dump(described, allow_unicode=True), encoding="utf-8")

    def block_store(self, party: str, seconds: float) -> None:
        """Hold the write lock of a party's database for so long, as a stuck backup would."""

        def hold() -> None:
            with closing(sqlite3.connect(self.exchange.installation.store(party), isolation_level=None)) as db:
                db.execute("BEGIN IMMEDIATE")
                self._stop.wait(seconds)
                db.execute("ROLLBACK")

        self._in_background(hold)

    # -- messages ------------------------------------------------------------------------------------------------------

    def send_junk(self, principal: str, kind: Any, seconds: float) -> None:
        """Messages that are no envelopes, five a second, into the center's inbox."""
        settings = {**admin_config(self.exchange.bootstrap, self.exchange.security(principal)), "linger.ms": 0}
        producer = Producer(settings)

        def send() -> None:
            end = time.monotonic() + seconds
            while time.monotonic() < end and not self._stop.wait(0.2):
                producer.produce(inbox(CENTER, kind), b"\x80" * 64, os.urandom(16))
                producer.poll(0)
            assert producer.flush(10) == 0

        self._in_background(send)

    def file_ahead(self, requester: str) -> None:
        """An application signed on a machine whose clock is five days ahead: its section is refused."""
        exchange, persons = self.exchange, self.exchange.sample.persons[:2]
        application = exchange.application(persons, requester)
        identity = load_identity(exchange.installation.identity_folder(requester))
        then = wall_clock() + 5 * 24 * 3600 * 1000
        filing = file_application(
            application, persons, identity=identity, trust=exchange.trust, release=1, now=then, section_size=500
        )
        with closing(connect(exchange.installation.store(requester))) as connection:
            Store(connection, identity).file(filing, 1, wall_clock())

    def keep_for(self, topic: str, ms: int) -> None:
        """Set a topic's retention."""
        entry = ConfigEntry("retention.ms", str(ms), incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        for answer in self._admin.incremental_alter_configs([resource]).values():
            answer.result()

    # -- certificates, lists, files -------------------------------------------------------------------------------------

    def certify(self, principal: str, days: int) -> None:
        """A new TLS certificate for a principal, good for so many days, in place of the one it has."""
        installation = self.exchange.installation
        authority, key = installation.issuing(), suite.generate_key()
        der = certify_transport(authority, principal, key.public_key(), real_clock(), life=timedelta(days=days))
        folder = installation.transport(principal)
        write_transport(folder, Transport(principal, key, der), authority.certificates)

    def publish_list(self, seconds: int) -> None:
        """A new revocation list, good for so long, made and sent to all."""
        installation = self.exchange.installation
        signer = load_identity(installation.identity_folder(CENTER)).signer
        now = real_clock()  # as Prometheus has it
        with installation.registry() as registry:
            made = registry.crl(installation.issuing(), now, seconds * 1000)
            outputs = publish_trust(registry.entries(), registry.leaves(), made, signer, wall_clock())
        publish(self.exchange.bootstrap, outputs, "hedx.center.setup", extra=self.exchange.security("center"))

    def examine(self, file: Path) -> None:
        """`hedx doctor` writes its file for node_exporter."""
        environment = {**os.environ, "HEDX_HOME": str(self.exchange.installation.folder)}
        environment["HEDX_BOOTSTRAP"] = self.exchange.bootstrap
        command = [sys.executable, "-m", "pipeline.cli.main", "doctor", "--metrics", str(file)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert file.exists(), done.stderr

    def open_key(self, principal: str) -> None:
        """Let everybody on the machine read a key."""
        (self.exchange.installation.transport(principal) / "tls.key").chmod(0o644)

    def _in_background(self, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            except BaseException as failure:  # noqa: BLE001 - raised by `close`
                self.failures.append(failure)

        thread = threading.Thread(target=run, name="fault")
        thread.start()
        self._threads.append(thread)


@contextmanager
def node_exporter(folder: Path) -> Iterator[str]:
    """The address of Debian's node_exporter over this machine, which also gives the textfiles of `folder`."""
    program = shutil.which("prometheus-node-exporter")
    assert program, "prometheus-node-exporter is missing: install what debian-packages.txt lists"
    [port] = free_ports(1)
    address = f"127.0.0.1:{port}"
    options = [f"--web.listen-address={address}", f"--collector.textfile.directory={folder}"]
    with (folder / "exporter.log").open("wb") as out:
        process = subprocess.Popen(
            [program, *options], stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=_die_with_parent
        )
        try:
            wait_until("node_exporter up", lambda: process.poll() is None and accepts(address), START, pause=0.05)
            yield address
        finally:
            process.kill()
            process.wait()
