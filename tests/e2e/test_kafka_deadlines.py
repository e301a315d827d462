"""Deadlines on a real Kafka: what counts is when the broker got an answer, not when the center could look at it."""

from __future__ import annotations

import time

import pytest

from pipeline.crypto import envelopes
from pipeline.domain.parties import CENTER, inbox
from pipeline.domain.records import Application
from pipeline.kafka.clock import wall_clock
from pipeline.stages.names import STAGES
from tests.e2e.conftest import HASTY, HASTY_37
from tests.exchange import LONG, Exchange
from tests.processes import wait_until
from tests.verdicts import assert_at_rest, assert_each_sub_query_once, assert_equals_oracle
from tests.watched import assert_watched

pytestmark = pytest.mark.timeout(400)


def test_center_outage_over_a_deadline_expires_no_punctual_answer(exchange: Exchange) -> None:
    """All answers come in while the center is down, the deadline passes, and only then is the center there again."""
    persons = exchange.sample.persons[:60]
    application = exchange.application(persons)
    exchange.processes.stop("collect")  # so that no answer at all is seen before the outage
    exchange.file(application, persons, release=HASTY, size=20)
    wait_until("dispatched", lambda: exchange.case(application).acceptance() is not None, LONG, pause=0.01)
    exchange.processes.stop("intake", "applications", "join")
    wait_until("answered", lambda: len(arrivals(exchange, application)) == len(exchange.sample.parties), LONG)
    acceptance = exchange.case(application).acceptance()
    assert acceptance is not None
    deadline = max(query["deadline"] for query in acceptance["sub_queries"])
    assert max(arrivals(exchange, application).values()) < deadline, "this machine was too busy to answer in time"
    time.sleep(max(0, deadline + 1500 - wall_clock()) / 1000)
    for stage in STAGES:
        exchange.processes.restart(stage)
    case = exchange.wait_complete(application)
    certificate = case.certificate()
    assert certificate is not None
    assert certificate.result["version"] == 1
    assert "expired" not in {status["status"] for status in certificate.result["statuses"]}
    assert_each_sub_query_once(case)
    assert_equals_oracle(exchange, application, persons)
    assert_at_rest(exchange)


def test_late_answer_becomes_a_supplement(exchange: Exchange) -> None:
    """Certificate 1 says that 山东 has not answered; when it does, certificate 2 has its answers and nothing is lost."""
    persons = exchange.sample.persons[:60]
    application = exchange.application(persons)
    exchange.processes.stop("37")
    exchange.file(application, persons, release=HASTY_37)
    case = exchange.wait_complete(application)
    first = case.certificate()
    assert first is not None
    assert first.result["version"] == 1
    assert not first.result["complete"]
    assert {s["provider"] for s in first.result["statuses"] if s["status"] == "expired"} == {"37"}
    assert_each_sub_query_once(case)
    exchange.processes.restart("37")
    case = exchange.wait_complete(application, version=2)
    second = case.certificate()
    assert second is not None
    assert second.result["version"] == 2
    assert "expired" not in {status["status"] for status in second.result["statuses"]}
    assert_each_sub_query_once(case)
    assert_equals_oracle(exchange, application, persons)
    assert_at_rest(exchange)
    assert_watched(exchange, application, first.result["statuses"], second.result["statuses"])


def arrivals(exchange: Exchange, application: Application) -> dict[str, int]:
    """Provider -> when (ms) the broker appended its latest answer to this application."""
    found: dict[str, int] = {}
    for message in exchange.messages(inbox(CENTER, "responses")):
        envelope = envelopes.open_envelope(message.value or b"", exchange.trust, audience=CENTER, now=wall_clock())
        if any(b.header.application_id == application["application_id"] for b in envelope.bundles):
            found[envelope.issuer] = max(message.timestamp, found.get(envelope.issuer, 0))
    return found
