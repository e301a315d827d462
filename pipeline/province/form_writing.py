"""Writing an application as its form, a YAML file that `form_files` reads back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml

from pipeline.domain.catalog import Release
from pipeline.domain.parties import is_party, provider_name
from pipeline.domain.periods import format_period
from pipeline.domain.records import Application, UnitConsent
from pipeline.domain.review import CONSENT_SCOPE
from pipeline.province.form_model import FORM_KEYS, LEVEL_WORDS, PART_KEYS


def write_form_yaml(
    path: Path, application: Application, release: Release | None = None, lang: Literal["zh", "en"] = "zh"
) -> None:
    """Write a form; with `release`, categories under their Chinese names."""
    path.write_bytes(form_yaml(application, release, lang))


def form_yaml(application: Application, release: Release | None = None, lang: Literal["zh", "en"] = "zh") -> bytes:
    """A form as a YAML document, UTF-8."""
    content = _labelled(form_content(application, release, lang), lang)
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False).encode()


def form_content(
    application: Application, release: Release | None = None, lang: Literal["zh", "en"] = "zh"
) -> dict[str, Any]:
    """A form's values as they are written, under the English keys of `FormFile`, in the order of the form."""
    app = application
    form: dict[str, Any] = {key: app[key] for key in FORM_KEYS.values() if key in app}  # type: ignore[literal-required]
    form["person_count"] = app["person_count"]
    form["consent"] = {
        "held": _yes_or_no(app["consent_held"], lang),
        "scope": CONSENT_SCOPE if app["consent_scope"] == "nationwide" else app["consent_scope"],
    }
    form["roster"] = {"date": app["roster_date"], "dataset": app["roster_dataset"]}
    form["seal_to_center"] = _yes_or_no(app["seal_to_center"], lang)
    form["schedule"] = [
        {
            "provider": _provider_written(row["provider"]),
            "category": release.category_name(row["category"]) if release else row["category"],
            "period": format_period(row["period"]),
        }
        for row in app["schedule"]
    ]
    form["unit_consent"] = _unit(app["unit_consent"], lang)
    return {key: form[key] for key in FORM_KEYS.values() if form[key] is not None}


def _unit(consent: UnitConsent | None, lang: str) -> dict[str, Any] | None:
    if consent is None or lang == "en":
        return None if consent is None else dict(consent)
    level = next((word for word, value in LEVEL_WORDS.items() if value == consent["level"]), consent["level"])
    return {**consent, "level": level}


def _provider_written(code: str) -> str:
    return provider_name(code) if code == "all" or is_party(code) else code


def _yes_or_no(value: bool, lang: str) -> str:
    return ("true" if value else "false") if lang == "en" else ("是" if value else "否")


def _labelled(form: dict[str, Any], lang: str) -> dict[str, Any]:
    """The form with its keys in Chinese; a part's keys are its own (名单's 提交日期, 市县单位's 同意日期)."""
    return form if lang == "en" else _relabelled(form, FORM_KEYS)


def _relabelled(part: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    label = {key: written for written, key in names.items()}
    return {label[key]: _inner(value, PART_KEYS.get(key, {})) for key, value in part.items()}


def _inner(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_inner(item, names) for item in value]
    return _relabelled(value, names) if isinstance(value, dict) else value
