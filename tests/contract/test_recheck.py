"""Re-checks (复核, Art. 10): asked again of the persons and rows disputed only, answered afresh, linked to the original."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.center.evidence_opening import open_documents
from pipeline.crypto.keys import SealingKey
from pipeline.domain.errors import ConfigError
from pipeline.domain.records import Person
from pipeline.province import shredding
from pipeline.province.differences import differences_of
from pipeline.province.filing import Origin
from pipeline.province.rechecking import Prepared, RecheckRefused, attempts_of
from pipeline.stages.origins import prove
from tests.archive import archived
from tests.delaying import withdraw
from tests.disputes import ROWS, Original, certified, plates, register_vehicle, with_id
from tests.forgery import send, take_apart
from tests.network import Network
from tests.officer import center_case, decide, events_of, restart_applications
from tests.oracle import expected, from_dossiers
from tests.scenario import bundles_in, codes, is_certified, kept, local_codes, network_for, small_sample, standing

VEHICLES, FUND, BUSINESS = 1, 2, 3
"""Rows of the original's schedule."""
DAYS = 24 * 3600


@pytest.fixture
def original(tmp_path: Path) -> Original:
    """An application with its certificate, and registers of its own."""
    return certified(tmp_path)


@pytest.fixture
def disputed(original: Original) -> Person:
    """Somebody of the roster, neither first nor last."""
    return with_id(original.sample.persons)[3]


def only(prepared: Prepared, **recheck: Any) -> Prepared:
    """A prepared re-check that says something else of its original."""
    assert prepared.application["recheck"] is not None
    said = {**prepared.application["recheck"], **recheck}
    return replace(prepared, application={**prepared.application, "recheck": said})  # type: ignore[typeddict-item]


def quiet(original: Original) -> None:
    """Nobody put anything aside."""
    assert codes(original.network) == []
    assert [local_codes(original.network, party) for party in original.sample.parties] == [[]] * 4


# ---- what it finds ----------------------------------------------------------------------------------------------------------


def test_a_re_check_finds_a_changed_record(original: Original, disputed: Person) -> None:
    """Asked again, 山东 tells of the vehicle it did not know; the original's result stays what it was."""
    before = original.network.case(original.application).dossiers()
    register_vehicle(original.sample, disputed, "鲁A12345")
    recheck = original.recheck([disputed["number"]], [VEHICLES], "37")
    original.network.run()
    assert plates(original.network, recheck, disputed["number"]) == ["鲁A12345"]
    assert original.network.case(original.application).dossiers() == before
    quiet(original)


def test_it_says_what_the_registers_say_field_by_field(original: Original, disputed: Person) -> None:
    """The oracle, plain SQL over the changed registers, gives the same dossiers for the re-check as for any application."""
    register_vehicle(original.sample, disputed, "鲁A12345")
    recheck = original.recheck([disputed["number"]], [VEHICLES, BUSINESS])
    original.network.run()
    wanted = expected(
        recheck,
        [disputed],
        providers=original.sample.providers,
        catalog=original.sample.catalog,
        databases=original.sample.databases,
        now=original.network.clock(),
    )
    assert from_dossiers(original.network.case(recheck).dossiers()) == wanted


def test_providers_see_the_disputed_persons_and_rows_only(original: Original, disputed: Person) -> None:
    """Under their numbers of the original; who was not asked about gets nothing at all."""
    network = original.network
    recheck = original.recheck([disputed["number"]], [VEHICLES], "37")
    network.run()
    new = {
        party: [
            bundle
            for bundle in bundles_in(network, party, "requests", "request")
            if bundle.header.application_id == recheck["application_id"]
        ]
        for party in original.sample.parties
    }
    assert {party: len(found) for party, found in new.items()} == {"00": 0, "32": 0, "37": 1, "53": 0}
    [request] = new["37"]
    opened = take_apart(request, network.identities["37"])
    assert request.header.rows == (VEHICLES,)
    assert len(opened.persons) == 1
    assert disputed["name"].encode() in opened.persons[0]
    for other in original.sample.persons:
        if other["name"] != disputed["name"]:
            assert other["name"].encode() not in repr((opened.head, opened.persons, opened.warrant)).encode()


def test_a_nationwide_row_may_be_asked_again_as_it_was(original: Original, disputed: Person) -> None:
    """Row 3 keeps its number, though rows 1 and 2 are not there."""
    recheck = original.recheck([disputed["number"]], [BUSINESS])
    original.network.run()
    found = standing(original.network, recheck)
    acceptance = original.network.case(original.application).acceptance()
    assert acceptance is not None
    asked = {query["provider"] for query in acceptance["sub_queries"] if query["row"] == BUSINESS}
    assert {key[0] for key in found.counts} == asked == {"00", "32"}
    certificate = original.network.case(recheck).certificate()
    assert certificate is not None
    assert {line["row"] for line in certificate.sections[1]["lines"]} == {BUSINESS}


def test_each_attempt_is_looked_up_afresh(original: Original, disputed: Person) -> None:
    """Attempts 1, 2 and 3 of one sub-query give three answers, as the register stood: no cache can answer."""
    network, number = original.network, disputed["number"]
    assert plates(network, original.application, number) == []
    register_vehicle(original.sample, disputed, "鲁A00002", "大众 捷达")
    second = original.recheck([number], [VEHICLES], "37")
    network.run()
    register_vehicle(original.sample, disputed, "鲁A00003", "比亚迪 秦")
    third = original.recheck([number], [VEHICLES], "37")
    network.run()
    assert [plates(network, each, number) for each in (second, third)] == [["鲁A00002"], ["鲁A00002", "鲁A00003"]]
    assert plates(network, original.application, number) == []
    requests = bundles_in(network, "37", "requests", "request")
    answers = bundles_in(network, "center", "responses", "answer")
    assert {(b.header.application_id, b.header.version) for b in (*requests, *answers)} == {
        (original.id, 1),
        (second["application_id"], 2),
        (third["application_id"], 3),
    }
    states = [(known.attempt, known.state) for known in attempts_of(network.case(second).connection, original.id)]
    assert states == [(2, "completed"), (3, "completed")]


def test_a_large_original_of_several_sections(tmp_path: Path) -> None:
    """Persons of different sections stand in one section of the re-check, or in several, and are still proved."""
    original = certified(tmp_path, persons=40, section_size=4)
    certificate = original.network.case(original.application).certificate()
    assert certificate is not None
    assert len(certificate.sections) >= 8
    persons = with_id(original.sample.persons)
    chosen = [persons[position] for position in (1, 8, 15, -2)]
    register_vehicle(original.sample, chosen[2], "鲁A12345")
    prepared = original.prepare([person["number"] for person in chosen], [VEHICLES])
    for size in (500, 1):
        again = original.prepare([person["number"] for person in chosen], [VEHICLES])
        recheck = original.file(again, section_size=size)
        original.network.run()
        dossiers = original.network.case(recheck).dossiers()
        numbers = [person["number"] for dossier in dossiers for person in dossier["persons"]]
        assert sorted(numbers) == sorted(person["number"] for person in chosen)
        assert plates(original.network, recheck, chosen[2]["number"]) == ["鲁A12345"]
    assert {proof["section"] for proof in prepared.origin.persons.values()} != {1}
    quiet(original)


# ---- the original -------------------------------------------------------------------------------------------------------


def test_the_original_is_under_re_check_until_the_last_one_is_over(original: Original, disputed: Person) -> None:
    """At the requester and at the center; its own certificate stands all the time."""
    network = original.network
    closed = original.state()
    second = original.recheck([disputed["number"]], [VEHICLES], "37")
    assert original.state() == "under_recheck"
    network.run(without=["37"])
    third = original.recheck([disputed["number"]], [BUSINESS], "00")
    network.run(without=["37"])
    assert is_certified(network, third)
    assert not is_certified(network, second)
    assert original.state() == center_case(network, original.application).state["state"] == "under_recheck"
    network.run()
    assert is_certified(network, second)
    assert original.state() == center_case(network, original.application).state["state"] == closed
    kinds = [(e["kind"], e["code"]) for e in events_of(network, original.application, "recheck_begun", "recheck_ended")]
    assert kinds == [
        ("recheck_begun", "attempt_2"),
        ("recheck_begun", "attempt_3"),
        ("recheck_ended", "recheck_completed"),
        ("recheck_ended", "recheck_completed"),
    ]


def test_a_restart_between_question_and_answer_loses_nothing(original: Original, disputed: Person) -> None:
    """The stage is stopped with the question to the original on its way, and again with the answer."""
    network = original.network
    recheck = original.recheck([disputed["number"]], [VEHICLES], "37")
    network.run(without=["applications"])
    [stage] = [worker for worker in network.workers if worker.stage.name == "applications"]
    for _ in range(3):
        stage._turn()  # one batch: sections, then the question, then the answer
        restart_applications(network)
        [stage] = [worker for worker in network.workers if worker.stage.name == "applications"]
    network.run()
    assert is_certified(network, recheck)
    assert center_case(network, original.application).state["attempts"] == 2
    quiet(original)


def test_a_withdrawn_re_check_closes_the_original_and_uses_its_number(original: Original, disputed: Person) -> None:
    """Providers may have been asked under attempt 2, so the next one is 3."""
    network, closed = original.network, original.state()
    second = original.recheck([disputed["number"]], [VEHICLES], "37")
    network.run(without=["37"])
    withdraw(network, second)
    network.run(without=["37"])
    assert network.case(second).state == "withdrawn"
    assert original.state() == center_case(network, original.application).state["state"] == closed
    third = original.recheck([disputed["number"]], [VEHICLES], "37")
    assert third["recheck"] is not None
    assert third["recheck"]["attempt"] == 3
    network.run()
    assert is_certified(network, third)


def test_a_re_check_withdrawn_before_the_center_had_it_stops_no_other(original: Original, disputed: Person) -> None:
    """Its number was never heard of there, and the next one leaves it out."""
    network = original.network
    second = original.recheck([disputed["number"]], [VEHICLES], "37")
    withdraw(network, second)
    network.run()
    assert network.case(second).state == "withdrawn"
    third = original.recheck([disputed["number"]], [VEHICLES], "37")
    network.run()
    assert is_certified(network, third)
    assert original.state() == center_case(network, original.application).state["state"] == "incomplete"


def test_a_store_that_lost_an_attempt_is_told_the_number(original: Original, disputed: Person) -> None:
    """As from an older back-up: the center names the number, and the next re-check has it."""
    network = original.network
    original.recheck([disputed["number"]], [VEHICLES], "37")
    network.run()
    network.case(original.application).connection.execute("DELETE FROM recheck")
    again = original.recheck([disputed["number"]], [VEHICLES], "37")
    network.run()
    assert original.codes(again) == ["recheck_attempt"]
    assert original.faults(again)[0]["args"] == {"stated": "2", "expected": "3"}
    third = original.recheck([disputed["number"]], [VEHICLES], "37")
    network.run()
    assert is_certified(network, third)
    assert network.case(third).mandate()["recheck"]["attempt"] == 3  # type: ignore[index]


def test_a_number_that_an_officer_rejects_is_given_again(original: Original, disputed: Person) -> None:
    """Nobody was asked under it; requester and center count alike."""
    network, closed = original.network, original.state()
    prepared = original.prepare([disputed["number"]], [VEHICLES], "37")
    original.file(prepared)
    network.run(without=["intake"])
    network.rules = replace(network.rules, base=replace(network.rules.base, auto=_no_rechecks(network)))
    restart_applications(network)
    network.run()
    [second] = attempts_of(network.case(original.application).connection, original.id)
    assert (second.attempt, second.state) == (2, "held")
    assert center_case(network, original.application).state["attempts"] == 2
    application = network.case(original.application).beside(second.application_id).form()
    decide(network, application, "reject", reason="理由不成立")
    assert original.state() == center_case(network, original.application).state["state"] == closed
    assert center_case(network, original.application).state["attempts"] == 1
    again = original.recheck([disputed["number"]], [VEHICLES], "37")
    assert again["recheck"] is not None
    assert again["recheck"]["attempt"] == 2
    network.run()
    decide(network, again, "approve")
    assert is_certified(network, again)


def _no_rechecks(network: Network) -> Any:
    return replace(network.rules.base.auto, rechecks=False)


def test_an_archived_original_is_still_found_for_400_days(original: Original, disputed: Person) -> None:
    """The center lets go of an application after its supplement window; what a re-check needs of it stays, and no more."""
    network = original.network
    network.pass_time(60 * DAYS)
    assert kept(network, "applications", b"a") == 0
    assert kept(network, "applications", b"c") == 1
    second = original.recheck([disputed["number"]], [VEHICLES], "37")
    network.run()
    assert is_certified(network, second)
    third = original.recheck([disputed["number"]], [VEHICLES], "37")
    network.run()
    assert is_certified(network, third)
    assert original.state() == "incomplete"
    network.pass_time(200 * DAYS)
    network.pass_time(205 * DAYS)
    assert kept(network, "applications", b"") == 0
    late = original.recheck([disputed["number"]], [VEHICLES], "37")
    network.run()
    assert original.codes(late) == ["recheck_original_unknown"]
    assert original.state() == "incomplete"


# ---- refused at home ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "rows", "provider", "code"),
    [
        ([99], [1], None, "person_unknown"),
        ([1], [9], None, "row_unknown"),
        ([1], [2], "32", "provider_not_asked"),
        ([1], [1], "53", "provider_not_asked"),
    ],
)
def test_what_the_original_did_not_ask_is_refused_at_home(
    original: Original, numbers: list[int], rows: list[int], provider: str | None, code: str
) -> None:
    """A person, a row, another provider of a named row, and one that 全国 did not reach."""
    with pytest.raises(RecheckRefused) as refused:
        original.prepare(numbers, rows, provider)
    assert refused.value.code == code
    assert original.state() != "under_recheck"


def test_one_at_a_time_until_the_center_has_said_yes(original: Original, disputed: Person) -> None:
    """Two on their way might meet the original in either order, and one of them would have the wrong number."""
    original.recheck([disputed["number"]], [VEHICLES], "37")
    with pytest.raises(RecheckRefused, match="recheck_on_its_way"):
        original.prepare([disputed["number"]], [FUND])


def test_a_re_check_is_not_re_checked(original: Original, disputed: Person) -> None:
    """The chain of attempts is the first application's."""
    recheck = original.recheck([disputed["number"]], [VEHICLES], "37")
    original.network.run()
    other = Original(replace(original.sample, application=recheck, persons=[disputed]), original.network)
    with pytest.raises(RecheckRefused, match="recheck_of_recheck"):
        other.prepare([disputed["number"]], [VEHICLES])


def test_what_is_not_certified_or_shredded_is_not_re_checked(tmp_path: Path, original: Original) -> None:
    """There is nothing to dispute, or nothing to dispute it with."""
    network = original.network
    again = {**original.application, "application_id": str(uuid.uuid4())}
    running = Original(replace(original.sample, application=again), network)  # type: ignore[arg-type]
    network.file(running.application, running.sample.persons)
    with pytest.raises(RecheckRefused, match="not_certified"):
        running.prepare([1], [VEHICLES])
    shredding.shred(network.case(original.application), network.clock())
    with pytest.raises(ConfigError, match="shredded"):
        original.prepare([1], [VEHICLES])


def test_the_access_log_says_that_the_original_was_read(original: Original, disputed: Person) -> None:
    """Who prepares a re-check reads form and roster of the original."""
    original.prepare([disputed["number"]], [VEHICLES])
    row = original.network.case(original.application).connection.execute(
        "SELECT act, application_id, detail FROM access ORDER BY number DESC LIMIT 1"
    )
    act, application_id, detail = row.fetchone()
    assert (act, application_id) == ("read", original.id)
    assert '"what":"recheck"' in detail


def test_where_the_unit_holds_the_key_it_gives_another_one(tmp_path: Path) -> None:
    """The province prepares the re-check and reads neither result; only the two packs say what changed."""
    sample = small_sample(tmp_path, *ROWS)
    network = network_for(sample, tmp_path)
    first, second = SealingKey.generate().public, SealingKey.generate().public
    network.file(sample.application, sample.persons, reply_key=first)
    network.run()
    original = Original(sample, network)
    prepared = original.prepare([with_id(sample.persons)[3]["number"]], [VEHICLES], "37")
    application, persons = prepared.application, prepared.persons
    with pytest.raises(ConfigError, match="providers take it for one mandate"):
        network.file(application, persons, reply_key=first, origin=prepared.origin)
    network.file(application, persons, reply_key=second, origin=prepared.origin)
    network.run()
    case = network.case(application)
    assert case.is_complete()
    with pytest.raises(ConfigError, match="holds the reply key"):
        differences_of(case)


# ---- refused by the center -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"certificate": bytes(32)}, "recheck_certificate"),
        ({"attempt": 101}, "recheck_attempt_number"),
        ({"attempt": 1}, "recheck_attempt_number"),
        ({"mandate_digest": bytes(32)}, "recheck_origin_invalid"),
        ({"original": str(uuid.UUID(int=5))}, "recheck_beyond_original"),
        ({"reason": ""}, "missing"),
    ],
)
def test_the_center_refuses_what_does_not_fit_the_original(
    original: Original, disputed: Person, said: dict[str, Any], code: str
) -> None:
    """Another certificate, number, mandate or application than the original's: told by code, nobody asked."""
    before = len(bundles_in(original.network, "37", "requests", "request"))
    recheck = original.file(only(original.prepare([disputed["number"]], [VEHICLES], "37"), **said))
    original.network.run()
    assert original.codes(recheck) == [code]
    assert len(bundles_in(original.network, "37", "requests", "request")) == before
    assert center_case(original.network, original.application).state["attempts"] == 1
    assert center_case(original.network, original.application).state["state"] != "under_recheck"


def by_hand(original: Original, numbers: list[int], **form: Any) -> Prepared:
    """A re-check that the adapter would not prepare, with every proof that its requester can make."""
    case = original.network.case(original.application)
    rows = case.rows()
    sections = case.sealed_roster(rows)
    certificate = case.certificate()
    digest = bytes(32) if certificate is None else certificate.digest
    persons = [person for person in original.sample.persons if person["number"] in numbers]
    places = {person["number"]: (1, index) for index, person in enumerate(p for s in case.roster() for p in s)}
    proofs = prove({1: [places[number][1] for number in numbers]}, case.salts(rows), sections)
    acceptance = case.acceptance_raw()
    assert acceptance is not None
    application = {
        **original.application,
        "application_id": str(uuid.uuid4()),
        "person_count": len(persons),
        "lead_person": persons[0]["name"],
        "schedule": [original.application["schedule"][0]],
        "recheck": {
            "original": original.id,
            "mandate_digest": case.mandate_digest,
            "certificate": digest,
            "attempt": 2,
            "reason": "不服",
        },
        **form,
    }
    origin = Origin(case.mandate_raw, acceptance, {n: proofs[places[n]] for n in numbers})
    return Prepared(application, persons, origin, [])  # type: ignore[arg-type]


def test_an_original_without_certificate_is_no_original(original: Original, disputed: Person) -> None:
    """The center knows what it certified, whatever the requester's adapter lets through."""
    network = original.network
    again = {**original.application, "application_id": str(uuid.uuid4())}
    running = Original(replace(original.sample, application=again), network)  # type: ignore[arg-type]
    network.file(running.application, running.sample.persons)
    network.run(without=["37"])
    forged = by_hand(running, [disputed["number"]])
    with pytest.raises(ConfigError, match="recheck in state"):
        running.file(forged)
    network.parties["53"].store._begin_recheck = lambda *_: None  # type: ignore[method-assign]  # a faulty adapter
    recheck = running.file(forged)
    network.run(without=["37"])
    assert running.codes(recheck) == ["recheck_not_certified"]


def test_the_center_refuses_the_re_check_of_a_re_check(original: Original, disputed: Person) -> None:
    """One chain of attempts, of the first application."""
    recheck = original.recheck([disputed["number"]], [VEHICLES], "37")
    original.network.run()
    first = Original(replace(original.sample, application=recheck, persons=[disputed]), original.network)
    again = first.file(by_hand(first, [disputed["number"]]))
    original.network.run()
    assert first.codes(again) == ["recheck_of_recheck"]


def a_stranger(prepared: Prepared, original: Original) -> Prepared:
    """Somebody the original did not have, under a number and a proof that it had."""
    [number] = prepared.origin.persons
    stranger = with_id(original.sample.persons)[7]
    return replace(prepared, persons=[{**stranger, "number": number}], application=_led(prepared, stranger))


def a_renamed_person(prepared: Prepared, original: Original) -> Prepared:
    """A person of the original with another document number."""
    [person] = prepared.persons
    other = with_id(original.sample.persons)[8]["document_number"]
    return replace(prepared, persons=[{**person, "document_number": other, "birth_date": None}])


def another_row(prepared: Prepared, original: Original) -> Prepared:
    """A row that the original's schedule does not have."""
    [row] = prepared.application["schedule"]
    return _scheduled(prepared, {**row, "row": 4, "category": "medical"})


def another_category(prepared: Prepared, original: Original) -> Prepared:
    """The row's number with another category."""
    [row] = prepared.application["schedule"]
    return _scheduled(prepared, {**row, "category": "medical"})


def another_period(prepared: Prepared, original: Original) -> Prepared:
    """The row with a period that was not asked for."""
    [row] = prepared.application["schedule"]
    period = {"kind": "range", "start": "2020-01-01", "end": "2025-12-31"}
    return _scheduled(prepared, {**row, "period": period})


def everybody(prepared: Prepared, original: Original) -> Prepared:
    """全国 where the original asked 山东 alone."""
    fund = original.application["schedule"][FUND - 1]
    return _scheduled(prepared, {**fund, "provider": "all"})


def another_purpose(prepared: Prepared, original: Original) -> Prepared:
    """Results of one purpose, asked again for another (Art. 11)."""
    return replace(prepared, application={**prepared.application, "purpose": "其他"})


def no_proof_of_the_acceptance(prepared: Prepared, original: Original) -> Prepared:
    """An acceptance that the center never signed: the requester's own mandate in its place."""
    return replace(prepared, origin=replace(prepared.origin, acceptance=prepared.origin.mandate))


def _scheduled(prepared: Prepared, row: Any) -> Prepared:
    return replace(prepared, application={**prepared.application, "schedule": [row]})


def _led(prepared: Prepared, person: Person) -> Any:
    return {**prepared.application, "lead_person": person["name"]}


BEYOND = [
    (a_stranger, "recheck_beyond_original"),
    (a_renamed_person, "recheck_beyond_original"),
    (another_row, "recheck_beyond_original"),
    (another_category, "recheck_beyond_original"),
    (another_period, "recheck_beyond_original"),
    (everybody, "recheck_beyond_original"),
    (another_purpose, "recheck_beyond_original"),
    (no_proof_of_the_acceptance, "recheck_origin_invalid"),
]


@pytest.mark.parametrize(("alter", "code"), BEYOND, ids=[alter.__name__ for alter, _ in BEYOND])
def test_a_re_check_beyond_its_original_is_refused_by_the_center(
    original: Original, disputed: Person, alter: Callable[[Prepared, Original], Prepared], code: str
) -> None:
    """Persons word for word, rows by number, category, period and provider, unit and purpose: proved, or refused."""
    recheck = original.file(alter(original.prepare([disputed["number"]], [VEHICLES], "37"), original))
    original.network.run()
    assert original.codes(recheck) == [code]
    assert center_case(original.network, original.application).state["attempts"] == 1


@pytest.mark.parametrize(("alter", "code"), BEYOND, ids=[alter.__name__ for alter, _ in BEYOND])
def test_a_provider_refuses_it_though_the_center_lets_it_through(
    original: Original,
    disputed: Person,
    alter: Callable[[Prepared, Original], Prepared],
    code: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A center in league with the requester skips the check: 山东 makes it again, from signed objects alone."""
    monkeypatch.setattr("pipeline.stages.intake.check_origin", lambda *_: None)
    recheck = original.file(alter(original.prepare([disputed["number"]], [VEHICLES], "37"), original))
    original.network.run()
    found = standing(original.network, recheck)
    mine = {key[3]: count for key, count in found.counts.items() if key[0] == "37"}
    assert mine == {code: 1}


def test_a_provider_that_was_not_asked_is_not_asked_in_a_re_check(original: Original, disputed: Person) -> None:
    """全国 reached 江苏 and 山东: what 云南 itself has of vehicles, nobody has disputed."""
    prepared = original.prepare([disputed["number"]], [VEHICLES], "37")
    [row] = prepared.application["schedule"]
    recheck = original.file(_scheduled(prepared, {**row, "provider": "53"}))
    original.network.run()
    assert original.codes(recheck) == ["recheck_beyond_original"]


def test_a_province_cannot_re_check_what_another_asked(original: Original, disputed: Person) -> None:
    """江苏, with every byte that 云南 has: the mandate says whose the original is, and the center has none of its own."""
    prepared = original.prepare([disputed["number"]], [VEHICLES], "37")
    form = {**prepared.application, "requester": "32"}
    stolen = replace(prepared, application=form)  # type: ignore[arg-type]
    recheck = original.file(stolen)
    original.network.run()
    assert original.codes(recheck) == ["recheck_beyond_original"]
    assert center_case(original.network, original.application).state["attempts"] == 1


def test_a_first_application_with_an_origin_is_refused(original: Original, disputed: Person) -> None:
    """What proves nothing is not carried along: it would bring another application's mandate to providers."""
    prepared = original.prepare([disputed["number"]], [VEHICLES], "37")
    [row] = prepared.application["schedule"]
    form = {**prepared.application, "recheck": None, "schedule": [{**row, "row": 1}]}
    recheck = original.file(replace(prepared, application=form))  # type: ignore[arg-type]
    original.network.run()
    assert original.codes(recheck) == ["recheck_origin_invalid"]


def test_the_version_of_a_request_is_the_mandates_attempt(original: Original, disputed: Person) -> None:
    """A center that says attempt 1 of a re-check contradicts the mandate: the provider refuses to answer."""
    network = original.network
    original.recheck([disputed["number"]], [VEHICLES], "37")
    network.run(without=["37"])
    [request] = [b for b in bundles_in(network, "37", "requests", "request") if b.header.version == 2]
    opened = take_apart(request, network.identities["37"])
    opened.header = replace(opened.header, version=1)
    send(network, "center", "37", "requests", opened.seal(network.identities["center"], network))
    network.run()
    answers = [b.header for b in bundles_in(network, "center", "responses", "answer") if b.header.version == 1]
    assert [h.code for h in answers if h.application_id == request.header.application_id] == [
        "header_contradicts_mandate"
    ]


# ---- what it rests on (Art. 9) ------------------------------------------------------------------------------------------


def test_documents_of_a_re_check_are_those_of_its_original(tmp_path: Path) -> None:
    """Asked for the consent of a person of the re-check, the province releases the one it archived for the original."""
    sample = small_sample(tmp_path, *ROWS)
    network = network_for(sample, tmp_path)
    archive = archived(network, sample, tmp_path / "office")
    network.run()
    original = Original(sample, network)
    person = next(p for p in with_id(sample.persons) if p["consent_by"] == "self")
    recheck = original.recheck([person["number"]], [VEHICLES], "37")
    network.run()
    mandate = network.case(recheck).mandate()
    assert mandate["evidence"] == network.case(original.application).mandate()["evidence"] != []
    desk = replace(archive, sample=replace(sample, application=recheck))
    request_id = desk.ask((person["number"],))
    assert desk.release_all(request_id)
    opened = open_documents(desk.file(request_id), network.identities["center"])
    assert opened.is_whole
    wanted = [document.digest for document in archive.documents() if document.is_about(person["number"])]
    assert {d.head["digest"] for d in opened.documents} == set(wanted)
    assert {d.head["application_id"] for d in opened.documents} == {recheck["application_id"]}
