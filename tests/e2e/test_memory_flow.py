"""The sample application's way through every hop on the in-memory broker, held against the SQL oracle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.demo.application import Sample, sample_application
from pipeline.province import outbox
from pipeline.province.catalog_files import load_entries
from pipeline.province.sources import open_sources, sqlite_url
from pipeline.stages import topics
from tests.network import Network
from tests.oracle import expected, from_dossiers


def network_for(sample: Sample, folder: Path) -> Network:
    """A network whose providers have the sample's databases."""
    catalog = [entry for party in sample.parties for entry in load_entries(sample.catalog / f"{party}.yaml")]
    network = Network(folder, sample.parties, catalog)
    for party in sample.parties:
        database = sqlite_url(sample.databases / f"{party}.db")
        network.connect_sources(party, open_sources(sample.providers / f"{party}.yaml", database))
    return network


def assert_equals_oracle(network: Network, sample: Sample) -> None:
    """The dossiers say, field by field, what plain SQL says."""
    case = network.case(sample.application)
    assert case.rejection() is None
    assert case.is_complete()
    wanted = expected(
        sample.application,
        sample.persons,
        providers=sample.providers,
        catalog=sample.catalog,
        databases=sample.databases,
        now=network.clock(),
    )
    assert from_dossiers(case.dossiers()) == wanted


def codes(network: Network) -> Sequence[str]:
    """Codes of the dead letters."""
    dead = network.broker.messages(topics.DEAD_LETTERS)
    return [dict(message.headers)["__connect.errors.exception.message"].decode() for message in dead]


def test_sample_application_becomes_the_dossiers_the_oracle_says(tmp_path: Path) -> None:
    """Every person x row x provider ends in the status, and with the entries, that plain SQL says."""
    sample = sample_application(tmp_path / "databases")
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    assert_equals_oracle(network, sample)
    assert codes(network) == []


def test_everything_sent_is_receipted_in_the_end(tmp_path: Path) -> None:
    """No outbox holds anything once the dossiers are delivered."""
    sample = sample_application(tmp_path / "databases")
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    for member in network.parties.values():
        assert outbox.waiting(member.store.connection) == 0
        assert outbox.unsettled(member.store.connection) == 0
