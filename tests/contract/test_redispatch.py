"""Asking again (design 3): a request outlives its envelope, its acceptance's fourteen days, a restart and a suspension."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cbor2
import pytest

from pipeline.crypto import envelopes, signed
from pipeline.crypto.bundles import SealedBundle, parse_bundle
from pipeline.demo.application import Sample, fill_in, write_databases
from pipeline.demo.population import generate
from pipeline.domain.parties import CENTER, inbox
from pipeline.domain.records import CatalogEntry
from pipeline.kafka.clients import murmur2_partition
from pipeline.kafka.memory import MemoryWorker
from pipeline.province.catalog_files import load_entries
from pipeline.province.filing import file_application
from pipeline.province.sources import open_sources, sqlite_url
from pipeline.stages import redispatching, sending
from pipeline.stages.join import Join
from pipeline.stages.membership import trust_entry
from tests.delaying import acknowledgements, withdraw
from tests.network import PARTITIONS, Clock, Network
from tests.officer import events_of, restart_applications
from tests.scenario import (
    PARTIES,
    REQUESTER,
    assert_equals_oracle,
    codes,
    is_certified,
    kept,
    local_codes,
    standing,
)

DAY = 24 * 3600
HOUR = 3600
SILENT = ("37",)
"""A province whose adapter stands still."""
DEMO = Path(__file__).resolve().parents[2] / "deploy" / "demo"
ROWS = (("全国", "social_insurance", ""), ("山东", "vehicles", ""))
ACCEPTED = round(dt.datetime(2026, 2, 13, 17, 0, tzinfo=dt.timezone(dt.timedelta(hours=8))).timestamp() * 1000)
"""Friday before Spring Festival 2026: the limit of five working days ends on 27 February, 14.3 days later."""


@pytest.fixture(scope="module")
def winter(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """An application of 云南 of February 2026 that asks 山东 for two rows, and everybody for one of them."""
    databases = tmp_path_factory.mktemp("winter")
    population = generate(5, today=dt.date(2026, 2, 12), persons=12, home=REQUESTER)
    write_databases(databases, DEMO / "providers", PARTIES, population, 5, strangers=20)
    return fill_in(5, population, ROWS, list(PARTIES), DEMO / "providers", DEMO / "catalog", databases)


def five_working_days(entry: CatalogEntry) -> CatalogEntry:
    """The entry with another limit."""
    return {**entry, "feedback_seconds": None, "feedback_working_days": 5}


def network_of(sample: Sample, folder: Path, slow: Sequence[str] = SILENT) -> Network:
    """A network accepted into the festival: `slow` have five working days, the others an hour."""
    catalog = [
        five_working_days(entry) if party in slow else entry
        for party in sample.parties
        for entry in load_entries(sample.catalog / f"{party}.yaml")
    ]
    network = Network(folder, sample.parties, catalog, clock=Clock(ACCEPTED))
    for party in sample.parties:
        database = sqlite_url(sample.databases / f"{party}.db")
        network.connect_sources(party, open_sources(sample.providers / f"{party}.yaml", database))
    return network


def filed(sample: Sample, folder: Path, section_size: int = 500) -> Network:
    """Accepted and answered by everybody but 37."""
    network = network_of(sample, folder)
    network.file(sample.application, sample.persons, section_size=section_size)
    network.run(without=SILENT)
    return network


def stand_still(network: Network, days: float, without: Sequence[str] = SILENT) -> None:
    """Let days pass, one at a time, each some seconds long: watermarks are behind the clock."""
    whole = int(days)
    for _ in range(whole):
        network.pass_time(DAY + 5, without=without)
    network.pass_time((days - whole) * DAY, without=without)


def requests(network: Network, party: str) -> Counter[int]:
    """Section → how many requests for it were ever sent to `party`."""
    found: Counter[int] = Counter()
    for message in network.broker.messages(inbox(party, "requests")):
        for raw in cbor2.loads(message.value or b"")[1]:
            header = parse_bundle(raw).header
            if header.kind == "request":
                found[header.section] += 1
    return found


def test_a_provider_back_on_the_last_day_answers_in_time(tmp_path: Path, winter: Sample) -> None:
    """Fourteen days and some hours over Spring Festival: the first request has expired unread, the second has not."""
    network = filed(winter, tmp_path)
    stand_still(network, 14.2)
    assert not is_certified(network, winter.application)
    network.run()
    network.pass_time(60)
    result = standing(network, winter.application)
    assert (result.version, result.of("37", "vehicles")) == (1, {("done", None): 12})
    assert local_codes(network, "37") == ["expired"], "the envelope of the first day, and nothing else"
    assert requests(network, "37") == {1: 2}
    assert_equals_oracle(network, winter)
    assert codes(network) == []
    assert kept(network, "applications", b"s") == 0


@pytest.mark.parametrize(("days", "asked"), [(15, 2), (20, 3), (35, 4)])
def test_a_provider_away_for_longer_answers_into_a_supplement(
    tmp_path: Path, winter: Sample, days: int, asked: int
) -> None:
    """未反馈 in version 1, done in version 2, though acceptance and mandate are weeks past the end of their own fourteen days."""
    network = filed(winter, tmp_path)
    stand_still(network, days)
    assert standing(network, winter.application).of("37", "vehicles") == {("expired", None): 12}
    assert kept(network, "applications", b"s") == 1, "sealed, to be sent out again"
    network.run()
    network.pass_time(60)
    result = standing(network, winter.application)
    assert (result.version, result.of("37", "vehicles")) == (2, {("done", None): 12})
    assert set(local_codes(network, "37")) == {"expired"}
    assert requests(network, "37") == {1: asked}
    assert_equals_oracle(network, winter)
    assert codes(network) == []
    assert kept(network, "applications", b"s") == 0


def test_a_later_request_carries_the_first_ones_acceptance(tmp_path: Path, winter: Sample) -> None:
    """Judged as of its own end: the 20th day's request would be refused if the acceptance had to be in force on that day."""
    network = filed(winter, tmp_path)
    stand_still(network, 25)
    raw = network.case(winter.application).connection.execute("SELECT acceptance FROM application").fetchone()[0]
    assert signed.peek(raw).claims.expires_at < ACCEPTED + 15 * DAY * 1000
    network.run()
    network.pass_time(60)
    events = events_of(network, winter.application, "dispatched_again")
    assert [(event["provider"], event["section"], event["count"]) for event in events] == [("37", 1, 12)] * 2
    assert local_codes(network, "37") == ["expired"] * 2, "those of the first and the tenth day"
    assert standing(network, winter.application).of("37", "vehicles") == {("done", None): 12}


def test_nobody_who_has_answered_is_asked_again(tmp_path: Path, winter: Sample) -> None:
    """Counted in the inboxes: one request for each of the others, whatever time passes."""
    network = filed(winter, tmp_path)
    stand_still(network, 44)
    assert {party: requests(network, party) for party in ("00", "32", REQUESTER)} == {
        "00": Counter(),  # asked for nothing that it has
        "32": Counter({1: 1}),
        REQUESTER: Counter({1: 1}),
    }
    assert requests(network, "37") == {1: 5}


def test_a_provider_that_runs_again_answers_once(tmp_path: Path, winter: Sample) -> None:
    """Two requests for the same section are valid at its return: it drops the second by mandate, section and attempt."""
    network = filed(winter, tmp_path)
    stand_still(network, 23)
    network.run()
    network.pass_time(60)
    accepted = [e for e in events_of(network, winter.application, "answer_accepted") if e["provider"] == "37"]
    repeated = events_of(network, winter.application, "answer_duplicate", "answer_conflict")
    assert (len(accepted), repeated) == (1, [])
    stand_still(network, 20, without=())
    assert requests(network, "37") == {1: 3}


def test_after_the_window_nothing_is_sent_and_nothing_is_kept(tmp_path: Path, winter: Sample) -> None:
    """The sealed sections go with the supplement window in the join, and a week later at the center."""
    network = filed(winter, tmp_path)
    stand_still(network, 44)
    assert kept(network, "applications", b"s") == 1
    stand_still(network, 2)
    assert kept(network, "join", b"j") == 0
    stand_still(network, 7)
    assert (
        kept(network, "applications", b"s") == kept(network, "applications", b"a") == kept(network, "join", b"j") == 0
    )
    asked = requests(network, "37")
    stand_still(network, 15)
    assert requests(network, "37") == asked


def test_center_and_join_may_be_restarted_meanwhile(tmp_path: Path, winter: Sample) -> None:
    """Who owes, and since when, is in the changelogs."""
    network = filed(winter, tmp_path)
    stand_still(network, 6)
    restart_join(network)
    restart_applications(network)
    stand_still(network, 5)
    restart_applications(network)
    restart_join(network)
    assert requests(network, "37") == {1: 2}
    stand_still(network, 9.5)
    assert requests(network, "37") == {1: 3}
    network.run()
    network.pass_time(60)
    assert_equals_oracle(network, winter)


def restart_join(network: Network) -> None:
    """A new process of the join."""
    [position] = [n for n, worker in enumerate(network.workers) if worker.stage.name == "join"]
    network.workers[position].close()
    stage = Join(network.identities[CENTER], lambda _, key: murmur2_partition(key, PARTITIONS))
    network.workers[position] = MemoryWorker(stage, network.broker, network.clock)


def test_of_three_sections_only_those_that_are_owed_go_out_again(tmp_path: Path, winter: Sample) -> None:
    """And only those are kept once the requester has receipted what the first certificate names."""
    network = network_of(winter, tmp_path)
    network.file(winter.application, winter.persons, section_size=6)
    network.run(without=SILENT)
    answer_one_section(network)
    stand_still(network, 11)
    assert requests(network, "37") == {1: 1, 2: 2, 3: 2}
    stand_still(network, 5)
    assert kept(network, "applications", b"s") == 2
    found = standing(network, winter.application).of("37", "vehicles")
    assert (set(found), sum(found.values())) == ({("done", None), ("expired", None)}, 12)
    network.run()
    network.pass_time(60)
    assert_equals_oracle(network, winter)
    assert kept(network, "applications", b"s") == 0


def answer_one_section(network: Network) -> None:
    """37 gets the request for one section in an envelope of its own, answers it, and stands still again."""
    topic = inbox("37", "requests")
    [message] = network.broker.messages(topic)
    bundles = [parse_bundle(raw) for raw in cbor2.loads(message.value or b"")[1]]
    assert len(bundles) == 3
    [first] = [bundle for bundle in bundles if bundle.header.section == 1]
    sealed = SealedBundle(first.raw, first.leaf, len(first.records), first.header)
    center = network.identities[CENTER].signer
    alone = envelopes.build([sealed], center, audience="37", now=network.clock())
    network.parties["37"].answers.work([replace(message, key=alone.id, value=alone.value)], {})
    network.send("37")
    network.run(without=SILENT)


def test_a_large_application_goes_out_again_a_message_at_a_time(
    tmp_path: Path, winter: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where two sections do not fit one transaction, the rest of those that owe follows in the next, first and again."""
    monkeypatch.setattr(sending, "STRAIGHT_THROUGH", 1)
    monkeypatch.setattr(redispatching, "STRAIGHT_THROUGH", 1)
    network = network_of(winter, tmp_path, slow=("32", "37"))
    network.file(winter.application, winter.persons, section_size=6)
    network.run(without=("32", "37"))
    stand_still(network, 11, without=("32", "37"))
    assert requests(network, "37") == requests(network, "32") == {1: 2, 2: 2, 3: 2}
    network.run()
    network.pass_time(60)
    assert_equals_oracle(network, winter)
    assert codes(network) == []


def test_what_is_withdrawn_goes_out_to_nobody_any_more(tmp_path: Path, winter: Sample) -> None:
    """撤销: the provider that stood still hears of the withdrawal when it is back, and of no request that it may answer."""
    network = filed(winter, tmp_path)
    stand_still(network, 12)
    withdraw(network, winter.application)
    network.run(without=SILENT)
    asked = requests(network, "37")
    stand_still(network, 20)
    assert requests(network, "37") == asked == {1: 2}
    assert kept(network, "applications", b"s") == 0


def test_nothing_goes_out_under_a_mandate_that_is_over(tmp_path: Path, winter: Sample) -> None:
    """No provider may answer under it: after its `not_after` the center does not ask."""
    network = network_of(winter, tmp_path)
    member = network.parties[REQUESTER]
    filing = file_application(
        winter.application,
        winter.persons,
        identity=member.identity,
        trust=network.reference.trust,
        release=1,
        now=network.clock(),
        valid_for=16 * DAY * 1000,
    )
    member.store.file(filing, 1, network.clock())
    stand_still(network, 25)
    assert requests(network, "37") == {1: 2}, "on the tenth day, and not on the twentieth"


def test_a_party_that_resumes_is_asked_after_all(tmp_path: Path, winter: Sample) -> None:
    """暂停: unavailable in version 1, as the acceptance says; resumed on the third day it is asked, and version 2 has it."""
    network = network_of(winter, tmp_path, slow=())
    suspend(network, 2, suspended=True)
    network.file(winter.application, winter.persons)
    network.run()
    assert standing(network, winter.application).of("37", "vehicles") == {("unavailable", "provider_suspended"): 12}
    assert kept(network, "applications", b"s") == 1
    stand_still(network, 3, without=())
    suspend(network, 3, suspended=False)
    stand_still(network, 6.5, without=())
    assert requests(network, "37") == {}
    stand_still(network, 1, without=())
    network.pass_time(60)
    result = standing(network, winter.application)
    assert (result.version, result.of("37", "vehicles")) == (2, {("done", None): 12})
    assert (codes(network), local_codes(network, "37")) == ([], [])
    assert kept(network, "applications", b"s") == kept(network, "join", b"j") == 0
    assert_equals_oracle(network, winter)


def test_a_party_that_stays_suspended_is_sent_nothing(tmp_path: Path, winter: Sample) -> None:
    """Not on the tenth day, not on the twentieth; what was kept for it goes with the window."""
    network = network_of(winter, tmp_path, slow=())
    suspend(network, 2, suspended=True)
    network.file(winter.application, winter.persons)
    network.run()
    stand_still(network, 39, without=())
    assert requests(network, "37") == {}
    assert standing(network, winter.application).version == 1
    assert kept(network, "applications", b"s") == kept(network, "join", b"j") == 0


def test_a_withdrawal_reaches_a_party_that_was_asked_after_all(tmp_path: Path, winter: Sample) -> None:
    """Who resumed and was asked acknowledges like everybody else."""
    network = network_of(winter, tmp_path, slow=("32",))
    suspend(network, 2, suspended=True)
    network.file(winter.application, winter.persons)
    network.run(without=("32",))
    suspend(network, 3, suspended=False)
    stand_still(network, 11, without=("32", "37"))
    assert requests(network, "37") == {1: 1}
    withdraw(network, winter.application)
    network.run()
    assert "37" in acknowledgements(network, winter.application)


def suspend(network: Network, number: int, *, suspended: bool) -> None:
    """Publish whether 37 is suspended."""
    network.trust(trust_entry(network.identities["37"], number, suspended=suspended))


def test_an_acceptance_under_a_revoked_certificate_is_signed_anew(tmp_path: Path, winter: Sample) -> None:
    """The center's certificate was revoked in between: providers would refuse the acceptance that it signed first."""
    network = filed(winter, tmp_path)
    stand_still(network, 2)
    network.renew(CENTER)
    stand_still(network, 9)
    network.run()
    network.pass_time(60)
    assert standing(network, winter.application).of("37", "vehicles") == {("done", None): 12}
    assert_equals_oracle(network, winter)
