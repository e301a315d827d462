"""The benchmark of figures measures what it names, and figures stay small beside the work."""

from __future__ import annotations

import json

import pytest

from pipeline.bench import metering
from pipeline.cli.exits import Exit
from pipeline.cli.main import run


def test_telling_costs_less_than_the_least_work_of_a_message(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a batch a small share of the check of its signature; alone, beside a transaction of its own, less than half of it."""
    monkeypatch.setattr(metering, "ROUNDS", 3)
    assert run(["bench", "metrics", "--json"]) == Exit.FINE
    rows = {row["what"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["the check of one signature"]["to_check"] == 1
    assert rows["a message, in a transaction of 500"]["to_check"] < 0.15
    assert rows["a message, in a transaction of 1"]["to_check"] < 0.5
    assert rows["a cryptographic operation timed"]["to_check"] < 0.02
    assert all(row["cpu_us"] > 0 for row in rows.values())
