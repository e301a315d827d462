"""What registers say about made-up people, in the items of the ten categories of Art. 3.

One function a category: from a resident to rows, each with every item the category may have. Values are those of an
answer (see `province.values`), except that dates are `date` and decimals may be numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from pipeline.demo.numbers import credit_code
from pipeline.demo.population import Resident
from pipeline.domain.parties import MINISTRY, PROVINCES

Stored = None | bool | int | float | str | date


@dataclass(slots=True)
class Row:
    """One row of a register: its items, whom it is about (one number per key column), and how long it holds."""

    items: dict[str, Stored]
    numbers: tuple[str, ...]
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """Who keeps the register, and up to which day."""

    party: str
    as_of: date
    random: Random

    @property
    def place(self) -> str:
        """The province's full name; 民政部 for 部中心."""
        return "民政部" if self.party == MINISTRY else PROVINCES[self.party].full_name

    def chance(self, likely: float) -> bool:
        """True with probability `likely`."""
        return self.random.random() < likely

    def at_home(self, who: Resident, here: float, elsewhere: float) -> bool:
        """Whether the register has the person: more likely one of the person's own province, or a national one."""
        return self.chance(here if self.party in (who.home, MINISTRY) else elsewhere)

    def day(self, first: int, last: int = 0) -> date:
        """A day from `first` to `last` days before the register's newest day."""
        return self.as_of - timedelta(days=self.random.randrange(last, first))

    def money(self, low: int, high: int) -> float:
        """An amount with cents, some of them round."""
        amount = self.random.randrange(low * 100, high * 100)
        return (amount // 10000 * 10000 if self.chance(0.3) else amount) / 100

    def alive(self, who: Resident) -> bool:
        """Whether the person lives on the register's newest day."""
        return who.died is None or who.died > self.as_of


def _household_registration(who: Resident, desk: Desk) -> list[Row]:
    if not desk.at_home(who, 0.95, 0.06):
        return []
    moved = who.home != desk.party and desk.party != MINISTRY
    number = f"{desk.party}{int(who.household[1:]):07}"
    address = f"{desk.place}第{desk.random.randrange(1, 60)}居委会{desk.random.randrange(1, 400)}号"
    status = "注销" if not desk.alive(who) else "迁出" if moved else "在册"
    items: dict[str, Stored] = {
        "household_number": number,
        "registered_name": who.name,
        "former_name": who.former_name,
        "relation": who.relation,
        "address": address,
        "status": status,
    }
    until = who.died if status == "注销" else desk.day(3000, 30) if moved else None
    return [Row(items, (who.document_number,), since=who.born, until=until)]


def _marriage(who: Resident, desk: Desk) -> list[Row]:
    spouse = who.spouse
    if spouse is None or who.female or not desk.at_home(who, 0.96, 0.05):  # written once, at the husband
        return []
    youngest = max(who.born, spouse.born)
    married = youngest + timedelta(days=desk.random.randrange(20 * 366, 21 * 366))
    days = [(married, "结婚登记")]
    if desk.chance(0.12) and married + timedelta(days=900) < desk.as_of:
        days += [(married + timedelta(days=400), "离婚登记"), (married + timedelta(days=900), "复婚登记")]
    authority = f"{PROVINCES[who.home].full_name}第{desk.random.randrange(1, 30)}婚姻登记处"
    return [
        Row(
            {
                "husband": who.name,
                "wife": spouse.name,
                "type": kind,
                "registered_on": day,
                "authority": authority,
                "certificate_number": f"J{who.home}{day:%Y%m%d}{desk.random.randrange(10**4):04}",
            },
            (who.document_number, spouse.document_number),
        )
        for day, kind in days
        if day <= desk.as_of
    ]


def _cremation(who: Resident, desk: Desk) -> list[Row]:
    if who.died is None or who.died > desk.as_of:
        return []
    home = f"{PROVINCES[who.home].full_name}第{desk.random.randrange(1, 9)}殡仪馆"
    burned = who.died + timedelta(days=3)
    return [Row({"died_on": who.died, "cremated_on": burned, "funeral_home": home}, (who.document_number,))]


def _social_insurance(who: Resident, desk: Desk) -> list[Row]:
    age = who.age(desk.as_of)
    certain = "deceased_pensioner" in who.notes and desk.party == who.home
    if age < 16 or not (certain or desk.at_home(who, 0.8, 0.1)):
        return []
    pensioner, employed = age >= 60, age < 60 and desk.chance(0.45)
    insurance = "职工基本养老保险" if employed or (pensioner and desk.chance(0.4)) else "城乡居民基本养老保险"
    base, benefit = desk.money(4000, 14000), desk.money(150, 4200)
    months = [(desk.as_of.replace(day=15) - timedelta(days=30 * n)) for n in range(desk.random.randrange(2, 5))]
    rows = []
    for kind in (insurance, "职工基本医疗保险") if employed else (insurance,):
        for day in months:  # a pension goes on being paid until somebody reports the death
            items: dict[str, Stored] = {
                "insurance": kind,
                "status": "领取待遇" if pensioner else "参保缴费" if desk.chance(0.9) else "暂停缴费",
                "employer": f"{desk.place}第{desk.random.randrange(1, 90)}服务公司" if employed else None,
                "settled_on": day,
                "contribution_base": None if pensioner else base,
                "monthly_benefit": benefit if pensioner else None,
            }
            rows.append(Row(items, (who.document_number,)))
    return rows


def _real_estate(who: Resident, desk: Desk) -> list[Row]:
    certain = "property_elsewhere" in who.notes and desk.party == "37"
    if not (certain or (who.age(desk.as_of) >= 18 and desk.at_home(who, 0.35, 0.04))):
        return []
    rows = []
    for _ in range(1 if desk.chance(0.85) else 2):
        registered = desk.day(7000, 40)
        sold = registered + timedelta(days=300) if not certain and desk.chance(0.2) else None
        items: dict[str, Stored] = {
            "certificate_number": f"{desk.place[0]}({registered.year})不动产权第{desk.random.randrange(10**7):07}号",
            "location": f"{desk.place}第{desk.random.randrange(1, 99)}街{desk.random.randrange(1, 300)}号",
            "area": desk.random.randrange(2800, 16000) / 100,
            "ownership": "共同共有" if who.spouse else "单独所有",
            "use": "住宅" if desk.chance(0.9) else "商业服务",
            "mortgaged": desk.chance(0.25),
            "seized": desk.chance(0.03),
            "registered_on": registered,
        }
        rows.append(Row(items, (who.document_number,), registered, sold if sold and sold <= desk.as_of else None))
    return rows


def _business(who: Resident, desk: Desk) -> list[Row]:
    if who.age(desk.as_of) < 18 or not desk.at_home(who, 0.07, 0.03):
        return []
    capital, since = desk.random.choice((3, 10, 50, 100, 500)), desk.day(4000, 60)
    closed = desk.chance(0.3)
    items: dict[str, Stored] = {
        "credit_code": credit_code(desk.random, who.region if who.region[0] < "8" else f"{who.home}0100"),
        "company": f"{PROVINCES[who.home].name}{who.name[0]}氏{desk.random.choice(('餐饮', '建材', '商贸'))}有限公司",
        "role": desk.random.choice(("法定代表人", "股东", "个体工商户经营者")),
        "registered_capital": capital,
        "contribution": capital * desk.random.choice((0.1, 0.35, 1)),
        "status": "注销" if closed else "存续",
    }
    return [Row(items, (who.document_number,), since, desk.day(59) if closed else None)]


def _housing_fund(who: Resident, desk: Desk) -> list[Row]:
    if not 20 <= who.age(desk.as_of) < 60 or not desk.at_home(who, 0.3, 0.06):
        return []
    base, balance = desk.money(3000, 12000), desk.money(500, 90000)
    account = f"{desk.party}{desk.random.randrange(10**10):010}"
    days = [(desk.as_of.replace(day=15) - timedelta(days=31 * n)).replace(day=15) for n in range(6)]
    return [
        Row(
            {
                "account": account,
                "base": base,
                "monthly_deposit": round(base * 0.12, 2),
                "balance": round(balance + (5 - n) * base * 0.12, 2),
                "deposited_on": day,
            },
            (who.document_number,),
        )
        for n, day in enumerate(days)
    ]


def _vehicles(who: Resident, desk: Desk) -> list[Row]:
    if who.age(desk.as_of) < 18 or not desk.at_home(who, 0.18, 0.07):
        return []
    ship, since = desk.chance(0.06), desk.day(5000, 30)
    items: dict[str, Stored] = {
        "plate": f"{desk.place[0]}{desk.random.choice('ABCDEFG')}{desk.random.randrange(10**5):05}",
        "kind": "船舶" if ship else "摩托车" if desk.chance(0.4) else "小型汽车",
        "model": "内河货船" if ship else desk.random.choice(("五菱 LZW6450", "长安 SC7133", "豪爵 HJ125")),
        "first_registered_on": since,
        "displacement_ml": None if ship else desk.random.choice((125, 1199, 1485, 1998)),
        "tonnage": desk.random.randrange(20, 900) / 8 if ship else None,
    }
    return [Row(items, (who.document_number,), since, desk.day(29) if desk.chance(0.1) else None)]


def _medical(who: Resident, desk: Desk) -> list[Row]:
    if not desk.alive(who) or not desk.at_home(who, 0.5, 0.08):
        return []
    rows = []
    for _ in range(desk.random.randrange(1, 4)):
        inpatient = desk.chance(0.2)
        total = desk.money(2000, 60000) if inpatient else desk.money(20, 900)
        items: dict[str, Stored] = {
            "visited_on": max(who.born, desk.day(500)),
            "institution": f"{desk.place}第{desk.random.randrange(1, 12)}人民医院",
            "inpatient": inpatient,
            "total_cost": total,
            "own_cost": round(total * 0.37, 2),
        }
        rows.append(Row(items, (who.document_number,)))
    return rows


def _education(who: Resident, desk: Desk) -> list[Row]:
    age = who.age(desk.as_of)
    if not 3 <= age <= 23 or not desk.at_home(who, 0.9, 0.1):
        return []
    stage = "学前" if age < 6 else "小学" if age < 12 else "初中" if age < 15 else "高中" if age < 18 else "高等教育"
    started = date(desk.as_of.year - desk.random.randrange(0, 3), 9, 1)
    items: dict[str, Stored] = {
        "school": f"{desk.place}第{desk.random.randrange(1, 40)}{'幼儿园' if age < 6 else '学校'}",
        "stage": stage,
        "status": "在籍",
        "enrolled_on": started,
        "aid": desk.random.choice((None, 500, 1250, 2000.5)),
    }
    return [Row(items, (who.document_number,), started, None)]


REGISTERS: Mapping[str, Callable[[Resident, Desk], list[Row]]] = {
    "household_registration": _household_registration,
    "marriage": _marriage,
    "cremation": _cremation,
    "social_insurance": _social_insurance,
    "real_estate": _real_estate,
    "business": _business,
    "housing_fund": _housing_fund,
    "vehicles": _vehicles,
    "medical": _medical,
    "education": _education,
}
"""Category -> what a desk has on a resident, in a random but seeded way."""
