"""An application followed through real processes on a real broker: in their logs, in spans, and by `hedx trace`."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.domain.parties import CENTER, inbox
from pipeline.domain.records import Application
from pipeline.kafka.clients import producer_config
from pipeline.kafka.scanning import Scan
from pipeline.stages import topics
from tests.exchange import LONG, Exchange, own_broker
from tests.processes import wait_until
from tests.scenario import PARTIES, REQUESTER, small_sample
from tests.span_receiver import Collector, assert_one_tree, collector

SILENT = "37"


@dataclass
class Running:
    """An exchange, who collects its spans, and an application that went all the way."""

    exchange: Exchange
    collector: Collector
    application: Application

    @property
    def id(self) -> str:
        """The application's id."""
        return self.application["application_id"]

    def lines(self) -> list[dict[str, Any]]:
        """The objects in the logs of all processes; what is no object of a line is not ours (librdkafka's)."""
        found = []
        for file in sorted(self.exchange.processes.logs.glob("*.log")):
            text = file.read_text(encoding="utf-8")
            found += [json.loads(line) for line in text.splitlines() if line.startswith("{")]
            strange = [line for line in text.splitlines() if not line.startswith(("{", "%"))]
            assert strange == []
        return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One exchange for all tests of this file, with an application of three sections that is certified and delivered."""
    folder: Path = tmp_path_factory.mktemp("traced")
    sample = small_sample(folder / "sample", ("全国", "social_insurance", ""), ("部中心", "marriage", ""))
    with collector() as spans:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": spans.endpoint, "HEDX_LOG_LEVEL": "INFO"}
        with Exchange(folder, sample, own_broker(folder), environment=environment) as exchange:
            application = exchange.application(sample.persons)
            exchange.file(application, sample.persons, size=5)
            exchange.wait_complete(application)
            exchange.wait_rest()
            yield Running(exchange, spans, application)


@pytest.fixture(autouse=True)
def at_home(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands work on the exchange's installation and cluster."""
    monkeypatch.setenv("HEDX_HOME", str(running.exchange.installation.folder))
    monkeypatch.setenv("HEDX_BOOTSTRAP", running.exchange.bootstrap)
    monkeypatch.delenv("HEDX_SECURITY", raising=False)


def traced(capsys: pytest.CaptureFixture[str], *arguments: str, code: Exit = Exit.FINE) -> dict[str, Any]:
    """What `hedx trace … --json` says."""
    capsys.readouterr()
    assert run(["trace", *arguments, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_its_id_alone_leads_through_the_logs_of_all_processes(running: Running) -> None:
    """Grepped for, it is found at the requester, in each stage and at each provider, with what happened there."""
    own = [line for line in running.lines() if line.get("application_id") == running.id]
    hops = {(line["process"], line["event"]) for line in own}
    assert hops >= {
        (f"party.{REQUESTER}", "sent"),
        ("center.intake.0", "section_received"),
        ("center.applications.0", "accepted"),
        ("center.applications.0", "started"),
        ("center.applications.0", "dispatched"),
        *((f"party.{party}", "answered") for party in PARTIES),
        ("center.collect.0", "collected"),
        ("center.join.0", "answer_accepted"),
        ("center.join.0", "section_closed"),
        ("center.applications.0", "certified"),
        (f"party.{REQUESTER}", "delivered"),
        (f"party.{REQUESTER}", "result_received"),
    }
    assert {line["trace_id"] for line in own} == {running.id.replace("-", "")}
    assert {line["level"] for line in own} == {"info"}


def test_its_spans_are_one_tree_across_all_processes(running: Running) -> None:
    """From the requester's outbox to the certificate: each span's parent was exported, too, by whichever process."""
    trace = uuid.UUID(running.id).bytes

    def complete() -> bool:
        names = {span.name for span in running.collector.of(trace)}
        return {"deliver result_received", "applications certified", "join section_closed"} <= names

    wait_until("spans of the whole way", complete, LONG)
    wait_until("no span on its way", lambda: _quiet(running), LONG, pause=2.5)
    spans = running.collector.of(trace)
    root = assert_one_tree(spans)
    assert (root.instance, root.name) == (f"party.{REQUESTER}", "outbox sent")
    stages = {f"center.{stage}.0" for stage in ("intake", "applications", "collect", "join")}
    assert {span.instance for span in spans} == stages | {f"party.{party}" for party in PARTIES}
    assert all(span.end >= span.start for span in spans)
    parents = {span.span: span for span in spans}
    certified = next(span for span in spans if span.name == "applications certified")
    path = []
    walk = certified
    while walk.parent is not None:
        walk = parents[walk.parent]
        path.append(walk.name)
    assert path == [
        "join section_closed",
        "join answer_accepted",
        "collect collected",
        "answer answered",
        "applications dispatched",
        "intake section_received",
        "outbox sent",
    ]


def _quiet(running: Running, last: list[int] = []) -> bool:  # noqa: B006  # what was seen the last time
    last.append(len(running.collector.spans))
    return len(last) > 1 and last[-1] == last[-2]


def test_trace_tells_an_applications_story(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """Its hops in order with the waits between, its state, and that nobody is waited for."""
    found = traced(capsys, running.id)
    kinds = [step["kind"] for step in found["steps"]]
    assert [kind for kind in kinds if kind in ("section_received", "accepted", "dispatched", "certified")] == [
        *("section_received",) * kinds.count("section_received"),
        "accepted",
        *("dispatched",) * 12,
        "certified",
    ]
    assert (found["requester"], found["state"], found["missing"]) == (REQUESTER, "completed", [])
    assert found["steps"][found["longest"]]["waited"] == max(step["waited"] for step in found["steps"])
    assert found["total"] == found["steps"][-1]["at"] - found["steps"][0]["at"]
    assert found["trace_id"] == running.id.replace("-", "")
    own = {step["span_id"] for step in found["steps"]}
    assert {span.span.hex() for span in running.collector.of(uuid.UUID(running.id).bytes)} >= own


def test_trace_finds_where_the_messages_lie(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """In what the center may read, each by topic, partition and offset; and it says of which topics it may not."""
    found = traced(capsys, running.id)
    lying = found["messages"]
    assert {one["topic"] for one in lying} == {
        inbox(CENTER, "requests"),
        inbox(CENTER, "responses"),
        topics.APPLICATIONS,
        topics.JOIN,
    }
    requests = [one for one in lying if one["topic"] == inbox(CENTER, "requests") and "application" in one["kinds"]]
    assert sorted(section for one in requests for section in one["sections"]) == [1, 2, 3]
    answers = [one for one in lying if one["topic"] == inbox(CENTER, "responses")]
    assert sum(one["bundles"] for one in answers) >= 12
    for one in requests:
        scan = Scan(running.exchange.bootstrap, running.exchange.security("center"))
        [there] = [m for m in scan.read(one["topic"], partitions=[one["partition"]]) if m.offset == one["offset"]]
        assert (there.key or b"").hex() == one["message_id"]
        assert running.id.encode() in (there.value or b"")
    unread = {one["topic"] for one in found["looked_at"] if one["why"]}
    assert unread == {inbox(party, "requests") for party in PARTIES} | {inbox(REQUESTER, "responses")}


def test_ops_without_the_centers_certificate_see_the_story_alone(
    running: Running, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine that has only their own."""
    home = tmp_path / "ops"
    shutil.copytree(running.exchange.installation.transport("ops"), home / "principals" / "ops")
    monkeypatch.setenv("HEDX_HOME", str(home))
    found = traced(capsys, running.id)
    assert found["state"] == "completed"
    assert found["messages"] == []
    assert {one["topic"] for one in found["looked_at"]} == {topics.EVENTS, topics.DEAD_LETTERS}


def test_one_message_is_found_by_its_id(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """With what noted its coming, where it lies and whose it is; as hex, and as tools show it."""
    [first, *_] = [one for one in traced(capsys, running.id)["messages"] if "application" in one["kinds"]]
    found = traced(capsys, first["message_id"])
    assert [event["kind"] for event in found["events"]] == ["envelope_received"]
    assert found["events"][0]["party"] == REQUESTER
    [place] = found["messages"]
    assert (place["topic"], place["partition"], place["offset"]) == tuple(
        first[k] for k in ("topic", "partition", "offset")
    )
    assert place["applications"] == [running.id]
    assert abs(found["signed_at"] - place["at"]) < 60_000
    as_uuid = str(uuid.UUID(first["message_id"]))
    assert traced(capsys, as_uuid)["messages"] == found["messages"]


@pytest.mark.parametrize("unknown", ["8a86f311-0a8b-46c5-9b1f-2a79d1f20f6d", "0" * 32, "no id at all"])
def test_an_unknown_id_says_so_and_where_it_looked(
    running: Running, capsys: pytest.CaptureFixture[str], unknown: str
) -> None:
    """Exit 1."""
    found = traced(capsys, unknown, code=Exit.FAILED)
    assert (found["id"], found["found"]) == (unknown, False)
    assert {one["topic"] for one in found["looked_at"]} >= {topics.EVENTS, topics.DEAD_LETTERS}
    assert run(["trace", unknown, "--lang", "en"]) == Exit.FAILED
    said = capsys.readouterr()
    assert said.out == ""
    assert f"nothing is known of {unknown}; looked at:" in said.err
    assert "hedx.events: " in said.err


def test_a_party_sees_what_its_own_store_knows(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """The requester its filing, history and results; a provider what it answered; another nothing."""
    found = traced(capsys, running.id, "--party", REQUESTER)
    kinds = {mark["kind"] for mark in found["marks"]}
    assert kinds >= {"filed", "file", "accept", "certify", "answers_held", "result_received"}
    held = [mark for mark in found["marks"] if mark["kind"] == "answers_held"]
    assert {mark["provider"] for mark in held} == set(PARTIES)
    opened = [m for m in traced(capsys, running.id, "--party", "32")["marks"] if m["kind"] == "opened"]
    assert [mark["section"] for mark in sorted(opened, key=lambda mark: mark["section"])] == [1, 2, 3]
    assert traced(capsys, str(uuid.uuid4()), "--party", "32", code=Exit.FAILED)["marks"] == []
    assert run(["trace", running.id, "--party", REQUESTER, "--lang", "zh"]) == Exit.FINE
    assert "已收到的结果" in capsys.readouterr().out


def test_who_is_missing_and_until_when(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """A silent provider is named with its open sub-queries and deadline; the longest wait is marked."""
    exchange = running.exchange
    exchange.processes.stop(SILENT)
    persons = exchange.sample.persons[:4]
    application = exchange.application(persons)
    exchange.file(application, persons)
    others = set(PARTIES) - {SILENT}
    query = "SELECT DISTINCT provider FROM bundle WHERE application_id = ?"

    def answered() -> set[str]:
        rows = exchange.store(REQUESTER).execute(query, (application["application_id"],))
        return {row[0] for row in rows}

    wait_until("the others' answers", lambda: answered() == others, LONG, pause=0.2)
    found = traced(capsys, application["application_id"])
    acceptance = exchange.case(application).acceptance()
    assert acceptance is not None
    [due] = {query["deadline"] for query in acceptance["sub_queries"] if query["provider"] == SILENT}
    assert found["missing"] == [{"provider": SILENT, "section": 1, "queries": 4, "deadline": due, "late": False}]
    assert run(["trace", application["application_id"], "--lang", "en"]) == Exit.FINE
    said = capsys.readouterr().out
    assert "not answered by" in said
    assert said.count("◀ longest wait") == 1
    exchange.processes.restart(SILENT)
    exchange.wait_complete(application)
    assert traced(capsys, application["application_id"])["missing"] == []


def test_a_dead_letter_about_it_is_told(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody alters a copy of its envelope: what is put aside stands in the story of the application it names."""
    exchange = running.exchange
    [first, *_] = [one for one in traced(capsys, running.id)["messages"] if "application" in one["kinds"]]
    scan = Scan(exchange.bootstrap, exchange.security("center"))
    [genuine] = [m for m in scan.read(first["topic"], partitions=[first["partition"]]) if m.offset == first["offset"]]
    value = bytearray(genuine.value or b"")
    value[-1] ^= 1
    producer = Producer(producer_config(exchange.bootstrap, extra=exchange.security("admin")))
    producer.produce(genuine.topic, bytes(value), genuine.key, headers=[("traceparent", b"\xff" * 100_000)])
    assert producer.flush(30) == 0
    wait_until("a dead letter", lambda: bool(exchange.messages(topics.DEAD_LETTERS)), LONG, pause=0.2)
    found = traced(capsys, running.id)
    [letter] = found["dead_letters"]
    assert (letter["code"], letter["stage"], letter["state"]) == ("root_mismatch", "intake", "open")
    assert [one["code"] for one in traced(capsys, first["message_id"])["dead_letters"]] == ["root_mismatch"]
    [line] = [line for line in running.lines() if line["event"] == "rejected"]
    assert (line["code"], line["stage"], line["issuer"]) == ("root_mismatch", "intake", REQUESTER)
    assert (line["process"], line["topic"]) == ("center.intake.0", genuine.topic)


def test_two_parties_that_chose_one_id_have_two_stories(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its own hops and messages, together or one by one; nothing of the one is told of the other."""
    exchange = running.exchange
    persons = exchange.sample.persons[:4]
    honest = exchange.application(persons)
    other: Application = {**exchange.application(persons[:1], SILENT), "application_id": honest["application_id"]}
    exchange.file(honest, persons)
    exchange.wait_complete(honest)
    alone = traced(capsys, honest["application_id"])
    assert (alone["what"], alone["requester"], alone["state"]) == ("application", REQUESTER, "completed")
    exchange.file(other, persons[:1])
    exchange.wait_complete(other)
    exchange.wait_rest()
    both = traced(capsys, honest["application_id"])
    assert (both["what"], "steps" in both) == ("applications", False)
    assert [story["requester"] for story in both["applications"]] == sorted([SILENT, REQUESTER])
    for story, count in zip(both["applications"], (1, 4) if SILENT < REQUESTER else (4, 1), strict=True):
        assert story["state"] == "completed"
        assert {step["party"] for step in story["steps"]} == {story["requester"]}
        assert [s["count"] for s in story["steps"] if s["kind"] == "section_received"] == [count]
        only = traced(capsys, honest["application_id"], "--requester", story["requester"])
        assert {key: only[key] for key in story} == story
    messages = [story["messages"] for story in both["applications"]]
    assert [sum("application" in one["kinds"] for one in mine) for mine in messages] == [1, 1]
    shared = inbox(CENTER, "responses")  # a provider may answer both in one envelope
    first, second = (
        {(m["topic"], m["partition"], m["offset"]) for m in its if m["topic"] != shared} for its in messages
    )
    assert {place[0] for place in first} == {inbox(CENTER, "requests"), topics.APPLICATIONS, topics.JOIN}
    assert first & second == set()
    traced(capsys, honest["application_id"], "--requester", "00", code=Exit.FAILED)
    assert run(["trace", honest["application_id"], "--lang", "en"]) == Exit.FINE
    assert "2 parties have an application of this id, told one by one: Shandong, Yunnan" in capsys.readouterr().err
    assert run(["trace", "0" * 32, "--requester", REQUESTER]) == Exit.USAGE
