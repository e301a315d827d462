"""What a process's figures say: exactly the names of the table, and what really happened."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from pipeline.center.installation import Installation, set_up
from pipeline.demo.application import Sample
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER, inbox
from pipeline.kafka.allowance import MOST
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.observing import Restored, View, Worked
from pipeline.ops.health_facts import in_use
from pipeline.ops.metric_names import METRICS
from pipeline.ops.metrics_adapter import AdapterMetrics
from pipeline.ops.metrics_building import counter, family, gauge, histogram
from pipeline.ops.metrics_crew import crew_metrics
from pipeline.ops.metrics_process import process_metrics
from pipeline.ops.metrics_worker import WorkerMetrics
from pipeline.province.database import connect, open_file
from pipeline.stages.effects import Effects, Message, Output
from tests.network import Network
from tests.scenario import network_for, small_sample
from tests.scraping import contradictions, families, own, promised, values

NOW = 1_800_000_000_000


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A small application and its providers' databases."""
    return small_sample(tmp_path_factory.mktemp("small"))


class Watched:
    """A network all of whose workers and adapters have figures."""

    def __init__(self, network: Network, folder: Path) -> None:
        self.network = network
        self.stages = {worker.stage.name: CollectorRegistry() for worker in network.workers}
        self.parties = {party: CollectorRegistry() for party in network.parties}
        for worker in network.workers:
            metrics = WorkerMetrics(self.stages[worker.stage.name], worker.stage.name, network.clock)
            metrics.watch(worker.view)
            worker._observer = metrics
        for party, member in network.parties.items():
            store = folder / "parties" / party / "store.db"
            observer = AdapterMetrics(self.parties[party], party, store, network.clock)
            member.answers._observer = member.deliveries._observer = observer

    def stage(self, name: str) -> bytes:
        """A scrape of a stage's worker."""
        return generate_latest(self.stages[name])

    def party(self, party: str) -> bytes:
        """A scrape of a party's adapter."""
        return generate_latest(self.parties[party])


def test_an_applications_way_is_in_the_figures(sample: Sample, tmp_path: Path) -> None:
    """Filed, dispatched, answered, joined: each stage counts what it read and wrote, each party what it answered."""
    watched = Watched(network_for(sample, tmp_path), tmp_path)
    network = watched.network
    network.file(sample.application, sample.persons)
    network.run()
    for name in watched.stages:
        text = watched.stage(name)
        assert list(contradictions(text)) == []
        [messages] = values(text, "hedx_messages_total").values()
        assert messages > 0
        assert values(text, "hedx_stage_latency_seconds") == {(name,): messages}
        assert values(text, "hedx_message_bytes") == {(name,): messages}
        assert values(text, "hedx_transactions_total")[name, "committed"] > 0
        assert values(text, "hedx_partitions_owned").keys() == {(name,)}
    topic = inbox("53", "responses")
    written = sum(values(watched.stage(name), "hedx_outputs_total").get((name, topic), 0) for name in watched.stages)
    assert written == sum(network.broker.end(topic, partition) for partition in range(3)) > 0
    persons = len(sample.persons)
    answers = values(watched.party("37"), "hedx_answers_total")
    vehicles = {status: number for (_, category, status), number in answers.items() if category == "vehicles"}
    assert sum(vehicles.values()) == persons
    assert values(watched.party("37"), "hedx_lookup_seconds")["37", "vehicles"] == 1
    refused = values(watched.party("32"), "hedx_answers_total")
    assert refused["32", "business", "refused"] == persons
    assert refused["32", "education", "unavailable"] == persons
    for party in watched.parties:
        assert list(contradictions(watched.party(party))) == []
        assert values(watched.party(party), "hedx_outbox_envelopes") == {(party,): 0}


def test_an_outbox_grows_and_ages_while_nobody_receipts(sample: Sample, tmp_path: Path) -> None:
    """The store is read at the scrape: nothing has to run for its figures to be those of now."""
    watched = Watched(network_for(sample, tmp_path), tmp_path)
    network = watched.network
    network.file(sample.application, sample.persons)
    assert values(watched.party("53"), "hedx_outbox_bundles") == {("53",): 1}
    network.send("53")
    network.clock.advance(90)
    assert values(watched.party("53"), "hedx_outbox_bundles") == {("53",): 0}
    assert values(watched.party("53"), "hedx_outbox_envelopes") == {("53",): 1}
    assert 89 <= values(watched.party("53"), "hedx_outbox_oldest_seconds")["53",] <= 91


def test_what_is_refused_counts_by_code(sample: Sample, tmp_path: Path) -> None:
    """A stranger's bytes at the door are a dead letter of intake, and at a party a refusal."""
    watched = Watched(network_for(sample, tmp_path), tmp_path)
    watched.network.broker.produce(inbox(CENTER, "requests"), b"k", b"junk")
    watched.network.broker.produce(inbox("37", "requests"), b"k", b"junk")
    watched.network.run()
    [((stage, code), number)] = values(watched.stage("intake"), "hedx_dead_letters_total").items()
    assert (stage, number) == ("intake", 1)
    assert values(watched.party("37"), "hedx_refusals_total") == {("answer", code): 1}


def test_a_flood_counts_whole_however_little_is_kept(sample: Sample, tmp_path: Path) -> None:
    """Junk beyond the allowance of dead letters is in the figures by its code; kept and withheld together are all that came."""
    watched = Watched(network_for(sample, tmp_path), tmp_path)
    flood = 5 * MOST

    def junk() -> tuple[float, float]:
        for _ in range(flood):
            watched.network.broker.produce(inbox(CENTER, "requests"), b"k", b"junk")
        watched.network.run()
        text = watched.stage("intake")
        [(labels, kept)] = values(text, "hedx_dead_letters_total").items()
        assert "hedx_refusals_total" not in families(text), "each message is counted as one of them only"
        return kept, values(text, "hedx_dead_letters_withheld_total")[labels]

    assert junk() == (MOST, flood - MOST)
    assert junk() == (MOST, 2 * flood - MOST)


def message(value: bytes = b"value", at: int = NOW - 2_000) -> Message:
    return Message("in", 0, 0, at, b"key", value)


def test_a_worker_exports_exactly_its_names() -> None:
    """All that the table promises of a worker once it happened, with the declared kinds, labels and buckets."""
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry, "intake", clock=lambda: NOW)
    metrics.watch(lambda: View(3, 7, 40, 4_000, NOW))
    process_metrics(registry, list, lambda: None)
    letter, refusal = InvalidMessage("signature_invalid"), InvalidMessage("made_up_elsewhere")
    refused = [
        (message(), each) for each in (refusal, letter, letter)
    ]  # two of them beyond the allowance of dead letters
    effects = Effects([Output("out", b"k", b"12345")], {}, [(message(), letter)], refused)
    metrics.worked(Worked("intake", [message()] * 2, effects, NOW, 0.02, 0.006, {"signature_invalid": 2}))
    metrics.restored(Restored("intake", [0, 1], 9, 1.5))
    metrics.aborted("intake", "_STATE")
    text = generate_latest(registry)
    assert list(contradictions(text)) == []
    certificates = {"hedx_certificate_expiry_seconds", "hedx_crl_next_update_seconds"}
    assert own(text) == (promised("process", "worker") - certificates)
    assert values(text, "hedx_messages_total") == {("intake",): 2}
    assert values(text, "hedx_output_bytes_total") == {("intake", "out"): 6}
    assert values(text, "hedx_transactions_total") == {("intake", "committed"): 1, ("intake", "aborted"): 1}
    assert values(text, "hedx_dead_letters_total") == {("intake", "signature_invalid"): 1}
    assert values(text, "hedx_dead_letters_withheld_total") == {("intake", "signature_invalid"): 2}
    assert values(text, "hedx_refusals_total") == {("intake", "other"): 1}
    assert values(text, "hedx_restored_records_total") == {("intake",): 9}
    assert values(text, "hedx_held_messages") == {("intake",): 7}
    assert values(text, "hedx_worker_turn_seconds") == {("intake",): NOW / 1000}
    latency = {
        s.labels["le"]: s.value for s in families(text)["hedx_stage_latency_seconds"].samples if "le" in s.labels
    }
    assert (latency["1.0"], latency["2.5"]) == (0, 2)


def test_what_carried_no_message_is_a_transaction_alone() -> None:
    """A tick's or a settled offset's: it has no size, no latency and no step."""
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry, "join", clock=lambda: NOW)
    metrics.worked(Worked("join", (), Effects(), NOW, 0.0, 0.004))
    text = generate_latest(registry)
    assert values(text, "hedx_transaction_seconds") == {("join",): 1}
    assert values(text, "hedx_batch_messages") == values(text, "hedx_step_seconds") == {("join",): 0}


def test_an_adapter_exports_exactly_its_names(sample: Sample, tmp_path: Path) -> None:
    """All that the table promises of an adapter once it happened."""
    connect(tmp_path / "store.db").close()
    registry = CollectorRegistry()
    metrics = AdapterMetrics(registry, "37", tmp_path / "store.db")
    metrics.looked_up("vehicles", 0.02)
    metrics.turned("answer")
    metrics.refused("deliver", [(message(), InvalidMessage("signature_invalid"))])
    metrics._answers.labels("37", "vehicles", "done").inc()
    text = generate_latest(registry)
    assert list(contradictions(text)) == []
    assert own(text) == promised("adapter") | {"hedx_refusals_total"}


def test_before_the_store_is_made_there_are_no_figures_of_it(tmp_path: Path) -> None:
    """And looking at it does not make it."""
    registry = CollectorRegistry()
    AdapterMetrics(registry, "37", tmp_path / "store.db")
    assert "hedx_outbox_envelopes" not in families(generate_latest(registry))
    assert list(tmp_path.iterdir()) == []
    open_file(tmp_path / "store.db").close()  # an adapter that is starting has made the file, and no table yet
    assert "hedx_outbox_envelopes" not in families(generate_latest(registry))


def test_a_process_tells_of_the_certificates_it_uses(tmp_path: Path) -> None:
    """Its party's two and its TLS certificate, and when its revocation list ends; nobody else's."""
    installation = Installation(tmp_path / "home")
    set_up(installation, ["32", "37"], wall_clock())
    registry = CollectorRegistry()
    process_metrics(registry, lambda: in_use(installation, "37", ["P37", "monitor"]), installation.newest_crl)
    text = generate_latest(registry)
    assert list(contradictions(text)) == []
    assert own(text) == promised("process") - {"hedx_refusals_total"}
    holders = {(party, usage) for party, usage, _ in values(text, "hedx_certificate_expiry_seconds")}
    assert holders == {("37", "sign"), ("37", "encrypt"), ("37", "tls"), ("monitor", "tls")}
    assert min(values(text, "hedx_certificate_expiry_seconds").values()) > wall_clock() / 1000
    assert values(text, "hedx_crl_next_update_seconds")[()] > wall_clock() / 1000
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total"} <= families(text).keys()


class Member:
    """A process that was started again twice."""

    restarts = 2
    is_running = False


def test_a_crews_parent_tells_of_its_processes() -> None:
    """Restarts and whether each runs, as of the scrape."""
    registry = CollectorRegistry()
    members: dict[str, Member] = {}
    crew_metrics(registry, lambda: members)
    members["intake.0"] = Member()
    text = generate_latest(registry)
    assert list(contradictions(text)) == []
    assert own(text) == promised("crew")
    assert values(text, "hedx_process_restarts_total") == {("intake.0",): 2}
    assert values(text, "hedx_process_up") == {("intake.0",): 0}


def test_what_the_table_does_not_have_is_not_built() -> None:
    """Neither under another name, nor as another kind, nor with other labels."""
    registry = CollectorRegistry()
    with pytest.raises(KeyError):
        counter(registry, "hedx_invented_total")
    with pytest.raises(ValueError, match="is a counter, not a gauge"):
        gauge(registry, "hedx_messages_total")
    with pytest.raises(ValueError, match="is a gauge, not a histogram"):
        histogram(registry, "hedx_held_messages")
    with pytest.raises(KeyError, match="has the labels"):
        family("hedx_held_messages", [({"party": "37"}, 1)])


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_follow_prometheus_conventions(metric: object) -> None:
    """Counters end in _total and nothing else does; buckets ascend, and only histograms have them; a sentence of help."""
    row = next(each for each in METRICS if each is metric)
    assert row.name.endswith("_total") == (row.kind == "counter")
    assert bool(row.buckets) == (row.kind == "histogram")
    assert list(row.buckets) == sorted(set(row.buckets))
    assert row.help.endswith(".")
    assert row.name.startswith(("hedx_", "kafka_"))


def test_no_name_stands_twice() -> None:
    """Each is one metric of one source."""
    assert len({metric.name for metric in METRICS}) == len(METRICS)
