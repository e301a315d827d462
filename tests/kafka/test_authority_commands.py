"""hedx party and ca against the cluster as the demo runs it: one command, and broker and readers both know."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from pipeline.app import reference_for
from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.kafka import acls
from pipeline.kafka.posting import Poster
from pipeline.kafka.reference import LiveReference
from pipeline.kafka.security import client_security
from pipeline.signer.client import open_identity
from pipeline.stages import topics
from pipeline.stages.reference import cosign
from tests.secured import Secured, secured

PATIENCE = 15.0
Hedx = Callable[..., Any]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """The center, 32 and 37 on a broker with mutual TLS and rights."""
    with secured(tmp_path_factory.mktemp("authority")) as made:
        yield made


@pytest.fixture
def hedx(cluster: Secured, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hedx:
    """`hedx` on that installation; what it says as JSON."""
    monkeypatch.setenv("HEDX_HOME", str(cluster.installation.folder))
    monkeypatch.setenv("HEDX_BOOTSTRAP", cluster.bootstrap)

    def command(*words: str, expect: Exit = Exit.FINE) -> Any:
        capsys.readouterr()
        assert run([*words, "--json"]) == expect
        told = capsys.readouterr()
        return json.loads(told.out) if told.out else told.err

    return command


@pytest.fixture
def reference(cluster: Secured, hedx: Hedx) -> Iterator[LiveReference]:
    """What a process of the center knows, once everything is published."""
    hedx("ca", "publish")
    extra = client_security(cluster.installation.transport("center"))
    with reference_for(cluster.installation, cluster.bootstrap, extra) as live:
        yield live


def soon(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within the time that reading takes."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def reading(cluster: Secured, principal: str, topic: str) -> KafkaError | None:
    """The broker's answer to a stock consumer; None when it may read."""
    consumer = Consumer(cluster.client(principal, group_id=f"hedx.{principal[1:]}.test", enable_partition_eof=True))
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(PATIENCE)
        assert message is not None
        error = message.error()
        return None if error is None or error.code() == KafkaError._PARTITION_EOF else error
    finally:
        consumer.close()


def hosts(cluster: Secured, principal: str) -> set[str]:
    """From where the cluster lets a principal in."""
    operator = client_security(cluster.installation.transport("admin"))
    found = acls.observe(cluster.bootstrap, operator)
    return {acl.host for acl in found if acl.principal == principal and acl.permission == "allow"}


def test_one_command_suspends_and_one_resumes(cluster: Secured, hedx: Hedx, reference: LiveReference) -> None:
    """The broker refuses the party itself; every reader has its entry; others go on."""
    assert reading(cluster, "P37", "hedx.37.requests") is None
    told = hedx("party", "suspend", "37", "--reason", "inspection 2026-11")
    assert told["suspended"] is True
    refused = reading(cluster, "P37", "hedx.37.requests")
    assert refused is not None
    assert refused.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)
    assert soon(lambda: reference.trust.suspended("37"))
    assert reading(cluster, "P32", "hedx.32.requests") is None
    again = hedx("party", "suspend", "37", "--reason", "again")
    assert again["rights_changed"] == []
    assert hedx("party", "resume", "37")["suspended"] is False
    assert reading(cluster, "P37", "hedx.37.requests") is None
    assert soon(lambda: not reference.trust.suspended("37"))


def test_an_address_changes_with_an_overlap(cluster: Secured, hedx: Hedx, reference: LiveReference) -> None:
    """Both are let in until it ends, and the published entry says so; a late filing is marked."""
    change = ("party", "ip", "change", "32", "--from", "127.0.0.1", "--to")
    told = hedx(*change, "127.0.0.2", "--overlap-days", "7")
    assert [(each["address"], each["in_force"]) for each in told["addresses"]] == [
        ("127.0.0.1", True),
        ("127.0.0.2", True),
    ]
    assert hosts(cluster, "P32") == {"127.0.0.1", "127.0.0.2"}
    assert "not registered" in hedx(*change, "127.0.0.3", "--overlap-days", "7", expect=Exit.FAILED)
    late = ("--to", "127.0.0.4", "--overlap-days", "0", "--effective", "2026-01-01")
    told = hedx("party", "ip", "change", "32", "--from", "127.0.0.2", *late)
    assert told["addresses"][-1]["filed_late"] is True
    assert hosts(cluster, "P32") == {"127.0.0.1", "127.0.0.4"}
    hedx("party", "ip", "add", "32", "127.0.0.5")
    assert hosts(cluster, "P32") == {"127.0.0.1", "127.0.0.4", "127.0.0.5"}
    [entry] = [each for each in cluster.installation.trust_entries() if each["party"] == "32"]
    assert [each["address"] for each in entry["addresses"]] == ["127.0.0.1", "127.0.0.2", "127.0.0.4", "127.0.0.5"]


def test_a_revocation_reaches_every_reader_at_once(cluster: Secured, hedx: Hedx, reference: LiveReference) -> None:
    """With --publish one command does it; the list's number grew."""
    [serial] = [row["serial"] for row in hedx("ca", "status") if (row["party"], row["usage"]) == ("32", "tls")]
    before = reference.trust.revocation_list
    hedx("ca", "revoke", serial, "--reason", "key-compromise", "--publish")
    assert soon(lambda: reference.trust.revocation_list != before)
    newest = reference.trust.revocation_list
    assert before is not None
    assert newest is not None
    assert newest["number"] > before["number"]


def test_publication_is_one_transaction_under_the_centers_name(cluster: Secured, hedx: Hedx) -> None:
    """Publishing twice leaves the same keys; entries keep their numbers, only head and list are new."""
    with open_identity(cluster.installation.identity_folder("center")) as center:
        outputs = cluster.installation.publication(center.signer, time.time_ns() // 1_000_000)
    assert {output.topic for output in outputs} == {topics.TRUST}
    keys = [output.key for output in outputs]
    assert len(keys) == len(set(keys)) == hedx("ca", "publish")["records"]


def test_a_cluster_that_is_away_loses_nothing(hedx: Hedx, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry holds the suspension; the same command later brings it to the cluster."""
    monkeypatch.setattr(acls, "TIMEOUT", 2.0)
    told = hedx("party", "suspend", "32", "--reason", "test", "--bootstrap", "127.0.0.1:1", expect=Exit.FAILED)
    assert "hedx ca publish brings it to the cluster" in told
    assert {row["party"] for row in hedx("party", "list") if row["suspended"]} == {"32"}
    assert hedx("party", "suspend", "32", "--reason", "test")["rights_changed"] != []
    assert hedx("party", "resume", "32")["suspended"] is False


def test_new_certificates_are_not_believed_before_they_are_witnessed(cluster: Secured, hedx: Hedx) -> None:
    """`hedx ca witnesses` says so, and exits 2 until two adapters have signed the head; then all of it is believed."""
    hedx("party", "request", "--party", "37", "--only", "sign")
    pending = cluster.installation.party("37") / "pending" / "sign.csr"
    [row] = hedx("ca", "renew", str(pending))
    hedx("ca", "publish")
    told = hedx("ca", "witnesses", expect=Exit.DRIFT)
    assert told["believed"] < told["size"]
    for party in ("32", "37"):
        extra = client_security(cluster.installation.transport(f"P{party}"))
        with (
            open_identity(cluster.installation.identity_folder(party)) as identity,
            reference_for(cluster.installation, cluster.bootstrap, extra, party=party) as live,
        ):
            head = live.uncosigned()
            assert head is not None
            output = cosign(head, identity.signer, time.time_ns() // 1_000_000)
            poster = Poster(cluster.bootstrap, extra=extra)
            poster.send([output])
            poster.close()
    told = hedx("ca", "witnesses", "--wait", "15")
    assert told["believed"] == told["size"]
    assert [each["witnessed"] for each in told["witnesses"]] == [told["size"]] * 2
    hedx("party", "install", row["file"], "--party", "37")


def test_a_registry_from_a_backup_publishes_only_after_recovery(cluster: Secured, hedx: Hedx) -> None:
    """Else it would write other lines where the log has some already, which no party would forgive."""
    registry = cluster.installation.authority / "registry.db"
    copy = registry.with_suffix(".backup")
    with sqlite3.connect(registry) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    hedx("party", "request", "--party", "37", "--only", "tls")
    hedx("ca", "renew", str(cluster.installation.party("37") / "pending" / "tls.csr"))
    hedx("ca", "publish")
    with sqlite3.connect(copy) as source, sqlite3.connect(registry) as target:
        source.backup(target)
    assert "hedx ca recover first" in hedx("ca", "publish", expect=Exit.FAILED)
    learnt = hedx("ca", "recover")
    assert (learnt["leaves"], learnt["certificates"], learnt["entries"]) == (1, 1, 1)
    hedx("ca", "publish")
