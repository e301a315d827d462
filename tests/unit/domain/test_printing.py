"""Texts of strangers on screens and in files."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.printing import visible, visible_json
from pipeline.domain.review_text import has_control_characters

UNSEEN = {
    "\x1b]0;x\x07": r"\u001b]0;x\u0007",
    "\x9b31m": r"\u009b31m",
    "\x7f": r"\u007f",
    "a\u202eb": r"a\u202eb",
    "a\u2066b\u2069": r"a\u2066b\u2069",
    "a\u200bb": r"a\u200bb",
    "a\nb\r": r"a\u000ab\u000d",
    "a\u2028b\u2029": r"a\u2028b\u2029",
    "\ud800": r"\ud800",
    "\U000e0041": r"\udb40\udc41",
}


@pytest.mark.parametrize(("text", "shown"), UNSEEN.items(), ids=map(ascii, UNSEEN))
def test_what_nobody_can_see_is_written_out(text: str, shown: str) -> None:
    """Terminal sequences of both sets, overrides of direction, ends of lines, damaged text."""
    assert visible(text).lower() == shown.replace("\n", r"\u000a").lower()


@pytest.mark.parametrize("text", ["王小明", "欧阳·\u3000娜", "\ue863\U00020bb7", "[red]x", "a b", "", "é"])
def test_what_can_be_seen_stays(text: str) -> None:
    """Names with rare letters (private use, extension B) and wide blanks among it."""
    assert visible(text) == text


@given(st.text())
def test_nothing_unseen_is_left(text: str) -> None:
    """Of any text."""
    shown = visible(text)
    assert not has_control_characters(shown.replace("\ufffd", "")) or any(ord(c) & 0xFFFE == 0xFFFE for c in shown)


@given(
    st.recursive(st.text(), lambda each: st.lists(each) | st.dictionaries(st.text(), each)), st.sampled_from([None, 1])
)
def test_json_says_the_same(data: object, indent: int | None) -> None:
    """Whatever is in it, indented or not."""
    text = json.dumps(data, ensure_ascii=False, indent=indent)
    assert json.loads(visible_json(text)) == data
