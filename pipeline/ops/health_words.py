"""The words for findings, and the cure for each, in Chinese and English."""

from __future__ import annotations

from typing import Final

from pipeline.domain.wording import Language
from pipeline.ops.health import Finding
from pipeline.ops.health_words_seen import SEEN_FINDINGS

Words = tuple[str, str]

USAGES: Final[dict[str, Words]] = {
    "sign": ("签名", "signing"),
    "encrypt": ("加密", "encryption"),
    "tls": ("传输", "TLS"),
}

_RENEW: Final[Words] = (
    "在该方执行 hedx party request，中心执行 hedx ca renew 和 hedx ca publish，再执行 hedx party install",
    "hedx party request there, hedx ca renew and hedx ca publish at the center, then hedx party install",
)
_ISSUING: Final[Words] = (
    "取出离线根，执行 hedx ca renew-issuing --root，把新的信任锚交给各方，再执行 hedx ca switch-issuing",
    "fetch the offline root, hedx ca renew-issuing --root, hand every party the new anchor, then hedx ca switch-issuing",
)
_ROOT: Final[Words] = (
    "建立新的根并向各方重新交付信任锚（见 docs/authority.md）",
    "found a new root and hand every party a new anchor (docs/authority.md)",
)
_CRL: Final[Words] = (
    "执行 hedx ca crl --publish，并检查每日定时任务",
    "hedx ca crl --publish, and look why the daily timer did not",
)
_ADAPTER: Final[Words] = (
    "该方的处理进程未运行：启动 hedx province run，密钥会自动轮换；中心执行 hedx party keys --party center --publish",
    "start hedx province run, which rotates it by itself; at the center hedx party keys --party center --publish",
)

FINDINGS: Final[dict[str, tuple[Words, Words]]] = {
    "certificate_expires": (
        ("{party} 的{usage}证书 {days} 天后到期", "{party}: the {usage} certificate expires in {days} days"),
        _RENEW,
    ),
    "certificate_expired": (
        ("{party} 的{usage}证书已过期 {days} 天", "{party}: the {usage} certificate expired {days} days ago"),
        _RENEW,
    ),
    "certificate_revoked": (
        ("{party} 的{usage}证书已吊销，没有可用的新证书", "{party}: the {usage} certificate is revoked, with none after it"),
        (
            "在该方执行 hedx party request，中心执行 hedx ca issue 和 hedx ca publish，再执行 hedx party install",
            "hedx party request there, hedx ca issue and hedx ca publish at the center, then hedx party install",
        ),
    ),
    "issuing_expires": (("签发 CA {days} 天后到期", "the issuing CA expires in {days} days"), _ISSUING),
    "issuing_expired": (("签发 CA 已过期 {days} 天", "the issuing CA expired {days} days ago"), _ISSUING),
    "root_expires": (("根证书 {days} 天后到期", "the root expires in {days} days"), _ROOT),
    "root_expired": (("根证书已过期 {days} 天", "the root expired {days} days ago"), _ROOT),
    "crl_stale": (
        (
            "第 {number} 号吊销列表已超期 {days} 天：各方暂停处理一切新消息，不丢失",
            "revocation list {number} is {days} days past its time: all parties wait with everything new, nothing is lost",
        ),
        _CRL,
    ),
    "crl_old": (
        (
            "第 {number} 号吊销列表已超过一天未更新，{days} 天后失效",
            "revocation list {number} was not renewed for more than a day; {days} days are left",
        ),
        _CRL,
    ),
    "seal_key_old": (
        ("{party} 的第 {number} 号封装密钥 {days} 天后到期，尚无后继", "{party}: seal key {number} ends in {days} days and has no successor"),
        _ADAPTER,
    ),
    "seal_key_expired": (
        ("{party} 的第 {number} 号封装密钥已过期 {days} 天", "{party}: seal key {number} ended {days} days ago"),
        _ADAPTER,
    ),
    "file_open": (
        ("{subject} 可被他人访问（权限 {mode}）", "{subject} is open to others (mode {mode})"),
        ("执行 chmod go= {subject}；若他人可能已读取，应吊销并更换密钥", "chmod go= {subject}; if somebody may have read it, revoke and renew"),
    ),
    "file_foreign": (
        ("{subject} 属于其他用户", "{subject} belongs to another user"),
        ("执行 chown，使其归运行本系统的用户所有", "chown it to the user that runs this"),
    ),
    "request_waits": (
        ("{party} 的{usage}证书请求已等待 {days} 天", "{party}: the request for a {usage} certificate has waited for {days} days"),
        ("向中心催办，或用 hedx party install 安装已收到的证书", "ask the center, or hedx party install what has come"),
    ),
    **SEEN_FINDINGS,
}  # fmt: skip
"""Code → what is the matter, and the cure."""


def told(finding: Finding, lang: Language) -> str:
    """What is the matter."""
    return _filled(FINDINGS[finding.code][0], finding, lang)


def cure(finding: Finding, lang: Language) -> str:
    """What to do about it."""
    return _filled(FINDINGS[finding.code][1], finding, lang)


def _filled(words: Words, finding: Finding, lang: Language) -> str:
    usage = USAGES.get(str(finding.args.get("usage")), ("", ""))[lang == "en"]
    return words[lang == "en"].format(**{**finding.args, "usage": usage, "subject": finding.subject})
