"""Deadlines on the watermark: what expires, what was in time, and how late answers become supplements."""

from __future__ import annotations

from pathlib import Path

from pipeline.codec import framing
from pipeline.crypto import signed
from pipeline.demo.application import Sample
from pipeline.stages import topics
from pipeline.stages.membership import trust_entry
from tests.scenario import (
    FEEDBACK,
    REQUESTER,
    assert_equals_oracle,
    codes,
    is_certified,
    kept,
    network_for,
    standing,
)

SILENT = ("37",)
"""A province whose adapter stands still."""
CENTER_STAGES = ("intake", "applications", "collect", "join")
DAY = 24 * 3600


def test_unanswered_queries_expire_only_after_their_deadline(tmp_path: Path, sample: Sample) -> None:
    """A silent provider's sub-queries stay open until the watermark has passed the deadline, and then expire."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run(without=SILENT)
    assert not is_certified(network, sample.application)
    network.pass_time(FEEDBACK, without=SILENT)
    assert not is_certified(network, sample.application), "the deadline itself is still in time"
    network.pass_time(5, without=SILENT)
    result = standing(network, sample.application)
    assert result.of("37", "social_insurance") == {("expired", None): 12}
    assert result.of("37", "vehicles") == {("expired", None): 12}
    assert result.of("53", "social_insurance") == {("done", None): 12}
    assert result.version == 1


def test_late_answers_become_a_supplement_that_makes_the_dossiers_whole(tmp_path: Path, sample: Sample) -> None:
    """What came after the deadline is expired in version 1 and done in version 2; nothing is lost."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run(without=SILENT)
    network.pass_time(FEEDBACK + 5, without=SILENT)
    dossiers = network.case(sample.application).dossiers()
    expired = [r for d in dossiers for p in d["persons"] for r in p["results"] if r["status"] == "expired"]
    assert len(expired) == 24
    network.pass_time(60)
    result = standing(network, sample.application)
    assert result.version == 2
    assert result.of("37", "social_insurance") == {("done", None): 12}
    assert "expired" not in result.statuses()
    assert_equals_oracle(network, sample)
    assert codes(network) == []


def test_nothing_is_kept_once_the_supplement_window_is_over(tmp_path: Path, sample: Sample) -> None:
    """A section with gaps leaves a small residual, gone a month after the last deadline; what re-checks need a year later."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run(without=SILENT)
    network.pass_time(FEEDBACK + 5, without=SILENT)
    assert kept(network, "join", b"j") == 1
    assert kept(network, "applications", b"a") == 1
    network.pass_time(31 * DAY, without=SILENT)
    assert kept(network, "join", b"") == 3 * 4, "three watermarks and their number, in each partition"
    network.pass_time(8 * DAY, without=SILENT)  # certificates and receipts of the last day settle within a week
    assert kept(network, "applications", b"") == 2, "what a re-check would ask for, and the timer that drops it"
    network.pass_time(401 * DAY, without=(*SILENT, REQUESTER))
    assert kept(network, "applications", b"") == 0
    assert codes(network) == []


def test_a_section_answered_in_full_leaves_nothing_in_the_join(tmp_path: Path, sample: Sample) -> None:
    """No residual where nothing can be added any more."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    assert kept(network, "join", b"j") == kept(network, "join", b"@") == 0


def test_sealed_sections_are_let_go_once_the_requester_has_receipted_everything(tmp_path: Path, sample: Sample) -> None:
    """The center keeps a roster, sealed, no longer than it may need it to ask again."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run(without=("collect",))
    assert kept(network, "applications", b"s") == 1
    network.run()
    assert kept(network, "applications", b"s") == 0


def test_statuses_tell_refused_and_unavailable_with_their_reasons(tmp_path: Path, sample: Sample) -> None:
    """A refusing register and one that is down until a date are neither done nor expired, and say why."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    result = standing(network, sample.application)
    assert result.of("32", "business") == {("refused", "sharing_suspended"): 12}
    assert result.of("32", "education") == {("unavailable", None): 12}
    assert_equals_oracle(network, sample)
    case = network.case(sample.application)
    untils = {
        result["until"]
        for dossier in case.dossiers()
        for person in dossier["persons"]
        for result in person["results"]
        if result["status"] == "unavailable"
    }
    assert untils == {1_896_084_000_000}, "2030-01-31T18:00+08:00"


def test_a_suspended_party_is_in_the_certificate_and_gets_no_request(tmp_path: Path, sample: Sample) -> None:
    """A suspended provider appears as unavailable for everybody, and nobody's data are sent to it."""
    network = network_for(sample, tmp_path)
    network.trust(trust_entry(network.identities["37"], 2, suspended=True))
    network.file(sample.application, sample.persons)
    network.run()
    result = standing(network, sample.application)
    assert result.of("37", "social_insurance") == {("unavailable", "provider_suspended"): 12}
    assert result.of("37", "vehicles") == {("unavailable", "provider_suspended"): 12}
    assert network.broker.messages("hedx.37.requests") == []
    assert network.case(sample.application).is_complete()


def test_center_outage_over_a_deadline_expires_no_punctual_answer(tmp_path: Path, sample: Sample) -> None:
    """Answers appended in time count as in time, however late the center gets to read them."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run(without=("collect", "join"))
    network.pass_time(10 * FEEDBACK, without=CENTER_STAGES)
    network.run(without=("join",))
    network.pass_time(FEEDBACK, without=("join",))
    network.run()
    result = standing(network, sample.application)
    assert "expired" not in result.statuses()
    assert result.version == 1
    assert_equals_oracle(network, sample)


def test_an_outage_longer_than_an_envelope_lives_loses_nothing(tmp_path: Path, sample: Sample) -> None:
    """Three weeks without the center: providers seal the same answers into new envelopes, and they become supplements."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run(without=("collect", "join"))
    network.pass_time(21 * DAY, without=("collect", "join"))
    network.run()
    network.pass_time(30)
    network.pass_time(30)
    assert set(codes(network)) == {"expired"}, "the old envelopes are put aside, by name"
    assert_equals_oracle(network, sample)


def test_outage_separates_the_punctual_from_the_late(tmp_path: Path, sample: Sample) -> None:
    """After an outage, what was appended before the deadline is done and what came after it expired, then supplements."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run(without=("collect", "join", "37", "32"))
    network.clock.advance(FEEDBACK - 1)
    network.run(without=("collect", "join", "37"))  # 江苏 in the last second
    network.clock.advance(60)
    network.run(without=("collect", "join"))  # 山东 a minute late
    network.pass_time(30)
    result = standing(network, sample.application)
    case = network.case(sample.application)
    first = case.connection.execute("SELECT signed FROM result WHERE version = 1").fetchone()
    assert first is not None, "the first certificate was issued before the supplement"
    assert result.version == 2
    assert result.of("32", "social_insurance") == {("done", None): 12}
    assert_equals_oracle(network, sample)
    assert _first_statuses(first[0]) == {("37", "expired")}


def _first_statuses(raw: bytes) -> set[tuple[str, str]]:
    result = framing.decode_as("ApplicationResult", signed.peek(raw).payload)
    wanted = [status for status in result["statuses"] if status["status"] == "expired"]
    return {(status["provider"], status["status"]) for status in wanted}


def test_requester_itself_is_a_provider_like_any_other(tmp_path: Path, sample: Sample) -> None:
    """全国 asks the requester's own province too; its answers travel the same way as all others."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    assert standing(network, sample.application).of(REQUESTER, "social_insurance") == {("done", None): 12}


def test_an_application_whose_certificates_are_late_is_kept(tmp_path: Path, sample: Sample) -> None:
    """A join that is behind for longer than the supplement window does not cost the application its state."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run(without=("join",))
    network.pass_time(31 * DAY, without=("join",))
    assert kept(network, "applications", b"a") == 1
    network.run()
    assert len(network.broker.messages(topics.RESULTS)) == 1
