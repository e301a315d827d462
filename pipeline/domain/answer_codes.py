"""Statuses and answer codes in words, for officials: how a sub-query ended, and why it was not answered.

A provider's codes are its own (docs/providers.md), so one that is not in the table is shown as it came.
"""

from __future__ import annotations

from typing import Final

from pipeline.domain.wording import Language

STATUS_WORDS: Final[dict[str, tuple[str, str]]] = {
    "found": ("有记录", "found"),
    "no_record": ("查无记录", "no record"),
    "refused": ("拒绝提供", "refused"),
    "unavailable": ("暂不可用", "unavailable"),
    "expired": ("未反馈", "expired"),
    "withdrawn": ("已撤销", "withdrawn"),
    "pending": ("待反馈", "pending"),
}
"""Status as the requester sees it → Chinese and English, in the order in which they are shown."""

STATUS_MARKS: Final[dict[str, tuple[str, str]]] = {
    "refused": ("拒", "R"),
    "unavailable": ("缺", "U"),
    "expired": ("逾", "E"),
    "withdrawn": ("撤", "W"),
}
"""Status of a sub-query without an answer → its mark in a narrow table."""

_BROKEN: Final = ("查询请求损坏或无法解封", "the request is damaged or cannot be opened")

ANSWER_CODES: Final[dict[str, tuple[str, str]]] = {
    # what a provider's registers, rules and limits say
    "not_identifiable": ("无证件，登记系统无法识别此人", "without a document the register cannot identify the person"),
    "protected_person": ("依法保护的人员，不予提供", "the person's records are closed by law"),
    "sharing_suspended": ("提供方暂停共享此类信息", "the provider has suspended sharing of this category"),
    "period_not_covered": ("提供方的数据不支持所查时间范围", "the provider's data do not cover the period asked for"),
    "record_unreadable": ("登记数据有误，无法提供", "the register's record cannot be read"),
    "category_not_offered": ("提供方不提供此类信息", "the provider does not offer this category"),
    "answer_too_large": ("此人记录过多，超过单条反馈上限", "the person's records exceed the limit of one answer"),
    "force_majeure": ("因不可抗力或其他客观原因，经商定不再等待", "force majeure: it was agreed not to wait for it"),
    "provider_suspended": ("提供方已暂停联网", "the provider is suspended from the exchange"),
    # a record that does not fit what its provider reported for the catalog
    "answer_status": ("反馈状态与内容不符", "the answer's status contradicts its content"),
    "answer_item_unknown": ("记录含资源目录未列的内容项", "the record has an item that the catalog does not list"),
    "answer_item_repeated": ("记录的内容项重复", "the record has an item twice"),
    "answer_item_missing": ("记录缺少资源目录规定的必填项", "the record lacks an item that the catalog requires"),
    "answer_type": ("记录的内容项类型与资源目录不符", "an item of the record is not of the catalog's type"),
    "release_unknown": ("提供方没有此版资源目录", "the provider does not know this catalog release"),
    # a request that the provider does not accept
    "mandate_invalid": ("委托的签名无效", "the mandate's signature does not hold"),
    "mandate_expired": ("委托已过有效期", "the mandate has expired"),
    "section_root_mismatch": ("名单与签名委托不一致", "the persons are not those of the signed mandate"),
    "header_contradicts_mandate": ("请求与签名委托不一致", "the request contradicts the signed mandate"),
    "acceptance_missing": ("缺少部中心的受理决定", "the center's acceptance is missing"),
    "acceptance_invalid": ("部中心受理决定的签名无效", "the signature of the center's acceptance does not hold"),
    "acceptance_mismatch": ("受理决定与签名委托不一致", "the center's acceptance contradicts the signed mandate"),
    "reply_key_reused": ("回复密钥已用于另一委托", "the reply key was used under another mandate"),
    "recheck_origin_invalid": ("复核缺少有效的原申请证明", "there is no valid proof of what the re-check is of"),
    "recheck_beyond_original": ("复核超出原申请的人员或内容", "the re-check asks for more than its original did"),
    "stage_failed": ("提供方处理请求时出错", "the provider failed in working on the request"),
    "key_off_curve": ("回复密钥无效", "the reply key is invalid"),
    **dict.fromkeys(
        (
            "seal_missing",
            "seal_invalid",
            "unseal_failed",
            "not_a_recipient",
            "key_commitment_mismatch",
            "decrypt_failed",
            "padding_invalid",
            "record_invalid",
            "size_mismatch",
            "count_mismatch",
            "avro_invalid",
            "schema_unknown",
            "schema_unexpected",
        ),
        _BROKEN,
    ),
}
"""Code of a refused or unavailable sub-query → why, in Chinese and English."""


def explain_code(code: str | None, lang: Language = "zh") -> str:
    """Why a sub-query was refused or is unavailable; the code itself when it is a provider's own, "" for None."""
    return ANSWER_CODES[code][lang == "en"] if code in ANSWER_CODES else code or ""


def status_words(status: str, lang: Language = "zh") -> str:
    """A status in words. `done`, which only the center says, is 已反馈, answered."""
    return STATUS_WORDS.get(status, ("已反馈", "answered"))[lang == "en"]
