"""`hedx evidence` and `hedx apply … --evidence`: as officers of a province and of the center use them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.center import evidence_desk
from pipeline.cli import cluster, evidence_center, evidence_draws
from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.crypto.keystore import write_identity
from pipeline.demo.application import Sample
from pipeline.domain.parties import CENTER
from pipeline.province.forms import write_form_yaml, write_roster_csv
from pipeline.stages import topics
from pipeline.stages.effects import Message, Output
from tests.archive import PLANTED, Archive, archived, make_documents
from tests.network import Network
from tests.unit.domain.samples import a_child, a_person, a_row, an_application

CATALOG = Path(__file__).resolve().parents[3] / "deploy" / "demo" / "catalog"


@pytest.fixture
def archive(home: Network, sample: Sample, tmp_path: Path) -> Archive:
    """云南's archive, its application filed and done; the clock is the machine's, which the commands go by."""
    from pipeline.kafka.clock import wall_clock

    found = archived(home, sample, tmp_path / "office")
    home.run()
    home.clock.now = wall_clock()
    home.run()
    return found


@pytest.fixture
def center(archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    """The same HEDX_HOME has the center's keys, too, and its commands reach the in-memory broker."""
    network, broker = archive.network, archive.network.broker
    write_identity(tmp_path / "parties" / CENTER / "identity", network.identities[CENTER])
    broker.create(topics.BULLETIN, 1)

    def read_table(_: str, topic: str, **__: object) -> dict[bytes, bytes]:
        table: dict[bytes, bytes] = {}
        for message in broker.messages(topic):
            table.pop(message.key or b"", None)
            if message.value is not None:
                table[message.key or b""] = message.value
        return table

    def produce(outputs: Sequence[Output]) -> None:
        for output in outputs:
            broker.produce(output.topic, output.key, output.value)
        network.run()

    def send(_: str, records: Sequence[Any], __: float, ___: object = None) -> list[str]:
        produce([evidence_desk.as_output(record) for record in records])
        return []

    @contextmanager
    def reference_for(*_: object, **__: object) -> Iterator[Any]:
        yield network.reference

    class Log:
        """hedx.center.applications, read at once."""

        reached_end = False

        def __init__(self, *_: object, **__: object) -> None: ...

        def poll(self, _: float) -> list[Message]:
            self.reached_end = True
            return list(broker.messages(topics.APPLICATIONS))

        def close(self) -> None: ...

    class Poster:
        """Sends to the in-memory broker."""

        def __init__(self, *_: object, **__: object) -> None: ...

        def send(self, outputs: Sequence[Output]) -> None:
            produce(outputs)

        def close(self) -> None: ...

    monkeypatch.setenv("HEDX_BOOTSTRAP", "in-memory:0")
    monkeypatch.setattr(cluster, "security", lambda *_: {})
    monkeypatch.setattr(cluster, "readers_security", dict)
    monkeypatch.setattr("pipeline.app.reference_for", reference_for)
    for module in (evidence_desk, evidence_center, evidence_draws):
        monkeypatch.setattr(module, "read_table", read_table)
    monkeypatch.setattr(evidence_desk, "send", send)
    monkeypatch.setattr(evidence_desk, "read_messages", lambda *_: broker.messages(topics.APPLICATIONS))
    monkeypatch.setattr(evidence_draws, "CommittedLog", Log)
    monkeypatch.setattr(evidence_draws, "Poster", Poster)
    return network


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    """What a command with --json said on stdout since the last look."""
    return json.loads(capsys.readouterr().out)


# -- the archive -------------------------------------------------------------------------------------------------------


def test_the_archive_is_listed_shown_and_verified(
    archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every document by digest, kind and numbers; one of them to a file, which the access log says; all of them hash."""
    assert run(["evidence", "list", archive.application_id, "--json"]) == Exit.FINE
    listed = said(capsys)
    assert len(listed) == 2 * len(archive.sample.persons) + 1
    assert {found["in_mandate"] for found in listed} == {True}
    [mandate] = [found for found in listed if found["kind"] == "mandate"]
    digest = mandate["sha256"]
    assert run(["evidence", "show", archive.application_id, digest[:10], "-o", "m.pdf", "--json"]) == Exit.FINE
    assert said(capsys)["name"] == "委托书.pdf"
    assert Path("m.pdf").read_bytes() == (tmp_path / "office" / "委托书.pdf").read_bytes()
    assert run(["access", "list", "--application", archive.application_id, "--json"]) == Exit.FINE
    assert (said(capsys)[-1]["act"], mandate["kept_until"] is None) == ("evidence_read", False)
    assert run(["evidence", "verify", "--json"]) == Exit.FINE
    assert said(capsys)["documents"] == len(listed)


def test_verify_exits_2_when_a_document_is_lost(archive: Archive, capsys: pytest.CaptureFixture[str]) -> None:
    """And names it."""
    document = archive.documents("mandate")[0]
    (archive.store._files.folder / document.id).unlink()
    assert run(["evidence", "verify", "--json"]) == Exit.DRIFT
    [fault] = said(capsys)["faults"]
    assert (fault["sha256"], fault["fault"]) == (document.digest.hex(), "missing")


def test_documents_are_added_later_by_folder_or_one_by_one(
    archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are marked as not in the mandate; faults are told and nothing is added."""
    folder = tmp_path / "later"
    folder.mkdir()
    (folder / "2-监护.pdf").write_bytes(b"%PDF-g" + PLANTED)
    (tmp_path / "scan.pdf").write_bytes(b"%PDF-s" + PLANTED)
    assert run(["evidence", "add", archive.application_id, str(folder), "--json"]) == Exit.FINE
    assert [(one["kind"], one["numbers"], one["in_mandate"]) for one in said(capsys)] == [("guardianship", [2], False)]
    one = [str(tmp_path / "scan.pdf"), "--kind", "授权书", "--numbers", "1-3"]
    assert run(["evidence", "add", archive.application_id, *one, "--json"]) == Exit.FINE
    assert said(capsys)[0]["numbers"] == [1, 2, 3]
    assert run(["evidence", "add", archive.application_id, str(tmp_path / "scan.pdf")]) == Exit.USAGE
    (folder / "乱.pdf").write_bytes(b"%PDF-")
    before = len(archive.documents())
    assert run(["evidence", "add", archive.application_id, str(folder)]) == Exit.FAILED
    assert "neither named NUMBER-KIND" in capsys.readouterr().err
    assert len(archive.documents()) == before


def test_destroying_leaves_a_protocol(archive: Archive, capsys: pytest.CaptureFixture[str]) -> None:
    """Not before its time without --early; not without a second person; the protocol verifies."""
    digest = archive.documents("mandate")[0].digest.hex()
    said_so = ["evidence", "destroy", archive.application_id, digest, "--reason", "误收", "--second", "李"]
    assert run(said_so) == Exit.FAILED
    assert "--early" in capsys.readouterr().err
    assert run([*said_so, "--early", "--json"]) == Exit.FINE
    assert said(capsys)["documents"] == [digest]
    assert run(["evidence", "protocols", "--json"]) == Exit.FINE
    [protocol] = said(capsys)
    assert (protocol["second"], protocol["early"], protocol["number"]) == ("李", True, 1)
    assert run(["evidence", "list", archive.application_id, "--json"]) == Exit.FINE
    assert {one["protocol"] for one in said(capsys) if one["sha256"] == digest} == {1}
    assert run(["evidence", "destroy", archive.application_id, "--reason", "x", "--second", "李"]) == Exit.USAGE


# -- asked and released ------------------------------------------------------------------------------------------------


def test_the_center_asks_the_province_releases_the_center_judges(
    center: Network, archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole way, command by command."""
    ask = [
        "evidence",
        "request",
        "53",
        archive.application_id,
        "--number",
        "1",
        "--kind",
        "授权书",
        "--kind",
        "guardianship",
    ]
    assert run([*ask, "--reason", "核实授权", "--officer", "张", "--json"]) == Exit.FINE
    request_id = said(capsys)["request"]
    assert run(["evidence", "requests", "--json"]) == Exit.FINE
    [asked] = said(capsys)
    assert (asked["request"], asked["state"], asked["reason"]) == (request_id, "open", "核实授权")
    assert asked["open"] == ["1 consent letter", "1 proof of guardianship"]
    assert asked["days_left"] in (4, 5), "five working days, or four when today is the day before a working day's end"
    assert run(["evidence", "release", request_id, "--number", "1", "--json"]) == Exit.DRIFT
    assert said(capsys)["open"] == ["1 proof of guardianship"]
    refuse = ["evidence", "refuse-file", request_id, "--number", "1", "--kind", "guardianship"]
    assert run([*refuse, "--reason", "身份证 530102199001011234", "--json"]) == Exit.USAGE
    assert run([*refuse, "--reason", "本人签署", "--json"]) == Exit.FINE
    capsys.readouterr()
    center.run()
    assert run(["evidence", "list", "--party", "center", "--json"]) == Exit.FINE
    [waiting] = said(capsys)
    assert (waiting["request"], waiting["state"], len(waiting["missing"])) == (request_id, "replied", 1)
    assert run(["evidence", "open", request_id[:8], "-o", "out", "--json"]) == Exit.FINE
    opened = said(capsys)
    assert [(one["kind"], one["in_mandate"]) for one in opened["documents"]] == [("consent", True)]
    assert opened["missing"] == [{"number": 1, "kind": "guardianship", "reason": "本人签署"}]
    office = (tmp_path / "office" / "1-授权书.pdf").read_bytes()
    assert [path.read_bytes() for path in Path("out").iterdir()] == [office]
    assert run(["access", "list", "--party", "center", "--json"]) == Exit.FINE
    assert said(capsys)[-1]["act"] == "evidence_opened"
    assert run(["evidence", "accept", request_id, "--reason", "属实", "--json"]) == Exit.FINE
    capsys.readouterr()
    assert run(["evidence", "list", "--party", "center", "--json"]) == Exit.FINE
    assert said(capsys) == []
    assert run(["evidence", "requests", "--all", "--json"]) == Exit.FINE
    assert said(capsys)[0]["state"] == "accepted"


def test_what_is_shown_to_an_officer_is_in_words(
    center: Network, archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    """Chinese, or English; times as people read them."""
    archive.ask((1,))
    assert run(["evidence", "requests", "--lang", "zh"]) == Exit.FINE
    shown = capsys.readouterr().out
    assert "剩余工作日" in shown
    assert "待提交" in shown
    assert run(["evidence", "list", archive.application_id, "--lang", "zh"]) == Exit.FINE
    assert "审批机关委托书" in capsys.readouterr().out
    assert run(["evidence", "list", "--party", "center", "--lang", "zh"]) == Exit.FINE
    assert "云南" in capsys.readouterr().out


def test_a_judgement_before_the_reply_is_refused(
    center: Network, archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is nothing to judge yet; and a request that nobody made is not found."""
    request_id = archive.ask((1,))
    assert run(["evidence", "question", request_id, "--reason", "存疑"]) == Exit.FAILED
    assert "has not replied" in capsys.readouterr().err
    assert run(["evidence", "accept", "nothing", "--reason", "属实"]) == Exit.FAILED
    assert run(["evidence", "release", "nothing", "--all"]) == Exit.FAILED


# -- spot checks -------------------------------------------------------------------------------------------------------


def test_a_spot_check_from_draw_to_verification(
    center: Network, archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who could be drawn; drawn, committed and asked; revealed; drawn again offline, and not when the file was altered."""
    draw = ["evidence", "draw", "--month", "2026-11", "--count", "2"]
    assert run([*draw, "--dry-run", "--json"]) == Exit.FINE
    preview = said(capsys)
    assert preview["population"] == len(archive.sample.persons)
    assert archive.asked() == []
    assert run([*draw, "--json"]) == Exit.FINE
    made = said(capsys)
    assert (made["draw"], made["persons"], made["rosters_not_kept"]) == ("2026-11.1", 2, 0)
    [asked] = archive.asked()
    assert (asked.id, asked.request["draw"]) == (made["requests"][0], "2026-11.1")
    assert run(["evidence", "draw", "--resume", "2026-11.1", "--json"]) == Exit.FINE
    assert said(capsys)["requests"] == made["requests"]
    assert len(archive.told()) == 1
    assert run(["evidence", "reveal", "2026-11.1", "-o", "draw.json", "--json"]) == Exit.FINE
    capsys.readouterr()
    keys = [message.key for message in center.broker.messages(topics.BULLETIN)]
    assert (keys[0] or b"").startswith(b"draw/2026-11.1/commitment/")
    assert (keys[-1] or b"").startswith(b"draw/2026-11.1/seed/")
    assert run(["evidence", "verify", "draw.json", "--json"]) == Exit.FINE
    assert len(said(capsys)["drawn"]) == 2
    assert run(["evidence", "verify", "draw.json", "--bulletin", "--json"]) == Exit.FINE
    capsys.readouterr()
    center.broker.produce(topics.BULLETIN, b"draw/2026-11.1/commitment/00", b"another one")
    assert run(["evidence", "verify", "draw.json", "--bulletin"]) == Exit.FAILED
    assert "more than one commitment was published" in capsys.readouterr().err
    center.broker.produce(topics.BULLETIN, keys[0], b"another one")
    assert run(["evidence", "verify", "draw.json", "--bulletin"]) == Exit.FAILED
    assert "not what was published" in capsys.readouterr().err
    Path("draw.json").write_text(Path("draw.json").read_text().replace('"all": 2', '"all": 3'))
    assert run(["evidence", "verify", "draw.json"]) == Exit.FAILED
    assert "draw_mismatch" in capsys.readouterr().err
    assert run(["evidence", "draw", "--month", "2026-13"]) == Exit.USAGE
    assert run(["evidence", "draw", "--month", "2025-01"]) == Exit.FAILED, "nobody was queried then"
    assert run(["evidence", "draw"]) == Exit.USAGE


# -- with the application ----------------------------------------------------------------------------------------------


def check(tmp_path: Path, documents: Path) -> int:
    """`hedx apply check` of two persons, the second a child, with a folder of documents."""
    app = an_application(person_count=2, schedule=[a_row(), a_row(row=2, provider="00", category="marriage")])
    write_form_yaml(tmp_path / "form.yaml", app)
    write_roster_csv(tmp_path / "roster.csv", [a_person(), a_child()], app["roster_date"], app["roster_dataset"])
    files = [str(tmp_path / "form.yaml"), "--roster", str(tmp_path / "roster.csv"), "--catalog", str(CATALOG)]
    return run(["apply", "check", *files, "--party", "37", "--evidence", str(documents), "--json", "--lang", "en"])


def test_apply_check_tells_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Letter by letter, by roster number; with all of it the application is sound."""
    documents = make_documents(tmp_path / "documents", [1, 2])
    (documents / "2-授权书.pdf").unlink()
    assert check(tmp_path, documents) == Exit.FAILED
    faults = said(capsys)["faults"]
    assert [(fault["code"], fault["number"]) for fault in faults] == [
        ("evidence_consent_missing", 2),
        ("evidence_guardianship_missing", 2),
    ]
    (documents / "2-授权书.pdf").write_bytes(b"%PDF-c")
    (documents / "2-监护.pdf").write_bytes(b"%PDF-g")
    assert check(tmp_path, documents) == Exit.FINE
    assert said(capsys)["ok"]
    (documents / "委托书.pdf").unlink()
    (documents / "张三.docx").write_bytes(b"PK")
    assert check(tmp_path, documents) == Exit.FAILED
    faults = said(capsys)["faults"]
    assert {fault["code"] for fault in faults} == {"evidence_mandate_missing", "evidence_file_name"}
    assert "张三" not in json.dumps(faults, ensure_ascii=False)
