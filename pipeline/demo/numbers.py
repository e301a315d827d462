"""Document numbers for made-up people, right in every check digit, none used twice."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from random import Random

from pipeline.domain.identity import make_resident_id

REGIONS = {
    "37": ("370102", "370203", "370613", "371302", "371724"),
    "32": ("320102", "320311", "320583", "320902", "321322"),
    "53": ("530102", "530302", "530602", "532503", "532901", "533102", "530921"),
    "11": ("110101", "110112", "110229"),
    "44": ("440106", "440305", "441284", "445122"),
    "51": ("510104", "511921", "513428"),
}
RETIRED = ("532101", "533321", "530121", "370284", "512323", "320107")
"""Region codes of places that were renamed, merged or moved; they stay in the numbers of those born there."""

SPECIAL_REGIONS = ("810000", "820000", "830000")
"""Hong Kong, Macao, Taiwan: residence permits (港澳台居民居住证)."""

_USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"


class Numbers:
    """Hands out unused numbers; those in `used` are taken."""

    def __init__(self, random: Random, used: Iterable[str] = ()) -> None:
        self._random = random
        self._used = set(used)

    def resident_id(self, region: str, born: date, female: bool, *, ending: str | None = None) -> str:
        """A resident ID (居民身份证); `ending` asks for one check character, e.g. X."""
        while True:
            order = self._random.randrange(1, 499) * 2 + (not female)
            number = make_resident_id(region, born, order)
            if number not in self._used and ending in (None, number[-1]):
                self._used.add(number)
                return number

    def birth_certificate(self, born: date, province: str) -> str:
        """An unused birth certificate number (出生医学证明): a letter, two digits of the province, seven more."""
        while True:
            number = f"{'STUVW'[born.year % 5]}{province}{self._random.randrange(10**7):07}"
            if number not in self._used:
                self._used.add(number)
                return number


def credit_code(random: Random, region: str) -> str:
    """A 统一社会信用代码 (GB 32100) of a company in `region`, check character right."""
    first17 = f"91{region}MA" + "".join(random.choice(_USCC) for _ in range(7))
    total = sum(_USCC.index(character) * pow(3, n, 31) for n, character in enumerate(first17))
    return first17 + _USCC[-total % 31]
