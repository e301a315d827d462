"""An application as its requester holds it: verified on every reading, and no dossier before all is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.demo.application import Sample
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.province.casefile import CaseFile
from pipeline.stages.local import LocalEffects
from tests.network import Network
from tests.scenario import REQUESTER, network_for, small_sample


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A small application and its providers."""
    return small_sample(tmp_path_factory.mktemp("sample"), ("部中心", "marriage", ""), ("山东", "vehicles", ""))


@pytest.fixture
def network(sample: Sample, tmp_path: Path) -> Network:
    """The application filed, nothing sent yet."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    return network


@pytest.fixture
def held(network: Network, sample: Sample) -> CaseFile:
    """The application done, and one bundle taken out of the store again."""
    network.run()
    db = network.parties[REQUESTER].store.connection
    db.execute("DELETE FROM bundle WHERE provider = '37'")
    return network.case(sample.application)


def test_an_unknown_application_is_the_operators_error(network: Network) -> None:
    """Named as it was given."""
    store = network.parties[REQUESTER].store
    with pytest.raises(ConfigError, match="no application 1234"):
        CaseFile(store.connection, "1234", network.reference.trust)


def test_a_filed_application_knows_its_form_and_roster_from_the_start(network: Network, sample: Sample) -> None:
    """Before anything was sent there is neither decision nor certificate nor dossier."""
    case = network.case(sample.application)
    assert (case.state, case.persons, case.form()) == ("filed", len(sample.persons), sample.application)
    assert [person for section in case.roster() for person in section] == sample.persons
    assert (case.acceptance(), case.rejection(), case.certificate()) == (None, None, None)
    assert (case.missing(), case.is_complete(), case.progress()) == (set(), False, (0, 0))
    with pytest.raises(ConfigError, match="not complete yet"):
        case.dossiers()


def test_a_certified_application_gives_its_acceptance_and_dossiers(network: Network, sample: Sample) -> None:
    """Who was asked what, by when; and what came of it."""
    network.run()
    case = network.case(sample.application)
    acceptance = case.acceptance()
    assert acceptance is not None
    assert {(q["provider"], q["row"]) for q in acceptance["sub_queries"]} == {("00", 1), ("37", 2)}
    assert acceptance["mandate_digest"] == case.mandate_digest
    assert case.state == "completed"
    assert case.progress() == (2, 1)
    assert sum(len(d["persons"]) for d in case.dossiers()) == len(sample.persons)


def test_there_is_no_dossier_while_a_bundle_is_missing(held: CaseFile) -> None:
    """Complete only when every bundle that the certificate names is here."""
    assert len(held.missing()) == 1
    assert not held.is_complete()
    with pytest.raises(ConfigError, match="not complete yet"):
        held.dossiers()


@pytest.mark.parametrize("column", ["acceptance", "signed"])
def test_what_was_tampered_with_in_the_store_is_not_believed(network: Network, sample: Sample, column: str) -> None:
    """Signatures are verified at every reading, not only when the object came."""
    network.run()
    db = network.parties[REQUESTER].store.connection
    table = "application" if column == "acceptance" else "result"
    [raw] = db.execute(f"SELECT {column} FROM {table}").fetchone()  # noqa: S608
    db.execute(f"UPDATE {table} SET {column} = ?", (raw[:-1] + bytes((raw[-1] ^ 1,)),))  # noqa: S608
    case = network.case(sample.application)
    read = case.acceptance if column == "acceptance" else case.certificate
    with pytest.raises(InvalidMessage) as caught:
        read()
    assert caught.value.code == "signature_invalid"


def test_old_objects_are_verified_as_of_when_they_were_signed(network: Network, sample: Sample) -> None:
    """A result is read for years; its own lifetime of two weeks is for its way."""
    network.run()
    network.clock.advance(300 * 24 * 3600)
    case = network.case(sample.application)
    assert case.certificate() is not None
    assert case.is_complete()


def test_a_decision_is_judged_as_of_when_it_came(network: Network, sample: Sample) -> None:
    """The center's key is revoked: a decision that was there before stands, one that came with an earlier date does not."""
    network.run()
    network.clock.advance(60)
    network.revoke(network.identities[CENTER].signer.certificate)
    assert network.case(sample.application).acceptance() is not None
    db = network.parties[REQUESTER].store.connection
    db.execute("UPDATE application SET accepted_at = ?", (network.clock(),))
    with pytest.raises(InvalidMessage) as caught:
        network.case(sample.application).acceptance()
    assert caught.value.code == "certificate_revoked"


def test_a_decision_that_comes_again_has_come_when_it_came_first(network: Network, sample: Sample) -> None:
    """The center sends it again after months, and nothing received since makes it younger."""
    network.run()
    store = network.parties[REQUESTER].store
    [raw, came] = store.connection.execute("SELECT acceptance, accepted_at FROM application").fetchone()
    acceptance = network.case(sample.application).acceptance()
    assert acceptance is not None
    store.apply(LocalEffects(acceptances=[(acceptance, raw)]), {}, came + 1)
    assert store.connection.execute("SELECT accepted_at FROM application").fetchone() == (came,)


def test_findings_do_not_change_persons_with_the_stores_rows(sample: Sample, tmp_path: Path) -> None:
    """To whom an answer belongs is in the signed certificate; what the store says beside it in clear decides nothing."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons, section_size=6)
    network.run()
    before = network.case(sample.application).dossiers()
    db = network.parties[REQUESTER].store.connection
    sections = "SELECT count(DISTINCT section) FROM bundle WHERE outcome = 'done' AND provider = '37'"
    assert db.execute(sections).fetchone()[0] > 1
    db.execute("UPDATE bundle SET section = 3 - section, provider = CASE provider WHEN '37' THEN '00' ELSE '37' END")
    assert network.case(sample.application).dossiers() == before
