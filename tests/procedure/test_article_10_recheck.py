"""Article 10 (对反馈结果存在异议, 应…提出…复核申请): whoever disputes a result has it asked again, and sees what changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.domain.subqueries import sub_query_id
from pipeline.province.differences import differences_of
from pipeline.province.rechecking import attempts_of
from tests.disputes import PROVIDER, Original, certified, plates, register_property, register_vehicle, with_id
from tests.officer import center_case, events_of
from tests.scenario import bundles_in, is_certified, network_for, small_sample, standing

PLATE = "鲁A20260"


@pytest.fixture
def original(tmp_path: Path) -> Original:
    """An application with its certificate."""
    return certified(tmp_path)


def test_a_disputed_result_is_asked_again_of_the_persons_and_rows_disputed(original: Original) -> None:
    """One person, one row, one provider: the changed record is found and nobody else is asked about.

    Were the whole application asked again, everybody's data would move once more for one person's dispute.
    """
    network, person = original.network, with_id(original.sample.persons)[2]
    register_vehicle(original.sample, person, PLATE)
    recheck = original.recheck([person["number"]], [1], PROVIDER)
    network.run()
    assert plates(network, recheck, person["number"]) == [PLATE]
    assert sum(standing(network, recheck).counts.values()) == 1
    asked = [b.header for b in bundles_in(network, PROVIDER, "requests", "request") if b.header.version == 2]
    assert [(header.count, header.rows) for header in asked] == [(1, (1,))]


def test_it_is_a_new_application_linked_to_the_old_one_by_signed_digests(original: Original) -> None:
    """Its mandate names original, mandate, certificate and attempt; the center checks each before it goes on."""
    network, person = original.network, with_id(original.sample.persons)[2]
    recheck = original.recheck([person["number"]], [1], PROVIDER)
    network.run()
    first, mandate = network.case(original.application), network.case(recheck).mandate()
    certificate = first.certificate()
    assert certificate is not None
    assert mandate["recheck"] == {
        "original": original.id,
        "mandate_digest": first.mandate_digest,
        "certificate": certificate.digest,
        "attempt": 2,
        "reason": "登记与事实不符",
    }
    assert mandate["reply_key"] != first.mandate()["reply_key"]
    [known] = attempts_of(first.connection, original.id)
    assert (known.application_id, known.attempt) == (recheck["application_id"], 2)
    name = sub_query_id(original.id, person["number"], 1, PROVIDER)
    assert name == f"{original.id}/{person['number']}/1/{PROVIDER}"


def test_what_the_re_check_changed_is_listed_field_by_field_and_signed(original: Original) -> None:
    """Before and after, by person, row, provider and item, between two certificates that are named."""
    network, person = original.network, with_id(original.sample.persons)[2]
    register_vehicle(original.sample, person, PLATE)
    recheck = original.recheck([person["number"]], [1], PROVIDER)
    network.run()
    found = differences_of(network.case(recheck))
    told = {d["item"]: (d["before"], d["after"]) for d in found.differences}
    assert told["status"] == ("no_record", "found")
    assert told["plate"] == (None, PLATE)
    assert found.compared == 1
    assert len(found.signed) == 1


def test_a_changed_property_record_is_found(tmp_path: Path) -> None:
    """A mortgage entered since, and a flat that the first answer did not have: told item by item, in the register's words."""
    sample = small_sample(tmp_path, ("全国", "real_estate", ""))
    person = with_id(sample.persons)[2]
    register_property(sample, person, "鲁(2019)济南市不动产权第0000001号")
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    original = Original(sample, network)
    register_property(sample, person, "鲁(2019)济南市不动产权第0000001号", mortgaged=True)
    register_property(sample, person, "鲁(2026)济南市不动产权第0000002号")
    recheck = original.recheck([person["number"]], [1], PROVIDER)
    network.run()
    found = differences_of(network.case(recheck))
    first = [(d["item"], d["before"], d["after"]) for d in found.differences if d["entry"] == 1]
    assert first == [("mortgaged", "false", "true")]
    second = {d["item"]: d["after"] for d in found.differences if d["entry"] == 2}
    assert second["certificate_number"] == "鲁(2026)济南市不动产权第0000002号"
    assert second["mortgaged"] == "false"


def test_a_re_check_that_confirms_everything_says_so(original: Original) -> None:
    """No difference is a result, too: compared, signed, and empty."""
    network = original.network
    numbers = [person["number"] for person in original.sample.persons]
    recheck = original.recheck(numbers, [1, 2, 3])
    network.run()
    found = differences_of(network.case(recheck))
    assert found.differences == []
    assert found.compared == sum(standing(network, recheck).counts.values())
    assert found.compared == sum(standing(network, original.application).counts.values())


def test_every_sub_query_of_original_and_re_check_has_one_final_status(original: Original) -> None:
    """Conservation: the re-check adds attempts, it takes nothing from the original, and its life is told by events."""
    network, person = original.network, with_id(original.sample.persons)[2]
    before = standing(network, original.application)
    recheck = original.recheck([person["number"]], [1, 3])
    network.run()
    assert is_certified(network, recheck)
    assert standing(network, original.application) == before
    asked = network.case(recheck).acceptance()
    assert asked is not None
    assert sum(standing(network, recheck).counts.values()) == len(asked["sub_queries"])
    states = [change["state"] for change in center_case(network, original.application).state["history"]]
    assert states[-2:] == ["under_recheck", "incomplete"]
    begun, ended = events_of(network, original.application, "recheck_begun", "recheck_ended")
    assert (begun["by"], begun["code"], ended["by"]) == ("53", "attempt_2", "center")
