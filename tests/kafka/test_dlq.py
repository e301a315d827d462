"""Dead letters on a real cluster, with TLS and rights: who may look, who may decide, and what a replay is."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from confluent_kafka import Producer

from pipeline.center.deadletter_facts import REPLAYED
from pipeline.center.deadletters import DeadLetters
from pipeline.center.opening import ACCESS_LOG
from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.codec import framing
from pipeline.domain.errors import ConfigError, InvalidMessage, Retryable
from pipeline.domain.parties import CENTER, inbox
from pipeline.kafka.clients import MAX_MESSAGE_BYTES, Extra, murmur2_partition
from pipeline.kafka.deadletters import CUT, dead_letter, own_headers
from pipeline.kafka.security import client_security
from pipeline.kafka.tailing import CommittedLog
from pipeline.stages import topics
from pipeline.stages.effects import Message, Output
from tests.secured import Secured, secured

NOW = 1_795_150_800_000
REASON = "the release is known now"
INBOX = inbox(CENTER, "requests")
HEADERS = (("ce_id", b"one"), ("hedx.deadletter", b"a stranger's"), ("__connect.errors.topic", b"a stranger's"))
ACT = "DeadLetterAct"
PARTITION = 2
"""Where the message stood, though its key belongs elsewhere: topics may have grown since."""


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """The cluster as the demo runs it."""
    with secured(tmp_path_factory.mktemp("dlq")) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def environment(kafka: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find the cluster and the installation as at the center."""
    monkeypatch.setenv("HEDX_HOME", str(kafka.installation.folder))
    monkeypatch.setenv("HEDX_BOOTSTRAP", kafka.bootstrap)
    monkeypatch.delenv("HEDX_SECURITY", raising=False)


def settings(kafka: Secured, principal: str) -> Extra:
    """Client settings as `principal`."""
    return client_security(kafka.installation.transport(principal))


def produce(kafka: Secured, principal: str, *outputs: Output) -> list[tuple[int, int]]:
    """Write as `principal`; the places they got."""
    places: list[tuple[int, int]] = []
    producer = Producer(kafka.client(principal, message_max_bytes=MAX_MESSAGE_BYTES))
    for output in outputs:
        producer.produce(
            output.topic,
            output.value,
            output.key,
            -1 if output.partition is None else output.partition,
            headers=list(output.headers),
            on_delivery=lambda error, message: places.append((message.partition() or 0, message.offset() or 0)),
        )
        assert producer.flush(30) == 0
    return places


def put_aside(
    kafka: Secured, value: bytes = b"sealed", code: str = "catalog_unknown", topic: str = INBOX, partition: int = 1
) -> str:
    """A letter of a message as the center's intake leaves it; its place."""
    message = Message(topic, partition, 7, NOW, b"key", value, HEADERS)
    letter = dead_letter(message, InvalidMessage(code, "release 3"), stage="intake", task=0)
    [(number, offset)] = produce(kafka, CENTER, letter)
    return f"{number}/{offset}"


def office(kafka: Secured) -> DeadLetters:
    """The center's own desk for letters."""
    return DeadLetters(
        kafka.bootstrap,
        settings(kafka, CENTER),
        security=lambda principal: settings(kafka, principal),
        log=kafka.installation.party(CENTER) / ACCESS_LOG,
    )


def read_all(kafka: Secured, topic: str) -> list[Message]:
    """Everything committed on `topic`."""
    log = CommittedLog(kafka.bootstrap, topic, extra=settings(kafka, "admin"))
    found: list[Message] = []
    while not log.reached_end:
        found += log.poll(0.1)
    log.close()
    return found


def logged(kafka: Secured, place: str) -> list[str]:
    """What the access log has about the letter at `place`."""
    with closing(sqlite3.connect(kafka.installation.party(CENTER) / ACCESS_LOG)) as log:
        rows = log.execute("SELECT act, detail FROM access ORDER BY number").fetchall()
    return [act for act, detail in rows if json.loads(detail)["letter"] == place]


def test_a_replayed_message_is_the_original_byte_for_byte_and_says_where_it_comes_from(kafka: Secured) -> None:
    """Key, value (by SHA-256) and headers as they were, in the same partition; one header more has the whole story."""
    value = bytes(range(256)) * 2000
    place = put_aside(kafka, value, partition=PARTITION)
    went = office(kafka).replay(place, by="user:li", reason=REASON, now=NOW)
    [back] = [m for m in read_all(kafka, INBOX) if (m.partition, m.offset) == (went.partition, went.offset)]
    assert (went.topic, went.partition) == (INBOX, PARTITION)
    assert murmur2_partition(b"key", 3) != PARTITION
    assert sha256(back.value or b"").digest() == sha256(value).digest()
    assert (back.key, back.headers[:-1]) == (b"key", HEADERS)
    name, framed = back.headers[-1]
    act = framing.decode_as(ACT, framed)
    story = framing.decode_as("DeadLetter", act["letter"])
    assert name == REPLAYED
    assert (act["act"], act["by"], act["reason"], act["at"]) == ("replayed", "user:li", REASON, NOW)
    assert f"{act['partition']}/{act['offset']}" == place
    assert (story["topic"], story["offset"], story["code"], story["timestamp"]) == (INBOX, 7, "catalog_unknown", NOW)


def test_what_became_of_a_letter_is_seen_by_everybody_who_may_look(kafka: Secured) -> None:
    """The watchers' principal, on any machine, sees who replayed a letter, why, when, and where it went."""
    place = put_aside(kafka)
    went = office(kafka).replay(place, by="user:li", reason=REASON, now=NOW)
    watchers = DeadLetters(kafka.bootstrap, settings(kafka, "ops"))
    [letter] = [each for each in watchers.list() if each.place == place]
    assert (letter.state, letter.by, letter.reason, letter.acted_at) == ("replayed", "user:li", REASON, NOW)
    assert letter.went_to == f"{INBOX}/1/{went.offset}"
    assert watchers.show(place).letter == letter
    assert logged(kafka, place) == ["dead_letter_replay"]


def test_who_may_only_look_cannot_decide(kafka: Secured) -> None:
    """Handed the whole desk, the watchers' principal is refused by the brokers, and nothing has changed."""
    place, before = put_aside(kafka), len(read_all(kafka, INBOX))
    ops = settings(kafka, "ops")
    log = kafka.installation.party(CENTER) / ACCESS_LOG
    desk = DeadLetters(kafka.bootstrap, ops, security=lambda _: ops, log=log)
    for act in (desk.replay, desk.discard):
        with pytest.raises(ConfigError, match="authorization failed"):
            act(place, by="user:wang", reason=REASON, now=NOW)
    with pytest.raises(ConfigError, match="only for looking"):
        DeadLetters(kafka.bootstrap, ops, log=log).discard(place, by="user:wang", reason=REASON, now=NOW)
    assert desk.show(place).letter.state == "open"
    assert len(read_all(kafka, INBOX)) == before


def test_the_center_itself_cannot_write_to_its_inbox(kafka: Secured) -> None:
    """Rule 13 holds for a replay, too: it takes the operator's certificate. Inside topics are the center's own."""
    asked: list[str] = []

    def security(principal: str) -> Extra:
        asked.append(principal)
        return settings(kafka, CENTER)

    log = kafka.installation.party(CENTER) / ACCESS_LOG
    desk = DeadLetters(kafka.bootstrap, settings(kafka, CENTER), security=security, log=log)
    with pytest.raises(ConfigError, match="authorization failed"):
        desk.replay(put_aside(kafka), by="user:li", reason=REASON, now=NOW)
    inside = desk.replay(put_aside(kafka, topic=topics.JOIN), by="user:li", reason=REASON, now=NOW)
    assert (asked, inside.topic) == (["admin", CENTER], topics.JOIN)


def test_replaying_twice_is_refused_unless_asked_for(kafka: Secured) -> None:
    """The second replay is refused and writes nothing; with `again` it is done, and both stand in the letter's history."""
    place = put_aside(kafka)
    desk = office(kafka)
    first = desk.replay(place, by="user:li", reason=REASON, now=NOW)
    with pytest.raises(ConfigError, match=f"replayed by user:li, to {INBOX}/1/{first.offset}"):
        desk.replay(place, by="user:wang", reason=REASON, now=NOW)
    second = desk.replay(place, by="user:wang", reason=REASON, now=NOW + 1, again=True)
    shown = desk.show(place)
    assert second.offset > first.offset
    assert [(act["by"], act["to_offset"]) for act in shown.acts] == [
        ("user:li", first.offset),
        ("user:wang", second.offset),
    ]
    assert shown.letter.went_to == f"{INBOX}/1/{second.offset}"


def test_a_discarded_letter_is_final_and_stays_readable(kafka: Secured) -> None:
    """It is not replayed any more, not even again, nor discarded twice; its bytes are still there."""
    place, desk = put_aside(kafka, b"kept"), office(kafka)
    assert desk.discard(place, by="user:li", reason="a test of the province's", now=NOW).state == "discarded"
    for act in (desk.discard, desk.replay):
        with pytest.raises(ConfigError, match="discarded"):
            act(place, by="user:li", reason=REASON, now=NOW)
    with pytest.raises(ConfigError, match="final"):
        desk.replay(place, by="user:li", reason=REASON, now=NOW, again=True)
    shown = desk.show(place)
    assert (shown.letter.state, shown.letter.reason, shown.message.value) == (
        "discarded",
        "a test of the province's",
        b"kept",
    )


@pytest.mark.parametrize("point", ["produced", "noted"])
def test_a_crash_between_writing_and_noting_leaves_nothing_of_either(kafka: Secured, point: str) -> None:
    """Nobody sees the message, the letter is open, and the next replay, which ends what was left, goes through once."""

    class Crash(Exception):
        """The process ends here."""

    def crash(at: str) -> None:
        if at == point:
            raise Crash

    place, before = put_aside(kafka, point.encode()), len(read_all(kafka, INBOX))
    log = kafka.installation.party(CENTER) / ACCESS_LOG
    principal = lambda name: settings(kafka, name)  # noqa: E731
    desk = DeadLetters(kafka.bootstrap, settings(kafka, CENTER), security=principal, log=log, checkpoint=crash)
    with pytest.raises(Crash):
        desk.replay(place, by="user:li", reason=REASON, now=NOW)
    assert office(kafka).show(place).letter.state == "open"
    went = office(kafka).replay(place, by="user:li", reason=REASON, now=NOW)
    back = [message for message in read_all(kafka, INBOX) if message.value == point.encode()]
    assert ([message.offset for message in back], len(read_all(kafka, INBOX))) == ([went.offset], before + 1)
    assert logged(kafka, place) == ["dead_letter_replay", "dead_letter_replay"]  # the log has what was begun, too


def test_of_two_who_decide_at_once_one_is_told_to_look_again(kafka: Secured) -> None:
    """Whoever begins later fences the other off: a letter is never replayed by both."""
    place = put_aside(kafka, b"contested")

    def interfere(point: str) -> None:
        if point == "noted":
            office(kafka).replay(place, by="user:wang", reason=REASON, now=NOW)

    log = kafka.installation.party(CENTER) / ACCESS_LOG
    slow = DeadLetters(
        kafka.bootstrap,
        settings(kafka, CENTER),
        security=lambda name: settings(kafka, name),
        log=log,
        checkpoint=interfere,
    )
    with pytest.raises(Retryable, match="somebody else"):
        slow.replay(place, by="user:li", reason=REASON, now=NOW)
    assert [act["by"] for act in office(kafka).show(place).acts] == ["user:wang"]
    assert len([message for message in read_all(kafka, INBOX) if message.value == b"contested"]) == 1


def test_what_cannot_be_put_back_as_it_was_is_not(kafka: Secured) -> None:
    """A value that a letter cannot keep whole, headers left out, and a topic that no stage works on: each is named."""
    desk = office(kafka)
    cut = put_aside(kafka, b"\0" * (1024 * 1024 + 1))
    strange = put_aside(kafka, topic="hedx.37.requests")
    for place, why in ((cut, "not all of it"), (strange, "no stage of the center")):
        assert why in (desk.show(place).letter.hindrance or "")
        with pytest.raises(ConfigError, match=why):
            desk.replay(place, by="user:li", reason=REASON, now=NOW)
    with pytest.raises(ConfigError, match="no dead letter stands at 0/99999"):
        desk.show("0/99999")
    for text in ("7", "a/1", "-1/2", "1/2/3", "１/2"):
        with pytest.raises(ConfigError, match="is no place"):
            desk.show(text)


def test_a_letter_of_a_replay_names_the_one_it_was(kafka: Secured) -> None:
    """What was replayed and put aside again is a letter of its own, which says of which one it came."""
    desk, place = office(kafka), put_aside(kafka, b"again and again")
    went = desk.replay(place, by="user:li", reason=REASON, now=NOW)
    message = next(m for m in read_all(kafka, INBOX) if (m.partition, m.offset) == (went.partition, went.offset))
    error = InvalidMessage("catalog_unknown")
    [(number, offset)] = produce(kafka, CENTER, dead_letter(message, error, stage="intake", task=0))
    [later] = [letter for letter in desk.list() if letter.place == f"{number}/{offset}"]
    assert (later.again_of, later.state) == (place, "open")


def test_lists_are_newest_first_bounded_and_filtered(kafka: Secured) -> None:
    """More letters than a window has, over all partitions: the newest come first, and filters look past the others."""

    def many(code: str) -> list[Output]:
        messages = (Message(INBOX, 0, n, NOW, b"", b"%d" % n) for n in range(700))
        return [dead_letter(m, InvalidMessage(code), stage="collect", task=0) for m in messages]

    producer = Producer(kafka.client(CENTER))
    since = time.time_ns() // 1_000_000
    for number, letter in enumerate([*many("early_one"), *many("late_one")]):
        at = since + number // 700  # the late ones a millisecond later
        producer.produce(letter.topic, letter.value, b"", number % 3, timestamp=at, headers=list(letter.headers))
    assert producer.flush(30) == 0
    desk = office(kafka)
    newest = desk.list(limit=50)
    assert {letter.code for letter in newest} == {"late_one"}
    assert [letter.at for letter in newest] == sorted((letter.at for letter in newest), reverse=True)
    early = desk.list(code="early_one", limit=1000)
    assert sorted(letter.offset for letter in early) == list(range(700))
    assert desk.list(code="early_one", stage="intake") == []
    assert len(desk.list(since=since, stage="collect", limit=5000)) == 1400
    assert desk.list(since=since + 10**9) == []
    assert desk.list(code="early_one", state="replayed") == []


def test_old_letters_without_a_note_on_cuts_are_judged_by_their_digest(tmp_path: Path) -> None:
    """A letter's own headers end where ours begin, with and without a note of what was cut."""
    message = Message(INBOX, 1, 7, NOW, b"key", b"value", HEADERS)
    whole = dead_letter(message, InvalidMessage("x"), stage="intake", task=0)
    large = Message(INBOX, 1, 7, NOW, b"key", b"v", (*HEADERS, ("much", b"\0" * 65536)))
    cut = dead_letter(large, InvalidMessage("x"), stage="intake", task=0)
    assert own_headers(whole.headers) == HEADERS
    assert dict(cut.headers)[CUT] == b"headers"
    assert own_headers(cut.headers) == ()


def hedx(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """`hedx dlq …`: exit code, stdout, stderr."""
    code = run(["dlq", *words])
    out, err = capsys.readouterr()
    return code, out, err


def letters(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, str]]:
    """What `hedx dlq list --json` says."""
    code, out, _ = hedx(capsys, "list", "--json", *words)
    assert code == Exit.FINE
    return json.loads(out)["letters"]  # type: ignore[no-any-return]


def test_the_command_lists_with_counts_and_filters(kafka: Secured, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts by code and state, letters that say nothing of a content; an unknown party is wrong usage."""
    places = [put_aside(kafka, code="signature_invalid") for _ in range(2)]
    office(kafka).discard(places[0], by="user:li", reason="junk", now=NOW)
    code, out, _ = hedx(capsys, "list", "--json", "--code", "signature_invalid")
    said = json.loads(out)
    assert (code, said["more"]) == (Exit.FINE, False)
    assert said["counts"] == {"signature_invalid": {"open": 1, "replayed": 0, "discarded": 1}}
    assert [letter["place"] for letter in said["letters"]] == places[::-1]
    assert [one["place"] for one in letters(capsys, "--code", "signature_invalid", "--state", "open")] == places[1:]
    code, out, _ = hedx(capsys, "list", "--lang", "en")
    assert "its signature does not hold" in out
    assert hedx(capsys, "list", "--issuer", "99")[0] == Exit.USAGE


def test_the_command_shows_facts_and_never_content(
    kafka: Secured, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Meaning, cure and headers of our own kinds; the sealed bytes only into a file that was not there, and logged."""
    place = put_aside(kafka, b"secret 110101199001011234", code="issued_in_future")
    code, out, _ = hedx(capsys, "show", place, "--lang", "en")
    assert code == Exit.FINE
    assert "issued in the future" in out
    assert "compare both clocks" in out
    assert "ce_id: one" in out
    assert "2 other headers" in out
    assert "a stranger's" not in out
    assert "secret" not in out
    raw = tmp_path / "raw"
    assert hedx(capsys, "show", place, "--json", "--raw", str(raw))[0] == Exit.FINE
    assert raw.read_bytes() == b"secret 110101199001011234"
    assert hedx(capsys, "show", place, "--raw", str(raw))[0] == Exit.FAILED
    assert logged(kafka, place)[0] == "dead_letter_export"


def test_the_command_does_nothing_without_yes(kafka: Secured, capsys: pytest.CaptureFixture[str]) -> None:
    """First what would be done, then, with --yes, it is done to the open letters of that filter, each refusal told."""
    places = [put_aside(kafka, code="stage_failed", partition=2) for _ in range(3)]
    office(kafka).discard(places[0], by="user:li", reason="junk", now=NOW)
    words = ("replay", "--code", "stage_failed", "--reason", "the center was upgraded", "--by", "user:li", "--json")
    code, out, _ = hedx(capsys, *words)
    assert (code, json.loads(out)["dry_run"]) == (Exit.FINE, True)
    assert [one["state"] for one in letters(capsys, "--code", "stage_failed", "--state", "open")] == ["open", "open"]
    code, out, _ = hedx(capsys, *words, "--yes")
    assert code == Exit.FINE
    assert [one["place"] for one in json.loads(out)["letters"]] == places[1:]
    assert all(one["went_to"].startswith(f"{INBOX}/2/") for one in json.loads(out)["letters"])
    code, out, _ = hedx(capsys, "discard", *places[:2], "--reason", "done with", "--yes", "--json")
    assert code == Exit.FAILED
    assert [one["done"] for one in json.loads(out)["letters"]] == ["refused", "refused"]


def test_the_command_wants_a_choice_and_a_reason_that_names_nobody(
    kafka: Secured, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither all letters at once by mistake, nor places and filters mixed, nor a number of a person in what is kept."""
    place = put_aside(kafka)
    assert hedx(capsys, "discard", "--reason", "junk", "--yes")[0] == Exit.USAGE
    assert hedx(capsys, "discard", place, "--code", "x", "--reason", "junk", "--yes")[0] == Exit.USAGE
    assert hedx(capsys, "discard", place, "--yes")[0] == Exit.USAGE
    assert hedx(capsys, "discard", place, "--reason", "110101199001011234 asked", "--yes")[0] == Exit.USAGE
    assert office(kafka).show(place).letter.state == "open"


def test_a_replay_that_hardly_helps_is_done_with_a_warning(kafka: Secured, capsys: pytest.CaptureFixture[str]) -> None:
    """Junk that nobody can be shown to have sent may be put back, by whoever was told so."""
    place = put_aside(kafka, code="signature_invalid")
    code, _, err = hedx(capsys, "replay", place, "--reason", "for the investigation", "--yes", "--json")
    assert code == Exit.FINE
    assert "nobody can be shown to have sent it" in err
    assert "hardly ends otherwise" in err


def test_without_the_operators_certificate_an_inbox_replay_names_it(
    kafka: Secured, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A machine of the center without `admin` is told which folder is missing; the letter stays open."""
    place, hidden = put_aside(kafka), tmp_path / "admin"
    folder = kafka.installation.transport("admin")
    folder.rename(hidden)
    try:
        code, out, _ = hedx(capsys, "replay", place, "--reason", REASON, "--yes", "--json")
    finally:
        hidden.rename(folder)
    assert code == Exit.FAILED
    assert "admin" in json.loads(out)["letters"][0]["why"]
    assert office(kafka).show(place).letter.state == "open"
