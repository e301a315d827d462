"""The parts of the story that need no exchange: its steps and their words, its days, its clerk, its documents."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import string
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.demo.application import Sample, sample_application
from pipeline.demo.clerk import INTERRUPTED, Clerk, StoryFailed
from pipeline.demo.preparation import entries_of
from pipeline.demo.simulated_calendar import DAY, FARTHEST
from pipeline.demo.story_cases import mortgage_home, owner, plain_households, write_case
from pipeline.demo.story_days import LONGEST, choose, simulated_days
from pipeline.demo.story_documents import page
from pipeline.demo.story_steps import STEPS
from pipeline.demo.story_telling import STEPS as WORDS
from pipeline.demo.story_telling import Teller
from pipeline.demo.years import REACH, SOURCE, make_up_years
from pipeline.domain.catalog import Release
from pipeline.domain.evidence import missing
from pipeline.kafka.clock import VARIABLE
from pipeline.province.calendar_files import load_calendar
from pipeline.province.evidence_files import read_folder
from pipeline.province.forms import load_form

NOWHERE = Path("no such folder")
ORDER = [
    "joined", "catalog", "received", "held", "approved", "started", "extended", "withdrawn", "rechecked", "certificate",
    "supplement",
]  # fmt: skip
"""What the story must tell, in this order; other steps may be in between."""


def test_every_step_is_there_in_order_and_has_words_in_both_languages() -> None:
    """One function a step, in the order that is asked for, and one pair of lines each."""
    names = [step.__name__ for step in STEPS]
    assert [name for name in names if name in ORDER] == ORDER
    assert set(names) == set(WORDS)
    for chinese, english in WORDS.values():
        assert re.search(r"[\u4e00-\u9fff]", chinese)
        assert not re.search(r"[\u4e00-\u9fff]", english)
        for line in (chinese, english):
            assert any(name for _, name, _, _ in string.Formatter().parse(line))


def test_a_step_is_told_with_its_simulated_time_and_kept() -> None:
    """Names of parties in the reader's language; a fact that is missing is an error, not a blank."""
    said: list[str] = []
    teller = Teller("en", said.append)
    teller.tell("joined", 1_795_150_800_000, {"parties": ["37", "53"], "filings": ["a", "b"]})
    assert said == ["2026-11-20 13:00  joined and filed: Shandong, Yunnan (a, b)"]
    assert teller.steps[0]["facts"]["parties"] == ["37", "53"]
    with pytest.raises(KeyError):
        teller.tell("joined", 0, {"parties": []})


def every_day() -> list[dt.date]:
    """Every day that may be today, as far as the shipped years reach."""
    known = load_calendar(NOWHERE)
    first, last = dt.date(min(known.years), 1, 1), dt.date(max(known.years), 12, 31) - dt.timedelta(days=45)
    return [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]


def test_the_story_fits_into_the_simulated_calendar_on_any_day() -> None:
    """Whatever today is, days off included: it is over before the seal keys are, and nearly always runs across days off."""
    known, days = load_calendar(NOWHERE), every_day()
    assert LONGEST * DAY < FARTHEST
    chosen = [(day, choose(known, day)) for day in days]
    assert len(chosen) > 1_000
    for today, found in chosen:
        assert today < found.filing < found.start < found.end
        assert (found.end - today).days <= LONGEST, today
        assert known.is_working_day(found.filing)
        assert known.is_working_day(found.start)
        assert known.after(found.filing, 1) == found.start
    across = [found for _, found in chosen if (found.start - found.filing).days > 1]
    assert len(across) > 0.95 * len(chosen)


def test_unknown_years_are_made_up_and_say_so(tmp_path: Path) -> None:
    """In a year that nobody has published, and before one, the demo runs all the same; known years are left alone."""
    assert make_up_years(tmp_path, dt.date(2026, 6, 1)) == []
    assert list(tmp_path.iterdir()) == []
    assert make_up_years(tmp_path, dt.date(2098, 12, 31) - REACH) == [2098]
    assert make_up_years(tmp_path, dt.date(2098, 12, 1)) == [2099]
    made = load_calendar(tmp_path).years[2099]
    assert (made.status, made.source) == ("estimated", SOURCE)
    assert choose(load_calendar(tmp_path), dt.date(2098, 12, 20)).end.year == 2099


def test_a_simulated_calendar_ends_with_its_block(tmp_path: Path) -> None:
    """Also when it fails, and an earlier story's file is in nobody's way."""
    file = tmp_path / "demo" / "clock"
    seen = []

    def fail() -> None:
        with simulated_days(file):
            seen.append(os.environ[VARIABLE])
            raise StoryFailed("no")

    for _ in range(2):
        with pytest.raises(StoryFailed):
            fail()
        assert VARIABLE not in os.environ
    assert seen == [str(file)] * 2


def says(text: str, code: int = 0, log: str = "") -> Clerk:
    """A clerk whose every command says `text` and ends with `code`; `log` is written past Python."""

    def run(words: Sequence[str]) -> int:
        assert words[-1] == "--json"
        print(text)
        print("beside", file=sys.stderr)
        os.write(2, log.encode())
        return code

    return Clerk(run, Path(os.environ["STORY_LOG"]), clock=iter(range(1000)).__next__, sleep=lambda _: None)


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that gets what commands say beside their results."""
    file = tmp_path / "logs" / "commands.log"
    monkeypatch.setenv("STORY_LOG", str(file))
    return file


def test_a_clerk_reads_what_a_command_says(log: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """JSON from stdout; what libraries say past Python goes to the log and not between the lines of the story."""
    assert says(json.dumps({"a": 1}), log="noise").ask("apply", "status", 3) == {"a": 1}
    assert says("").ask("ca", "publish") is None
    assert says("{}", code=2).ask("apply", "status", ends=(0, 2)) == {}
    assert log.read_text() == "noise"
    assert capfd.readouterr() == ("", "")


def test_a_command_that_fails_fails_the_story() -> None:
    """With its words and its code; Ctrl-C is passed on as what it is."""
    with pytest.raises(StoryFailed, match=r"`hedx review list --json` ended with 1: beside"):
        says("{}", code=1).ask("review", "list")
    with pytest.raises(StoryFailed, match="said no JSON"):
        says("not JSON").ask("review", "list")
    with pytest.raises(KeyboardInterrupt):
        says("", code=INTERRUPTED).ask("review", "list")


def test_what_does_not_come_fails_the_story() -> None:
    """A step that is awaited in vain names what was awaited."""
    assert says("").until("something", lambda: "seen") == "seen"
    with pytest.raises(StoryFailed, match="the certificate: not within 20 s"):
        says("").until("the certificate", lambda: None, limit=20)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """The demo's sample with its databases."""
    return sample_application(tmp_path_factory.mktemp("story") / "databases")


def test_its_applications_are_sound_and_have_their_documents(tmp_path: Path, sample: Sample) -> None:
    """Form, roster and folder of documents pass every check that `hedx apply submit` makes; the county has its consent."""
    release, today = Release.of(1, entries_of(sample)), sample.population.today
    rows = (("部中心", "household_registration", ""), ("山东", "vehicles", ""))
    households = plain_households(sample, 3)
    case = write_case(tmp_path, "county", sample, households, rows, today, release, county=True)
    loaded = load_form(
        case.form, case.roster, release=release, today=today, requester="53",
        application_id="8a86f311-0a8b-46c5-9b1f-2a79d1f20f6d",
    )  # fmt: skip
    assert loaded.faults == []
    assert loaded.application is not None
    assert loaded.application["unit_consent"] is not None
    assert loaded.roster == case.persons
    found = read_folder(case.documents)
    assert found.faults == []
    assert missing(case.persons, [(document.kind, document.numbers) for document in found.documents]) == []
    assert {p["document_type"] for p in case.persons} == {"resident_id"}


def test_a_property_record_changes_in_the_providers_own_database(sample: Sample) -> None:
    """One field of one home of the owner, there and back."""
    field, before, after = mortgage_home(sample, "37")
    assert (field, {before, after}) == ("sfdy", {"Y", "N"})
    assert mortgage_home(sample, "37") == (field, after, before)
    assert owner(sample).home == "53"


def test_a_made_up_document_is_a_pdf() -> None:
    """Its table of places points at its objects, so that any viewer opens it."""
    made = page("MADE UP 1 consent letter")
    start = int(made.rsplit(b"startxref\n", 1)[1].split()[0])
    assert made[start:].startswith(b"xref\n0 6\n")
    places = [int(line[:10]) for line in made[start:].splitlines()[3:8]]
    assert [made[place:].split(b" ")[0] for place in places] == [b"1", b"2", b"3", b"4", b"5"]
