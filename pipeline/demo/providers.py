"""Provider files and catalog entries of the demo, and mixtures of them for parties that have none of their own."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import yaml

from pipeline.domain.parties import MINISTRY, PROVINCES

_DEMO = Path(__file__).resolve().parents[2] / "deploy" / "demo"
PROVIDERS = _DEMO / "providers"
"""`<party>.yaml`: how each party's databases look (docs/providers.md)."""
CATALOG = _DEMO / "catalog"
"""`<party>.yaml`: what each party reports for the catalog."""


def write_made_up_party(party: str, random: Random, *, providers: Path, catalog: Path) -> None:
    """Write a party's two files: its own of the demo, or a mixture.

    A party that has none of its own gets four to eight categories, each laid out as in a random party of the demo.
    """
    if (PROVIDERS / f"{party}.yaml").exists():
        shutil.copy(PROVIDERS / f"{party}.yaml", providers)
        shutil.copy(CATALOG / f"{party}.yaml", catalog)
        return
    write_mixture(party, random.sample(sorted(_blocks()), random.randrange(4, 9)), random, providers, catalog)


def write_mixture(party: str, categories: Sequence[str], random: Random, providers: Path, catalog: Path) -> None:
    """Write a party's two files with just these `categories`, each laid out as in a random party of the demo.

    Nothing is refused whole or unavailable. Raises KeyError for a category that no party of the demo has.
    """
    blocks = _blocks()
    resources, entries = {}, []
    name = "全国" if party == MINISTRY else PROVINCES[party].full_name
    for category in sorted(categories):
        resource, entry = random.choice(blocks[category])
        resource = {key: value for key, value in resource.items() if key not in ("refuse", "unavailable_until")}
        resources[category] = {**resource, "coverage": f"{name}{entry['name']}"}
        levels = ["国家"] if party == MINISTRY else ["省", "市", "县"]
        entries.append({**entry, "region": name, "region_codes": [party], "levels": levels})
    _write(providers / f"{party}.yaml", {"party": party, "resources": resources})
    _write(catalog / f"{party}.yaml", {"party": party, "entries": entries})


def _blocks() -> dict[str, list[tuple[dict[str, Any], dict[str, Any]]]]:
    """Category -> (provider block, catalog entry) of every party of the demo that has it."""
    blocks: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    for path in sorted(PROVIDERS.glob("*.yaml")):
        resources = yaml.safe_load(path.read_text(encoding="utf-8"))["resources"]
        for entry in yaml.safe_load((CATALOG / path.name).read_text(encoding="utf-8"))["entries"]:
            blocks.setdefault(entry["category"], []).append((resources[entry["category"]], entry))
    return blocks


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
