"""docs/providers.md adds a category with two blocks of YAML; here its own words are tried."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from pipeline.demo.providers import CATALOG, PROVIDERS
from pipeline.domain.catalog import check_answer
from pipeline.domain.parties import provider_from
from pipeline.domain.records import ResourceAnswer
from pipeline.province.catalog_files import load_release
from pipeline.province.lookups import VARIABLES
from pipeline.province.provider_files import ProviderSpec, differences, load_provider
from pipeline.province.sources import open_sources, sqlite_url

GUIDE = (Path(__file__).resolve().parents[3] / "docs" / "providers.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
DATABASE = """
CREATE TABLE ny_bt (sfzh TEXT, xm TEXT, ffrq TEXT, je NUMERIC);
INSERT INTO ny_bt VALUES ('A', '耕地地力保护补贴', '2025/06/30', 861.5), ('A', '农机购置补贴', '2023/01/05', 12000);
"""


def block(starting: str) -> str:
    """The one YAML block of the guide that starts so."""
    (found,) = [text for text in BLOCKS if text.lstrip().startswith(starting)]
    return str(found)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    catalog = (CATALOG / "37.yaml").read_text(encoding="utf-8") + block("- category: farm_subsidy")
    (tmp_path / "catalog.yaml").write_text(catalog, encoding="utf-8")
    provider = 'party: "37"\nresources:\n' + block("farm_subsidy:")
    (tmp_path / "37.yaml").write_text(provider, encoding="utf-8")
    with closing(sqlite3.connect(tmp_path / "37.db")) as connection:
        connection.executescript(DATABASE)
    return tmp_path


def test_answers_a_category_that_no_code_knows(folder: Path) -> None:
    """The form's words name it, 山东 offers it, and an answer found in the database fits its catalog entry."""
    release = load_release([folder / "catalog.yaml"])
    category = release.category_from("农业补贴")
    assert release.offers(category) == [provider_from("山东")]
    sources = open_sources(folder / "37.yaml", sqlite_url(folder / "37.db"))
    found = sources.lookup(category, {"kind": "range", "start": "2025-01-01", "end": "2025-12-31"}, ["A"]).entries["A"]
    assert [(item["item"], item["value"]) for item in found[0]["items"]] == [
        ("programme", "耕地地力保护补贴"),
        ("paid_on", "2025-06-30"),
        ("amount", "861.50"),
    ]
    standing = sources.standing(category)
    answer = ResourceAnswer(
        row=1,
        status="found",
        as_of=standing.as_of,
        coverage=standing.coverage,
        entries=found,
        region_codes=standing.region_codes,
        levels=standing.levels,
    )
    assert check_answer(release.entry("37", category), answer) is None


def test_fits_beside_what_the_province_has(folder: Path) -> None:
    """Appended to the demo's files of 山东, both blocks agree with each other and with the rest."""
    provider = (PROVIDERS / "37.yaml").read_text(encoding="utf-8") + block("farm_subsidy:")
    (folder / "whole.yaml").write_text(provider, encoding="utf-8")
    entries = list(load_release([folder / "catalog.yaml"]).entries.values())
    assert differences(load_provider(folder / "whole.yaml"), entries) == []


def test_the_guides_example_is_a_sound_file() -> None:
    """The annotated example, with the line about wards put in, is read without a fault."""
    example = yaml.safe_load(block("party:"))
    example["resources"]["real_estate"] |= yaml.safe_load(block("ward:"))
    assert ProviderSpec.model_validate(example).resources["real_estate"].ward is not None
    assert f"{VARIABLES} bound values" in " ".join(GUIDE.split())
