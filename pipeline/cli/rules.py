"""`hedx rules`: what each business may ask for, what an officer decides, and what a province makes stricter (Art. 14)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import click

from pipeline.cli import options
from pipeline.cli.exits import Exit
from pipeline.cli.output import emit, remark
from pipeline.domain.catalog import BASIC_CATEGORIES
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import PROVINCES, provider_name
from pipeline.domain.rules import Rules
from pipeline.domain.wording import UNIT_LEVELS, Language
from pipeline.province.rule_files import base_file, load_base, load_own, load_rule_book, party_of
from pipeline.settings import data_dir

_LABELS = {
    "business": ("可查询的内容类别", "may ask for"),
    "most_persons": ("人数上限", "most persons"),
    "auto_accept": ("无须人工审核", "accepted without an officer"),
    "doubtful_words": ("用途中的存疑字样", "doubtful words of a purpose"),
    "two_person": ("双人审核", "two officers decide"),
    "spot_check": ("抽查", "spot check"),
    "sha256": ("规则摘要", "SHA-256 of these rules"),
}


@click.group()
def command() -> None:
    """The rules: what each business may ask for, and what an officer decides (Art. 8, 9, 11, 14)."""


@command.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--base", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The nation's rules that a province's may only make stricter; those shipped by default.",
)  # fmt: skip
@options.as_json
def check(files: tuple[Path, ...], base: Path | None, as_json: bool) -> Exit:
    """Check rule FILES: `base.yaml`, or a province's `<code>.yaml`, which may be stricter only. Lists every fault."""
    found = {str(path): _faults(path, base or base_file()) for path in files}
    if as_json:
        emit([{"file": name, "ok": not faults, "faults": faults} for name, faults in found.items()], as_json)
    else:
        for name, faults in found.items():
            click.echo("\n".join(faults) if faults else f"{name}: fine")
    return Exit.FAILED if any(found.values()) else Exit.FINE


@command.command()
@click.argument("party", required=False)
@options.lang
@options.as_json
def show(party: str | None, lang: Language, as_json: bool) -> None:
    """Show the nation's rules, or those of a PARTY (a province's code) with its own file applied."""
    if party is not None and party not in PROVINCES:
        raise click.BadParameter(f"{party} is no province: give its code, e.g. 37")
    folder = data_dir() / "rules"
    book = load_rule_book(folder)
    if party is not None and party not in book.own and not as_json:
        remark(f"{provider_name(party)} has no file {folder / party}.yaml: these are the nation's rules")
    rules = book.base if party is None else book.for_party(party)
    emit(as_data(rules) if as_json else in_words(rules, lang), as_json)


def as_data(rules: Rules) -> dict[str, object]:
    """The rules as their file has them, for a program, and a digest by which two places compare them."""
    data = _as_file(rules)
    canonical = json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return {**data, "sha256": hashlib.sha256(canonical.encode()).hexdigest()}


def _as_file(rules: Rules) -> dict[str, object]:
    auto, spot = rules.auto, rules.spot_check
    return {
        "most_persons": rules.most_persons,
        "business": {name: sorted(categories) for name, categories in rules.allowed.items()},
        "auto_accept": {
            "most_persons": auto.most_persons,
            "business": sorted(auto.business_categories),
            "levels": sorted(auto.levels),
            "rechecks": auto.rechecks,
            "sealed_to_center": auto.sealed_to_center,
            "guarded_per_mille": auto.guarded_per_mille,
            "undocumented_per_mille": auto.undocumented_per_mille,
            "undocumented_free": auto.undocumented_free,
        },
        "doubtful_words": list(rules.doubtful_words),
        "two_person": rules.two_person,
        "spot_check": {"per_mille": spot.per_mille, "least": spot.least, "weights": dict(spot.weights)},
    }


def in_words(rules: Rules, lang: Language) -> dict[str, object]:
    """The rules for a reader: one line a business, categories under their names."""
    data, english = as_data(rules), lang == "en"
    order = list(BASIC_CATEGORIES)

    def named(categories: frozenset[str]) -> str:
        if categories == rules.listed:
            return "all categories" if english else "全部"
        known = sorted(categories, key=lambda c: (order.index(c) if c in order else len(order), c))
        names = [BASIC_CATEGORIES[c][english] if c in BASIC_CATEGORIES else c for c in known]
        return (", " if english else "、").join(names) or ("nothing" if english else "无")

    data["business"] = [f"{name}: {named(categories)}" for name, categories in rules.allowed.items()]
    auto = dict(as_data(rules)["auto_accept"])  # type: ignore[call-overload]
    auto["levels"] = [UNIT_LEVELS[level][english] for level in auto["levels"]]
    data["auto_accept"] = [f"{key}: {_plain(value)}" for key, value in auto.items()]
    spot = rules.spot_check
    data["spot_check"] = [f"{spot.per_mille}‰ (≥ {spot.least})", *(f"{k}: +{v}" for k, v in spot.weights.items())]
    return {_LABELS[key][english]: value for key, value in data.items()}


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _faults(path: Path, base: Path) -> list[str]:
    try:
        if path.stem == "base":
            load_base(path)
        else:
            party_of(path)
            load_own(path, load_base(base))
    except ConfigError as error:
        return str(error).splitlines()
    return []
