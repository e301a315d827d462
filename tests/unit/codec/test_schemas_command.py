"""`hedx schemas`, and the schemas of this checkout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.cli.main import run
from pipeline.codec import releases, schemas
from pipeline.codec.rules import typed_records

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the schemas that a test may spoil."""
    return Path(shutil.copytree(schemas.directory(), tmp_path / "avro"))


def edit(folder: Path, name: str, old: str, new: str) -> None:
    """Replace text of one schema file, which must be there."""
    path = folder / f"{name}.avsc"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_schemas_of_this_checkout_are_sound_and_released(capsys: pytest.CaptureFixture[str]) -> None:
    """Rules, typed dictionaries, FULL compatibility and pins. After a change: `hedx schemas release`."""
    code = run(["schemas", "check", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert (code, report["faults"], report["unreleased"]) == (0, [], [])
    assert report["records"] == len(typed_records())


def test_the_reference_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/records.md says what the schemas say. After a change: `hedx schemas doc > docs/records.md`."""
    assert run(["schemas", "doc"]) == 0
    assert (ROOT / "docs/records.md").read_text(encoding="utf-8") == capsys.readouterr().out


def test_an_incompatible_version_fails_the_check(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1, and a line that names the record and the field."""
    edit(folder, "Watermark", '"name": "source", "type": "long"', '"name": "source", "type": "string"')
    assert run(["schemas", "check", "--dir", str(folder)]) == 1
    assert "Watermark.source: type changed from long to string (against released version 1)" in capsys.readouterr().out


def test_a_compatible_version_is_drift_until_released(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2 before `release`, 0 after it; the earlier version stays pinned, and releasing twice adds nothing."""
    edit(folder, "Watermark", "Append time", "Broker's append time")
    assert run(["schemas", "check", "--dir", str(folder), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["unreleased"] == ["Watermark"]
    for released in (["Watermark"], []):
        assert run(["schemas", "release", "--dir", str(folder), "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"released": released}
    assert run(["schemas", "check", "--dir", str(folder)]) == 0
    pinned = schemas.load_released(folder / "released.json")
    assert pinned["Watermark"] == [
        schemas.current().whole("Watermark"),
        schemas.SchemaSet.load(folder).whole("Watermark"),
    ]
    assert pinned["Person"] == schemas.released()["Person"]


def test_a_faulty_version_is_not_released(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`release` checks first and leaves the pins alone; `--replace` forgives incompatibility, not broken rules."""
    before = (folder / "released.json").read_bytes()
    edit(folder, "Watermark", '"type": "long", "doc"', '"type": "int", "doc"')
    for options in ([], ["--replace"]):
        assert run(["schemas", "release", "--dir", str(folder), *options]) == 1
        assert "Watermark.source: type int: use long" in capsys.readouterr().err
        assert (folder / "released.json").read_bytes() == before


def test_replacing_forgets_earlier_versions(folder: Path) -> None:
    """Before 1.0 a version may be replaced: only the current one is pinned afterwards."""
    edit(folder, "Watermark", "Append time", "Broker's append time")
    assert run(["schemas", "release", "--dir", str(folder), "--replace"]) == 0
    now = schemas.SchemaSet.load(folder)
    assert schemas.load_released(folder / "released.json") == {name: [now.whole(name)] for name in now.records}


def test_a_tampered_pin_is_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A released version is what it was: editing it in place does not match its fingerprint."""
    pins = folder / "released.json"
    pins.write_text(pins.read_text(encoding="utf-8").replace("Last day", "Final day"), encoding="utf-8")
    assert run(["schemas", "check", "--dir", str(folder)]) == 1
    assert "released version 1 was altered" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "Watermark.avsc: cannot be read as JSON"),
        ("[]", "Watermark.avsc: must define hedx.Watermark"),
        (
            '{"type": "record", "name": "Mark", "namespace": "hedx", "fields": []}',
            "Watermark.avsc: must define hedx.Watermark",
        ),
        ('{"type": "record", "name": "Watermark", "fields": []}', "Watermark.avsc: must define hedx.Watermark"),
        ('{"type": "record", "name": "Watermark", "namespace": "hedx"}', "Watermark.avsc: a record needs fields"),
        (
            '{"type": "record", "name": "Watermark", "namespace": "hedx", "fields": [{"doc": "x"}]}',
            "Watermark.avsc: every field needs a name and a type",
        ),
    ],
)
def test_a_file_that_is_no_schema_is_named(
    folder: Path, text: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1 and the file's name, never a traceback."""
    (folder / "Watermark.avsc").write_text(text, encoding="utf-8")
    assert run(["schemas", "check", "--dir", str(folder)]) == 1
    assert says in capsys.readouterr().err


def test_the_list_shows_every_record(capsys: pytest.CaptureFixture[str]) -> None:
    """Schema ids as they stand at the head of framed bytes."""
    assert run(["schemas", "list", "--json"]) == 0
    rows = {row["record"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == set(schemas.current().records)
    assert rows["Person"]["schema_id"] == schemas.schema_id("Person").hex()


def test_the_fingerprint_covers_what_avro_strips() -> None:
    """Another doc, default or nested definition is another schema; another order of keys is not."""
    whole = schemas.current().whole("Application")
    shuffled = dict(reversed(whole.items()))
    assert schemas.fingerprint(shuffled) == schemas.fingerprint(whole)
    period = json.dumps(whole).replace("First day", "1st day")
    assert schemas.fingerprint(json.loads(period)) != schemas.fingerprint(whole)
    assert releases.unreleased(schemas.current(), {"Application": [json.loads(period)]}) != []


def test_whole_schemas_stand_alone() -> None:
    """Every self-contained schema parses in Avro with nothing beside it, each named type defined once."""
    for name in schemas.current().records:
        assert schemas.parse(schemas.current().whole(name))["name"] == f"hedx.{name}"
