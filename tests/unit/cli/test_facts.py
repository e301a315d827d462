"""Results in an official's words."""

from __future__ import annotations

from typing import get_args

import pytest

from pipeline.cli.facts import LABELS, STATES, in_words
from pipeline.cli.output import emit
from pipeline.domain.records import LifecycleState


def test_facts_have_labels_and_states_words() -> None:
    """Keys and states are told in the reader's language; what has no label keeps its key."""
    facts = {"persons": 3, "state": "completed", "complete": True, "by_status": {"found": 2, "no_record": 1}, "new": 1}
    assert in_words(facts, "zh") == {
        "人数": 3,
        "状态": "已办结",
        "是否收齐": "是",
        "反馈情况": "有记录 2、查无记录 1",
        "new": 1,
    }
    assert in_words(facts, "en")["results"] == "2 found, 1 no record"


def test_what_nobody_has_opened_is_answered_no_more() -> None:
    """A certificate counts answers, not what is in them."""
    assert in_words({"by_status": {"done": 3, "refused": 1}}, "zh") == {"反馈情况": "已反馈 3、拒绝提供 1"}


def test_the_time_of_filing_is_chinas() -> None:
    """Milliseconds become the time that an official's clock showed."""
    assert in_words({"filed_at": 1_795_507_200_000}, "en") == {"filed at": "2026-11-24 16:00"}


def test_every_state_of_the_life_cycle_is_worded() -> None:
    """The states the store writes are those of the table, and one more when nothing opens an application any more."""
    assert set(get_args(LifecycleState)) | {"shredded"} == STATES.keys()
    assert all(len(set(words)) == 2 for words in LABELS.values())


def test_labels_line_up_and_lists_go_downwards(capsys: pytest.CaptureFixture[str]) -> None:
    """A Chinese label is two columns a character wide; a list of texts is one below the other."""
    emit({"人数": 3, "原因": ["a", "b"], "id": 1}, as_json=False)
    assert capsys.readouterr().out == "人数  3\n原因  a\n      b\nid    1\n"
