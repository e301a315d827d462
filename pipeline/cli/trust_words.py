"""Words of the certificate authority's commands for officials, and how they write instants and serial numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pipeline.center.registry_rows import Certificate
from pipeline.domain.parties import is_party, provider_english, provider_name
from pipeline.domain.wording import Language
from pipeline.stages.clock import local_time

LABELS: Final[dict[str, tuple[str, str]]] = {
    "party": ("成员", "party"),
    "name": ("名称", "name"),
    "usage": ("用途", "usage"),
    "serial": ("序列号", "serial"),
    "state": ("状态", "state"),
    "not_before": ("生效时间", "from"),
    "not_after": ("到期时间", "until"),
    "days_left": ("剩余天数", "days left"),
    "file": ("文件", "file"),
    "number": ("登记序号", "entry number"),
    "suspended": ("是否暂停", "suspended"),
    "addresses": ("登记地址", "addresses"),
    "certificates": ("有效证书数", "valid certificates"),
    "address": ("地址", "address"),
    "since": ("启用时间", "in use from"),
    "until": ("停用时间", "in use until"),
    "filed_at": ("报备时间", "filed at"),
    "in_force": ("是否在用", "in force"),
    "filed_late": ("是否迟报", "filed late"),
    "at": ("时间", "at"),
    "kind": ("事项", "what"),
    "detail": ("说明", "detail"),
    "records": ("已发布记录数", "records published"),
    "rights_changed": ("已更改的访问控制规则", "rights changed"),
    "reason": ("原因", "reason"),
    "digest": ("摘要", "SHA-256"),
    "request": ("证书请求摘要", "request's SHA-256"),
    "crl": ("吊销列表编号", "revocation list"),
    "revoked": ("已吊销证书数", "revoked certificates"),
    "next_update": ("下次更新不迟于", "next one due by"),
    "fingerprint": ("指纹", "SHA-256 fingerprint"),
    "folder": ("文件夹", "folder"),
    "replaced": ("所替换证书", "replaces"),
    "leaves": ("新增日志条数", "new lines of the trust log"),
    "entries": ("新增或更新的登记", "new or newer entries"),
    "revocations": ("新增吊销", "new revocations"),
    "size": ("信任日志条数", "lines of the trust log"),
    "believed": ("已被采信条数", "of these believed"),
    "witnessed": ("已见证条数", "has witnessed"),
    "finding": ("情况", "finding"),
    "cure": ("处置", "cure"),
    "severity": ("级别", "severity"),
    "application": ("书面申请", "written application"),
    "filing": ("备案", "filing"),
    "inspected": ("最近检测", "last inspected"),
    "document": ("文件", "document"),
    "document_number": ("文号", "document's number"),
    "date": ("日期", "date"),
}
"""Key of a result in JSON → its label."""

VALUES: Final[dict[str, tuple[str, str]]] = {
    "sign": ("签名", "sign"),
    "encrypt": ("加密", "encrypt"),
    "tls": ("传输", "tls"),
    "valid": ("有效", "valid"),
    "not yet valid": ("未生效", "not yet valid"),
    "expired": ("已过期", "expired"),
    "revoked": ("已吊销", "revoked"),
    "registered": ("登记", "registered"),
    "suspended": ("暂停联网", "suspended"),
    "resumed": ("恢复联网", "resumed"),
    "address added": ("增加地址", "address added"),
    "address changed": ("变更地址", "address changed"),
    "certificate issued": ("签发证书", "certificate issued"),
    "certificate renewed": ("更新证书", "certificate renewed"),
    "certificate revoked": ("吊销证书", "certificate revoked"),
    "application recorded": ("登记书面申请", "application recorded"),
    "filing recorded": ("登记备案", "filing recorded"),
    "conformance": ("入网检测", "conformance check"),
    "inspection": ("巡检", "inspection"),
    "founding": ("登记前已联网", "connected before this registry"),
    "notice": ("提示", "notice"),
    "warning": ("警告", "warning"),
    "alarm": ("告警", "alarm"),
}
"""A value in JSON → what officials read."""


def label(key: str, lang: Language) -> str:
    """The words for a key."""
    return LABELS[key][lang == "en"]


def said(value: str, lang: Language) -> str:
    """The words for a value; what has none stays."""
    return VALUES[value][lang == "en"] if value in VALUES else value


def labelled(record: Mapping[str, object], lang: Language) -> dict[str, object]:
    """A record for a reader: labels for keys, words for values, no `None`."""
    shown = {}
    for key, value in record.items():
        text = said(value, lang) if isinstance(value, str) else value
        text = ", ".join(value) if isinstance(value, list) and key == "addresses" else text
        shown[label(key, lang)] = _yes_no(text, lang) if isinstance(text, bool) else text
    return shown


def who(owner: str, lang: Language) -> str:
    """A party as people know it; `broker`, `admin` and `ops` stay."""
    if not is_party(owner):
        return owner
    return provider_english(owner) if lang == "en" else provider_name(owner)


def row_of(certificate: Certificate, now: int) -> dict[str, object]:
    """A certificate in a listing; times in ms."""
    return {
        "party": certificate.owner,
        "usage": certificate.usage,
        "serial": certificate.serial,
        "state": certificate.state(now),
        "not_before": certificate.not_before,
        "not_after": certificate.not_after,
        "days_left": certificate.days_left(now),
    }


def timed(record: Mapping[str, object]) -> dict[str, object]:
    """The record with its instants (ms) as people write them."""
    times = {"not_before", "not_after", "since", "until", "filed_at", "at", "next_update"}
    return {
        key: local_time(value) if key in times and isinstance(value, int) else value for key, value in record.items()
    }


def _yes_no(value: bool, lang: Language) -> str:
    return ("yes" if value else "no") if lang == "en" else ("是" if value else "否")
