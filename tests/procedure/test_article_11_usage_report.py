"""Article 11: who asked what and opened what, for which purpose, can be reported at any time, without naming anybody."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.center.opening import ACCESS_LOG
from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.demo.application import Sample
from pipeline.domain.parties import CENTER
from pipeline.province import access
from pipeline.province.database import access_log, connect, transaction
from pipeline.province.handover import ExportRefused, hand_over
from pipeline.province.usage_report import usage
from pipeline.stages.local import Access
from tests.network import DAY, START, Network
from tests.scenario import REQUESTER, with_form

ALWAYS = (0, 1 << 60)
SECOND = "10a0b0c0-0000-4000-8000-000000000002"


def store_of(network: Network, party: str) -> Path:
    """The file of a party's store."""
    row = network.parties[party].store.connection.execute("PRAGMA database_list").fetchone()
    return Path(row[2])


def test_the_report_counts_what_was_asked_and_opened(network: Network, sample: Sample, tmp_path: Path) -> None:
    """Applications, persons, sub-queries by category; openings, readings, exports and refusals, by unit and purpose."""
    app = sample.application
    network.file(app, sample.persons)
    other = with_form(sample, application_id=SECOND, purpose="复核", business_category="临时救助").application
    network.file(other, sample.persons)
    network.run()
    case = network.case(app)
    case.dossiers()
    hand_over(case, tmp_path / "out.json", "json", unit=app["approving_authority"])
    with pytest.raises(ExportRefused):
        hand_over(case, tmp_path / "no.json", "json", unit="某银行")
    with closing(connect(store_of(network, REQUESTER))) as connection:
        uses = {use.purpose: use for use in usage(connection, *ALWAYS).uses if use.requester == REQUESTER}
    assert uses.keys() == {app["purpose"], "复核"}
    first = uses[app["purpose"]]
    acceptance = case.acceptance()
    assert acceptance is not None
    persons = len(sample.persons)
    asked = {query["category"] for query in acceptance["sub_queries"]}
    assert (first.unit, first.business_category) == (app["approving_authority"], app["business_category"])
    assert (first.applications, first.persons, first.exports, first.refusals) == (1, persons, 1, 1)
    assert first.readings >= 1
    assert first.openings > 0
    assert first.sub_queries == {
        category: persons * sum(query["category"] == category for query in acceptance["sub_queries"])
        for category in asked
    }
    assert (uses["复核"].business_category, uses["复核"].exports, uses["复核"].refusals) == ("临时救助", 0, 0)


def test_a_provider_sees_for_whom_it_opened(network: Network, sample: Sample) -> None:
    """山东's report says that 云南 asked, for which unit and purpose, though 山东 filed nothing."""
    network.file(sample.application, sample.persons)
    network.run()
    with closing(connect(store_of(network, "37"))) as connection:
        [use] = usage(connection, *ALWAYS).uses
    assert (use.requester, use.unit) == (REQUESTER, sample.application["approving_authority"])
    assert (use.applications, use.openings > 0) == (0, True)


def test_the_report_says_which_rows_of_the_log_it_covers(network: Network, sample: Sample) -> None:
    """The digest is over exactly those rows; one row changed, and the same days give another digest."""
    network.file(sample.application, sample.persons)
    network.run()
    network.clock.advance(3 * DAY / 1000)
    network.case(sample.application).form()
    with closing(connect(store_of(network, REQUESTER))) as connection:
        whole = usage(connection, *ALWAYS)
        before = usage(connection, 0, START + 2 * DAY)
        rows = access.entries(connection)
        assert (whole.first, whole.last, whole.rows) == (1, len(rows), len(rows))
        assert before.rows == len(rows) - 1
        assert whole.digest == hashlib.sha256(b"".join(row.canonical() for row in rows)).digest() != before.digest
        connection.execute("DROP TRIGGER access_unaltered")
        connection.execute("UPDATE access SET purpose = '信贷' WHERE number = 1")
        assert usage(connection, *ALWAYS).digest != whole.digest


def test_the_report_names_nobody(network: Network, sample: Sample) -> None:
    """No name, no number, no application: it can be shown to whoever supervises."""
    network.file(sample.application, sample.persons)
    network.run()
    network.case(sample.application).roster()
    with closing(connect(store_of(network, REQUESTER))) as connection:
        text = str(usage(connection, *ALWAYS))
    for person in sample.persons:
        assert person["name"] not in text
        assert not person["document_number"] or person["document_number"] not in text
    assert sample.application["application_id"] not in text


def test_the_command_reports_days_in_china(
    network: Network,
    sample: Sample,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`hedx access report` gives the same counts; a span without anything is empty and says so."""
    network.file(sample.application, sample.persons)
    network.run()
    home = tmp_path / "home"
    (home / "parties" / REQUESTER).mkdir(parents=True)
    store_of(network, REQUESTER).rename(home / "parties" / REQUESTER / "store.db")
    for suffix in ("-wal", "-shm"):
        Path(f"{store_of(network, REQUESTER)}{suffix}").rename(home / "parties" / REQUESTER / f"store.db{suffix}")
    monkeypatch.setenv("HEDX_HOME", str(home))
    arguments = ["access", "report", "--party", REQUESTER, "--json"]
    assert run([*arguments, "--from", "2026-11-20", "--to", "2026-11-20"]) == Exit.FINE
    report = json.loads(capsys.readouterr().out)
    [use] = report["uses"]
    assert (use["persons"], use["unit"]) == (len(sample.persons), sample.application["approving_authority"])
    assert run([*arguments, "--to", "2026-11-19"]) == Exit.FINE
    assert json.loads(capsys.readouterr().out)["uses"] == []
    assert run([*arguments, "--from", "2026-11-21", "--to", "2026-11-20"]) == Exit.USAGE


def test_the_center_reports_its_own_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the center's officers read and opened, by requester, unit and purpose; it files nothing."""
    monkeypatch.setenv("HEDX_HOME", str(tmp_path))
    (tmp_path / "parties" / CENTER).mkdir(parents=True)
    with closing(access_log(tmp_path / "parties" / CENTER / ACCESS_LOG)) as log, transaction(log):
        for act in ("read", "read", "opened", "evidence_opened"):
            access.record(log, Access(act, SECOND, "53", "某民政局", "低保", {}), actor="user:wang-li", at=START)
    assert run(["access", "report", "--party", "center", "--json"]) == Exit.FINE
    report = json.loads(capsys.readouterr().out)
    [use] = report["uses"]
    assert (use["requester"], use["unit"], use["purpose"]) == ("53", "某民政局", "低保")
    assert (use["readings"], use["openings"], use["other"], use["applications"]) == (2, 1, {"evidence_opened": 1}, 0)
    assert (report["log"]["rows"], "wang-li" in json.dumps(report), SECOND in json.dumps(report)) == (4, False, False)
    assert run(["access", "report", "--party", "center", "--lang", "zh"]) == Exit.FINE
    said = capsys.readouterr().out
    assert "云南" in said
    assert report["log"]["sha256"] in said
