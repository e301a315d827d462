"""Statuses and answer codes in words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from pipeline.domain.answer_codes import ANSWER_CODES, STATUS_MARKS, STATUS_WORDS, explain_code, status_words
from pipeline.domain.joining import SUSPENDED
from pipeline.stages.answer import TOO_LARGE

REPOSITORY = Path(__file__).resolve().parents[3]
SOURCES = [REPOSITORY / "pipeline" / path for path in ("stages/answer.py", "stages/opening.py", "province/lookups.py")]
RAISED = re.compile(r'(?:InvalidMessage\(|category_not_offered|refused_all=|unknown, |subject, )"?([a-z_]{4,})"')
CHINESE = re.compile("[\u4e00-\u9fff]")
NEVER_A_REFUSAL = {"issuer_unexpected", "kind_unexpected", "answer_out_of_scope"}
"""Codes of messages that are dead-lettered whole, by a provider or by the reader of answers."""


def demo_codes() -> set[str]:
    """Codes that the demo's providers use."""
    codes = set()
    for path in (REPOSITORY / "deploy" / "demo" / "providers").glob("*.yaml"):
        for resource in yaml.safe_load(path.read_text(encoding="utf-8"))["resources"].values():
            codes |= {resource.get("refuse"), resource.get("refuse_persons", {}).get("code")} - {None}
    return codes


def test_every_code_a_requester_can_meet_is_worded() -> None:
    """What providers of the demo say, what an adapter refuses with, and what join adds have words of both languages."""
    raised = {code for path in SOURCES for code in RAISED.findall(path.read_text(encoding="utf-8"))}
    assert {"section_root_mismatch", "mandate_invalid", "not_identifiable", "record_unreadable"} <= raised
    assert (raised - NEVER_A_REFUSAL) | demo_codes() | {SUSPENDED, TOO_LARGE} <= ANSWER_CODES.keys()


@pytest.mark.parametrize("code", ANSWER_CODES)
def test_words_are_of_their_own_language(code: str) -> None:
    """Chinese is Chinese, English is English, and neither is the code."""
    chinese, english = ANSWER_CODES[code]
    assert CHINESE.search(chinese)
    assert not CHINESE.search(english)
    assert code not in (chinese, english)


def test_a_code_of_the_providers_own_is_shown_as_it_came() -> None:
    """Codes are the providers' to choose; one without words still says something."""
    assert explain_code("archive_flooded") == "archive_flooded"
    assert explain_code("protected_person", "en") == "the person's records are closed by law"
    assert explain_code(None) == ""


def test_statuses_have_words_and_those_without_an_answer_a_mark() -> None:
    """All six of the requester's statuses, and what is open before the certificate; `done` of a certificate reads as answered."""
    assert [status_words(status) for status in STATUS_WORDS] == [zh for zh, _ in STATUS_WORDS.values()]
    assert set(STATUS_MARKS) == set(STATUS_WORDS) - {"found", "no_record", "pending"}
    assert status_words("done", "en") == "answered"
