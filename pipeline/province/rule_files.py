"""The rule files: the nation's (`deploy/rules/base.yaml`) and a province's own (Art. 14), YAML read strictly.

The province checks its applications by the same files as the center. Both files have the same keys; a province's names
only those in which it is stricter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from pipeline.domain.catalog import BASIC_CATEGORIES
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import PROVINCES
from pipeline.domain.rules import (
    SPOT_FACTS,
    AutoAccept,
    LooserRules,
    OwnRules,
    RuleBook,
    Rules,
    SpotCheck,
    UnitLevel,
    tighten,
)
from pipeline.kafka.strict_yaml import line_of, read_strict

ALL: Final = "全部"
"""In place of a list of categories: all of Art. 3, and all that the file names elsewhere."""

_IDS: Final = {name: category for category, (name, _) in BASIC_CATEGORIES.items()}
_T = TypeVar("_T")


def _category(text: object) -> object:
    return _IDS.get(text, text) if isinstance(text, str) else text


def _once(values: list[_T]) -> list[_T]:
    if len(set(values)) < len(values):
        raise ValueError("listed twice")
    return values


Category = Annotated[str, BeforeValidator(_category), Field(pattern=f"^([a-z][a-z0-9_]{{1,39}}|{ALL})$")]
"""A resource category by its id, or one of the ten by its Chinese name."""
Categories = Annotated[list[Category], BeforeValidator(lambda given: [ALL] if given == ALL else given)]
Business = Annotated[str, Field(min_length=1, max_length=100)]
Persons = Annotated[int, Field(ge=0, le=1_000_000, strict=True)]
PerMille = Annotated[int, Field(ge=0, le=1000, strict=True)]
Switch = Annotated[bool, Field(strict=True)]
Words = Annotated[list[Annotated[str, Field(min_length=1, max_length=40)]], AfterValidator(_once)]


def _known_facts(weights: dict[str, int]) -> dict[str, int]:
    if unknown := sorted(weights.keys() - set(SPOT_FACTS)):
        raise ValueError(f"unknown facts: {', '.join(unknown)}; there are {', '.join(SPOT_FACTS)}")
    return weights


Weights = Annotated[dict[str, Annotated[int, Field(ge=0, le=1000, strict=True)]], AfterValidator(_known_facts)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class AutoAcceptPart(_Strict):
    """auto_accept: what starts without an officer."""

    most_persons: Persons | None = None
    business: Annotated[list[Business], AfterValidator(_once)] | None = None
    levels: Annotated[list[UnitLevel], AfterValidator(_once)] | None = None
    rechecks: Switch | None = None
    sealed_to_center: Switch | None = None
    guarded_per_mille: PerMille | None = None
    undocumented_per_mille: PerMille | None = None
    undocumented_free: Persons | None = None


class SpotCheckPart(_Strict):
    """spot_check: the monthly draw."""

    per_mille: PerMille | None = None
    least: Persons | None = None
    weights: Weights | None = None


class RuleFile(_Strict):
    """A rule file; in the base every key is given, in a province's those where it is stricter."""

    most_persons: Persons | None = None
    business: dict[Business, Annotated[Categories, AfterValidator(_once)]] | None = None
    auto_accept: AutoAcceptPart = Field(default_factory=AutoAcceptPart)
    doubtful_words: Words | None = None
    two_person: Switch | None = None
    spot_check: SpotCheckPart = Field(default_factory=SpotCheckPart)


_KEYS: Final = {*RuleFile.model_fields, *AutoAcceptPart.model_fields, *SpotCheckPart.model_fields}


def base_file() -> Path:
    """Where the nation's rules lie: inside the installed package, or in a checkout. Raises ConfigError."""
    package = Path(__file__).resolve().parents[1]
    for candidate in (package / "rules" / "base.yaml", package.parent / "deploy" / "rules" / "base.yaml"):
        if candidate.is_file():
            return candidate
    raise ConfigError("the rules (deploy/rules/base.yaml) are not installed with this package")


def load_base(path: Path) -> Rules:
    """The nation's rules from their file. Raises ConfigError listing every fault with its line, and every missing key."""
    file = read_strict(path, RuleFile, _KEYS)
    if faults := [f"{path.name}: {told}" for told in _base_faults(file)]:
        raise ConfigError("\n".join(faults))
    business = file.business or {}
    named = {category for categories in business.values() for category in categories}
    listed = frozenset(named - {ALL} | BASIC_CATEGORIES.keys())
    auto, spot = file.auto_accept, file.spot_check
    return Rules(
        allowed=_sets(business, listed),
        listed=listed,
        most_persons=file.most_persons or 0,
        auto=AutoAccept(
            most_persons=auto.most_persons or 0,
            business_categories=frozenset(auto.business or ()),
            levels=frozenset(auto.levels or ()),
            rechecks=bool(auto.rechecks),
            sealed_to_center=bool(auto.sealed_to_center),
            guarded_per_mille=auto.guarded_per_mille or 0,
            undocumented_per_mille=auto.undocumented_per_mille or 0,
            undocumented_free=auto.undocumented_free or 0,
        ),
        doubtful_words=tuple(file.doubtful_words or ()),
        two_person=bool(file.two_person),
        spot_check=SpotCheck(spot.per_mille or 0, spot.least or 0, dict(spot.weights or {})),
    )


def load_own(path: Path, base: Rules) -> Rules:
    """A province's rules: the base with its own file applied. Raises ConfigError for faults, and where it is laxer."""
    file = read_strict(path, RuleFile, _KEYS)
    auto, spot = file.auto_accept, file.spot_check
    own = OwnRules(
        allowed=None if file.business is None else _sets(file.business, base.listed),
        most_persons=file.most_persons,
        auto_most_persons=auto.most_persons,
        auto_business_categories=_set(auto.business),
        auto_levels=_set(auto.levels),
        auto_rechecks=auto.rechecks,
        auto_sealed_to_center=auto.sealed_to_center,
        auto_guarded_per_mille=auto.guarded_per_mille,
        auto_undocumented_per_mille=auto.undocumented_per_mille,
        auto_undocumented_free=auto.undocumented_free,
        doubtful_words=None if file.doubtful_words is None else tuple(file.doubtful_words),
        two_person=file.two_person,
        spot_per_mille=spot.per_mille,
        spot_least=spot.least,
        spot_weights=spot.weights,
    )
    try:
        return tighten(base, own)
    except LooserRules as error:
        lines = [f"{path.name}:{line_of(path, where)}: {'.'.join(where)}: {why}" for where, why in error.places]
        raise ConfigError("\n".join(lines)) from error


def load_rule_book(folder: Path | None = None, base: Path | None = None) -> RuleBook:
    """The nation's rules, and those of every province that has a file `<code>.yaml` in `folder` (absent: none has).

    Raises ConfigError for any faulty file: rules that cannot be read are not replaced by laxer ones.
    """
    nation = load_base(base or base_file())
    files = sorted(folder.glob("*.yaml")) if folder and folder.is_dir() else []
    return RuleBook(nation, {party_of(file): load_own(file, nation) for file in files})


def party_of(file: Path) -> str:
    """The province whose rules a file holds, by its name. Raises ConfigError when it names none."""
    if file.stem not in PROVINCES:
        raise ConfigError(f"{file.name}: name a province's rules by its code, e.g. 37.yaml")
    return file.stem


def _base_faults(file: RuleFile) -> Iterable[str]:
    parts: tuple[tuple[str, BaseModel], ...] = (
        ("", file),
        ("auto_accept.", file.auto_accept),
        ("spot_check.", file.spot_check),
    )
    for prefix, part in parts:
        yield from (f"{prefix}{key}: this key is missing" for key in type(part).model_fields if not _given(part, key))
    for name in file.auto_accept.business or ():
        if name not in (file.business or {}):
            yield f"auto_accept.business: {name} is not among the businesses"


def _given(part: BaseModel, key: str) -> bool:
    return getattr(part, key) is not None


def _sets(business: Mapping[str, list[str]], listed: frozenset[str]) -> dict[str, frozenset[str]]:
    return {name: listed if ALL in categories else frozenset(categories) for name, categories in business.items()}


def _set(values: list[_T] | None) -> frozenset[_T] | None:
    return None if values is None else frozenset(values)
