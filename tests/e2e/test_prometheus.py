"""Debian's Prometheus over a running exchange: it scrapes every process, every dashboard's query finds something, every alert fires.

The configuration is what `hedx metrics prometheus` writes. The rules are those of deploy/prometheus with seconds for minutes
(`tests.prometheus`). All faults are brought about at once, each by what it is: a process stopped, frozen, killed again and again, a
certificate issued for few days; hours go by on a simulated clock (HEDX_CLOCK). What fires is taken from /api/v1/alerts all along.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.demo.application import random_application
from pipeline.domain.parties import CENTER, inbox
from pipeline.kafka.clock import follow, wall_clock
from pipeline.kafka.embedded import EmbeddedBroker
from pipeline.ops.dashboards import GRAFANA
from pipeline.stages.clock import local_date
from pipeline.stages.names import STAGES
from tests.alarms import Alarms, Faults, node_exporter
from tests.exchange import LONG, Exchange, own_broker
from tests.processes import ROOT, wait_until
from tests.prometheus import Prometheus, shortened_rules
from tests.promql import PROMETHEUS, documents, read
from tests.queries import asked, substituted

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.environ.get("HEDX_BROKER") == "docker", reason="freezes the broker's process"),
]

HOUR = 3600
SHORT = 2
"""The catalog release under which 37 has four seconds to answer, and all others two hours."""
DAY = 24 * HOUR
ALERTS = {str(rule["alert"]) for rule in documents() if "alert" in rule}
ON_ONE_BROKER = "takes more brokers: the only one of this exchange cannot lose a replica; tests/kafka/test_cluster.py has the figures"
BY_PROMTOOL_ONLY = {
    "HedxDiskFilling": "takes a full disk; that the figure is there, a test of its own shows",
    "HedxDiskFull": "takes a full disk; as above",
    "HedxClockSkew": "takes a wrong clock of this machine; as above",
    "HedxBrokerMissing": ON_ONE_BROKER,
    "HedxUnderReplicated": ON_ONE_BROKER,
    "HedxBelowMinInSync": ON_ONE_BROKER,
    "HedxPartitionLeaderless": ON_ONE_BROKER,
    "HedxSealKeyOld": "takes four weeks without a rotation",
    "HedxDoctorNotRun": "takes two days",
    "HedxWatchBehind": "takes more events than a test makes",
}
"""Alerts that no fault here makes fire, and why; promtool's tests have them."""
BOARDS: dict[str, Any] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((GRAFANA / "dashboards").glob("*.json"))
}
QUERIES = sorted({substituted(each.expression, "15s") for board in BOARDS.values() for each in asked(board)})
LIMIT = re.compile(r" [<>] [\d.]+$")
"""What makes an alert of a figure."""
NOT_ALWAYS = {
    "hedx_refusals_total",
    "hedx_watch_late_total",
    "hedx_watch_deadlines_at_risk",
    "hedx_watch_open_applications",
    "stage_code:hedx_dead_letters:new10m",
    "stage_code:hedx_refused:rate5m",
}
"""Series that begin with a fault, or with an application that is not at its end."""
ANNOUNCED = {"lag", "watch", *(f"center.{stage}.0" for stage in STAGES)}


class Running:
    """The exchange, what watches it, and what is known of it."""

    def __init__(
        self,
        exchange: Exchange,
        prometheus: Prometheus,
        alarms: Alarms,
        faults: Faults,
        textfiles: Path,
        stack: ExitStack,
    ) -> None:
        self.exchange = exchange
        self.textfiles = textfiles
        self.stack = stack
        self.prometheus = prometheus
        self.alarms = alarms
        self.faults = faults
        self.found: set[str] = set()

    @property
    def broker(self) -> EmbeddedBroker:
        """The broker, which is embedded here."""
        assert isinstance(self.exchange.broker, EmbeddedBroker)
        return self.exchange.broker

    def ask_all(self) -> set[str]:
        """Ask every dashboard's queries; returns, and remembers, those that found something."""
        now = {query for query in QUERIES if self.prometheus.query(query)}
        self.found |= now
        return now


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The simulated clock of all processes, these tests' included."""
    file = tmp_path_factory.mktemp("clock") / "steps"
    file.touch()
    follow(file)
    yield file
    follow(None)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, clock: Path) -> Iterator[Running]:
    """An exchange of six parties whose processes give figures, and a Prometheus that collects them; one application is through."""
    folder = tmp_path_factory.mktemp("prometheus")
    sample = random_application(folder / "sample", seed=2026, today=local_date(wall_clock()))
    figures = {"HEDX_METRICS": "127.0.0.1:0"}
    with ExitStack() as stack:
        exchange = Exchange(
            folder, sample, own_broker(folder), {SHORT: dict.fromkeys(sample.parties, 2 * HOUR) | {"37": 4}}, figures
        )
        stack.enter_context(exchange)
        files = folder / "node"
        files.mkdir()
        prometheus = stack.enter_context(
            Prometheus(configured(exchange, folder, stack.enter_context(node_exporter(files))))
        )
        faults = Faults(exchange, prometheus, clock)
        ending = stack.enter_context(ExitStack())
        ending.callback(faults.close)
        faults.keep_for(inbox(CENTER, "requests"), 40_000)  # before the exporter looks
        start_watching(exchange)
        alarms = stack.enter_context(Alarms(prometheus))
        exchange.processes.stop("applications")
        exchange.start_faulty("applications", "applications", "SIGSTOP", "never", session_timeout_ms=60_000)
        faults.publish_list(4 * DAY)
        faults.examine(files / "hedx.prom")
        first = exchange.application(sample.persons[:40])
        exchange.file(first, sample.persons[:40])
        exchange.wait_complete(first)
        yield Running(exchange, prometheus, alarms, faults, files, ending)


def configured(exchange: Exchange, folder: Path, node: str) -> Path:
    """What `hedx metrics prometheus` writes, and the job `node`: this machine, and the file that `hedx doctor` writes."""
    out = folder / "scraping"
    command = [sys.executable, "-m", "pipeline.cli.main", "metrics", "prometheus", "--out", str(out), "--interval", "1"]
    environment = {**os.environ, "HEDX_HOME": str(exchange.installation.folder)}
    subprocess.run([*command, "--rules", str(shortened_rules(folder))], cwd=ROOT, env=environment, check=True)
    config = yaml.safe_load((out / "prometheus.yml").read_text(encoding="utf-8"))
    config["scrape_configs"].append({"job_name": "node", "static_configs": [{"targets": [node]}]})
    (out / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return out / "prometheus.yml"


def start_watching(exchange: Exchange) -> None:
    """The lag exporter and the watch."""
    exchange.processes.start(
        "lag",
        "pipeline.cli.main",
        *("lag", "--serve", "127.0.0.1:0", "--every", "0.5", "--stalled", "3", "--bootstrap", exchange.bootstrap),
    )
    exchange.processes.start(
        "watch", "pipeline.cli.main", "watch", "--serve", "127.0.0.1:0", "--bootstrap", exchange.bootstrap
    )


def test_every_process_is_scraped(running: Running) -> None:
    """Stages, adapters, lag exporter and watch, over mutual TLS, with the certificate that the command wrote."""
    wanted = ANNOUNCED | {f"party.{party}" for party in running.exchange.sample.parties}

    def up() -> bool:
        return {name for name, health in running.prometheus.targets().items() if health == "up"} >= wanted

    wait_until(f"all up: {running.prometheus.targets()}", up, 30)


def test_dashboards_find_something_without_any_fault(running: Running) -> None:
    """Every query gives a series of a running exchange and its machine, but those whose series begin with a fault."""

    def lacking() -> set[str]:
        return {query for query in set(QUERIES) - running.ask_all() if not read(query).metrics.keys() & NOT_ALWAYS}

    try:
        wait_until("every query finds something", lambda: not lacking(), 15, pause=0.5)
    except AssertionError:
        assert lacking() == set()  # which ones


def test_what_alerts_of_machines_compare_is_there(running: Running) -> None:
    """A disk cannot be filled nor a clock set wrong here: but of each such alert the figure, without its limit, is this machine's."""
    rules = yaml.safe_load((PROMETHEUS / "rules" / "machines.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
    assert {rule["alert"] for rule in rules} <= BY_PROMTOOL_ONLY.keys()
    for rule in rules:
        figure, limits = LIMIT.subn("", rule["expr"].strip())
        assert limits == 1
        wait_until(rule["alert"], lambda figure=figure: bool(running.prometheus.query(figure)), 15)  # type: ignore[misc]


@pytest.fixture(scope="module")
def after_faults(running: Running) -> Alarms:
    """What fired while everything went wrong at once, was mended, and at last ended."""
    bring_about(running)
    alarms = running.alarms
    for name, labels in FIRES.items():
        if name not in AT_THE_END:
            alarms.wait(name, labels)
    running.ask_all()
    for name, labels in MENDED.items():
        assert alarms.fires(name, labels), name
    mend(running)
    for name, labels in MENDED.items():
        alarms.wait_end(name, labels)
    end(running)
    for name in sorted(AT_THE_END):
        alarms.wait(name)
    return alarms


AT_THE_END = {"HedxLagPollFailing", "HedxWorkerHangs", "HedxLagExporterDown", "HedxWatchDown", "HedxNothingScraped"}
"""Without brokers and exporters nothing else could be seen: these come last."""
MENDED: dict[str, dict[str, str]] = {
    "HedxStageStopped": {"group": "hedx.center.intake"},
    "HedxStageStalled": {"group": "hedx.center.applications"},
    "HedxTargetDown": {"instance": "center.applications.0"},
    "HedxCrlStale": {},
    "HedxCertificateExpires7Days": {"party": "44"},
}
"""Alerts that are seen to end after the cure."""
FIRES: dict[str, dict[str, str]] = {
    "HedxWatchdog": {},
    "HedxStageStopped": {"group": "hedx.center.intake"},
    "HedxStageStalled": {"group": "hedx.center.applications"},
    "HedxLagHigh": {"group": "hedx.center.intake"},
    "HedxAdapterStopped": {"group": "hedx.37.answer"},
    "HedxAdapterLagHigh": {"group": "hedx.37.answer"},
    "HedxDataLossNear": {"group": "hedx.center.intake", "topic": inbox(CENTER, "requests")},
    "HedxGroupAbsent": {"group": "hedx.37.deliver"},
    "HedxLagPollFailing": {"cluster_name": "hedx"},
    "HedxLagExporterDown": {},
    "HedxTargetDown": {"instance": "center.applications.0"},
    "HedxNothingScraped": {},
    "HedxProcessRestarting": {"instance": "center.join.1"},
    "HedxProcessCrashing": {"process": "collect.0"},
    "HedxRestoreLoop": {"stage": "join"},
    "HedxWorkerHangs": {},
    "HedxAdapterHangs": {"party": "44"},
    "HedxTransactionsAborting": {"stage": "collect"},
    "HedxDeadLetters": {"stage": "collect"},
    "HedxRefusalsFlood": {"stage": "collect"},
    "HedxApplicationsStuck": {"why": "not_certified"},
    "HedxOutboxNotDraining": {"party": "53"},
    "HedxDeadlinesAtRisk": {"provider": "11"},
    "HedxAnswersLate": {"provider": "37"},
    "HedxPunctualityLow": {"provider": "37"},
    "HedxOwedOverdue": {"party": "11"},
    "HedxWatchDown": {},
    "HedxCertificateExpires60Days": {"party": "32", "usage": "tls"},
    "HedxCertificateExpires30Days": {"party": "53", "usage": "tls"},
    "HedxCertificateExpires7Days": {"party": "44", "usage": "tls"},
    "HedxCrlOld": {},
    "HedxCrlStale": {},
    "HedxDoctorAlarm": {},
}
"""Each alert, and where its fault is."""


def bring_about(running: Running) -> None:
    """All faults, in the order in which one leaves room for the next; most go on at the same time."""
    exchange, faults, alarms = running.exchange, running.faults, running.alarms
    crew = faults.crash_at_start()
    running.stack.callback(crew.close)
    faults.keep_restarting("join", slot=1)
    for principal, days in (("P44", 5), ("P53", 20), ("P32", 50)):
        faults.certify(principal, days)
    faults.open_key("P37")
    exchange.processes.stop("37", "11")
    faults.forget_group("hedx.37.deliver")
    faults.take_register_away("11")
    exchange.processes.restart("11")
    faults.block_store("44", 16)
    persons = exchange.sample.persons[:40]
    owed = exchange.application(persons)
    exchange.file(owed, persons, release=SHORT)
    faults.file_ahead("53")
    wait_until("dispatched", lambda: bool(exchange.events(owed, "dispatched")), LONG, pause=0.3)
    refused = "rate(hedx_refusals_total[15s])"
    wait_until("a refusal", lambda: bool(running.prometheus.query(refused)), LONG, pause=0.3)
    running.ask_all()
    faults.freeze("applications")
    exchange.processes.stop("intake")
    waiting = exchange.application(persons)
    exchange.file(waiting, persons)
    faults.send_junk("P32", "responses", 40)
    faults.examine(running.textfiles / "hedx.prom")
    faults.pass_time(100)
    alarms.wait("HedxDeadlinesAtRisk")
    running.ask_all()
    faults.pass_time(90)
    alarms.wait("HedxCrlOld")
    faults.publish_list(3)


def mend(running: Running) -> None:
    """The cures that the runbook names."""
    running.faults.publish_list(7 * DAY)
    running.faults.certify("P44", 365)
    running.faults.examine(running.textfiles / "hedx.prom")  # its file still tells of the old certificate
    running.exchange.processes.thaw("applications")
    running.exchange.processes.restart("intake")


def end(running: Running) -> None:
    """The brokers stand still for a while; then everything ends."""
    exchange, alarms = running.exchange, running.alarms
    alarms.forget(AT_THE_END)  # before the exporters had begun, some of these fired
    pid = running.broker.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        alarms.wait("HedxLagPollFailing")
        alarms.wait("HedxWorkerHangs")
    finally:
        os.kill(pid, signal.SIGCONT)
    exchange.processes.stop("lag")
    exchange.processes.stop("watch")
    alarms.wait("HedxLagExporterDown")
    alarms.wait("HedxWatchDown")
    running.stack.close()
    exchange.processes.close()
    for file in (exchange.installation.folder / "metrics").glob("*.json"):
        file.unlink()  # of processes that were killed: the next to start would take them away


@pytest.mark.parametrize("name", sorted(ALERTS - BY_PROMTOOL_ONLY.keys()))
def test_each_alert_fires_by_its_fault(after_faults: Alarms, name: str) -> None:
    """It fired, where the fault was, and its words were filled in."""
    assert after_faults.has_fired(name, FIRES[name]), after_faults.seen.get(name)
    for alert in after_faults.seen[name]:
        notes = alert["annotations"]
        assert notes["runbook_url"] == f"docs/alerts.md#{name.lower()}"
        assert not any(word in note for note in notes.values() for word in ("<no value>", "<error", "{{"))


def test_only_the_faults_of_others_are_left_to_promtool() -> None:
    """Every alert is either made to fire here, or named among those that cannot be, with the reason."""
    assert FIRES.keys() == ALERTS - BY_PROMTOOL_ONLY.keys()


def test_dashboards_find_everything_once_faults_are_there(running: Running, after_faults: Alarms) -> None:
    """With the faults every query has found something."""
    assert after_faults.seen
    assert set(QUERIES) - running.found == set()
