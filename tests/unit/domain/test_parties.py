"""Parties and their names."""

from __future__ import annotations

import pytest

from pipeline.domain.parties import (
    CENTER,
    EVERYONE,
    MINISTRY,
    PROVINCES,
    inbox,
    is_party,
    is_provider,
    provider_english,
    provider_from,
    provider_name,
)


def test_there_are_31_provinces_and_the_corps() -> None:
    """32 provincial agencies take part, each with its own code and names."""
    assert len(PROVINCES) == 32
    assert PROVINCES["66"].full_name == "新疆生产建设兵团"
    assert len({p.name for p in PROVINCES.values()}) == len({p.full_name for p in PROVINCES.values()}) == 32


@pytest.mark.parametrize(
    ("text", "code"),
    [("全国", "all"), ("部中心", "00"), ("山东", "37"), (" 山东省 ", "37"), ("内蒙古自治区", "15"), ("兵团", "66"), ("37", "37")],
)  # fmt: skip
def test_provider_column_is_read_as_a_code(text: str, code: str) -> None:
    """全国, 部中心, and provinces by short or full name, are what the annex allows."""
    assert provider_from(text) == code


@pytest.mark.parametrize("text", ["", "山", "中央", "center", "山东 江苏", "99"])
def test_a_text_that_names_nobody_is_refused(text: str) -> None:
    """Nobody is guessed at."""
    with pytest.raises(ValueError, match="provider_unknown"):
        provider_from(text)


def test_names_lead_back_to_codes() -> None:
    """Writing a provider and reading it again gives the same code."""
    for code in (EVERYONE, MINISTRY, *PROVINCES):
        assert provider_from(provider_name(code)) == code
        assert provider_english(code)


def test_center_is_a_party_but_no_provider() -> None:
    """The hub has inboxes; its resources are party 00."""
    assert is_party(CENTER)
    assert not is_provider(CENTER)
    assert is_provider(MINISTRY)
    assert not is_party(EVERYONE)
    assert inbox("37", "requests") == "hedx.37.requests"
