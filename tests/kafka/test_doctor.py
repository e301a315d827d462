"""`hedx doctor` on a real cluster with TLS and rights: what is in order, and each fault by itself made and found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.codec import framing
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER, inbox
from pipeline.domain.records import DeskItem
from pipeline.kafka import acls, wire
from pipeline.kafka.acls import Acl, AclPlan
from pipeline.kafka.clock import real_clock
from pipeline.kafka.deadletters import dead_letter
from pipeline.kafka.security import client_security, ssl_context
from pipeline.ops import health_clocks
from pipeline.ops.health_seen import ClockSeen
from pipeline.ops.health_site import Site
from pipeline.stages import topics
from pipeline.stages.effects import Message
from tests.secured import PARTIES, Secured, secured

CLOCK_ERROR = 2_000
"""ms that asking a busy broker for its time may take."""


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """The cluster as the demo runs it."""
    with secured(tmp_path_factory.mktemp("doctor")) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def environment(kafka: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command finds the cluster and the installation as at the center."""
    monkeypatch.setenv("HEDX_HOME", str(kafka.installation.folder))
    monkeypatch.setenv("HEDX_BOOTSTRAP", kafka.bootstrap)
    monkeypatch.delenv("HEDX_PARTIES", raising=False)
    monkeypatch.delenv("HEDX_SECURITY", raising=False)


def doctor(capsys: pytest.CaptureFixture[str], *only: str) -> dict[str, dict[str, Any]]:
    """Code → finding of `hedx doctor --json`; its exit code goes with what it found."""
    code = run(["doctor", "--json", "--lang", "en", *[word for name in only for word in ("--only", name)]])
    said = json.loads(capsys.readouterr().out)
    assert (code == Exit.FINE) == said["healthy"]
    assert code in (Exit.FINE, Exit.UNHEALTHY)
    assert all(each["finding"] and each["cure"] for each in said["findings"])
    return {each["code"]: each for each in said["findings"]}


def produce(kafka: Secured, topic: str, value: bytes, key: bytes = b"", headers: object = None) -> None:
    """Write one record as the center."""
    producer = Producer(kafka.client(CENTER))
    producer.produce(topic, value, key, headers=headers)  # type: ignore[arg-type]
    assert producer.flush(30) == 0


def test_a_cluster_in_order_is_looked_at_as_a_whole(kafka: Secured, capsys: pytest.CaptureFixture[str]) -> None:
    """All probes have something to say, none warns of anything about the cluster, and it exits with 0 or for this machine alone."""
    run(["doctor", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["not_looked_at"] == []
    assert len(said["looked_at"]) == 11
    about_this_machine = {
        "clock_undisciplined",
        "disk_full",
        "packages_differ",
        "memory_swappable",
        "year_estimated",
        "year_unknown",
    }
    assert {each["code"] for each in said["findings"]} <= about_this_machine


def test_a_right_taken_and_one_given_by_hand_are_found(kafka: Secured, capsys: pytest.CaptureFixture[str]) -> None:
    """Both by the broker's own word on what each principal may do; `hedx topics apply`, the cure, mends them."""
    operator = client_security(kafka.installation.transport("admin"))
    given = Acl("ops", "allow", "read", "topic", "literal", "hedx.37.requests", "*")
    taken = Acl("P37", "allow", "read", "topic", "literal", "hedx.trust", "127.0.0.1")
    acls.apply(kafka.bootstrap, AclPlan(added=(given,), removed=(taken,)), operator)
    found = doctor(capsys, "rights", "drift")
    assert (found["rights_missing"]["principal"], found["rights_missing"]["what"]) == ("P37", "read hedx.trust")
    assert (found["rights_beyond"]["principal"], found["rights_beyond"]["what"]) == ("ops", "read hedx.37.requests")
    assert found["topics_drift"]["count"] == 2
    assert run(["topics", "apply", "--parties", ",".join(PARTIES)]) == Exit.FINE
    capsys.readouterr()
    assert doctor(capsys, "rights", "drift") == {}


def test_a_right_for_nobody_in_particular_is_beyond_everybodys(
    kafka: Secured, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wildcard opens a topic to `monitor`, too, which may do nothing at all."""
    operator = client_security(kafka.installation.transport("admin"))
    wild = Acl("*", "allow", "write", "topic", "literal", "hedx.center.join", "*")
    acls.apply(kafka.bootstrap, AclPlan(added=(wild,)), operator)
    code = run(["doctor", "--json", "--only", "rights"])
    said = json.loads(capsys.readouterr().out)
    acls.apply(kafka.bootstrap, AclPlan(removed=(wild,)), operator)
    assert code == Exit.UNHEALTHY
    assert {each["principal"] for each in said["findings"]} == {"P32", "P37", "monitor", "ops"}
    assert doctor(capsys, "rights") == {}


def test_a_topic_changed_by_hand_is_drift(kafka: Secured, capsys: pytest.CaptureFixture[str]) -> None:
    """The first difference is in the finding."""
    admin = AdminClient(kafka.client("admin"))

    def alter(kind: AlterConfigOpType) -> None:
        entry = ConfigEntry("retention.ms", "1000", incremental_operation=kind)
        resource = ConfigResource(ResourceType.TOPIC, "hedx.bulletin", incremental_configs=[entry])
        [changed] = admin.incremental_alter_configs([resource]).values()
        changed.result()

    alter(AlterConfigOpType.SET)
    found = doctor(capsys, "drift")
    alter(AlterConfigOpType.DELETE)
    assert "hedx.bulletin" in found["topics_drift"]["first"]
    assert doctor(capsys, "drift") == {}


def test_records_of_a_version_that_is_not_known_here_are_found(
    kafka: Secured, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever wrote them runs something newer, or something else."""
    assert doctor(capsys, "schemas") == {}
    produce(kafka, topics.EVENTS, b"\xff" * 8 + b"later")
    found = doctor(capsys, "schemas")["schema_unknown"]
    assert (found["topic"], found["count"]) == (topics.EVENTS, 1)


def test_dead_letters_and_overdue_holds_are_found(kafka: Secured, capsys: pytest.CaptureFixture[str]) -> None:
    """What nobody has decided about; a letter that was discarded is none of it."""
    message = Message(inbox(CENTER, "requests"), 0, 1, real_clock(), b"", b"junk")
    letter = dead_letter(message, InvalidMessage("cbor_invalid"), stage="intake", task=0)
    produce(kafka, letter.topic, letter.value or b"", headers=list(letter.headers))
    item = DeskItem(
        kind="review",
        application_id="a",
        party="53",
        since=1,
        due=2,
        stage="overdue",
        faults=[],
        approvals=[],
        persons=1,
        subject=None,
    )
    produce(kafka, topics.DESK, framing.encode("DeskItem", item), b"review/53/a")
    found = doctor(capsys, "letters", "desk")
    assert found["letters_open"]["codes"] == "cbor_invalid 1"
    assert found["holds_overdue"]["count"] == 1
    assert run(["dlq", "discard", "--code", "cbor_invalid", "--reason", "a test", "--yes"]) == Exit.FINE
    capsys.readouterr()
    assert set(doctor(capsys, "letters", "desk")) == {"holds_overdue"}


@pytest.mark.parametrize("off", [0, 120_000, -120_000])
def test_the_clock_is_compared_with_the_controllers(kafka: Secured, off: int) -> None:
    """To within half of the way there and back, in both directions, and without writing anything."""
    seen: ClockSeen = health_clocks.probe(
        Site(kafka.installation, real_clock, kafka.bootstrap), lambda: real_clock() + off
    )["clock"]
    assert (seen.by, seen.skew is not None) == ("controller", True)
    assert 0 < seen.error <= CLOCK_ERROR
    assert abs((seen.skew or 0) - off) <= seen.error + 5


def test_a_province_sees_that_it_is_behind_by_what_was_appended(kafka: Secured, tmp_path: Path) -> None:
    """Without the operator's files only the inboxes' newest append time tells anything, and only in that direction."""
    produce(kafka, "hedx.37.requests", b"anything")
    shutil.copytree(kafka.installation.transport("P37"), tmp_path / "principals" / "P37")
    site = Site(type(kafka.installation)(tmp_path), real_clock, kafka.bootstrap)
    behind: ClockSeen = health_clocks.probe(site, lambda: real_clock() - 120_000)["clock"]
    assert behind.by == "appended"
    assert -120_000 <= (behind.skew or 0) < -60_000
    assert health_clocks.probe(site, real_clock)["clock"].skew is None


def test_a_broker_tells_its_versions_to_anybody_and_the_rest_to_the_operator(kafka: Secured) -> None:
    """Kafka's own protocol, by hand: levels as agreed; the controller's time and disks are refused to the center."""
    host, _, port = kafka.bootstrap.rpartition(":")
    address = host, int(port)
    center, admin = (ssl_context(kafka.installation.transport(name)) for name in (CENTER, "admin"))
    levels = wire.levels(address, center, 10)
    assert levels.agreed is not None
    assert levels.agreed == levels.newest
    [folder] = wire.log_dirs(address, admin, 10)
    usage = shutil.disk_usage(kafka.installation.folder)
    assert folder.total == usage.total
    assert Path(folder.path) == kafka.installation.folder / "broker" / "data"
    for ask in (
        lambda: wire.log_dirs(address, center, 10),
        lambda: wire.controller_time(address, center, real_clock, 10),
    ):
        with pytest.raises(Exception, match="error 31"):  # CLUSTER_AUTHORIZATION_FAILED
            ask()


def test_offline_asks_nobody(kafka: Secured, capsys: pytest.CaptureFixture[str]) -> None:
    """And says what was left out, so that silence does not pass for health."""
    run(["doctor", "--json", "--offline"])
    said = json.loads(capsys.readouterr().out)
    assert set(said["not_looked_at"]) == {"brokers", "rights", "drift", "desk", "letters"}
