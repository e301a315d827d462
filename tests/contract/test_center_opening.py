"""Opening at the center: with `seal_to_center` the same result gives the same dossiers, without it nothing opens."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.center.opening import ACCESS_LOG, Material, gather, open_logged, open_result
from pipeline.demo.application import Sample
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.province import access
from pipeline.province.database import access_log
from pipeline.stages import topics
from pipeline.stages.keys import application_key
from tests.network import Network
from tests.oracle import from_dossiers
from tests.scenario import FEEDBACK, assert_equals_oracle, network_for, with_form


def held(network: Network, sample: Sample) -> Material:
    """What the center's topics hold of the application."""
    key = application_key(sample.application["requester"], sample.application["application_id"])
    newest = [m.value or b"" for m in network.broker.messages(topics.RESULTS) if m.key == key][-1]
    return gather(key, newest, network.broker.messages(topics.APPLICATIONS), network.broker.messages(topics.JOIN))


def finished(sample: Sample, tmp_path: Path, *, without: tuple[str, ...] = ()) -> Network:
    """A network on which the application, of several sections, is done."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons, section_size=5)
    network.run(without=without)
    return network


@pytest.fixture(scope="module")
def sealed(sample: Sample) -> Sample:
    """The sample, with its requester's consent that the center reads the answers."""
    return with_form(sample, seal_to_center=True)


def test_center_opens_the_result_into_the_requesters_dossiers(tmp_path: Path, sealed: Sample) -> None:
    """Same result, same bundles, same dossiers; to the last field."""
    network = finished(sealed, tmp_path)
    assert_equals_oracle(network, sealed)
    theirs = network.case(sealed.application).dossiers()
    ours = open_result(held(network, sealed), network.identities[CENTER], network.reference)
    assert ours == theirs


def test_center_opens_supplements_too(tmp_path: Path, sealed: Sample) -> None:
    """Expired in the first result, answered in the second: the center reads what the requester reads."""
    network = finished(sealed, tmp_path, without=("37",))
    network.pass_time(FEEDBACK + 5, without=("37",))
    first = open_result(held(network, sealed), network.identities[CENTER], network.reference)
    assert {key for key, result in from_dossiers(first).items() if result["status"] == "expired"}
    assert first == network.case(sealed.application).dossiers()
    network.pass_time(60)
    second = open_result(held(network, sealed), network.identities[CENTER], network.reference)
    assert second == network.case(sealed.application).dossiers()
    assert_equals_oracle(network, sealed)


def test_the_centers_times_of_receipt_decide_what_a_later_revocation_spoils(tmp_path: Path, sealed: Sample) -> None:
    """Requester and provider are revoked after it all came: it opens. Had either's part come after that, it would not."""
    network = finished(sealed, tmp_path)
    material, center = held(network, sealed), network.identities[CENTER]
    network.clock.advance(60)
    for party in ("37", sealed.application["requester"]):
        network.revoke(network.identities[party].signer.certificate)
    now = network.clock()
    assert open_result(material, center, network.reference) == network.case(sealed.application).dossiers()
    bundles = {digest: bundle.copy() for digest, bundle in material.bundles.items()}
    sections = {number: section.copy() for number, section in material.sections.items()}
    for bundle in bundles.values():
        bundle["appended_at"] = now
    for section in sections.values():
        section["received_at"] = now
    for late, code in (
        (replace(material, bundles=bundles), "certificate_revoked"),
        (replace(material, sections=sections), "mandate_invalid"),
    ):
        with pytest.raises(InvalidMessage) as caught:
            open_result(late, center, network.reference)
        assert caught.value.code == code


def test_center_cannot_open_what_is_not_sealed_to_it(tmp_path: Path, sample: Sample) -> None:
    """Without `seal_to_center` it holds everything but a key: tried, and refused by the seal itself."""
    network = finished(sample, tmp_path)
    with pytest.raises(InvalidMessage) as caught:
        open_result(held(network, sample), network.identities[CENTER], network.reference)
    assert caught.value.code == "not_a_recipient"


def test_nobody_else_can_open_it_either(tmp_path: Path, sealed: Sample) -> None:
    """The center's material is of no use to another party's key."""
    network = finished(sealed, tmp_path)
    with pytest.raises(InvalidMessage) as caught:
        open_result(held(network, sealed), network.identities["32"], network.reference)
    assert caught.value.code == "not_a_recipient"


def test_opening_needs_every_section_and_bundle(tmp_path: Path, sealed: Sample) -> None:
    """What the topics do not hold any more is named, not left out."""
    network = finished(sealed, tmp_path)
    material = held(network, sealed)
    center, reference = network.identities[CENTER], network.reference
    fewer = dict(list(material.bundles.items())[1:])
    with pytest.raises(ConfigError, match="bundle"):
        open_result(replace(material, bundles=fewer), center, reference)
    with pytest.raises(ConfigError, match="section 2"):
        open_result(replace(material, sections={1: material.sections[1]}), center, reference)


def test_every_opening_is_in_the_centers_log(tmp_path: Path, sealed: Sample, sample: Sample) -> None:
    """Whose result, for which unit and purpose; also when it is refused, and before anything is given out."""
    unit, purpose = sealed.application["approving_authority"], sealed.application["purpose"]
    with closing(access_log(tmp_path / "center" / ACCESS_LOG)) as log:
        for folder, asked in (("sealed", sealed), ("closed", sample)):
            network = finished(asked, tmp_path / folder)
            center, reference, now = network.identities[CENTER], network.reference, network.clock()
            if asked is sealed:
                theirs = network.case(asked.application).dossiers()
                assert open_logged(held(network, asked), center, reference, log, now=now, by="user:wang") == theirs
                fewer = replace(held(network, asked), bundles={})
                with pytest.raises(ConfigError):
                    open_logged(fewer, center, reference, log, now=now)
            else:
                with pytest.raises(InvalidMessage):
                    open_logged(held(network, asked), center, reference, log, now=now)
        rows = access.entries(log)
        log.execute("CREATE TRIGGER full BEFORE INSERT ON access BEGIN SELECT RAISE(ABORT, 'no space left'); END")
        with pytest.raises(sqlite3.IntegrityError, match="no space left"):
            open_logged(held(network, asked), center, reference, log, now=now)
    assert [(row.act, row.detail.get("code")) for row in rows] == [
        ("opened", None),
        ("refused", "incomplete"),
        ("refused", "not_a_recipient"),
    ]
    assert rows[0].actor == "user:wang"
    assert {(row.unit, row.purpose, row.requester) for row in rows} == {
        (unit, purpose, sealed.application["requester"])
    }


def test_opening_verifies_what_it_reads(tmp_path: Path, sealed: Sample) -> None:
    """A bundle altered in the center's own topics is not taken for the provider's."""
    network = finished(sealed, tmp_path)
    material = held(network, sealed)
    altered = {
        digest: {**answer, "bundle": answer["bundle"][:-1] + bytes((answer["bundle"][-1] ^ 1,))}
        for digest, answer in material.bundles.items()
    }
    with pytest.raises(InvalidMessage):
        open_result(
            replace(material, bundles=altered),  # type: ignore[arg-type]
            network.identities[CENTER],
            network.reference,
        )


def test_an_application_whose_id_goes_on_is_another(tmp_path: Path, sealed: Sample) -> None:
    """`53/abc` takes nothing of `53/abcd`, which may lie before it in the topic."""
    network = finished(sealed, tmp_path)
    key = application_key(sealed.application["requester"], sealed.application["application_id"])
    messages = network.broker.messages(topics.APPLICATIONS)
    others = [replace(message, key=key + b"d") for message in messages if message.key == key]
    newest = [m.value or b"" for m in network.broker.messages(topics.RESULTS) if m.key == key][-1]
    assert others
    assert gather(key, newest, others, []).sections == {}
