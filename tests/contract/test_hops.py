"""One id from the filing to the certificate: hops fit together into one tree, whatever travelled with them."""

from __future__ import annotations

import json
import logging
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.demo.application import Sample
from pipeline.domain import tracing
from pipeline.domain.parties import CENTER, inbox
from pipeline.kafka.hoplog import NAME, HopLog
from pipeline.kafka.hops import Hopping
from pipeline.logs import Lines
from pipeline.stages import topics
from tests.network import PARTITIONS
from tests.scenario import with_form
from tests.traced_network import Told, TracedNetwork, assert_one_tree

KINDS = {
    ("outbox", "sent"),
    ("intake", "section_received"),
    ("applications", "accepted"),
    ("applications", "started"),
    ("applications", "dispatched"),
    ("answer", "answered"),
    ("collect", "collected"),
    ("join", "answer_accepted"),
    ("join", "section_closed"),
    ("applications", "certified"),
    ("deliver", "delivered"),
    ("deliver", "result_received"),
}
"""(stage, kind) of what happens to every application that is accepted, answered and certified."""


def again(sample: Sample, application_id: str | None = None) -> Sample:
    """The sample's application under another id."""
    return with_form(sample, application_id=application_id or str(uuid.uuid4()))


@pytest.fixture
def told() -> Told:
    """Who is told of the hops."""
    return Told()


@pytest.fixture
def network(sample: Sample, tmp_path: Path, told: Told) -> TracedNetwork:
    """A network that tells."""
    return TracedNetwork(tmp_path, sample, Hopping([told]))


@pytest.fixture
def lines() -> Iterator[list[dict[str, object]]]:
    """What the log says of hops at INFO, as objects."""
    written: list[dict[str, object]] = []
    shape, logger = Lines("any", as_json=True), logging.getLogger(NAME)
    handler = logging.Handler()
    handler.emit = lambda record: written.append(json.loads(shape.format(record)))  # type: ignore[method-assign]
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel(logging.INFO)
    yield written
    logger.setLevel(before)
    logger.removeHandler(handler)


def test_the_hops_of_an_application_are_one_tree(network: TracedNetwork, sample: Sample, told: Told) -> None:
    """From the requester's outbox to the certificate in its store, through every stage and every provider."""
    network.file(sample.application, sample.persons)
    network.run()
    hops = told.of(sample.application["application_id"])
    assert {(hop.stage, hop.kind) for hop in hops} >= KINDS
    root = assert_one_tree(hops)
    assert (root.stage, root.kind, root.party) == ("outbox", "sent", "53")
    assert root.span.trace_id == uuid.UUID(sample.application["application_id"]).bytes
    parents = {hop.span: hop for hop in hops}
    before = {(hop.kind, parents[hop.parent].kind) for hop in hops if hop.parent is not None}
    assert before >= {
        ("section_received", "sent"),
        ("accepted", "section_received"),
        ("dispatched", "section_received"),
        ("answered", "dispatched"),
        ("collected", "answered"),
        ("answer_accepted", "collected"),
        ("delivered", "answer_accepted"),
        ("section_closed", "answer_accepted"),
        ("certified", "section_closed"),
        ("result_received", "certified"),
    }


def test_many_applications_in_shared_envelopes_keep_their_trees(
    network: TracedNetwork, sample: Sample, told: Told
) -> None:
    """Envelopes that several share have traces of their own, and no application's tree is torn or mixed up by it."""
    many = [again(sample) for _ in range(4)]
    for one in many:
        network.file(one.application, one.persons, section_size=5)
    network.run()
    own = [output for output in told.outputs if tracing.read(output.headers) == tracing.sealed(output.key or b"")]
    assert {output.topic for output in own} >= {
        inbox(CENTER, "requests"),
        inbox("37", "requests"),
        inbox("53", "responses"),
    }
    for one in many:
        hops = told.of(one.application["application_id"])
        assert {(hop.stage, hop.kind) for hop in hops} >= KINDS
        assert_one_tree(hops)


def test_a_repeated_step_makes_the_same_spans(network: TracedNetwork, sample: Sample, told: Told) -> None:
    """Everything ever sent to the center is sent once more: no hop gets another span, and no new ones about applications."""
    network.file(sample.application, sample.persons)
    network.run()
    before = Counter(hop.span for hop in told.hops)
    for kind in ("requests", "responses"):
        for partition in range(PARTITIONS):
            for message in network.broker.read(inbox(CENTER, kind), partition):
                network.broker.produce(message.topic, message.key, message.value, message.headers, partition)
    network.run()
    assert Counter(hop.span for hop in told.hops) == before


HOSTILE = [
    (("traceparent", b"00-" + b"f" * 32 + b"-" + b"e" * 16 + b"-01"),),
    (("traceparent", b"\xff" * 900_000),),
    (("traceparent", b""),),
    (("traceparent", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01"),),
    tuple(("traceparent", b"00-" + b"%032x" % n + b"-" + b"%016x" % n + b"-01") for n in range(1, 2000)),
    (("traceparent", b"1\n2"), ("tracestate", b"x" * 100_000), ("baggage", b"\0" * 100_000)),
    (),
]


@pytest.mark.parametrize("headers", HOSTILE, ids=["another's", "huge", "empty", "zero", "many", "odd", "none"])
def test_what_a_party_writes_into_headers_changes_nothing(
    network: TracedNetwork,
    sample: Sample,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
    headers: tuple[tuple[str, bytes], ...],
) -> None:
    """Sent with a hostile trace context, an application has the very tree that its content gives it."""
    produce = network.broker.produce

    def tampered(topic: str, key: bytes, value: bytes, _: object, partition: int | None = None) -> object:
        return produce(topic, key, value, headers, partition)

    monkeypatch.setattr(
        network.broker, "produce", tampered
    )  # what parties send; what the center sends is a transaction
    network.file(sample.application, sample.persons)
    network.run()
    hops = told.of(sample.application["application_id"])
    assert {(hop.stage, hop.kind) for hop in hops} >= KINDS
    assert_one_tree(hops)
    assert network.broker.end(topics.DEAD_LETTERS, 0) == 0


def test_a_span_of_its_own_trace_that_a_party_made_up_is_not_followed(
    network: TracedNetwork, sample: Sample, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The right trace and a span that nobody has: what a party's envelope follows is told by its bundles."""
    made_up = tracing.TraceContext(tracing.trace_of(sample.application["application_id"]), b"madeup!!")
    produce = network.broker.produce

    def tampered(topic: str, key: bytes, value: bytes, _: object, partition: int | None = None) -> object:
        return produce(topic, key, value, made_up.headers(), partition)

    monkeypatch.setattr(network.broker, "produce", tampered)
    network.file(sample.application, sample.persons)
    network.run()
    hops = told.of(sample.application["application_id"])
    assert_one_tree(hops)
    assert made_up not in {hop.parent for hop in hops}


def test_an_id_that_is_no_uuid_has_a_trace_and_no_place_in_the_log(
    network: TracedNetwork, sample: Sample, told: Told, lines: list[dict[str, object]]
) -> None:
    """A party may choose such an id; its hops still fit together, and what it chose is not quoted."""
    network.hopping.told.append(HopLog())
    odd = again(sample, "tang_yongjian-11010119900307751X")
    network.file(odd.application, odd.persons)
    network.run()
    assert_one_tree(told.of(odd.application["application_id"]))
    assert lines
    assert {line["application_id"] for line in lines} == {"(other)"}
    assert "tang" not in json.dumps(lines, ensure_ascii=False)


def test_an_application_that_times_out_is_one_tree_too(network: TracedNetwork, sample: Sample, told: Told) -> None:
    """What no message brought, a deadline that passed, hangs from the root."""
    network.file(sample.application, sample.persons)
    network.run(without=["32", "00"])
    network.pass_time(3 * 24 * 3600)
    hops = told.of(sample.application["application_id"])
    assert {"section_closed", "certified"} <= {hop.kind for hop in hops}
    assert_one_tree(hops)


def test_the_log_leads_from_the_filing_to_the_certificate(
    network: TracedNetwork, sample: Sample, told: Told, lines: list[dict[str, object]]
) -> None:
    """At INFO each hop of an application is there under its id, what happens by sections and providers counted together."""
    network.hopping.told.append(HopLog())
    network.file(sample.application, sample.persons, section_size=5)
    network.run()
    application_id = sample.application["application_id"]
    own = [line for line in lines if line["application_id"] == application_id]
    assert {(line["stage"], line["event"]) for line in own} >= KINDS
    assert {line["trace_id"] for line in own} == {application_id.replace("-", "")}
    assert all("dropped" not in line for line in own)
    [sent] = [line for line in own if line["event"] == "dispatched"]
    assert sent["providers"] == ["00", "32", "37", "53"]
    assert sent["sections"] == 3
    assert len(own) < len(told.of(application_id)), "by sections and providers there are more hops than lines"


def test_debug_has_each_hop_and_its_span(
    network: TracedNetwork, sample: Sample, told: Told, lines: list[dict[str, object]]
) -> None:
    """And above INFO there is no line."""
    logger = logging.getLogger(NAME)
    network.hopping.told.append(HopLog())
    logger.setLevel(logging.DEBUG)
    network.file(sample.application, sample.persons, section_size=5)
    network.run()
    assert len(lines) == len(told.hops)
    assert {line["span_id"] for line in lines} == {hop.span.span_id.hex() for hop in told.hops}
    logger.setLevel(logging.WARNING)
    assert not HopLog().wanted
    del lines[:]
    one = again(sample)
    network.file(one.application, one.persons)
    network.run()
    assert lines == []
