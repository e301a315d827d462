"""Force majeure (不可抗力, Art. 10): a provider asks for more time; requester and center settle what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cbor2
import pytest

from pipeline.crypto.bundles import Bundle, parse_bundle
from pipeline.demo.application import Sample
from pipeline.domain.errors import ConfigError
from pipeline.domain.records import Application
from pipeline.stages.acts import open_act, post_act, sign_act
from pipeline.stages.answer import Question
from pipeline.stages.local import LocalEffects
from tests.delaying import (
    BECAUSE,
    HOUR,
    acknowledgements,
    away,
    back,
    outbox_rows,
    parked,
    reply,
    said,
    told,
    withdraw,
)
from tests.forgery import send
from tests.network import START, Network
from tests.officer import center_case, events_of, notices, send_act
from tests.scenario import (
    FEEDBACK,
    REQUESTER,
    assert_equals_oracle,
    bundles_in,
    codes,
    is_certified,
    kept,
    local_codes,
    network_for,
    standing,
)

DAY = 24 * HOUR
MS = 1000
UNTIL = START + 10 * HOUR * MS
"""Until when 山东 asks for time; everybody's deadline is an hour after the acceptance."""
TO_ANSWER = 15 * 60 * MS
BACK = UNTIL - TO_ANSWER
"""Until when its registers are away, as its file says."""


@pytest.fixture
def network(tmp_path: Path, sample: Sample) -> Network:
    """A network with the sample filed and accepted, and 山东's two registers away for ten hours."""
    network = network_for(sample, tmp_path)
    away(network, sample, "37", ("social_insurance", "vehicles"), BACK)
    network.file(sample.application, sample.persons)
    network.run()
    return network


def extensions(network: Network, party: str) -> list[Mapping[str, Any]]:
    """The extensions that a party keeps, signed for it by the center."""
    rows = network.parties[party].store.connection.execute("SELECT signed, at FROM act WHERE typ = 'extension'")
    trust = network.reference.trust
    return [open_act(raw, trust, at=at, issuer="center", audience=party).record for raw, at in rows.fetchall()]


def versions(network: Network, application: Application) -> list[int]:
    """Versions of the application's certificate that the requester holds."""
    query = "SELECT version FROM result WHERE application_id = ? ORDER BY version"
    rows = network.case(application).connection.execute(query, (application["application_id"],))
    return [row[0] for row in rows]


def test_a_delay_is_told_once_with_its_reason_and_nothing_is_answered_for_it(network: Network, sample: Sample) -> None:
    """Instead of a final 暂不可用 the request is parked, and one signed delay names both rows, until when, and why."""
    [delay] = told(network, sample.application)
    assert (delay.delay["provider"], delay.delay["rows"]) == ("37", [1, 3])
    assert (delay.delay["until"], delay.delay["reason"]) == (UNTIL, BECAUSE)
    assert parked(network, "37") == [(1, 1), (1, 3)]
    assert [b for b in bundles_in(network, "center", "responses", "answer") if b.header.provider == "37"] == []
    assert not is_certified(network, sample.application)
    assert len(events_of(network, sample.application, "delay_told")) == 1
    events = b"".join(m.value or b"" for m in network.broker.messages("hedx.events"))
    assert BECAUSE.encode() not in events
    assert codes(network) == []


def test_agreed_the_answer_in_the_extended_time_is_punctual(network: Network, sample: Sample) -> None:
    """Nobody expires at the old deadline; the register comes back in time; certificate 1 is complete, and the only one."""
    reply(network, sample.application, "agree")
    network.run()
    [ours], [theirs] = extensions(network, REQUESTER), extensions(network, "37")
    assert ours == theirs
    assert (ours["until"], ours["closed"], ours["rows"]) == (UNTIL, False, [1, 3])
    network.pass_time(FEEDBACK + 60)
    assert not is_certified(network, sample.application)
    network.pass_time(9 * HOUR - 5 * 60)
    assert parked(network, "37") == []
    result = standing(network, sample.application)
    assert result.of("37", "social_insurance") == {("done", None): 12}
    assert result.of("37", "vehicles") == {("done", None): 12}
    assert versions(network, sample.application) == [1]
    assert codes(network) == []
    assert outbox_rows(network, "37") == 0


def test_without_a_reply_the_deadline_stands(network: Network, sample: Sample) -> None:
    """Version 1 says expired, since nobody agreed to anything; what comes after it is version 2, and all is whole."""
    network.pass_time(FEEDBACK + 60)
    first = standing(network, sample.application)
    assert first.version == 1
    assert first.of("37", "vehicles") == {("expired", None): 12}
    network.pass_time(10 * HOUR)
    result = standing(network, sample.application)
    assert versions(network, sample.application) == [1, 2]
    assert result.of("37", "vehicles") == {("done", None): 12}
    assert "expired" not in result.statuses()
    assert codes(network) == []


def test_shortened_it_expires_at_the_time_agreed(network: Network, sample: Sample) -> None:
    """The requester waits three hours, not ten: nothing expires before that, everything after it."""
    reply(network, sample.application, "shorten", START + 3 * HOUR * MS)
    network.run()
    assert extensions(network, "37")[0]["until"] == START + 3 * HOUR * MS
    network.pass_time(2 * HOUR)
    assert not is_certified(network, sample.application)
    network.pass_time(HOUR + 60)
    assert standing(network, sample.application).of("37", "vehicles") == {("expired", None): 12}
    network.pass_time(8 * HOUR)
    assert versions(network, sample.application) == [1, 2]


def test_closed_rows_stand_as_unavailable_and_take_no_answer(network: Network, sample: Sample) -> None:
    """Nobody waits any more: the certificate comes at once, the provider drops what it parked, nothing follows."""
    reply(network, sample.application, "close")
    network.run()
    result = standing(network, sample.application)
    assert result.of("37", "social_insurance") == {("unavailable", "force_majeure"): 12}
    assert result.of("37", "vehicles") == {("unavailable", "force_majeure"): 12}
    certificate = network.case(sample.application).certificate()
    assert certificate is not None
    untils = {p["until"] for s in certificate.sections.values() for line in s["lines"] for p in line["parts"]
              if line["provider"] == "37"}  # fmt: skip
    assert untils == {UNTIL}
    assert parked(network, "37") == []
    network.pass_time(11 * HOUR)
    assert versions(network, sample.application) == [1]
    assert extensions(network, "37")[0]["closed"]
    assert codes(network) == []


def test_an_answer_that_crosses_the_closing_is_not_delivered(network: Network, sample: Sample) -> None:
    """The register is back and its answer on its way when the rows are closed: an event, no relay, no endless re-sends."""
    back(network, sample, "37")
    network.run(without=("collect", "intake", "applications"))
    assert parked(network, "37") == []
    reply(network, sample.application, "close")
    network.run(without=("collect",))
    network.run()
    network.pass_time(60)
    assert standing(network, sample.application).of("37", "vehicles") == {("unavailable", "force_majeure"): 12}
    assert len(events_of(network, sample.application, "answer_closed")) == 1
    assert outbox_rows(network, "37") == 0
    assert versions(network, sample.application) == [1]
    assert codes(network) == []


def test_the_register_is_back_early(network: Network, sample: Sample) -> None:
    """A restart with a file that does not say so any more answers what is parked: in time, and no extension was needed."""
    network.clock.advance(60)
    back(network, sample, "37")
    network.run()
    assert versions(network, sample.application) == [1]
    assert standing(network, sample.application).of("37", "vehicles") == {("done", None): 12}
    assert_equals_oracle(network, sample)
    opened = network.parties["37"].store.connection.execute("SELECT count(*) FROM access WHERE act = 'opened'")
    assert opened.fetchone()[0] == 2, "opened when it came, and when it was answered"


def test_one_register_of_two(tmp_path: Path, sample: Sample) -> None:
    """What can be answered is answered at once; only the other row waits, and only it is told."""
    network = network_for(sample, tmp_path)
    away(network, sample, "37", ("vehicles",), BACK)
    network.file(sample.application, sample.persons, section_size=4)
    network.run()
    [delay] = told(network, sample.application)
    assert delay.delay["rows"] == [3]
    sections = {section for section, _ in parked(network, "37")}
    assert len(sections) > 1, "one delay for all sections"
    answered = {
        b.header.rows for b in bundles_in(network, "center", "responses", "answer") if b.header.provider == "37"
    }
    assert answered == {(1,)}
    reply(network, sample.application, "agree")
    network.run()
    network.pass_time(10 * HOUR - 60)
    assert versions(network, sample.application) == [1]
    assert_equals_oracle(network, sample)


def test_a_register_back_before_the_deadline_needs_no_words(tmp_path: Path, sample: Sample) -> None:
    """Away for half of the feedback limit: parked, answered in time, and the requester is not troubled."""
    network = network_for(sample, tmp_path)
    away(network, sample, "37", ("vehicles",), START + FEEDBACK * MS // 2)
    network.file(sample.application, sample.persons)
    network.run()
    assert parked(network, "37") == [(1, 3)]
    assert told(network, sample.application) == []
    network.pass_time(FEEDBACK / 2 + 5)
    assert versions(network, sample.application) == [1]
    assert_equals_oracle(network, sample)


def test_without_a_reason_it_is_a_final_answer_as_ever(tmp_path: Path, sample: Sample) -> None:
    """`unavailable_until` alone asks for nothing: the rows are unavailable, and the application closes."""
    network = network_for(sample, tmp_path)
    away(network, sample, "37", ("vehicles",), BACK, None)
    network.file(sample.application, sample.persons)
    network.run()
    assert standing(network, sample.application).of("37", "vehicles") == {("unavailable", None): 12}
    assert told(network, sample.application) == []


def test_away_for_longer_than_told(network: Network, sample: Sample) -> None:
    """The second delay is of the same rows: a reply to it holds, and one to the first comes too late then."""
    [first] = told(network, sample.application)
    later = UNTIL + 5 * HOUR * MS
    network.clock.advance(60)
    away(network, sample, "37", ("social_insurance", "vehicles"), later - TO_ANSWER)
    network.run()
    delays = told(network, sample.application)
    assert [delay.delay["until"] for delay in delays] == [UNTIL, later]
    reply(network, sample.application, "agree", delay=delays[1])
    network.run()
    reply(network, sample.application, "agree", delay=first)
    network.run()
    assert [f["code"] for n in notices(network, sample.application, "declined") for f in n["faults"]] == ["delay_over"]
    assert [extension["until"] for extension in extensions(network, "37")] == [later]
    network.pass_time(15 * HOUR - 120)
    assert versions(network, sample.application) == [1]
    assert standing(network, sample.application).of("37", "vehicles") == {("done", None): 12}


def test_a_delay_after_an_agreed_one(network: Network, sample: Sample) -> None:
    """Agreed, and then it takes longer still: told again, agreed again, both extensions kept."""
    reply(network, sample.application, "agree")
    network.run()
    later = UNTIL + 5 * HOUR * MS
    network.clock.advance(HOUR)
    away(network, sample, "37", ("social_insurance", "vehicles"), later - TO_ANSWER)
    network.run()
    reply(network, sample.application, "agree")
    network.run()
    assert sorted(e["until"] for e in extensions(network, "37")) == [UNTIL, later]
    network.pass_time(13 * HOUR)
    assert not is_certified(network, sample.application)
    network.pass_time(HOUR - 60)
    assert versions(network, sample.application) == [1]
    assert standing(network, sample.application).of("37", "vehicles") == {("done", None): 12}


def test_a_reply_counts_once(network: Network, sample: Sample) -> None:
    """What is signed is settled: the CLI does not offer it again, and a second reply is declined."""
    [delay] = told(network, sample.application)
    reply(network, sample.application, "agree")
    network.run()
    with pytest.raises(ConfigError, match="signed already"):
        reply(network, sample.application, "close")
    reply(network, sample.application, "close", delay=delay)
    network.run()
    assert [f["code"] for n in notices(network, sample.application, "declined") for f in n["faults"]] == ["delay_over"]
    assert len(extensions(network, "37")) == 1


@pytest.mark.parametrize(
    ("until", "code"),
    [
        (UNTIL + 1, "delay_until"),
        (START + FEEDBACK * MS, "extension_not_later"),
        (0, "extension_not_later"),
    ],
)
def test_shorter_is_between_the_deadline_and_the_time_told(
    network: Network, sample: Sample, until: int, code: str
) -> None:
    """Not later than what was told, and not before the deadline that stands: declined, and nothing changes."""
    reply(network, sample.application, "shorten", until)
    network.run()
    assert [f["code"] for n in notices(network, sample.application, "declined") for f in n["faults"]] == [code]
    assert extensions(network, "37") == []
    network.pass_time(FEEDBACK + 60)
    assert standing(network, sample.application).of("37", "vehicles") == {("expired", None): 12}


def test_nobody_waits_longer_than_the_mandate_holds(tmp_path: Path, sample: Sample) -> None:
    """A hundred days are more than the mandate's ninety: agreeing is declined with its end, a shorter time is taken."""
    network = network_for(sample, tmp_path)
    away(network, sample, "37", ("vehicles",), START + 100 * DAY * MS)
    network.file(sample.application, sample.persons)
    network.run()
    reply(network, sample.application, "agree")
    network.run()
    [notice] = notices(network, sample.application, "declined")
    assert [fault["code"] for fault in notice["faults"]] == ["extension_beyond_mandate"]
    assert notice["faults"][0]["args"]["not_after"] == "2027-02-18"
    reply(network, sample.application, "shorten", START + 80 * DAY * MS)
    network.run()
    assert len(extensions(network, "37")) == 1
    state = center_case(network, sample.application).state
    assert state["expires_at"] >= START + 110 * DAY * MS, "the application is kept until its supplement window ends"
    network.pass_time(40 * DAY)
    assert kept(network, "applications", b"a") == 1
    assert kept(network, "join", b"j") == 1


def test_what_waits_long_is_kept_under_a_key_that_is_kept(tmp_path: Path, sample: Sample) -> None:
    """Seal keys live for weeks, an extension for months: the center asks again every ten days, and the newest copy waits."""
    network = network_for(sample, tmp_path)
    away(network, sample, "37", ("vehicles",), START + 40 * DAY * MS)
    network.file(sample.application, sample.persons)
    network.run()
    reply(network, sample.application, "agree")
    network.run()
    query = "SELECT bundle FROM parked"
    store = network.parties["37"].store.connection
    [(first,)] = store.execute(query).fetchall()
    for _ in range(3):
        network.pass_time(11 * DAY)
        network.pass_time(60)
    [(newest,)] = store.execute(query).fetchall()
    assert newest != first
    asked = [bundle.raw for bundle in bundles_in_order(network)]
    assert asked.index(newest) > asked.index(first)
    assert len(told(network, sample.application)) == 1
    network.pass_time(7 * DAY + 60)
    assert standing(network, sample.application).of("37", "vehicles") == {("done", None): 12}
    assert versions(network, sample.application) == [1]


def bundles_in_order(network: Network) -> list[Bundle]:
    """The requests to 山东 by when the broker had them; an envelope's own time is not looked at."""
    found = sorted(network.broker.messages("hedx.37.requests"), key=lambda message: message.timestamp)
    raws = [raw for message in found for raw in cbor2.loads(message.value or b"")[1]]
    return [bundle for raw in raws if (bundle := parse_bundle(raw)).header.kind == "request"]


def test_a_parked_request_that_fails_stops_nobody_elses(
    tmp_path: Path, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect meets one section of several: that one is refused with `stage_failed`, the others are answered."""
    network = network_for(sample, tmp_path)
    away(network, sample, "37", ("vehicles",), BACK)
    network.file(sample.application, sample.persons, section_size=4)
    network.run()
    back(network, sample, "37")
    desk = network.parties["37"].answers
    genuine = desk._answer

    def defective(questions: Sequence[Question], effects: LocalEffects, now: int) -> None:
        if any(question.bundle.header.section == 2 for question in questions):
            raise IndexError("a text that may quote the request")
        genuine(questions, effects, now)

    monkeypatch.setattr(desk, "_answer", defective)
    network.clock.advance(5)
    network.run()
    assert parked(network, "37") == []
    result = standing(network, sample.application).of("37", "vehicles")
    assert result.keys() == {("done", None), ("refused", "stage_failed")}
    assert sum(result.values()) == len(sample.persons)
    assert standing(network, sample.application).of("37", "social_insurance") == {("done", None): 12}


def test_what_waits_for_ever_is_let_go_with_its_mandate(tmp_path: Path, sample: Sample) -> None:
    """Ninety days and more: the mandate is over, nobody may answer it, and the roster does not stay at the provider."""
    network = network_for(sample, tmp_path)
    away(network, sample, "37", ("vehicles",), START + 1000 * DAY * MS)
    network.file(sample.application, sample.persons)
    network.run()
    network.clock.advance(91 * DAY)
    network.parties["37"].store.forget_expired(network.clock())
    assert parked(network, "37") == []
    assert network.parties["37"].store.connection.execute("SELECT count(*) FROM parked").fetchone()[0] == 0


def test_a_withdrawal_ends_the_waiting(network: Network, sample: Sample) -> None:
    """Delay, then withdrawal: what is parked is dropped and said to be, the rows are withdrawn, a reply comes too late."""
    [delay] = told(network, sample.application)
    withdraw(network, sample.application)
    network.run()
    assert parked(network, "37") == []
    ack = acknowledgements(network, sample.application)["37"]
    assert (ack["answered"], ack["dropped"]) == ([], [1])
    assert standing(network, sample.application).of("37", "vehicles") == {("withdrawn", None): 12}
    reply(network, sample.application, "agree", delay=delay)
    network.run()
    assert [f["code"] for n in notices(network, sample.application, "declined") for f in n["faults"]] == ["delay_over"]
    network.pass_time(11 * HOUR)
    assert versions(network, sample.application) == [1]
    assert codes(network) == []


def test_withdrawn_after_an_extension(network: Network, sample: Sample) -> None:
    """An extended deadline keeps nothing open that was withdrawn."""
    reply(network, sample.application, "agree")
    network.run()
    withdraw(network, sample.application)
    network.run()
    assert standing(network, sample.application).of("37", "vehicles") == {("withdrawn", None): 12}
    network.pass_time(11 * HOUR)
    assert versions(network, sample.application) == [1]


def test_a_reply_after_the_certificate_is_too_late(network: Network, sample: Sample) -> None:
    """The deadline passed without a reply: the certificate stands, and what comes is a supplement."""
    network.pass_time(FEEDBACK + 60)
    reply(network, sample.application, "agree")
    network.run()
    assert [f["code"] for n in notices(network, sample.application, "declined") for f in n["faults"]] == ["delay_over"]


def test_answers_between_the_old_deadline_and_the_agreement_were_in_time(network: Network, sample: Sample) -> None:
    """The center was away when requester and provider did their part: by append times everything was punctual."""
    reply(network, sample.application, "agree")
    network.send(REQUESTER)
    network.clock.advance(FEEDBACK + 600)
    back(network, sample, "37")
    network.run(without=("intake", "applications", "join", "collect"))
    network.run(without=("intake", "applications"))  # join sees the late answer before it hears of the extension
    network.run()
    network.pass_time(60)
    result = standing(network, sample.application)
    assert result.of("37", "vehicles") == {("done", None): 12}
    assert "expired" not in result.statuses()


# ---- attacks -------------------------------------------------------------------------------------------------------


def _delay(network: Network, application: Application, provider: str, **changes: object) -> dict[str, object]:
    return {
        "application_id": application["application_id"],
        "requester": application["requester"],
        "mandate_digest": network.case(application).mandate_digest,
        "provider": provider,
        "rows": [1],
        "until": UNTIL,
        "reason": BECAUSE,
        "at": network.clock(),
        **changes,
    }


def _say(network: Network, application: Application, signer: str, typ: str, record: Mapping[str, object]) -> None:
    """As `signer`: an act to the center."""
    raw = sign_act(typ, record, network.identities[signer].signer, "center", network.clock())
    bundle = post_act(raw, signer, "center", application["requester"], application["application_id"])
    send(network, signer, "center", "requests", bundle)
    network.run()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"rows": [3]}, "delay_out_of_scope"),  # 山东's row
        ({"rows": []}, "delay_out_of_scope"),
        ({"rows": [1, 1]}, "delay_out_of_scope"),
        ({"provider": "37", "rows": [3]}, "act_invalid"),  # in 山东's name
        ({"mandate_digest": b"\1" * 32}, "mandate_mismatch"),
        ({"until": START}, "delay_invalid"),
        ({"until": 1 << 60}, "record_out_of_bounds"),
    ],
)
def test_a_delay_that_is_not_the_providers_to_tell(
    network: Network, sample: Sample, changes: dict[str, object], code: str
) -> None:
    """江苏 tells delays of rows that are not its own, or that make no sense: put aside with a code, told to nobody."""
    record = {**_delay(network, sample.application, "32"), **changes}
    _say(network, sample.application, "32", "delay", record)
    assert codes(network) == [code]
    assert len(told(network, sample.application)) == 1, "山东's own only"


def test_a_delay_after_the_certificate_is_declined(tmp_path: Path, sample: Sample) -> None:
    """Everything is answered; a delay now changes nothing and reaches nobody. An event says so."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    _say(network, sample.application, "37", "delay", _delay(network, sample.application, "37"))
    assert told(network, sample.application) == []
    [event] = events_of(network, sample.application, "delay_declined")
    assert str(event["code"]).startswith("application_")
    assert codes(network) == []


def test_a_register_that_is_back_sooner_than_agreed_needs_no_more_time(network: Network, sample: Sample) -> None:
    """山东 says so, honestly, of a deadline that was moved meanwhile: nothing is put aside, and what was agreed stands."""
    reply(network, sample.application, "agree")
    network.run()
    away(network, sample, "37", ("social_insurance", "vehicles"), BACK - 5 * HOUR * MS)
    network.run()
    assert codes(network) == []
    assert len(told(network, sample.application)) == 1
    assert [e["code"] for e in events_of(network, sample.application, "delay_declined")] == ["within_extension"]
    network.pass_time(6 * HOUR)
    assert standing(network, sample.application).of("37", "vehicles") == {("done", None): 12}
    assert versions(network, sample.application) == [1]


def test_a_delay_of_rows_that_were_closed_is_declined(tmp_path: Path, sample: Sample) -> None:
    """江苏 is slow, so the application is open; 山东's rows are closed and stay so."""
    network = network_for(sample, tmp_path)
    away(network, sample, "37", ("social_insurance", "vehicles"), BACK)
    network.file(sample.application, sample.persons)
    network.run(without=("32",))
    reply(network, sample.application, "close")
    network.run(without=("32",))
    assert not is_certified(network, sample.application)
    record = _delay(network, sample.application, "37", until=UNTIL + DAY * MS)
    raw = sign_act("delay", record, network.identities["37"].signer, "center", network.clock())
    bundle = post_act(raw, "37", "center", REQUESTER, sample.application["application_id"])
    send(network, "37", "center", "requests", bundle)
    network.run(without=("32",))
    assert [e["code"] for e in events_of(network, sample.application, "delay_declined")] == ["rows_closed"]


def test_a_forged_extension_moves_nothing(network: Network, sample: Sample) -> None:
    """Signed by a province: it may not. Signed by the center for another, or about another provider: misdirected."""
    extension = {k: v for k, v in _delay(network, sample.application, "37").items() if k != "reason"} | {
        "closed": True, "delay": told(network, sample.application)[0].digest, "reply": b"\3" * 32,
    }  # fmt: skip
    application_id = sample.application["application_id"]
    forged = sign_act("extension", extension, network.identities["32"].signer, "37", network.clock())
    for_another = sign_act("extension", extension, network.identities["center"].signer, "32", network.clock())
    about_another = sign_act(
        "extension", {**extension, "provider": "32"}, network.identities["center"].signer, "37", network.clock()
    )
    for raw in (forged, for_another, about_another):
        send(network, "center", "37", "requests", post_act(raw, "center", "37", REQUESTER, application_id))
    network.run()
    assert sorted(local_codes(network, "37")) == ["act_misdirected", "audience_mismatch", "role_not_allowed"]
    assert parked(network, "37") == [(1, 1), (1, 3)], "nothing was dropped"


def test_a_requester_takes_only_what_is_for_it(network: Network, sample: Sample) -> None:
    """A delay of a province that the center relays to a third party, and acts that no requester takes, are put aside."""
    application_id = sample.application["application_id"]
    record = _delay(network, sample.application, "37")
    delay = sign_act("delay", record, network.identities["37"].signer, "center", network.clock())
    send(network, "center", "32", "responses", post_act(delay, "center", "32", REQUESTER, application_id))
    own = {k: v for k, v in record.items() if k not in ("provider", "rows", "until")}
    withdrawal = sign_act("withdrawal", own, network.identities[REQUESTER].signer, "center", network.clock())
    send(
        network, "center", REQUESTER, "responses", post_act(withdrawal, "center", REQUESTER, REQUESTER, application_id)
    )
    network.run()
    assert local_codes(network, "32") == ["act_misdirected"]
    assert local_codes(network, REQUESTER) == ["act_unexpected"]
    assert said(network, sample.application).withdrawal() is None


def test_a_reply_of_another_province_is_refused(network: Network, sample: Sample) -> None:
    """江苏 agrees in 云南's name: `act_invalid`."""
    record = {
        **{k: v for k, v in _delay(network, sample.application, "37").items() if k != "rows"},
        "delay": told(network, sample.application)[0].digest,
        "decision": "close",
        "until": None,
    }
    _say(network, sample.application, "32", "delay-reply", record)
    assert codes(network) == ["act_invalid"]
    send_act(network, sample.application, "delay-reply", {**record, "mandate_digest": b"\1" * 32})
    network.run()
    assert codes(network) == ["act_invalid", "mandate_mismatch"]
    assert extensions(network, "37") == []
