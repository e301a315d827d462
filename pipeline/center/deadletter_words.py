"""What a dead letter's code means, and what most likely cures it, in Chinese and English.

The codes are those of docs/envelope.md, section 13; a cure is for the operator of the center. Many codes have one cause.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline.settings import Language

Words = tuple[str, str]
"""Chinese, English."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What lies behind a family of codes, and whether putting the message back may help once that is mended."""

    cure: Words
    replay: bool


JUNK: Final = Cause(
    (
        "不是有效的封装：由发送方查明其软件版本；无人署名的垃圾消息可作废",
        "no envelope of the exchange: let who claims to have sent it check its software; junk that nobody signed can be discarded",
    ),
    replay=False,
)
KEYS: Final = Cause(
    (
        "核对该方证书：是否已签发、公布（hedx ca publish）、由各方见证（hedx ca witnesses），以及本机时钟；随后可重放",
        "look at the party's certificates: issued, published (hedx ca publish), witnessed (hedx ca witnesses)? and at the clock here;"
        " then replay",
    ),
    replay=True,
)
REVOKED: Final = Cause(
    (
        "吊销或暂停后不再受理：确属该方误吊销的，恢复或换证后由其重新发送；不宜重放",
        "a revoked or suspended party is not heard: if that was wrong, resume it or renew its certificate, and it sends anew",
    ),
    replay=False,
)
CLOCK: Final = Cause(
    (
        "核对两端时钟（hedx doctor）；校准后、有效期内可重放",
        "compare both clocks (hedx doctor); once they are right, and before it expires, replay",
    ),
    replay=True,
)
LATE: Final = Cause(
    (
        "已过有效期：重放无济于事，由发送方重新发送（其发件箱会自行重发）",
        "it has expired: a replay cannot help; its sender's outbox signs it anew by itself",
    ),
    replay=False,
)
VERSION: Final = Cause(
    (
        "两端版本不一致：升级较旧的一端后可重放",
        "the two ends are of different versions: upgrade the older one, then replay",
    ),
    replay=True,
)
CONTENT: Final = Cause(
    (
        "发送方的内容有误，重放结果相同：请该方更正后重新发送，随后作废此条",
        "what the sender wrote is wrong, and stays so: have it corrected and sent anew, then discard this one",
    ),
    replay=False,
)
SEALING: Final = Cause(
    (
        "核对封装密钥：中心密钥是否完整（hedx doctor、docs/signer.md），恢复密钥后可重放；否则由发送方重新封装",
        "look at the seal keys: are the center's all here (hedx doctor, docs/signer.md)? with them restored, replay; else it is sealed anew",
    ),
    replay=True,
)
TAMPERED: Final = Cause(
    (
        "字节与签名不符：查明途中何处改动；原样重放结果相同",
        "the bytes are not what was signed: find out where they were changed; put back as they are they fail again",
    ),
    replay=False,
)
UNKNOWN_CASE: Final = Cause(
    (
        "中心无此申请或请求：确认其状态（hedx trace）；状态恢复后可重放，已结束的作废",
        "the center has no such application or request: look at it (hedx trace); replay once it is known, discard if it is over",
    ),
    replay=True,
)
DEFECT: Final = Cause(
    (
        "中心软件的缺陷：连同 hedx dlq show --raw 的密文一并报告；修复升级后可重放",
        "a defect of the center's software: report it, with the sealed bytes of hedx dlq show --raw; upgrade, then replay",
    ),
    replay=True,
)
CATALOG: Final = Cause(
    (
        "资源目录版本未到：核对 hedx catalog list；公布后可重放",
        "the catalog release is not known here: look at hedx catalog list; once it is published, replay",
    ),
    replay=True,
)
CALENDAR: Final = Cause(
    (
        "该年工作日未知：补充日历文件（hedx calendar check），重启后可重放",
        "the year's working days are not known: add its calendar file (hedx calendar check), restart, then replay",
    ),
    replay=True,
)
UNEXPLAINED: Final = Cause(
    ("查看详情与日志；不清楚原因时不要重放", "look at the detail and the log; do not replay what is not understood"),
    replay=False,
)

CODES: Final[dict[str, tuple[Words, Cause]]] = {
    "size": (("超过大小上限", "larger than may be"), JUNK),
    "cbor_invalid": (("编码不合规", "not CBOR of the subset"), JUNK),
    "envelope_invalid": (("不是封装的形式", "not of an envelope's form"), JUNK),
    "cose_invalid": (("签名对象形式有误", "not a signed object's form"), JUNK),
    "type_mismatch": (("签名对象类型不符", "a signed object of another type"), JUNK),
    "suite_unknown": (("密码套件未知", "an unknown suite"), VERSION),
    "suite_below_minimum": (("密码套件低于该方下限", "a suite below the party's lowest"), VERSION),
    "schema_unknown": (("记录版本未知", "a record of a version that is not known here"), VERSION),
    "certificate_unknown": (("证书未知", "its certificate is not known here"), KEYS),
    "certificate_invalid": (("证书链或用途无效", "its certificate's chain, key, use or name does not hold"), KEYS),
    "certificate_not_logged": (("证书未入日志", "its certificate is not in the log"), KEYS),
    "certificate_expired": (("证书已过期或尚未生效", "its certificate is out of its time"), KEYS),
    "usage_not_allowed": (("证书用途不符", "signed with the wrong one of the party's certificates"), CONTENT),
    "role_not_allowed": (("该角色不得签署此类", "its role may not sign this type"), CONTENT),
    "issuer_mismatch": (("签发方与证书不符", "its issuer is not the certificate's party"), CONTENT),
    "certificate_revoked": (("证书已吊销", "its certificate is revoked"), REVOKED),
    "party_suspended": (("该方已暂停", "the party is suspended"), REVOKED),
    "party_unknown": (("该方未登记", "a party without trust entry"), KEYS),
    "audience_mismatch": (("不是发给本方的", "meant for another reader"), CONTENT),
    "issued_in_future": (("签发时间在未来", "issued in the future"), CLOCK),
    "lifetime_too_long": (("有效期过长", "good for longer than may be"), CONTENT),
    "expired": (("已过有效期", "it has expired"), LATE),
    "mandate_expired": (("授权已过期", "its mandate has ended"), LATE),
    "signature_invalid": (("签名不成立", "its signature does not hold"), TAMPERED),
    "root_mismatch": (("内容与签名的根不符", "its contents are not those that were signed"), TAMPERED),
    "bundle_invalid": (("包的形式有误", "not of a bundle's form"), JUNK),
    "header_invalid": (("包头有误", "a header that is not of the form"), CONTENT),
    "count_mismatch": (("记录数不符", "the number of records is not the header's"), CONTENT),
    "seal_missing": (("缺少封装", "a seal is missing"), CONTENT),
    "seal_unexpected": (("不应有封装", "a seal where there may be none"), CONTENT),
    "size_mismatch": (("填充长度不符", "padding of the wrong size"), CONTENT),
    "sender_mismatch": (("发送方与签发方不符", "its sender is not who signed"), CONTENT),
    "bundle_id_repeated": (("包编号重复", "a bundle id stands twice"), CONTENT),
    "envelope_conflict": (
        ("同一编号下有两份不同内容", "another envelope came under this id before"),
        Cause(
            ("与先到者冲突，先到者有效：请该方核查是否伪造；重放结果相同", "the first stands; ask the party whether it sent both: a replay fails again"),
            replay=False,
        ),
    ),
    "issuer_unexpected": (("发送方不应向此处发送", "its sender has no business here"), CONTENT),
    "kind_unexpected": (("此处不收此类", "of a kind that is not taken here"), CONTENT),
    "header_contradicts_envelope": (("包头与封装矛盾", "its header contradicts its envelope"), CONTENT),
    "header_contradicts_mandate": (("包头与授权矛盾", "its header contradicts the mandate"), CONTENT),
    "seal_invalid": (("封装形式有误", "a seal that is not of the form"), SEALING),
    "not_a_recipient": (("未封装给本方", "not sealed to this reader"), SEALING),
    "key_off_curve": (("密钥点不在曲线上", "a point that is not on the curve"), TAMPERED),
    "unseal_failed": (("无法解封", "it cannot be unsealed"), SEALING),
    "decrypt_failed": (("无法解密", "it cannot be decrypted"), SEALING),
    "key_commitment_mismatch": (("密钥承诺不符", "its key is not the one committed to"), TAMPERED),
    "padding_invalid": (("填充有误", "its padding is wrong"), CONTENT),
    "record_invalid": (("记录形式有误", "a record that is not of the form"), CONTENT),
    "schema_unexpected": (("记录类型不符", "a record of another type than expected"), CONTENT),
    "avro_invalid": (("记录无法解码", "a record that cannot be decoded"), CONTENT),
    "record_out_of_bounds": (("数值超出范围", "numbers out of their bounds"), CONTENT),
    "mandate_invalid": (("授权无效", "its mandate does not hold"), CONTENT),
    "mandate_mismatch": (("授权不是该申请的", "its mandate is another one"), CONTENT),
    "mandate_too_long": (("授权期限过长", "its mandate lasts too long"), CONTENT),
    "section_root_mismatch": (("名单与授权不符", "its persons are not those of the mandate"), TAMPERED),
    "section_unknown": (("无此分段", "no such section is known"), UNKNOWN_CASE),
    "sections_contradict": (("各分段相互矛盾", "its sections contradict each other"), CONTENT),
    "form_missing": (("缺少申请表", "the form is missing"), CONTENT),
    "recheck_origin_invalid": (("复核依据无效", "a re-check whose origin does not hold"), CONTENT),
    "recheck_beyond_original": (("复核超出原申请", "a re-check beyond its original"), CONTENT),
    "receipt_count": (("回执数不符", "not one receipt"), CONTENT),
    "receipt_invalid": (("回执无效", "a receipt that does not hold"), CONTENT),
    "act_count": (("行为数不符", "not one act"), CONTENT),
    "act_unknown": (("行为类型未知", "an act of an unknown type"), VERSION),
    "act_invalid": (("行为内容有误", "an act that does not speak for its signer"), CONTENT),
    "act_unexpected": (("此处不收此行为", "an act that is not taken here"), CONTENT),
    "act_misdirected": (("行为方向有误", "an act for somebody else"), CONTENT),
    "act_unfounded": (("行为没有依据", "an act without what it rests on"), CONTENT),
    "ack_invalid": (("撤回确认不成立", "an acknowledgement of no withdrawal that stands"), CONTENT),
    "delay_out_of_scope": (("延期超出所问", "a delay of rows that were not asked"), CONTENT),
    "delay_invalid": (("延期不成立", "a delay that is none, or one too many"), CONTENT),
    "answer_out_of_scope": (("答复超出所问", "an answer to what was not asked"), CONTENT),
    "application_unknown": (("申请未知", "an application that is not known here"), UNKNOWN_CASE),
    "evidence_unknown": (("无此材料请求", "no request for documents that is open"), UNKNOWN_CASE),
    "evidence_too_many": (("材料过多", "more documents than may be"), CONTENT),
    "event_not_allowed": (("当前状态不允许", "not allowed in the state that the application is in"), UNKNOWN_CASE),
    "manifest_mismatch": (("目录清单不符", "a release whose entries are not there"), CATALOG),
    "calendar_unknown": (("工作日未知", "the working days of that time are not known"), CALENDAR),
    "acceptance_missing": (("缺少受理回执", "the center's acceptance is missing"), CONTENT),
    "acceptance_invalid": (("受理回执无效", "an acceptance that does not hold"), CONTENT),
    "acceptance_mismatch": (("受理回执与授权不符", "an acceptance of something else"), CONTENT),
    "reply_key_reused": (("回复密钥用于两份授权", "its reply key was seen under another mandate"), CONTENT),
    "relay_count": (("转送记录数不符", "not one relayed record"), CONTENT),
    "relay_invalid": (("转送形式有误", "not of a relay's form"), CONTENT),
    "relay_misdirected": (("转送方向有误", "an answer for somebody else"), CONTENT),
    "path_invalid": (("路径不通向签名的根", "its path does not lead to what was signed"), TAMPERED),
    "stage_failed": (("环节处理出错", "the stage failed on it"), DEFECT),
    "effects_too_large": (("处理结果超过一次事务", "what it brings about does not fit in a transaction"), DEFECT),
    "letter_unreadable": (("死信说明无法读取", "the letter's own story cannot be read"), VERSION),
}  # fmt: skip
"""Code → what it means, and the cause behind it."""

UNPROVED: Final = frozenset(
    (
        "size", "cbor_invalid", "envelope_invalid", "cose_invalid", "type_mismatch", "suite_unknown", "suite_below_minimum",
        "certificate_unknown", "certificate_invalid", "certificate_expired", "certificate_revoked", "usage_not_allowed",
        "role_not_allowed", "issuer_mismatch", "audience_mismatch", "issued_in_future", "lifetime_too_long", "expired",
        "signature_invalid", "root_mismatch", "bundle_invalid",
    )
)  # fmt: skip
"""Codes of the steps before an envelope's signature and root hold: that its issuer sent it cannot be shown."""


def meaning(code: str, lang: Language) -> str:
    """What the code says; the code itself where nobody wrote words for it."""
    words = CODES.get(code, ((code, code), UNEXPLAINED))[0]
    return words[lang == "en"]


def likely_cure(code: str, lang: Language) -> str:
    """What most likely cures it."""
    return CODES.get(code, (None, UNEXPLAINED))[1].cure[lang == "en"]


def may_help(code: str) -> bool:
    """Whether a replay can end otherwise, once the cause is mended."""
    return CODES.get(code, (None, UNEXPLAINED))[1].replay
