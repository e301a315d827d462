"""Catalog files of parties."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.domain.errors import ConfigError
from pipeline.province.catalog_files import load_entries, load_release

ENTRY = """party: 山东
entries:
  - category: fishing_boats
    name: 渔船
    region: 山东省
    region_codes: ["3701", 370200]
    levels: [市, 省]
    as_of: 2026-10-31
    update_cycle: 每月
    feedback_seconds: 3600
    sharing_conditions: 经授权
    period_covered: 2000 年以来
    version: 2
    items:
      - {item: plate, name: 船号, type: text, required: true}
"""
DEMO = Path(__file__).resolve().parents[3] / "deploy" / "demo" / "catalog"


def test_a_new_category_needs_nothing_but_a_file(tmp_path: Path) -> None:
    """A category outside the ten is read, under the party's code, not yet in a release."""
    path = tmp_path / "37.yaml"
    path.write_text(ENTRY, encoding="utf-8")
    (entry,) = load_entries(path)
    assert (entry["provider"], entry["category"], entry["as_of"], entry["release"]) == (
        "37",
        "fishing_boats",
        "2026-10-31",
        0,
    )
    assert (entry["region_codes"], entry["levels"]) == (["3701", "3702"], ["province", "city"])
    assert load_release([tmp_path], 7).entry("37", "fishing_boats")["release"] == 7


def test_a_feedback_limit_is_in_seconds_or_in_working_days(tmp_path: Path) -> None:
    """One of the two keys; the other is null for every reader."""
    path = tmp_path / "37.yaml"
    limits = []
    for written in ("feedback_seconds: 3600", "feedback_working_days: 5"):
        path.write_text(ENTRY.replace("feedback_seconds: 3600", written), encoding="utf-8")
        (entry,) = load_entries(path)
        limits.append((entry["feedback_seconds"], entry["feedback_working_days"]))
    assert limits == [(3600, None), (None, 5)]


def test_the_demos_files_make_a_release_of_all_ten_categories() -> None:
    """What the demo ships is sound and complete."""
    assert len(load_release([DEMO], 1).categories()) == 10


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("version: 2", "version: 2\n    colour: red", "colour.*unknown key"),
        ("    levels: [市, 省]\n", "", "levels.*missing"),
        ("[市, 省]", "省、市", "levels"),
        ("[市, 省]", "[]", "levels"),
        ("市, 省", "市, 州", "no administrative level; there are 国家、省、市、县、乡、村"),
        ('["3701", 370200]', "[]", "region_codes"),
        ("370200", "3702001", "two, four or six digits"),
        ("370200", '"9901"', "no region begins with 99"),
        ("370200", "370100", "a region code is listed twice"),
        ("370200", "320100", "3201 lies outside the party's own area"),
        ("370200", '"00"', "00 lies outside the party's own area"),
        ("山东\n", "火星\n", "party"),
        ("山东\n", "全国\n", "party"),
        ("3600", "0", "feedback_seconds"),
        ("feedback_seconds: 3600", "feedback_working_days: 251", "feedback_working_days"),
        ("feedback_seconds: 3600\n", "feedback_seconds: 3600\n    feedback_working_days: 5\n", "one feedback limit"),
        ("    feedback_seconds: 3600\n", "", "one feedback limit"),
        ("2026-10-31", "2026-02-30", "as_of"),
        ("type: text", "type: float", "type"),
        ("fishing_boats", "cremation", "遗体火化"),
        ("required: true}", "required: true}\n      - {item: plate, name: 船号, type: text, required: true}", "twice"),
    ],
)
def test_faulty_files_are_refused_with_place_and_reason(tmp_path: Path, old: str, new: str, reason: str) -> None:
    """An operator is told the file, the key and why."""
    path = tmp_path / "37.yaml"
    assert old in ENTRY
    path.write_text(ENTRY.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=f"(?s)37.yaml.*{reason}"):
        load_entries(path)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    """Operators' files are UTF-8; anything else is said, not guessed."""
    path = tmp_path / "37.yaml"
    path.write_bytes(ENTRY.encode("gb18030"))
    with pytest.raises(ConfigError, match="utf-8"):
        load_entries(path)


def test_a_party_reports_a_category_in_one_place(tmp_path: Path) -> None:
    """Neither twice in a file, nor in two files, nor nowhere."""
    path = tmp_path / "a.yaml"
    path.write_text(ENTRY + ENTRY.split("entries:\n")[1], encoding="utf-8")
    with pytest.raises(ConfigError, match="category is listed twice"):
        load_entries(path)
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(ENTRY, encoding="utf-8")
    with pytest.raises(ConfigError, match="37 reports fishing_boats twice"):
        load_release([tmp_path])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no catalog file"):
        load_release([tmp_path / "empty"])


def test_a_file_named_after_a_party_is_that_partys(tmp_path: Path) -> None:
    """Else 32 could say what 37 offers by what stands in its file."""
    (tmp_path / "32.yaml").write_text(ENTRY, encoding="utf-8")
    with pytest.raises(ConfigError, match="named after party 32, reports for party 37"):
        load_release([tmp_path])
    (tmp_path / "32.yaml").rename(tmp_path / "2026-11.yaml")
    assert load_release([tmp_path]).entry("37", "fishing_boats")["provider"] == "37"
