"""How commands speak: readable, aligned, and plain in a pipe."""

from __future__ import annotations

import io
import json
import sys

import pytest
from rich.cells import cell_len

from pipeline.cli import output
from pipeline.settings import language


def test_json_is_one_line_of_readable_characters(capsys: pytest.CaptureFixture[str]) -> None:
    """--json gives one document on one line, Chinese as Chinese, bytes as hex."""
    output.emit({"name": "王小明", "digest": b"\x01\xff"}, as_json=True)
    told = capsys.readouterr().out
    assert told == '{"name": "王小明", "digest": "01ff"}\n'
    assert json.loads(told)["digest"] == "01ff"


def test_mapping_is_shown_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    """A mapping is shown as aligned names and values; nothing is shown as nothing."""
    output.emit({"running": True, "pid": None}, as_json=False)
    assert capsys.readouterr().out == "running  yes\npid      \n"


def test_table_aligns_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns line up on screen although a Chinese character is two columns wide; nothing is folded in a pipe."""
    long = "长" * 120
    output.emit([{"name": "王小明", "what": long}, {"name": "Li", "what": "[x]"}], as_json=False)
    lines = [line for line in capsys.readouterr().out.splitlines() if "长" in line or "[x]" in line]
    starts = [cell_len(lines[0].partition("长")[0]), cell_len(lines[1].partition("[x]")[0])]
    assert starts[0] == starts[1]
    assert long in lines[0]


def test_a_table_shows_texts_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """A fingerprint that happens to spell an emoji's name between colons is not garbled."""
    output.emit([{"fingerprint": "70:AB:CD:ON:12"}], as_json=False)
    assert "70:AB:CD:ON:12" in capsys.readouterr().out


HOSTILE = "\x1b]0;owned\x07\x9b2J\u202e\n"
"""Sets a terminal's title, clears it, turns a line around, and begins another."""


@pytest.mark.parametrize("as_json", [False, True])
def test_what_strangers_wrote_does_nothing_to_a_terminal(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    """In names, values, lists and tables alike; JSON says what it said."""
    for data in (
        {HOSTILE: HOSTILE, "list": [HOSTILE]},
        [{HOSTILE: HOSTILE}],
        [HOSTILE],
        HOSTILE,
        {"x": {"y": HOSTILE}},
    ):
        output.emit(data, as_json)
        told = capsys.readouterr().out
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & {*told}
        assert not as_json or json.loads(told) == data
    output.remark(HOSTILE)
    assert capsys.readouterr().err == "\\u001b]0;owned\\u0007\\u009b2J\\u202e\n\n"


def test_progress_in_a_pipe_is_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody watches, progress is whole lines without control characters, seldom, and one at the end."""
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    with output.progress(3, "dossiers") as show:
        for done in (1, 2, 3):
            show(done)
    assert pipe.getvalue() == "dossiers: 3/3 in 0.0 s\n"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "zh"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "C.UTF-8"}, "zh"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "zh_CN.UTF-8"}, "zh"),
    ],
)
def test_language_follows_the_locale(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    """Officials read Chinese unless their locale is English; LC_ALL wins as in every program."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert language() == expected


def test_an_empty_list_is_said_to_be_empty(capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr and in the reader's language; a program gets an empty list and no words."""
    output.emit_list([], as_json=False, lang="zh")
    output.emit_list([], as_json=False, lang="en")
    assert capsys.readouterr() == ("", "没有\nnone\n")
    output.emit_list([], as_json=True, lang="en")
    assert capsys.readouterr() == ("[]\n", "")
    output.emit_list(["one"], as_json=False, lang="en")
    assert capsys.readouterr() == ("one\n", "")
