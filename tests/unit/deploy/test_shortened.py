"""The rules that the end-to-end test loads are the shipped ones but for their durations."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.prometheus import shortened
from tests.promql import RULES

DURATION = re.compile(
    r"(?<=for: )\d+[ms]\b|(?<=\[)\d+[ms](?=\])|(?<=offset )\d+[ms]\b|\b\d+( \* 60)?$|\b\d+( \* 60)?(?= )", re.MULTILINE
)


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_nothing_but_durations_is_another(path: Path) -> None:
    """With all durations and numbers taken out, both texts are the same; no minutes are left."""
    rules = path.read_text(encoding="utf-8")
    short = shortened(rules)
    assert DURATION.sub("", short) == DURATION.sub("", rules)
    assert not re.search(r"for: \d+[mhd]|\[\d+[mhd]\]|offset \d+[mhd]|\d \* (60|3600)\b", short)


def test_minutes_become_seconds_and_days_stay() -> None:
    """Wherever a duration stands."""
    rule = "expr: changes(a[30m] offset 10m) > 5 * 60 and b <= 7 * 86400 and c > 3\nfor: 15m"
    assert shortened(rule) == "expr: changes(a[30s] offset 10s) > 5 and b <= 7 * 86400 and c > 3\nfor: 15s"
