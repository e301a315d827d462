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
}
CONSENT_KEYS: Final = {"已取得": "held", "范围": "scope"}
ROSTER_KEYS: Final = {"提交日期": "date", "电子数据": "dataset"}
ROW_KEYS: Final = {"信息提供方": "provider", "内容类别": "category", "时间范围": "period"}


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
