"""Who takes part: the center, its own resources (部中心) and the provincial verification agencies (省级核对机构).

Codes are those of GB/T 2260, two digits; 新疆生产建设兵团, which has none there, is `66`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pipeline.domain.characters import simplified

CENTER: Final = "center"
"""The hub, 部收入认定中心: it checks, relays and certifies."""

MINISTRY: Final = "00"
"""部中心 as a provider: the center's own resources, asked like any other party."""

EVERYONE: Final = "all"
"""全国 in a schedule row: every party whose catalog entry offers the category."""

EVERYONE_NAME: Final = "全国"
MINISTRY_NAME: Final = "部中心"
CENTER_NAME: Final = "部收入认定中心"


@dataclass(frozen=True, slots=True)
class Party:
    """A provincial verification agency: code `37`, short name 山东, full name 山东省, English Shandong."""

    code: str
    name: str
    full_name: str
    english: str

    @property
    def civil_affairs(self) -> str:
        """The provincial civil affairs department (省级民政部门): 山东省民政厅, 北京市民政局, 新疆生产建设兵团民政局."""
        return self.full_name + ("民政局" if self.full_name.endswith(("市", "兵团")) else "民政厅")


_TABLE = """
11 北京 北京市 Beijing
12 天津 天津市 Tianjin
13 河北 河北省 Hebei
14 山西 山西省 Shanxi
15 内蒙古 内蒙古自治区 Inner Mongolia
21 辽宁 辽宁省 Liaoning
22 吉林 吉林省 Jilin
23 黑龙江 黑龙江省 Heilongjiang
31 上海 上海市 Shanghai
32 江苏 江苏省 Jiangsu
33 浙江 浙江省 Zhejiang
34 安徽 安徽省 Anhui
35 福建 福建省 Fujian
36 江西 江西省 Jiangxi
37 山东 山东省 Shandong
41 河南 河南省 Henan
42 湖北 湖北省 Hubei
43 湖南 湖南省 Hunan
44 广东 广东省 Guangdong
45 广西 广西壮族自治区 Guangxi
46 海南 海南省 Hainan
50 重庆 重庆市 Chongqing
51 四川 四川省 Sichuan
52 贵州 贵州省 Guizhou
53 云南 云南省 Yunnan
54 西藏 西藏自治区 Tibet
61 陕西 陕西省 Shaanxi
62 甘肃 甘肃省 Gansu
63 青海 青海省 Qinghai
64 宁夏 宁夏回族自治区 Ningxia
65 新疆 新疆维吾尔自治区 Xinjiang
66 兵团 新疆生产建设兵团 Xinjiang Production and Construction Corps
"""

PROVINCES: Final[dict[str, Party]] = {
    party.code: party for party in (Party(*line.split(maxsplit=3)) for line in _TABLE.strip().splitlines())
}
"""The 32 requesters, by code, in the order of GB/T 2260."""

_MINISTRY_NAMES: Final = (MINISTRY_NAME, CENTER_NAME, "民政部低收入家庭认定指导中心")
_AGENCY: Final = "低收入家庭经济状况核对指导中心"
"""How the annex, note 2, calls the agency behind 山东: 山东省民政厅低收入家庭经济状况核对指导中心."""

_BY_TEXT: Final[dict[str, str]] = {
    EVERYONE: EVERYONE,
    EVERYONE_NAME: EVERYONE,
    MINISTRY: MINISTRY,
    **dict.fromkeys(_MINISTRY_NAMES, MINISTRY),
    "新疆兵团": "66",
    "生产建设兵团": "66",
    **{
        text: party.code
        for party in PROVINCES.values()
        for text in (party.code, party.name, party.full_name, party.civil_affairs, party.civil_affairs + _AGENCY)
    },
}
"""All that the provider column may say, in simplified characters, each naming one party."""


def is_party(text: str) -> bool:
    """Whether `text` is the code of somebody with inboxes: the center, 部中心 or a province."""
    return text in PROVINCES or text in (CENTER, MINISTRY)


def is_provider(text: str) -> bool:
    """Whether `text` is the code of somebody who may be asked: 部中心 or a province."""
    return text in PROVINCES or text == MINISTRY


def provider_from(text: str) -> str:
    """The provider column (信息提供方) as a code: 全国 → `all`, 部中心 → `00`, 山东, 山東 or 山东省民政厅 → `37`; codes stay.

    Raises ValueError when the text names nobody (annex, note 2).
    """
    try:
        return _BY_TEXT[simplified(text).strip()]
    except KeyError:
        raise ValueError("provider_unknown") from None


def provider_name(code: str) -> str:
    """How the form writes a provider: 全国, 部中心, 山东. Raises KeyError for a code that names nobody."""
    return {EVERYONE: EVERYONE_NAME, MINISTRY: MINISTRY_NAME, CENTER: CENTER_NAME}.get(code) or PROVINCES[code].name


def provider_english(code: str) -> str:
    """The provider's name in English. Raises KeyError for a code that names nobody."""
    names = {EVERYONE: "nation-wide", MINISTRY: "the Ministry's center", CENTER: "the center"}
    return names.get(code) or PROVINCES[code].english


InboxKind = Literal["requests", "responses"]
"""The two inboxes of a party."""


def inbox(party: str, kind: InboxKind) -> str:
    """Name of one of the two topics of a party, e.g. `hedx.37.requests`."""
    return f"hedx.{party}.{kind}"
