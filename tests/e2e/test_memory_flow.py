"""The sample application's way through every hop on the in-memory broker, held against the SQL oracle."""

from __future__ import annotations

from pathlib import Path

from pipeline.demo.application import sample_application
from pipeline.province import outbox
from tests.scenario import assert_equals_oracle, codes, network_for


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
