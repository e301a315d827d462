"""Faults in words, for officials: Chinese, or English. Made from the table of `faults`, and so is `docs/faults.md`."""

from __future__ import annotations

import sys
from typing import Final, Literal

from pipeline.domain.catalog import BASIC_CATEGORIES
from pipeline.domain.faults import FAULTS
from pipeline.domain.parties import EVERYONE, is_party, provider_english, provider_name
from pipeline.domain.records import Fault

Language = Literal["zh", "en"]

LABELS: Final[dict[str, tuple[str, str]]] = {
    "form": ("申请表", "the form"),
    "roster": ("名单", "the roster"),
    "schedule": ("附表", "the schedule"),
    "application_id": ("申请编号", "application id"),
    "requester": ("申请单位", "requester"),
    "addressee": ("受理单位", "addressee"),
    "legal_basis": ("查询依据", "legal basis"),
    "approving_authority": ("审批机关", "approving authority"),
    "business_category": ("业务类别", "business category"),
    "purpose": ("用途", "purpose"),
    "lead_person": ("牵头人", "lead person"),
    "person_count": ("人数", "head count"),
    "entrusting_unit": ("委托单位", "entrusting unit"),
    "mandate": ("委托", "mandate"),
    "consent": ("授权", "consent"),
    "consent.held": ("已取得书面授权", "consent held"),
    "consent.scope": ("授权范围", "scope of the consent"),
    "roster.date": ("名单提交日期", "roster submission date"),
    "roster.dataset": ("电子数据名称", "roster data-set name"),
    "contact_name": ("联系人", "contact"),
    "contact_phone": ("联系电话", "contact's telephone"),
    "form_date": ("申请日期", "date of the form"),
    "seal_to_center": ("提交部中心解封", "sealed to the center too"),
    "recheck": ("复核", "re-check"),
    "recheck.reason": ("复核理由", "reason of the re-check"),
    "unit_consent": ("市县单位", "city or county unit"),
    "unit_consent.level": ("申请层级", "level of the unit"),
    "unit_consent.unit": ("市县单位名称", "name of the unit"),
    "unit_consent.authority": ("同意单位", "who consented"),
    "unit_consent.document": ("同意文件文号", "number of the document of consent"),
    "unit_consent.reason": ("特殊需要", "special need"),
    "unit_consent.date": ("同意日期", "date of the consent"),
    "unit_consent.valid_until": ("同意有效期", "last day of the consent"),
    "provider": ("信息提供方", "provider"),
    "category": ("内容类别", "category"),
    "period": ("时间范围", "period"),
    "number": ("序号", "number"),
    "household": ("户编号", "household"),
    "name": ("姓名", "name"),
    "document_type": ("证件类型", "document type"),
    "document_number": ("证件号码", "document number"),
    "relation": ("与户主关系", "relation to the head"),
    "birth_date": ("出生日期", "birth date"),
    "guardian_name": ("监护人姓名", "guardian's name"),
    "guardian_document_number": ("监护人证件号码", "guardian's document number"),
    "consent_reference": ("授权书编号", "consent reference"),
    "consent_by": ("授权人", "who gave consent"),
    "consent_scope": ("授权范围", "scope of the consent"),
    "consent_date": ("授权日期", "date of the consent"),
    "evidence": ("查询依据性文件", "documents the query rests on"),
    "catalog": ("资源目录", "the resource catalog"),
}
"""Field → its Chinese and English name. The Chinese ones are the words of the form and the roster's header."""


UNIT_LEVELS: Final[dict[str, tuple[str, str]]] = {
    "province": ("省级", "province"),
    "city": ("市级", "city"),
    "county": ("县级", "county"),
}
"""Who stands behind an application (Art. 3)."""


def explain(fault: Fault, lang: Language = "zh") -> str:
    """The whole sentence: where, and why. A code of a newer release that we do not know is shown as it came."""
    place, reason = location(fault, lang), explain_reason(fault, lang)
    return f"{place}：{reason}" if lang == "zh" else f"{place}: {reason}"


def location(fault: Fault, lang: Language = "zh") -> str:
    """Where the fault sits: a number of the roster, a row of the schedule, the form or the roster as a whole."""
    number, row = fault["number"], fault["row"]
    if number is not None:
        return f"名单第 {number} 号" if lang == "zh" else f"roster number {number}"
    if row is not None:
        return f"附表第 {row} 行" if lang == "zh" else f"schedule row {row}"
    usual = FAULTS[fault["code"]].field if fault["code"] in FAULTS else ""
    wholes = [field for field in (usual, fault["field"]) if field in ("roster", "schedule", "catalog", "evidence")]
    return label(wholes[0] if wholes else "form", lang)


def explain_reason(fault: Fault, lang: Language = "zh") -> str:
    """Why, without the place."""
    wording = FAULTS.get(fault["code"])
    if wording is None:
        name = label(fault["field"], lang)
        return f"{name}不符合要求（{fault['code']}）" if lang == "zh" else f"{name} was refused ({fault['code']})"
    args = dict.fromkeys(wording.placeholders(), "?")
    args |= {key: _localised(key, value, lang) for key, value in fault["args"].items()}
    if fault["code"] == "mandate_differs":
        args["key"] = label(args["key"], lang)
    args["label"] = label(fault["field"], lang)
    return (wording.zh if lang == "zh" else wording.en).format_map(args)


def label(field: str, lang: Language = "zh") -> str:
    """The field's name in words; the field itself when it has none."""
    return LABELS[field][lang == "en"] if field in LABELS else field


def provider_words(code: str, lang: Language = "zh") -> str:
    """A provider's name in words; the text itself when it names nobody."""
    if not is_party(code) and code != EVERYONE:
        return code
    return provider_name(code) if lang == "zh" else provider_english(code)


def fault_table() -> str:
    """`docs/faults.md`: every code with its field and both wordings."""
    rows = [
        f"| `{code}` | {f'`{w.field}`' if w.field else 'any'} | {_in_table(w.zh)} | {_in_table(w.en)} |"
        for code, w in FAULTS.items()
    ]
    head = (
        "# Faults\n\nMade by `python -m pipeline.domain.wording > docs/faults.md` from `pipeline/domain/faults.py`; a test"
        " holds the two together.\nA fault names its code, field, and roster number or schedule row; it never holds a name or"
        " an ID number.\n\n| code | field | 中文 | English |\n|---|---|---|---|\n"
    )
    return head + "\n".join(rows) + "\n"


def _localised(key: str, value: str, lang: Language) -> str:
    if key == "provider":
        return provider_words(value, lang)
    if key == "level":
        return UNIT_LEVELS[value][lang == "en"] if value in UNIT_LEVELS else value
    if key == "offered_by":
        return _listed([provider_words(code, lang) for code in value.split(",")], lang)
    if key == "category":
        return _category_words(value, lang)
    if key == "known":
        return _listed([_category_words(category, lang) for category in value.split(",")], lang)
    return value


def _category_words(category: str, lang: Language) -> str:
    if category not in BASIC_CATEGORIES:
        return category
    name = BASIC_CATEGORIES[category][lang == "en"]
    return name if lang == "zh" else f"{name} ({category})"


def _listed(words: list[str], lang: Language) -> str:
    return ("、" if lang == "zh" else ", ").join(words)


def _in_table(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(fault_table())
