"""The application form (查询申请) as a YAML file holds it: its keys in both languages, and what each may be."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from pipeline.domain.review import LEGAL_BASIS

FORM_KEYS: Final = {
    "受理单位": "addressee",
    "查询依据": "legal_basis",
    "审批机关": "approving_authority",
    "业务类别": "business_category",
    "用途": "purpose",
    "牵头人": "lead_person",
    "人数": "person_count",
    "授权": "consent",
    "名单": "roster",
    "联系人": "contact_name",
    "联系电话": "contact_phone",
    "日期": "form_date",
    "附表": "schedule",
    "提交部中心解封": "seal_to_center",
    "市县单位": "unit_consent",
}
CONSENT_KEYS: Final = {"已取得": "held", "范围": "scope"}
ROSTER_KEYS: Final = {"提交日期": "date", "电子数据": "dataset"}
UNIT_KEYS: Final = {
    "申请层级": "level",
    "单位名称": "unit",
    "同意单位": "authority",
    "文号": "document",
    "特殊需要": "reason",
    "同意日期": "date",
    "有效期至": "valid_until",
}
LEVEL_WORDS: Final = {
    "市级": "city",
    "市": "city",
    "县级": "county",
    "县": "county",
    "省级": "province",
    "省": "province",
}
ROW_KEYS: Final = {"信息提供方": "provider", "内容类别": "category", "时间范围": "period"}
PART_KEYS: Final = {"consent": CONSENT_KEYS, "roster": ROSTER_KEYS, "unit_consent": UNIT_KEYS, "schedule": ROW_KEYS}
"""Keys of the form that hold keys of their own."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class ConsentPart(_Strict):
    """授权: whether written consent is held, and for whom it holds."""

    held: str = ""
    scope: str = ""


class RosterPart(_Strict):
    """名单: 「以…年…月…日提交的…电子数据为准」."""

    date: str = ""
    dataset: str = ""


class UnitPart(_Strict):
    """市县单位: the city or county that asks through its province, and the consent it has (Art. 3)."""

    level: str = ""
    unit: str = ""
    authority: str = ""
    document: str = ""
    reason: str = ""
    date: str = ""
    valid_until: str = ""


class SchedulePart(_Strict):
    """One row of 附表."""

    provider: str = ""
    category: str = ""
    period: str = ""


class FormFile(_Strict):
    """The file as written: words only, so that nothing of it is lost before the review has seen it."""

    addressee: str = ""
    legal_basis: str = LEGAL_BASIS
    approving_authority: str = ""
    business_category: str = ""
    purpose: str = ""
    lead_person: str = ""
    person_count: str = ""
    consent: ConsentPart = Field(default_factory=ConsentPart)
    roster: RosterPart = Field(default_factory=RosterPart)
    contact_name: str = ""
    contact_phone: str = ""
    form_date: str = ""
    schedule: list[SchedulePart] = Field(default_factory=list)
    seal_to_center: str = ""
    unit_consent: UnitPart | None = None
