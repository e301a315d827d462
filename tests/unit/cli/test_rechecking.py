"""`hedx apply recheck | differences | copy | export --partial`: as an official uses them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.demo.application import Sample
from pipeline.domain.catalog import Release
from pipeline.province.access import entries
from pipeline.province.catalog_files import load_entries
from pipeline.province.forms import load_form
from pipeline.stages.clock import local_date
from tests.disputes import register_vehicle, with_id
from tests.network import Network
from tests.officer import decide
from tests.scenario import REQUESTER

PROVIDER = "37"
VEHICLES = 2
"""The row of the sample that asks 山东 for vehicles."""


@pytest.fixture
def done(home: Network, sample: Sample, monkeypatch: pytest.MonkeyPatch) -> str:
    """The application, filed and finished, on the network's own day; its id. Commands find the network's catalog."""
    home.file(sample.application, sample.persons)
    home.run()

    @contextmanager
    def reference_for(*_: object) -> Iterator[Any]:
        yield home.reference

    monkeypatch.setenv("HEDX_SECURITY", "plaintext")
    monkeypatch.setattr("pipeline.app.reference_for", reference_for)
    for module in ("rechecking", "copying", "filing"):
        monkeypatch.setattr(f"pipeline.cli.{module}.wall_clock", home.clock)
    monkeypatch.setattr("pipeline.province.casefile.wall_clock", home.clock)
    return sample.application["application_id"]


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    """What a command with --json said on stdout since the last look."""
    return json.loads(capsys.readouterr().out)


def ask(done: str, *more: str) -> int:
    """A re-check of somebody's vehicles."""
    words = ["apply", "recheck", done, "--person", "2", "--row", str(VEHICLES), "--reason", "登记有误", "--json"]
    return run([*words, "--bootstrap", "127.0.0.1:9", *more])


def test_a_re_check_is_filed_and_shown_with_its_original(
    done: str, home: Network, sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both statuses name the other one; the differences are shown in words and as data."""
    register_vehicle(sample, with_id(sample.persons)[1], "鲁A77777")
    numbers = ",".join(str(person["number"]) for person in with_id(sample.persons)[:2])
    words = ["apply", "recheck", done, "--person", numbers, "--row", str(VEHICLES), "--provider", "山东"]
    assert run([*words, "--reason", "登记有误", "--bootstrap", "127.0.0.1:9", "--json"]) == Exit.FINE
    filed = said(capsys)
    assert (filed["original"], filed["attempt"], filed["state"]) == (done, 2, "filed")
    home.run()
    assert run(["apply", "status", done, "--json"]) == Exit.FINE
    assert said(capsys)["rechecks"] == [{"application_id": filed["application_id"], "attempt": 2, "state": "completed"}]
    assert run(["apply", "status", done, "--lang", "zh"]) == Exit.FINE
    assert f"第 2 次：{filed['application_id']}（已办结）" in capsys.readouterr().out
    assert run(["apply", "differences", filed["application_id"], "--json"]) == Exit.FINE
    found = said(capsys)
    assert found["original"] == done
    assert {d["after"] for d in found["differences"] if d["item"] == "plate"} == {"鲁A77777"}
    assert found["signed"]
    assert run(["apply", "differences", filed["application_id"], "--lang", "zh"]) == Exit.FINE
    words_zh = capsys.readouterr().out
    assert "原结果" in words_zh
    assert "查无记录" in words_zh
    assert "山东" in words_zh
    assert run(["apply", "differences", filed["application_id"], "--lang", "en"]) == Exit.FINE
    assert "no record" in capsys.readouterr().out


def test_what_cannot_be_disputed_is_told_and_not_filed(
    done: str, home: Network, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unknown persons, bad numbers, a re-check still on its way."""
    assert ask(done, "--person", "99") == Exit.FAILED
    assert "person_unknown" in capsys.readouterr().err
    assert ask(done, "--person", "9-3") == Exit.USAGE
    assert ask(done, "--provider", "火星") == Exit.USAGE
    assert ask(done, "--reason", "误" * 501) == Exit.USAGE
    capsys.readouterr()
    assert ask(done) == Exit.FINE
    assert ask(done) == Exit.FAILED
    assert "recheck_on_its_way" in capsys.readouterr().err


def test_the_same_confirms_everything(done: str, home: Network, capsys: pytest.CaptureFixture[str]) -> None:
    """A register that did not change gives no differences, and says how many sub-queries were compared."""
    assert ask(done) == Exit.FINE
    filed = said(capsys)
    home.run()
    assert run(["apply", "differences", filed["application_id"], "--lang", "en"]) == Exit.FINE
    assert "1 sub-queries compared: all the same." in capsys.readouterr().out


def test_a_consent_that_ran_out_stops_a_re_check(
    done: str, home: Network, sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    """A county's: the province's consent held when it was filed, and does not when it is disputed."""
    consent = {
        "level": "county",
        "unit": "大理市民政局",
        "authority": "云南省民政厅",
        "document": "云民函〔2026〕1号",
        "reason": "救助审核",
        "date": "2026-01-05",
        "valid_until": "2026-12-31",
    }
    county = {
        **sample.application,
        "application_id": "e0000000-0000-4000-8000-000000000003",
        "unit_consent": consent,
    }
    home.file(county, sample.persons)  # type: ignore[arg-type]
    home.run()
    decide(home, county, "approve")  # type: ignore[arg-type]
    home.clock.advance(60 * 24 * 3600)
    assert ask(str(county["application_id"])) == Exit.FAILED
    assert [fault["code"] for fault in said(capsys)["faults"]] == ["unit_consent_expired"]
    rows = home.case(county).connection.execute("SELECT count(*) FROM recheck")  # type: ignore[arg-type]
    assert rows.fetchone() == (0,)


def test_a_copy_is_a_form_that_must_be_confirmed_again(
    done: str, home: Network, sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    """Today's date, the same rows and persons, no consent: it is refused until somebody confirms, and files nothing."""
    home.clock.advance(30 * 24 * 3600)
    assert run(["apply", "copy", done, "-o", "f.yaml", "--roster-out", "r.csv", "--lang", "zh", "--json"]) == 0
    found = said(capsys)
    assert Path("f.yaml").stat().st_mode & 0o777 == 0o600
    assert Path("r.csv").stat().st_mode & 0o777 == 0o600
    last = entries(home.case(sample.application).connection, done)[-1]
    assert (last.number, last.act) == (found["access"], "form_exported")
    today = local_date(home.clock())
    assert f"日期: '{today.isoformat()}'" in Path("f.yaml").read_text()
    loaded = load(sample, today)
    assert [fault["code"] for fault in loaded.faults] == ["consent_not_held", "missing"]
    confirmed = (
        Path("f.yaml").read_text().replace("已取得: 否", "已取得: 是").replace("  范围: ''", "  范围: 全国各核对机构")
    )
    Path("f.yaml").write_text(confirmed)
    loaded = load(sample, today)
    assert loaded.faults == []
    assert loaded.application is not None
    assert loaded.application["schedule"] == sample.application["schedule"]
    assert loaded.application["form_date"] == loaded.application["roster_date"] == today.isoformat()
    assert sorted(loaded.roster, key=lambda p: p["number"]) == sorted(sample.persons, key=lambda p: p["number"])
    filed = home.case(sample.application).connection.execute("SELECT count(*) FROM application").fetchone()
    assert filed == (1,)


def load(sample: Sample, today: Any) -> Any:
    """The copied files, reviewed."""
    listed = [entry for party in sample.parties for entry in load_entries(sample.catalog / f"{party}.yaml")]
    offered = {(entry["provider"], entry["category"]): entry for entry in listed}
    new = "e0000000-0000-4000-8000-000000000004"
    return load_form(
        Path("f.yaml"),
        Path("r.csv"),
        release=Release(1, offered),
        today=today,
        requester=REQUESTER,
        application_id=new,
    )


def test_a_copy_overwrites_nothing(done: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither file is written when one of them is there."""
    Path("r.csv").write_text("mine")
    assert run(["apply", "copy", done, "-o", "f.yaml", "--roster-out", "r.csv"]) == Exit.FAILED
    assert not Path("f.yaml").exists()
    assert Path("r.csv").read_text() == "mine"


def test_a_partial_export(home: Network, sample: Sample, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the certificate with --partial only, afterwards without only, never sealed."""
    home.file(sample.application, sample.persons)
    home.run(without=[PROVIDER])
    words = [
        "apply",
        "export",
        sample.application["application_id"],
        "--unit",
        sample.application["approving_authority"],
    ]
    assert run([*words, "-o", "d.json"]) == Exit.FAILED
    assert run([*words, "--partial", "-o", "d.json", "--json"]) == Exit.FINE
    assert said(capsys)["dossiers"] > 0
    assert json.loads(Path("d.json").read_text())["partial"].endswith("PARTIAL, NO CERTIFICATE")
    assert run([*words, "--partial", "--sealed", "-o", "s.pack"]) == Exit.FAILED
    assert "partial_sealed" in capsys.readouterr().err
    home.run()
    assert run([*words, "--partial", "-o", "e.json"]) == Exit.FAILED
    assert "certified" in capsys.readouterr().err
    assert not Path("e.json").exists()
