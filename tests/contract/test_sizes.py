"""Sizes: one message is at most 900 KiB, small things share one, and what fits none gets a status of its own."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from pipeline.crypto import envelopes
from pipeline.demo.application import Sample
from pipeline.domain.parties import CENTER, InboxKind, inbox
from pipeline.stages import topics
from tests.network import Network
from tests.scenario import (
    PARTIES,
    assert_equals_oracle,
    bundles_in,
    codes,
    inbox_messages,
    network_for,
    opened,
    renumbered,
    small_sample,
    standing,
    with_form,
)

KIB = 1024
VEHICLES = ("山东", "vehicles", "")


def with_vehicles(folder: Path, *sizes: int, persons: int = 40) -> Sample:
    """A sample asking 山东 for vehicles; `sizes`: bytes of one text in the records of as many of its persons."""
    sample = small_sample(folder, VEHICLES, ("部中心", "marriage", ""), persons=persons, seed=11)
    numbers = [person["document_number"] for person in sample.persons]
    marks = ",".join("?" * len(numbers))
    with closing(sqlite3.connect(sample.databases / "37.db")) as db, db:
        owners = db.execute(f"SELECT DISTINCT sfzh FROM cl_dj WHERE sfzh IN ({marks})", numbers).fetchall()  # noqa: S608
        assert len(owners) >= len(sizes)
        for (number,), size in zip(owners, sizes, strict=False):
            db.execute("UPDATE cl_dj SET ppxh = ?, zxrq = NULL WHERE sfzh = ?", ("型" * (size // 3), number))
    return sample


def assert_all_messages_fit(network: Network) -> None:
    """No record on any topic of the exchange is larger than an envelope may be."""
    names = [inbox(party, kind) for party in (CENTER, *PARTIES) for kind in ("requests", "responses")]
    for name in (*names, topics.APPLICATIONS, topics.JOIN, topics.RESULTS):
        for message in network.broker.messages(name):
            assert len(message.value or b"") <= envelopes.HARD_LIMIT, name


def test_an_answer_that_no_message_can_carry_is_refused_alone(tmp_path: Path) -> None:
    """One person's record of over 900 KiB is refused as too large; everybody else is answered."""
    sample = with_vehicles(tmp_path, 1_000 * KIB)
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    found = standing(network, sample.application).of("37", "vehicles")
    assert found == {("done", None): 39, ("refused", "answer_too_large"): 1}
    assert network.case(sample.application).is_complete()
    assert codes(network) == []
    assert_all_messages_fit(network)


def test_an_answer_just_under_the_limit_travels(tmp_path: Path) -> None:
    """The largest record that fits an envelope arrives, alone in its message."""
    sample = with_vehicles(tmp_path, 870 * KIB, persons=12)
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    assert standing(network, sample.application).of("37", "vehicles") == {("done", None): 12}
    assert_equals_oracle(network, sample)
    assert codes(network) == []
    assert_all_messages_fit(network)


def test_answers_over_the_soft_limit_are_split_into_numbered_parts(tmp_path: Path) -> None:
    """Parts cover every person once, say which part of how many they are, and each fits the soft limit."""
    sample = with_vehicles(tmp_path, 60 * KIB, 50 * KIB, 20 * KIB)
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    answers = [b for b in bundles_in(network, CENTER, "responses", "answer") if b.header.provider == "37"]
    parts = sorted(answers, key=lambda bundle: bundle.header.part)
    assert len(parts) > 1
    assert [bundle.header.part for bundle in parts] == list(range(1, len(parts) + 1))
    assert {bundle.header.parts for bundle in parts} == {len(parts)}
    first = 0
    for bundle in parts:
        assert bundle.header.first == first
        first += bundle.header.count
        assert len(bundle.raw) <= envelopes.SOFT_LIMIT
    assert first == len(sample.persons)
    assert_equals_oracle(network, sample)
    assert_all_messages_fit(network)


def test_small_applications_share_an_envelope_all_the_way(tmp_path: Path, sample: Sample) -> None:
    """Households filed one by one travel together: one signature for many bundles, at every hop."""
    network = network_for(sample, tmp_path)
    households: dict[str, list[int]] = {}
    for index, person in enumerate(sample.persons):
        households.setdefault(person["household"], []).append(index)
    filed: list[Sample] = []
    for indexes in households.values():
        persons = renumbered([sample.persons[index] for index in indexes])
        form = with_form(
            sample,
            application_id=str(uuid.uuid4()),
            lead_person=persons[0]["name"],
            person_count=len(persons),
            schedule=sample.application["schedule"][:2],
        )
        filed.append(replace(form, persons=persons))
    for one in filed:
        network.file(one.application, one.persons)
    network.run()
    assert len(filed) >= 4
    hops: tuple[tuple[str, InboxKind, str], ...] = (
        (CENTER, "requests", "application"),
        ("00", "requests", "request"),
        (CENTER, "responses", "answer"),
    )
    for party, kind, bundle in hops:
        holding = [
            envelope
            for envelope in opened(network, party, kind)
            if any(b.header.kind == bundle for b in envelope.bundles)
        ]
        senders = {envelope.issuer for envelope in holding}
        assert sum(b.header.kind == bundle for envelope in holding for b in envelope.bundles) >= len(filed)
        assert len(holding) == len(senders), "one envelope from each sender"
    for one in filed:
        assert_equals_oracle(network, one)


def test_a_large_application_fills_envelopes_and_overfills_none(tmp_path: Path) -> None:
    """Six sections for four parties: envelopes hold more than one bundle and never more than they may."""
    sample = small_sample(tmp_path, persons=300, seed=3)
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons, section_size=50)
    network.run()
    assert_equals_oracle(network, sample)
    sizes = [len(m.value or b"") for m in inbox_messages(network, CENTER, "responses")]
    assert max(sizes) <= envelopes.SOFT_LIMIT
    assert_all_messages_fit(network)
