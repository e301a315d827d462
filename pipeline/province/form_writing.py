"""Writing an application as its form, a YAML file that `form_files` reads back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, cast

import yaml

from pipeline.domain.catalog import Release
from pipeline.domain.parties import is_party, provider_name
from pipeline.domain.periods import format_period
from pipeline.domain.records import Application
from pipeline.domain.review import CONSENT_SCOPE
from pipeline.province.form_model import CONSENT_KEYS, FORM_KEYS, ROSTER_KEYS, ROW_KEYS


def write_form_yaml(
    path: Path, application: Application, release: Release | None = None, lang: Literal["zh", "en"] = "zh"
) -> None:
    """Write a form; with `release`, categories under their Chinese names."""
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
    ordered = {key: form[key] for key in FORM_KEYS.values()}
    path.write_text(yaml.safe_dump(_labelled(ordered, lang), allow_unicode=True, sort_keys=False), encoding="utf-8")


def _provider_written(code: str) -> str:
    return provider_name(code) if code == "all" or is_party(code) else code


def _yes_or_no(value: bool, lang: str) -> str:
    return ("true" if value else "false") if lang == "en" else ("是" if value else "否")


def _labelled(form: dict[str, Any], lang: str) -> dict[str, Any]:
    if lang == "en":
        return form
    label = {
        key: written for names in (FORM_KEYS, CONSENT_KEYS, ROSTER_KEYS, ROW_KEYS) for written, key in names.items()
    }

    def relabel(value: Any) -> Any:
        if isinstance(value, list):
            return [relabel(item) for item in value]
        return {label[key]: relabel(item) for key, item in value.items()} if isinstance(value, dict) else value

    return cast("dict[str, Any]", relabel(form))
