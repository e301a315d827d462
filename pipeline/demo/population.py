"""A made-up population: households of one to six persons with everything that makes real rosters hard.

Seeded: the same arguments give the same people. Ages are reckoned from `today`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

from pipeline.demo import names
from pipeline.demo.numbers import REGIONS, RETIRED, SPECIAL_REGIONS, Numbers
from pipeline.domain.records import DocumentType

_SIZES = (1, 2, 3, 4, 5, 6)
_WEIGHTS = (38, 30, 16, 10, 4, 2)  # 1.6 to 1.9 persons a household is usual; families with children add to it
_ELSEWHERE = ("37", "32", "51", "44", "11")


@dataclass(slots=True, eq=False)
class Resident:
    """One person, with what the registers will know."""

    household: str
    relation: str  # 与户主关系
    name: str
    female: bool
    born: date
    region: str  # six digits, where the number was issued
    home: str  # two digits, where the household lives
    document_type: DocumentType = "resident_id"
    document_number: str = ""
    former_name: str | None = None
    spouse: Resident | None = None
    guardian: Resident | None = None
    died: date | None = None
    notes: set[str] = field(default_factory=set)  # planted edge cases, see `plant`

    def age(self, day: date) -> int:
        """Completed years on `day`."""
        return day.year - self.born.year - ((day.month, day.day) < (self.born.month, self.born.day))


@dataclass(frozen=True, slots=True)
class Population:
    """Households in order; each lists its head first."""

    today: date
    households: list[list[Resident]]

    @property
    def residents(self) -> list[Resident]:
        """Everybody, household by household."""
        return [resident for household in self.households for resident in household]


def generate(
    seed: int, *, today: date, persons: int, households: int | None = None, home: str = "53", prefix: str = "H"
) -> Population:
    """A population of exactly `persons`, in exactly `households` (None: as they come).

    `home` is the province they live in. Raises ValueError when the households could not hold the persons.
    """
    random = Random(f"population {seed}")
    sizes = _sizes(random, persons, households)
    numbers = Numbers(random)
    made = [_household(random, numbers, f"{prefix}{n:05}", size, home, today) for n, size in enumerate(sizes, start=1)]
    return Population(today, made)


def _sizes(random: Random, persons: int, households: int | None) -> list[int]:
    if households is not None:
        if not households <= persons <= 6 * households:
            raise ValueError(f"{persons} persons do not fit {households} households of 1 to 6")
        sizes = [1] * households
        while sum(sizes) < persons:
            at = random.randrange(households if sum(sizes) > 5 * households else households // 2 + 1)
            sizes[at] += sizes[at] < 6
        random.shuffle(sizes)
        return sizes
    sizes = []
    while (left := persons - sum(sizes)) > 0:
        sizes.append(min(left, random.choices(_SIZES, _WEIGHTS)[0]))
    return sizes


def _household(random: Random, numbers: Numbers, key: str, size: int, home: str, today: date) -> list[Resident]:
    head = _adult(random, key, "户主", home, today, random.randrange(24, 86), random.random() < 0.42)
    people = [head]
    if size > 1 and random.random() < 0.8:
        age = max(21, head.age(today) + random.randrange(-6, 7))
        spouse = _adult(random, key, "配偶", home, today, age, not head.female)
        head.spouse, spouse.spouse = spouse, head
        people.append(spouse)
    family = head.name.split("·")[0] if "·" in head.name else _surname_of(head.name)
    while len(people) < size:
        people.append(_relative(random, key, head, family, home, today))
    for person in people:
        _document(random, numbers, person, today)
    for person in people:
        if person.age(today) < 19:  # some of 18 were younger when consent was given
            adults = (p for p in people if p.age(today) >= 21 and p.document_type == "resident_id")
            person.guardian = next(adults, head)
    return people


def _surname_of(name: str) -> str:
    return name[:2] if name[:2] in names.COMPOUND_SURNAMES else name[0]


def _adult(random: Random, key: str, relation: str, home: str, today: date, age: int, female: bool) -> Resident:
    dotted = random.random() < 0.05
    name = random.choice(names.DOTTED[female]) if dotted else names.surname(random) + names.given_name(random, female)
    former = name[0] + names.given_name(random, female) if not dotted and random.random() < 0.03 else None
    return Resident(
        key, relation, name, female, _birthday(random, today, age), _region(random, home), home, former_name=former
    )


def _relative(random: Random, key: str, head: Resident, family: str, home: str, today: date) -> Resident:
    """A child of the head, or for a head too young to have one, or now and then, a parent."""
    age = head.age(today)
    female = random.random() < 0.5
    if age < 25 or (age < 60 and random.random() < 0.15):
        return _adult(
            random, key, "母" if female else "父", home, today, min(96, age + random.randrange(21, 34)), female
        )
    child_age = max(0, age - random.randrange(21, 40))
    if age > 55 and random.random() < 0.25:
        child_age, relation = random.randrange(0, 17), "孙女" if female else "孙子"
    else:
        relation = "女" if female else "子"
    child = _adult(random, key, relation, home, today, child_age, female)
    child.former_name = None
    if "·" not in child.name and "·" not in head.name:
        child.name = family + names.given_name(random, female)
    return child


def _birthday(random: Random, today: date, age: int) -> date:
    """A day of birth for somebody who is `age` completed years old today."""
    try:
        latest = today.replace(year=today.year - age)
    except ValueError:  # 29 February
        latest = today.replace(year=today.year - age, day=28)
    return latest - timedelta(days=random.randrange(0, 364))


def _region(random: Random, home: str) -> str:
    lot = random.random()
    if lot < 0.04:
        return random.choice(RETIRED)
    return random.choice(REGIONS[random.choice(_ELSEWHERE)] if lot < 0.16 else REGIONS[home])


def _document(random: Random, numbers: Numbers, person: Resident, today: date) -> None:
    infant = (today - person.born).days < 365 and person.relation != "户主"
    if infant and random.random() < 0.7:
        if random.random() < 0.4:
            person.document_type = "none"
        else:
            person.document_type = "birth_certificate"
            person.document_number = numbers.birth_certificate(person.born, person.home)
        return
    if person.relation == "配偶" and random.random() < 0.03:
        person.document_type = "residence_permit"
        person.region = random.choice(SPECIAL_REGIONS)
    if person.region in RETIRED and person.born.year > 1995:
        person.region = random.choice(REGIONS[person.home])
    person.document_number = numbers.resident_id(person.region, person.born, person.female)


def plant(population: Population, seed: int) -> None:
    """Put every edge case into a population of at least 12 households that may lack some.

    Notes set: `namesake` (two persons of one name), `deceased_pensioner`, `property_elsewhere` (in 山东), `renamed`,
    `rare_name`, `dotted_name`, `retired_region`, `check_x`, `permit`, `infant_certificate`, `infant_without`.
    """
    random = Random(f"edge cases {seed}")
    numbers = Numbers(random, (resident.document_number for resident in population.residents))
    today = population.today
    heads = [household[0] for household in population.households]
    single = [h[0] for h in population.households if len(h) == 1]
    first, second = heads[0], next(h for h in heads[1:] if h.female == heads[0].female)
    second.name = first.name
    _note("namesake", first, second)
    elder = single[0] if single else heads[2]
    elder.born = _birthday(random, today, 83)
    elder.region = random.choice(REGIONS[elder.home])
    elder.document_number = numbers.resident_id(elder.region, elder.born, elder.female)
    elder.died = today - timedelta(days=85)
    _note("deceased_pensioner", elder)
    free = [h for h in heads if not h.notes]
    _note("property_elsewhere", free[0])
    free[1].former_name = _surname_of(free[1].name) + names.given_name(random, free[1].female)
    _note("renamed", free[1])
    free[2].name = _surname_of(free[2].name) + "𬭚䶮"
    _note("rare_name", free[2])
    free[3].name = names.DOTTED[free[3].female][0]
    _note("dotted_name", free[3])
    free[4].born, free[4].region = _birthday(random, today, 61), RETIRED[0]
    free[4].document_number = numbers.resident_id(RETIRED[0], free[4].born, free[4].female)
    _note("retired_region", free[4])
    free[5].document_number = numbers.resident_id(free[5].region, free[5].born, free[5].female, ending="X")
    _note("check_x", free[5])
    _plant_documents(random, numbers, population)


def _plant_documents(random: Random, numbers: Numbers, population: Population) -> None:
    """A residence permit, an infant with a birth certificate and one with nothing, in the largest households."""
    families = sorted((h for h in population.households if len(h) > 1), key=len, reverse=True)
    last = [household[-1] for household in families[:3]]
    if len(last) < 3:
        raise ValueError("too few families to plant every edge case")
    permit, certified, without = last
    permit.document_type, permit.region = "residence_permit", SPECIAL_REGIONS[0]
    permit.document_number = numbers.resident_id(permit.region, permit.born, permit.female)
    _note("permit", permit)
    for infant, note in ((certified, "infant_certificate"), (without, "infant_without")):
        household = next(h for h in families if infant in h)
        infant.born = population.today - timedelta(days=random.randrange(60, 200))
        infant.relation, infant.former_name = "孙女" if infant.female else "孙子", None
        infant.guardian = household[0]
        if infant.spouse is not None:
            infant.spouse.spouse = None
            infant.spouse = None
        has_certificate = note == "infant_certificate"
        infant.document_type = "birth_certificate" if has_certificate else "none"
        infant.document_number = numbers.birth_certificate(infant.born, infant.home) if has_certificate else ""
        _note(note, infant)


def _note(text: str, *residents: Resident) -> None:
    for resident in residents:
        resident.notes.add(text)
