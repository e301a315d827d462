"""`hedx review` in words and refusals; with Kafka it is tried in tests/e2e/test_kafka_review.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.center.desk import HeldCase, Outcome, place_of
from pipeline.cli.exits import Exit
from pipeline.cli.history import history_rows
from pipeline.cli.main import run
from pipeline.cli.review import _counts, _print
from pipeline.cli.review_words import case_words, outcome_words
from pipeline.demo.application import Sample
from pipeline.domain.calendar import end_of_day, local_date
from pipeline.domain.errors import ConfigError
from pipeline.domain.free_text import free_text_fault
from tests.network import Network
from tests.officer import DOUBTFUL, center_case, decide, on_desk
from tests.scenario import network_for, small_sample, with_form


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A small application that the rules hold."""
    return with_form(small_sample(tmp_path_factory.mktemp("small")), purpose=DOUBTFUL)


@pytest.fixture(scope="module")
def network(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Network:
    """It waits, its start put off by the center."""
    made = network_for(sample, tmp_path_factory.mktemp("held"))
    made.file(sample.application, sample.persons)
    made.run()
    until = end_of_day(local_date(made.clock())) + 20 * 24 * 3600 * 1000
    decide(made, sample.application, "delay", reason="系统迁移", until=until)
    return made


@pytest.fixture(scope="module")
def case(network: Network, sample: Sample) -> HeldCase:
    """What the center keeps of it."""
    return center_case(network, sample.application)


def test_a_case_is_shown_in_either_language(case: HeldCase, sample: Sample) -> None:
    """Where it stands, why it waits, what it asks of whom; the reasons in words, the schedule by names."""
    chinese = case_words(case, sample.application, {"persons": 12, "guarded": 1, "undocumented": 1}, "zh")
    english = case_words(case, sample.application, {"persons": 12, "guarded": 1, "undocumented": 1}, "en")
    assert chinese["状态"] == "待人工审查"
    assert english["state"] == "held for an officer"
    assert chinese["待审事由"] == ["申请表：用途中有“贷款”字样，须经人工审核"]
    assert chinese["用途"] == english["purpose"] == DOUBTFUL
    assert str(chinese["部中心延期"]).count("待答复") == 1
    assert len(chinese) == len(english)
    assert not any("_" in name for name in (*chinese, *english))
    schedule = chinese["附表"]
    assert isinstance(schedule, list)
    assert schedule[2] == "3  山东  车船"


def test_the_history_says_what_by_whom_and_why(case: HeldCase) -> None:
    """A row for each change; what a fault's wording would fill in is left open, since the history keeps codes only."""
    rows = history_rows(case.state["history"], "zh")
    assert [(row["事项"], row["经办"], row["状态"], row["原因"]) for row in rows] == [
        ("各分段到齐", "云南", "审查中", ""),
        ("转人工审查", "规则", "待人工审查", "用途中有“…”字样，须经人工审核"),
    ]
    later = {"at": 0, "by": "officer:wang", "event": "approve", "state": "accepted", "code": "late_start"}
    [row] = history_rows([later], "en")
    assert (row["by"], row["why"]) == ("officer wang", "started later than within 2 working days")


def test_the_whole_is_printed_and_the_roster_only_with_its_persons(
    case: HeldCase, sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names of the roster stand nowhere but in the roster."""
    others = [person for person in sample.persons if person["name"] != sample.application["lead_person"]]
    _print(case, sample.application, [], "zh")
    assert not any(person["name"] in capsys.readouterr().out for person in others)
    _print(case, sample.application, list(sample.persons), "zh")
    out = capsys.readouterr().out
    assert all(person["name"] in out for person in others)


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize(
    ("decision", "outcome"),
    [
        ("approve", Outcome(True, "started")),
        ("approve", Outcome(True, "second_officer_needed")),
        ("approve", Outcome(True, "held")),
        ("approve", Outcome(True, "rejected")),
        ("reject", Outcome(True, "rejected")),
        ("hold", Outcome(True, "held")),
        ("delay", Outcome(True, "held")),
        ("approve", Outcome(False, "application_unknown")),
        ("reject", Outcome(False, "application_not_held")),
        ("approve", Outcome(False, "second_officer_needed")),
        ("delay", Outcome(False, "delay_not_later")),
        ("hold", Outcome(False, "no_answer")),
    ],
)
def test_every_outcome_has_words(decision: str, outcome: Outcome, lang: str) -> None:
    """Nobody reads a code after a decision."""
    told = outcome_words(decision, outcome, lang)  # type: ignore[arg-type]
    assert told != outcome.code
    assert "_" not in told


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("请核实第 3 号", None),
        ("依国务院令第649号，2026-11-20 前补正", None),
        ("", "missing"),
        ("  ", "missing"),
        ("请核实\u202e", "control_characters"),
        ("x" * 501, "too_long"),
        ("11010519491231002X", "long_number"),
        ("号码 1391 2345 678", "long_number"),
        ("１３９１２３４５６７８", "long_number"),
        ("6222-0200-0000-0000", "long_number"),
    ],
)
def test_a_reason_names_nobody_by_number(text: str, fault: str | None) -> None:
    """ID, telephone and account numbers are seen in any width and with blanks or hyphens; dates and documents pass."""
    assert free_text_fault(text, 500) == fault


@pytest.mark.parametrize(
    "words",
    [
        ("approve", "53/x", "--reason", "号码 11010519491231002X"),
        ("delay", "53/x", "--reason", "断电", "--until", "tomorrow"),
        ("reject", "53/x"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Before anything is read or sent."""
    monkeypatch.setenv("HEDX_HOME", str(tmp_path))
    monkeypatch.setenv("HEDX_BOOTSTRAP", "127.0.0.1:1")
    assert run(["review", *words]) == Exit.USAGE


def test_an_application_is_found_by_its_id_on_the_desk(network: Network, sample: Sample) -> None:
    """The id alone while it waits; one that does not, or one that two provinces filed, with its province."""
    desk = on_desk(network)
    identifier = sample.application["application_id"]
    assert place_of(identifier, desk) == ("53", identifier)
    assert place_of("37/abc", desk) == ("37", "abc")
    with pytest.raises(ConfigError, match="not on the desk"):
        place_of("abc", desk)
    [mine] = desk
    other = type(mine)("37", mine.application_id, mine.item)
    with pytest.raises(ConfigError, match=f"53/{identifier}, 37/{identifier}"):
        place_of(identifier, [mine, other])


def test_what_the_center_keeps_no_more_is_not_counted_as_none(case: HeldCase) -> None:
    """While it holds the sections it says how many are under a guardian; afterwards it does not say 0."""
    assert _counts(case).keys() == {"persons", "guarded", "undocumented"}
    assert _counts(replace(case, sections={})) == {"persons": case.state["person_count"]}
