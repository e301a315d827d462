"""Every code that can put a message aside has a meaning and a cure in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.center.deadletter_words import CODES, UNEXPLAINED, UNPROVED, likely_cure, may_help, meaning

ROOT = Path(__file__).parents[3]
ELSEWHERE = {
    # of trust, checkpoint and catalog records, and of draws and protocols, which are no messages that are put aside
    "crl_stale", "crl_invalid", "crl_rollback", "entry_contradicts", "entry_rollback", "feedback_limit_invalid",
    "head_not_witnessed", "key_contradicts_entry", "log_forked", "log_invalid", "log_rollback", "release_rollback",
    "seal_key_invalid", "seal_key_rollback", "draw_mismatch", "draw_not_revealed", "evidence_invalid", "protocol_chain_broken",
    "not_after",  # a field
}  # fmt: skip


def codes_of_the_page() -> set[str]:
    """Codes in the tables of docs/envelope.md, section 13."""
    page = (ROOT / "docs" / "envelope.md").read_text(encoding="utf-8")
    section = page[page.index("## 13. Checks") : page.index("## 14. Time")]
    cells = [line.rsplit("|", 2)[1] for line in section.splitlines() if line.startswith("|")]
    return {code for cell in cells for code in re.findall(r"`([a-z_0-9]+)`", cell)}


def test_every_code_of_the_page_has_words() -> None:
    """A new check brings its words with it."""
    assert len(codes_of_the_page()) > 80
    assert codes_of_the_page() - ELSEWHERE - set(CODES) == set()


def test_the_codes_of_the_first_steps_are_those_that_prove_nothing() -> None:
    """What is refused before signature and root hold was sent by nobody in particular."""
    assert set(CODES) >= UNPROVED
    assert {"signature_invalid", "root_mismatch", "expired"} <= UNPROVED
    assert not {"party_suspended", "header_invalid", "stage_failed"} & UNPROVED


@pytest.mark.parametrize("code", CODES)
def test_words_are_there_in_both_languages(code: str) -> None:
    """Four different texts, and none of them empty."""
    texts = [say(code, lang) for say in (meaning, likely_cure) for lang in ("zh", "en")]
    assert all(texts)
    assert len(set(texts)) == 4
    assert may_help(code) in (True, False)


def test_an_unknown_code_is_not_replayed_lightly() -> None:
    """It is shown as it is, with the advice that fits what nobody understands."""
    assert meaning("of_tomorrow", "en") == "of_tomorrow"
    assert likely_cure("of_tomorrow", "en") == UNEXPLAINED.cure[1]
    assert not may_help("of_tomorrow")
