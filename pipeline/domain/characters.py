"""Traditional characters (繁体字) of the words a form is made of, as their simplified ones.

Not a conversion of Chinese: only characters of the words that HEDX itself compares (provinces, categories, labels of the
annex, names of businesses), so that 山東 and 戶籍 are read as what they say. Text of people's own, a name above all, is
never converted.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_PAIRS: Final = """
國国 內内 詢询 屬属 東东 遼辽 寧宁 龍龙 蘇苏 廣广 壯壮 慶庆 貴贵 雲云 陝陕 肅肃 維维 爾尔 區区 產产 産产 設设 團团 廳厅 縣县 級级 認认 導导
戶户 戸户 記记 遺遗 體体 會会 險险 動动 積积 車车 醫医 療疗 單单 據据 審审 機机 關关 業业 務务 類类 別别 牽牵 頭头 員员 數数 權权 聯联 繫系
係系 絡络 電电 話话 範范 圍围 時时 間间 對对 構构 暫暂 辦办 號号 災灾 養养 臨临 術术 濟济 經经 狀状 況况 於于 離离 長长 額额 與与 託托 請请
為为 爲为 個个 歷历 曆历 後后 負负 責责 質质 復复 覆复 貧贫 殘残 補补 貼贴 兒儿 齡龄 層层 劃划 規规 則则 實实 當当 過过 從从 應应 錄录 給给
爭争 極极 訴诉 訟讼 貸贷 徵征 銷销 調调
"""
_TABLE: Final = str.maketrans({pair[0]: pair[1] for pair in _PAIRS.split()})


def in_simplified(text: str) -> str:
    """The text with the known traditional characters replaced, and nothing else: for what is kept as it was written."""
    return text.translate(_TABLE)


def simplified(text: str) -> str:
    """The text with the known traditional characters, and full-width forms, replaced; anything else as it stands."""
    return unicodedata.normalize("NFKC", text).translate(_TABLE)
