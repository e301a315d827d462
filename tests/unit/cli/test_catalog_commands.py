"""`hedx catalog report, reports, review, preview, publish, prune, list, show`: as a province and the center use them.

The cluster is the in-memory network; the commands, the keys and the files are real.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.crypto.keystore import write_identity
from pipeline.demo.application import Sample
from pipeline.domain.parties import CENTER
from pipeline.stages import topics
from pipeline.stages.reference import ReferenceTables, publish_catalog
from tests import catalog_desk as desk
from tests.network import DAY, Network

DEMO = Path(__file__).resolve().parents[3] / "deploy" / "demo" / "catalog" / "37.yaml"
Hedx = Callable[..., Any]


@pytest.fixture
def exchange(home: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    """The network of `home` as the cluster of every catalog command; the center's and 山东's keys are here, too."""
    monkeypatch.setenv("HEDX_SECURITY", "plaintext")
    monkeypatch.setenv("HEDX_BOOTSTRAP", "memory:1")
    monkeypatch.setenv("HEDX_PARTY", "37")
    for party in (CENTER, "37"):
        write_identity(tmp_path / "parties" / party / "identity", home.identities[party])

    @contextmanager
    def reference_for(*_: object, **__: object) -> Iterator[ReferenceTables]:
        yield home.reference

    monkeypatch.setattr("pipeline.app.reference_for", reference_for)
    monkeypatch.setattr("pipeline.app.publish", lambda _, outputs, *__, **___: desk.write(home, outputs))
    monkeypatch.setattr("pipeline.kafka.readers.read_table", lambda _, topic, **__: desk.table(home, topic))
    monkeypatch.setattr(
        "pipeline.cli.catalog_publishing.read_open_applications", lambda *_: desk.open_applications(home)
    )
    for module in ("catalog", "catalog_review", "catalog_publishing"):
        monkeypatch.setattr(f"pipeline.cli.{module}.wall_clock", home.clock)
    release = home.reference.current
    assert release is not None
    entries = list(release.entries.values())
    desk.write(home, publish_catalog(1, entries, home.identities[CENTER].signer, home.clock()))
    return home


@pytest.fixture
def hedx(exchange: Network, capsys: pytest.CaptureFixture[str]) -> Hedx:
    """`hedx catalog …`, and what it says as JSON; what was reported or decided has then arrived."""

    def command(*words: str, expect: Exit = Exit.FINE) -> Any:
        capsys.readouterr()
        end = run(["catalog", *words, "--json"])
        told = capsys.readouterr()
        assert end == expect, told.err
        exchange.run()
        return json.loads(told.out) if told.out else told.err

    return command


def file_of(folder: Path, change: Callable[[dict[str, Any]], None]) -> str:
    """山东's catalog file with a change; its path."""
    content = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    change(content)
    path = folder / "37.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return str(path)


def newer(content: dict[str, Any]) -> None:
    """医疗 is brought up to date daily from now on."""
    [medical] = [entry for entry in content["entries"] if entry["category"] == "medical"]
    medical |= {"update_cycle": "每日", "version": 2}


def without_education(content: dict[str, Any]) -> None:
    """教育 is not listed any more."""
    content["entries"] = [entry for entry in content["entries"] if entry["category"] != "education"]


def newer_without_education(content: dict[str, Any]) -> None:
    """Both."""
    newer(content)
    without_education(content)


def test_the_whole_way_of_a_report(hedx: Hedx, exchange: Network, tmp_path: Path) -> None:
    """From a province's file to the release that it becomes part of, and back to the province."""
    made = hedx("report", file_of(tmp_path, newer_without_education), "--retire", "教育")
    assert (made["report"], [c["category"] for c in made["changed"]]) == (1, ["medical"])
    assert [entry["category"] for entry in made["retired"]] == ["education"]
    assert [own["state"] for own in hedx("reports")] == ["waits"]

    [waiting] = hedx("review", "list")
    assert (waiting["report"], waiting["faults"], waiting["accepted_by"]) == ("37/1", [], [])
    shown = hedx("review", "show", "37/1")
    assert (shown["changed"][0]["fields"], shown["digest"]) == (["update_cycle"], made["digest"])
    assert hedx("preview")["changed"] == []
    hedx("review", "accept", "37/1", "--officer", "officer:li")
    planned = hedx("preview")
    assert (planned["release"], planned["reports"], planned["impact"]) == (2, ["37/1"], [])

    assert hedx("publish", "--yes")["release"] == 2
    assert exchange.reference.current is not None
    assert exchange.reference.current.entry("37", "medical")["update_cycle"] == "每日"
    assert hedx("review", "list") == []
    [own] = hedx("reports")
    assert (own["state"], own["release"], own["retire"]) == ("published", 2, ["education"])
    assert hedx("show", "37", "医疗")["version"] == 2
    assert {row["category"] for row in hedx("list") if row["provider"] == "37"} == {
        *(row["category"] for row in hedx("list", "--release", "1") if row["provider"] == "37")
    } - {"education"}


@pytest.mark.parametrize(
    ("change", "words", "codes"),
    [
        (lambda content: None, (), ["catalog_nothing_new"]),
        (without_education, (), ["catalog_not_listed", "catalog_nothing_new"]),
        (newer, ("--retire", "户籍"), ["catalog_retire_unknown"]),
        (lambda content: content["entries"][0].update(update_cycle="每日"), (), ["catalog_version"]),
    ],
)
def test_a_faulty_report_is_not_sent(
    hedx: Hedx,
    tmp_path: Path,
    change: Callable[[dict[str, Any]], None],
    words: tuple[str, ...],
    codes: list[str],
) -> None:
    """Every fault at once, with its wording, exit code 1; the center hears nothing."""
    told = hedx("report", file_of(tmp_path, change), *words, expect=Exit.FAILED)
    assert [fault["code"] for fault in told["faults"]] == codes
    assert all(fault["message"] for fault in told["faults"])
    assert hedx("reports") == hedx("review", "list") == []


def test_a_party_reports_its_own_file(hedx: Hedx, tmp_path: Path) -> None:
    """Another party's file is refused before anything is signed."""
    path = file_of(tmp_path, newer)
    assert "reports for party 37, and you are 53" in hedx("report", path, "--party", "53", expect=Exit.FAILED)


def test_a_refusal_needs_a_reason_and_brings_it_to_the_party(hedx: Hedx, tmp_path: Path) -> None:
    """Without one, or with a page of it, nothing is decided."""
    hedx("report", file_of(tmp_path, newer))
    hedx("review", "refuse", "37/1", expect=Exit.USAGE)
    hedx("review", "refuse", "37/1", "--reason", "x" * 501, expect=Exit.USAGE)
    hedx("review", "refuse", "37/1", "--reason", "经办人 530102198001011234", expect=Exit.USAGE)
    digest = hedx("review", "show", "37/1")["digest"]
    hedx("review", "refuse", "37/1", "--digest", "f" * 65, "--reason", "不符", expect=Exit.FAILED)
    assert [one["report"] for one in hedx("review", "list")] == ["37/1"]
    hedx("review", "refuse", "37/1", "--reason", "请补充更新周期的说明", "--digest", digest[:12])
    [own] = hedx("reports")
    assert (own["state"], own["reason"]) == ("refused", "请补充更新周期的说明")
    assert "no report 37/1" in hedx("review", "accept", "37/1", expect=Exit.FAILED)


def test_publishing_shows_the_impact_and_asks(
    hedx: Hedx, exchange: Network, sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Who answers no finds the catalog as it was; the open application is named with what is owed to it."""
    exchange.file(sample.application, sample.persons)
    exchange.run(without=("37",))
    path = file_of(tmp_path, lambda c: c.update(entries=[e for e in c["entries"] if e["category"] != "vehicles"]))
    capsys.readouterr()
    assert run(["catalog", "report", path, "--retire", "vehicles"]) == Exit.FINE
    assert "- retired Shandong vehicles (version 1)" in capsys.readouterr().out
    exchange.send("37")
    exchange.run(without=("37",))
    assert run(["catalog", "review", "accept", "37/1"]) == Exit.FINE
    answers = iter(("n", "y"))
    monkeypatch.setattr("click.confirm", lambda *_, **__: next(answers) == "y")
    assert run(["catalog", "publish"]) == Exit.FAILED
    told = capsys.readouterr().err
    assert f"{sample.application['application_id']} of 53, release 1: Shandong vehicles (retired), by 2026-11-" in told
    assert "nothing is published" in told
    assert exchange.reference.current is not None
    assert exchange.reference.current.number == 1
    assert run(["catalog", "publish"]) == Exit.FINE
    assert exchange.reference.current.number == 2


def test_files_are_for_the_founding_release_only(hedx: Hedx) -> None:
    """Once there is one, what is published is what parties signed."""
    assert "release 1 is in force" in hedx("publish", str(DEMO), "--yes", expect=Exit.FAILED)


def test_one_officer_at_a_time(hedx: Hedx, exchange: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one has in hand another does not decide meanwhile."""
    from pipeline.cli.catalog_desk import opened_desk

    with opened_desk("memory:1"):
        assert "another catalog command" in hedx("preview", expect=Exit.FAILED)
    hedx("preview")


def test_an_old_release_goes_into_an_archive_that_proves_itself(hedx: Hedx, exchange: Network, tmp_path: Path) -> None:
    """Not before the horizon; then off the topic, and still there to be read from its file, offline."""
    hedx("report", file_of(tmp_path, newer))
    hedx("review", "accept", "37/1")
    hedx("publish", "--yes")
    before = hedx("show", "37", "medical", "--release", "1")
    folder = str(tmp_path / "archive")
    assert "400 days" in hedx("prune", "--older-than", "399", "--archive", folder, "--yes", expect=Exit.FAILED)
    exchange.clock.advance(399 * DAY / 1000)
    told = hedx("prune", "--archive", folder, "--yes", expect=Exit.DRIFT)
    assert (told["archived"], list(told["kept"])) == ([], ["1"])
    exchange.clock.advance(2 * DAY / 1000)
    [path] = hedx("prune", "--archive", folder, "--yes")["archived"]
    assert exchange.reference.releases() == [2]
    assert [key for key in desk.table(exchange, topics.CATALOG) if key.startswith(b"1/")] == []
    assert hedx("show", "37", "medical", "--archive", path) == before
    assert len(hedx("list", "--archive", path)) == len(hedx("list"))
    assert "holds release 1" in hedx("list", "--archive", path, "--release", "2", expect=Exit.FAILED)
    spoilt = Path(path).read_bytes().replace("每月".encode(), "每日".encode(), 1)
    Path(path).write_bytes(spoilt)
    assert "signature_invalid" in hedx("list", "--archive", path, expect=Exit.FAILED)


def test_words_for_officials_are_in_both_languages(
    hedx: Hedx, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A list of changes, not a dump of records."""
    hedx("report", file_of(tmp_path, newer))
    assert run(["catalog", "review", "show", "37/1", "--lang", "zh"]) == Exit.FINE
    assert capsys.readouterr().out == "~ 变更 山东 医疗 (版本 2), 原版本 1: 更新周期\n"
    assert run(["catalog", "review", "list", "--lang", "zh"]) == Exit.FINE
    assert "采纳人" in capsys.readouterr().out
    assert run(["catalog", "preview", "--lang", "zh"]) == Exit.FINE
    assert "没有差异" in capsys.readouterr().out
    assert run(["catalog", "reports"]) == Exit.FINE
    assert "waits" in capsys.readouterr().out


def test_an_entry_is_shown_with_a_line_for_each_item(hedx: Hedx, capsys: pytest.CaptureFixture[str]) -> None:
    """For a reader: id, name, type, and whether it is always there; for a program the entry as it was reported."""
    capsys.readouterr()
    assert run(["catalog", "show", "37", "不动产登记", "--lang", "en"]) == Exit.FINE
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["mortgaged", "是否抵押", "boolean", "required"] in lines
    assert ["registered_on", "登记日期", "date"] in lines
    entry = hedx("show", "37", "real_estate")
    assert {item["item"] for item in entry["items"]} >= {"mortgaged", "registered_on"}
