"""Article 9 (抽查): spot checks are of persons already queried, drawn so that anyone can draw again, and never delay a query."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.center import desk
from pipeline.center.evidence_candidates import Facts, candidates, questions, quotas_by
from pipeline.center.evidence_desk import as_output
from pipeline.center.evidence_draws import DrawFile, check_published, make_draw, published, read_draw, reveal, verify
from pipeline.codec import framing
from pipeline.crypto import cbor, cose
from pipeline.crypto.suite import Entropy
from pipeline.demo.application import Sample
from pipeline.domain.calendar import Calendar
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.domain.records import Person
from pipeline.domain.rules import RuleBook
from pipeline.domain.sampling import Candidate
from pipeline.province.rule_files import load_rule_book
from pipeline.stages import topics
from pipeline.stages.effects import Message
from pipeline.stages.notices import sign_record
from tests.archive import Archive, archived
from tests.network import DAY, Network
from tests.scenario import REQUESTER, codes, is_certified, network_for, renumbered, with_form

MONTH = "2026-11"
OTHER_ID = "f0000000-0000-4000-8000-00000000000f"
RULES: RuleBook = load_rule_book()


def fixed(seed: int) -> Entropy:
    """Randomness that a test can repeat."""
    return lambda size: hashlib.sha256(str(seed).encode()).digest()[:size]


@pytest.fixture
def archive(sample: Sample, tmp_path: Path) -> Archive:
    """A closed application, its documents at the province."""
    network = network_for(sample, tmp_path / "net")
    found = archived(network, sample, tmp_path / "office")
    network.run()
    assert is_certified(network, sample.application)
    return found


def facts_of(network: Network) -> Facts:
    """What the center's topic tells."""
    found = Facts(network.calendar, network.clock())
    found.take(network.broker.messages(topics.APPLICATIONS))
    return found


def results_of(network: Network) -> dict[bytes, bytes]:
    """The table of hedx.center.results."""
    return {m.key or b"": m.value or b"" for m in network.broker.messages(topics.RESULTS)}


def candidates_of(network: Network, month: str = MONTH) -> list[Candidate]:
    """Who may be drawn."""
    return candidates(results_of(network), facts_of(network), RULES, network.reference.trust, month)


def draw_at(network: Network, count: int, seed: int = 1) -> DrawFile:
    """A draw of the center's."""
    signer = network.identities[CENTER].signer
    return make_draw("2026-11.1", candidates_of(network), {"all": count}, signer, network.clock(), fixed(seed))


def carry_out(network: Network, file: DrawFile, without: tuple[str, ...] = ()) -> list[str]:
    """Publish the commitment, then ask; returns the requests' ids."""
    records, unknown = questions(file, facts_of(network), officer="张", reason="月度抽查", now=network.clock())
    assert unknown == []
    network.broker.create(topics.BULLETIN, 1)
    for output in (*published(file), *(as_output(record) for record in records)):
        network.broker.produce(output.topic, output.key, output.value)
    network.run(without=without)
    return [record["request_id"] for record in records]


# -- already queried ---------------------------------------------------------------------------------------------------


def test_only_persons_of_closed_applications_are_drawn(archive: Archive, sample: Sample) -> None:
    """One that is under way, and one that was rejected, have nobody to draw."""
    network = archive.network
    under_way = with_form(sample, application_id=OTHER_ID)
    network.file(under_way.application, sample.persons)
    network.run(without=("37",))
    assert not is_certified(network, under_way.application)
    rejected = with_form(sample, application_id=OTHER_ID.replace("f", "e"), person_count=99)
    network.file(rejected.application, sample.persons)
    network.run(without=("37",))
    [candidate] = candidates_of(network)
    assert (candidate.application_id, candidate.persons) == (archive.application_id, len(sample.persons))
    assert candidates_of(network, "2026-10") == []


def test_whoever_is_drawn_is_asked_for_by_an_ordinary_request_that_names_the_draw(archive: Archive) -> None:
    """With the same five working days; the documents that come are those of the persons drawn."""
    file = draw_at(archive.network, 2)
    [request_id] = carry_out(archive.network, file)
    [asked] = archive.asked()
    positions = sorted(one.position for one in file.drawn)
    numbers = [archive.sample.persons[position - 1]["number"] for position in positions]
    assert (asked.request["draw"], asked.request["numbers"]) == (file.draw_id, sorted(numbers))
    assert asked.request["due"] == archive.network.calendar.due(archive.now, 5)
    assert archive.release_all(request_id)
    assert codes(archive.network) == []


def test_a_position_is_no_roster_number(sample: Sample, tmp_path: Path) -> None:
    """A roster numbered otherwise, such as a re-check's, is asked about by its own numbers."""
    persons: list[Person] = [{**person, "number": 3 * person["number"]} for person in renumbered(sample.persons)]
    other = dataclasses.replace(sample, persons=persons)
    network = network_for(other, tmp_path / "net")
    found = archived(network, other, tmp_path / "office")
    network.run()
    file = draw_at(network, 3)
    carry_out(network, file)
    [asked] = found.asked()
    assert asked.request["numbers"] == sorted(3 * one.position for one in file.drawn)


def test_a_draw_carried_out_twice_asks_once(archive: Archive) -> None:
    """A crash between committing and asking is made good by doing it again."""
    file = draw_at(archive.network, 2)
    [request_id] = carry_out(archive.network, file)
    assert carry_out(archive.network, file) == [request_id]
    assert len(archive.told()) == 1
    archive.release_all(request_id)
    archive.judge(request_id)
    assert carry_out(archive.network, file) == [], "nor once it is judged"


# -- by weight ---------------------------------------------------------------------------------------------------------


def test_what_is_doubtful_weighs_more(archive: Archive) -> None:
    """By the rules: each fact adds to the weight of everybody in the application, and the list says which it was."""
    [plain] = candidates_of(archive.network)
    spot = RULES.base.spot_check
    assert plain.weight == spot.weight(plain.facts)
    assert "questioned" not in plain.facts
    request_id = archive.ask((1,))
    archive.network.clock.advance(30 * 24 * 3600)
    archive.network.run()
    archive.release_all(request_id)
    archive.judge(request_id, "questioned", "材料不全")
    [doubtful] = candidates_of(archive.network)
    assert set(doubtful.facts) - set(plain.facts) == {"overdue", "questioned"}
    assert doubtful.weight == plain.weight + spot.weights["overdue"] + spot.weights["questioned"]


def test_the_rules_say_how_many_of_each_province() -> None:
    """Their share of a month's persons, and at least so many."""
    found = [Candidate("37", "a", 1000, 1), Candidate("37", "b", 1000, 1), Candidate("53", "c", 3, 1)]
    assert quotas_by(RULES, found) == {"37": 10, "53": 1}


# -- anyone draws again ------------------------------------------------------------------------------------------------


def draw_plainly(data: dict[str, object]) -> list[list[object]]:
    """The oracle: a second, small reading of the published file, with nothing but SHA-256."""
    seed, listed, quotas = bytes.fromhex(str(data["seed"])), data["candidates"], data["quotas"]
    assert isinstance(listed, list)
    assert isinstance(quotas, dict)
    drawn: list[list[object]] = []
    for party in sorted(quotas):
        tickets = []
        for requester, application, persons, weight, *_ in listed:
            for n in range(1, persons + 1) if party in ("all", requester) else ():
                turns = [f"{requester}/{application}/{n}/{j}".encode() for j in range(1, weight + 1)]
                tickets.append((max(hashlib.sha256(seed + turn).digest() for turn in turns), requester, application, n))
        drawn += [list(ticket[1:]) for ticket in sorted(tickets, reverse=True)[: quotas[party]]]
    return drawn


def test_the_commitment_comes_first_and_the_seed_afterwards(archive: Archive) -> None:
    """On the bulletin, signed: with the commitment alone nobody knows whom it draws; the seed is that commitment's."""
    network = archive.network
    file = draw_at(network, 2)
    carry_out(network, file)
    [first] = network.broker.messages(topics.BULLETIN)
    assert (first.key or b"").startswith(b"draw/2026-11.1/commitment/")
    assert file.seed not in (first.value or b"")
    with pytest.raises(ConfigError, match="not revealed"):
        file.public()
    network.clock.advance(3600)
    revealed = reveal(file, network.identities[CENTER].signer, network.clock())
    assert published(revealed)[0].key == first.key
    assert (published(revealed)[1].key or b"").startswith(b"draw/2026-11.1/seed/")
    assert published(revealed)[0].value == first.value
    assert reveal(revealed, network.identities[CENTER].signer, network.clock() + DAY) == revealed


def test_anyone_draws_again_from_the_published_file(archive: Archive, tmp_path: Path) -> None:
    """Offline, with the file and the center's certificate; and by a second implementation, without HEDX."""
    network = archive.network
    file = reveal(draw_at(network, 4), network.identities[CENTER].signer, network.clock())
    file.write(tmp_path / "draws")
    path = tmp_path / "draws" / "2026-11.1.json"
    assert path.stat().st_mode & 0o777 == 0o600
    again = read_draw(path)
    assert verify(again, network.reference.trust) == file.drawn
    data = json.loads(path.read_text())
    assert data == file.public()
    assert draw_plainly(data) == data["drawn"]
    names = {person["name"] for person in archive.sample.persons}
    assert not any(name in path.read_text() for name in names), "applications and positions, and nobody's name"


def other_seed(data: dict[str, object]) -> None:
    data["seed"] = "00" * 32


def another_person_drawn(data: dict[str, object]) -> None:
    drawn = data["drawn"]
    assert isinstance(drawn, list)
    drawn[0][2] = drawn[0][2] % 12 + 1


def a_candidate_left_out(data: dict[str, object]) -> None:
    listed = data["candidates"]
    assert isinstance(listed, list)
    listed.append([REQUESTER, OTHER_ID, 1, 1])


def another_weight(data: dict[str, object]) -> None:
    listed = data["candidates"]
    assert isinstance(listed, list)
    listed[0][3] += 1


def more_drawn(data: dict[str, object]) -> None:
    quotas = data["quotas"]
    assert isinstance(quotas, dict)
    quotas["all"] += 1


def only_committed(data: dict[str, object]) -> None:
    data["revealed"] = None


@pytest.mark.parametrize(
    ("alter", "code"),
    [
        (other_seed, "draw_mismatch"),
        (another_person_drawn, "draw_mismatch"),
        (a_candidate_left_out, "draw_mismatch"),
        (another_weight, "draw_mismatch"),
        (more_drawn, "draw_mismatch"),
        (only_committed, "draw_not_revealed"),
    ],
)
def test_a_draw_that_was_made_otherwise_is_found_out(
    archive: Archive, tmp_path: Path, alter: Callable[[dict[str, object]], None], code: str
) -> None:
    """Seed, persons, candidates, weights, numbers: all of it hangs on the commitment."""
    network = archive.network
    data = reveal(draw_at(network, 4), network.identities[CENTER].signer, network.clock()).public()
    altered = json.loads(json.dumps(data))
    alter(altered)
    (tmp_path / "draw.json").write_text(json.dumps(altered))
    with pytest.raises(InvalidMessage) as caught:
        verify(read_draw(tmp_path / "draw.json"), network.reference.trust)
    assert caught.value.code == code


def test_a_commitment_on_the_bulletin_cannot_be_replaced(archive: Archive) -> None:
    """A second draw under a published id takes nothing's place, and neither of the two is believed any more."""
    network, signer = archive.network, archive.network.identities[CENTER].signer
    table: dict[bytes, bytes] = {}  # as compaction leaves the topic: of each key the newest value
    first, second = (reveal(draw_at(network, 4, seed=seed), signer, network.clock()) for seed in (1, 2))
    for output in published(first):
        table[output.key or b""] = output.value or b""
    check_published(first, table)
    for output in published(second):
        table[output.key or b""] = output.value or b""
    assert {first.commitment, first.revealed, second.commitment, second.revealed} == set(table.values())
    for file in (first, second):
        with pytest.raises(InvalidMessage, match="more than one commitment") as caught:
            check_published(file, table)
        assert caught.value.code == "draw_mismatch"


def test_a_draw_named_like_the_beginning_of_another_is_not_taken_for_it(archive: Archive) -> None:
    """Draw 2026-11.1 and draw 2026-11.10 are two draws; were they mixed up, honest ones would be refused."""
    network, signer = archive.network, archive.network.identities[CENTER].signer
    one = [Candidate(REQUESTER, "a", 3, 1)]
    files = [
        make_draw(name, one, {REQUESTER: 1}, signer, network.clock(), fixed(number))
        for number, name in enumerate(("2026-11.1", "2026-11.10"))
    ]
    table = {output.key or b"": output.value or b"" for file in files for output in published(file)}
    for file in files:
        check_published(file, table)


def test_a_seed_chosen_after_the_commitment_does_not_verify(archive: Archive) -> None:
    """The center itself cannot draw anew: its first signature says which seed it was."""
    network, signer = archive.network, archive.network.identities[CENTER].signer
    first, second = draw_at(network, 4, seed=1), reveal(draw_at(network, 4, seed=2), signer, network.clock())
    with pytest.raises(InvalidMessage) as caught:
        verify(dataclasses.replace(second, commitment=first.commitment), network.reference.trust)
    assert caught.value.code == "draw_mismatch"
    forged = reveal(draw_at(network, 4), network.identities["37"].signer, network.clock())
    with pytest.raises(InvalidMessage) as caught:
        verify(forged, network.reference.trust)
    assert caught.value.code == "role_not_allowed"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"draw": 1}', "\0"])
def test_what_is_no_draw_is_the_readers_error(tmp_path: Path, content: str) -> None:
    """Not a traceback."""
    (tmp_path / "draw.json").write_text(content)
    with pytest.raises(ConfigError, match="not the file of a draw"):
        read_draw(tmp_path / "draw.json")


# -- never delays ------------------------------------------------------------------------------------------------------


def test_a_spot_check_never_delays_an_application(sample: Sample, tmp_path: Path) -> None:
    """The same applications, with and without a draw that nobody answers for weeks: the same answers at the same times.

    What would break it: a handler of evidence that reads or writes the state of an application, or its timers.
    """
    with_draw, without = (course(sample, tmp_path / name, drawn=name == "drawn") for name in ("drawn", "plain"))
    assert with_draw == without


def course(sample: Sample, folder: Path, *, drawn: bool) -> list[tuple[object, ...]]:
    """What became of two applications, one closed and one under way while the draw is made, in every particular."""
    network = network_for(sample, folder / "net")
    archive = archived(network, sample, folder / "office")
    network.run()
    later = with_form(sample, application_id=OTHER_ID)
    network.file(later.application, sample.persons)
    network.run(without=("37",))
    if drawn:
        carry_out(network, draw_at(network, 5), without=("37",))
    for _ in range(12):
        network.pass_time(24 * 3600, without=("37",))
    if drawn:
        assert len(archive.events("evidence_overdue")) >= 3
        assert archive.file(archive.asked()[0].id).reply is None
    network.run()
    found: list[tuple[object, ...]] = []
    for event in archive.events(""):
        if not event["kind"].startswith(("evidence_", "envelope_")):
            found.append((event["at"], event["stage"], event["kind"], event["application_id"], event["code"]))
    for application in (sample.application, later.application):
        case = network.case(application)
        certificate = case.certificate()
        assert certificate is not None
        found.append((case.state, certificate.result["closed_at"], sorted(map(str, certificate.result["statuses"]))))
    return sorted(found, key=str)


def test_messages_that_do_not_decode_are_no_facts() -> None:
    """Their stage has put them aside."""
    facts = Facts(Calendar({}), 0)
    facts.take([Message("t", 0, 0, 0, b"k", b"junk"), Message("t", 0, 1, 0, b"k", None)])
    assert (facts.mandates, facts.debts) == ({}, {})


def altered(network: Network, section: dict[str, object], mandate: dict[str, object]) -> list[Message]:
    """The center's records, as if its sections and the mandate in them had said something else."""
    found: list[Message] = []
    for message in network.broker.messages(topics.APPLICATIONS):
        name, record = framing.decode(message.value or b"")
        if name == "SectionReceived":
            protected, unprotected, payload, signature = cbor.loads(record["mandate"], 2)
            said = {**framing.decode_as("Mandate", payload), **mandate}
            raw = cbor.dumps([protected, unprotected, framing.encode("Mandate", said), signature])
            value = framing.encode(name, {**record, "mandate": raw, **section})
            message = dataclasses.replace(message, value=value)
        found.append(message)
    return found


COUNTY = {
    "level": "county",
    "unit": "某县民政局",
    "authority": "云南省民政厅",
    "document": "云民函〔2026〕1号",
    "reason": "特殊需要",
    "date": "2026-10-08",
    "valid_until": "2027-10-07",
}
RECHECK = {"original": OTHER_ID, "mandate_digest": bytes(32), "certificate": bytes(32), "attempt": 2, "reason": "异议"}


@pytest.mark.parametrize(
    ("section", "mandate", "fact"),
    [
        ({"guarded_count": 1}, {}, "guarded"),
        ({"undocumented_count": 1}, {}, "undocumented"),
        ({}, {"unit_consent": COUNTY}, "county"),
        ({}, {"unit_consent": {**COUNTY, "level": "city"}}, "city"),
        ({}, {"recheck": RECHECK}, "recheck"),
        ({}, {"business_category": "别的业务"}, "unlisted"),
    ],
)
def test_each_fact_of_an_application_weighs(
    archive: Archive, section: dict[str, object], mandate: dict[str, object], fact: str
) -> None:
    """A guardian consented, somebody has no document, a city or county asked, a re-check, an unlisted business."""
    network = archive.network
    plain = Facts(network.calendar, network.clock())
    plain.take(altered(network, {"guarded_count": 0, "undocumented_count": 0}, {}))
    told = Facts(network.calendar, network.clock())
    told.take(altered(network, {"guarded_count": 0, "undocumented_count": 0, **section}, mandate))
    results, trust = results_of(network), network.reference.trust
    [before] = candidates(results, plain, RULES, trust, MONTH)
    [after] = candidates(results, told, RULES, trust, MONTH)
    assert (set(after.facts) - set(before.facts), set(before.facts) - set(after.facts)) == ({fact}, set())
    assert after.weight == before.weight + RULES.base.spot_check.weights[fact]


def test_an_application_that_an_officer_decided_weighs_more(archive: Archive) -> None:
    """As the record of the decision tells."""
    network = archive.network
    decided = desk.decision_about(
        REQUESTER,
        archive.application_id,
        "approve",
        officer="张",
        account="user:张",
        reason="核实",
        now=network.clock(),
    )
    output = desk.as_output(decided)
    told = Facts(network.calendar, network.clock())
    told.take([*network.broker.messages(topics.APPLICATIONS), Message("t", 0, 99, 0, output.key, output.value)])
    [candidate] = candidates(results_of(network), told, RULES, network.reference.trust, MONTH)
    assert "held" in candidate.facts


def test_a_result_that_the_center_did_not_sign_is_no_candidate(archive: Archive) -> None:
    """Whoever can write the topic adds nobody to the list."""
    network = archive.network
    [(key, raw)] = results_of(network).items()
    result = framing.decode_as("ApplicationResult", cose.decode(raw).payload)
    forged = sign_record(
        "certificate", "ApplicationResult", result, network.identities["37"].signer, "53", network.clock()
    )
    with pytest.raises(InvalidMessage) as caught:
        candidates({key: forged}, facts_of(network), RULES, network.reference.trust, MONTH)
    assert caught.value.code == "role_not_allowed"
