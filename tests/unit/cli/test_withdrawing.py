"""`hedx apply withdraw | extension`, `hedx province parked`: as officials of both sides use them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.demo.application import Sample
from tests.delaying import BECAUSE, HOUR, away
from tests.network import START, Network
from tests.scenario import bundles_in

BACK = START + 10 * HOUR * 1000
UNTIL = BACK + 15 * 60 * 1000


@pytest.fixture(autouse=True)
def one_clock(home: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands' clock is the network's."""
    monkeypatch.setattr("pipeline.cli.withdrawing.wall_clock", home.clock)


@pytest.fixture
def delayed(home: Network, sample: Sample) -> str:
    """The application of which 山东 is late; its id."""
    away(home, sample, "37", ("vehicles",), BACK)
    home.file(sample.application, sample.persons)
    home.run()
    return sample.application["application_id"]


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    """What a command with --json said on stdout since the last look."""
    return json.loads(capsys.readouterr().out)


def test_withdrawing_shows_who_has_acknowledged(
    home: Network, delayed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sent at once, confirmed when the center has it, acknowledged one by one; a second time sends nothing more."""
    assert run(["apply", "withdraw", delayed, "--reason", "申请对象已放弃申请", "--json"]) == Exit.FINE
    assert said(capsys) == {"application_id": delayed, "state": "partly_answered", "withdrawal_sent": True}
    home.run(without=("37",))
    run(["apply", "status", delayed, "--json"])
    found = said(capsys)
    assert (found["state"], found["not_acknowledged"]) == ("withdrawn", ["37"])
    assert "37" not in found["acknowledged"]
    assert "withdrawn" in found["by_status"]
    run(["apply", "status", delayed, "--lang", "zh"])
    out = capsys.readouterr().out
    assert "已撤销" in out
    assert "尚未确认撤销的提供方" in out
    home.run()
    assert run(["apply", "withdraw", delayed, "--reason", "再次", "--json"]) == Exit.FINE
    capsys.readouterr()
    home.run()
    assert len(bundles_in(home, "center", "requests", "act")) == 1 + 1 + 2, (
        "a delay, one withdrawal, two acknowledgements"
    )
    run(["apply", "status", delayed, "--json"])
    assert said(capsys)["not_acknowledged"] == []


def test_a_closed_application_is_not_withdrawn(
    home: Network, sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and why on stderr; nothing is sent."""
    home.file(sample.application, sample.persons)
    home.run()
    assert run(["apply", "withdraw", sample.application["application_id"], "--reason", "太晚"]) == Exit.FAILED
    assert "cannot be withdrawn" in capsys.readouterr().err
    assert bundles_in(home, "center", "requests", "act") == []


@pytest.mark.parametrize("reason", ["", "身份证 110101199003078515 有误", "x" * 501])
def test_a_reason_names_nobody(delayed: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is sent and kept, so a number as long as a person's is a usage error, and so is none at all."""
    assert run(["apply", "withdraw", delayed, "--reason", reason]) == Exit.USAGE
    assert "reason" in capsys.readouterr().err


def test_delays_are_listed_and_replied_to(home: Network, delayed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Waiting, agreed, extended; the time stands in the status, too."""
    assert run(["apply", "extension", delayed, "--json"]) == Exit.FINE
    [row] = said(capsys)
    assert (row["provider"], row["until"], row["reason"], row["standing"]) == ("37", UNTIL, BECAUSE, "waiting")
    assert run(["apply", "extension", delayed, "山东", "agree", "--json"]) == Exit.FINE
    assert said(capsys)[0]["standing"] == "agree"
    home.run()
    run(["apply", "extension", delayed, "--json"])
    assert (row := said(capsys)[0])["standing"] == "extended"
    assert row["agreed_until"] == UNTIL
    assert run(["apply", "extension", delayed, "--lang", "zh"]) == Exit.FINE
    assert "已延期" in capsys.readouterr().out
    run(["apply", "status", delayed, "--json"])
    assert said(capsys)["delays"] == [{"provider": "37", "until": UNTIL}]
    assert run(["apply", "extension", delayed, "close", "--reason", "不再等待"]) == Exit.FAILED
    assert "no delay waits" in capsys.readouterr().err


def test_a_shorter_time_is_said_in_days_or_minutes(
    home: Network, delayed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--until` is China's time, and goes with shorten only; what the center declines stands in the status."""
    for words in (
        ["shorten"],
        ["agree", "--until", "2026-11-20"],
        ["shorten", "--until", "tomorrow"],
        ["shorten", "x"],
    ):
        assert run(["apply", "extension", delayed, *words]) == Exit.USAGE
    assert run(["apply", "extension", delayed, "close"]) == Exit.USAGE
    assert "--reason" in capsys.readouterr().err
    assert run(["apply", "extension", delayed, "37", "shorten", "--until", "2026-12-20"]) == Exit.FINE
    home.run()
    capsys.readouterr()
    run(["apply", "status", delayed, "--json", "--lang", "en"])
    assert said(capsys)["declined"] == ["the time agreed must lie ahead, and not after the one told"]
    assert run(["apply", "extension", delayed, "37", "shorten", "--until", "2026-11-20 18:00"]) == Exit.FINE
    home.run()
    capsys.readouterr()
    run(["apply", "extension", delayed, "--json"])
    assert said(capsys)[0]["agreed_until"] == START + 5 * HOUR * 1000


def test_the_provider_lists_what_waits(delayed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By application, section, row and reason, in words and for programs; no person among it."""
    assert run(["province", "parked", "--party", "37", "--json"]) == Exit.FINE
    [row] = said(capsys)
    assert (row["application_id"], row["section"], row["row"], row["category"]) == (delayed, 1, 2, "vehicles")
    assert (row["until"], row["reason"]) == (BACK, BECAUSE)
    assert run(["province", "parked", "--party", "37", "--lang", "zh"]) == Exit.FINE
    assert BECAUSE in capsys.readouterr().out
    assert run(["province", "parked", "--party", "32", "--json"]) == Exit.FINE
    assert said(capsys) == []
