"""What a re-check (复核) found other than its original: field by field, pure (Art. 10: 对反馈结果存在异议).

Persons, rows and providers are matched by their numbers, which a re-check keeps. The records of an answer have no number of
their own: two are the same record when they share what the register calls it by (the first item of the catalog entry: a
certificate number, a plate), or agree in at least half of their items. Pairs are taken from the most alike down, so nobody
is better off with another partner; what has none was removed, or is new.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from pipeline.domain.dossiers import Dossier, Result
from pipeline.domain.records import Difference, Value

WHOLE: Final = ("status", "code", "until", "as_of", "coverage")
"""What is compared of an answer as a whole, as entry 0."""
_NAMED: Final = 1_000
"""Weight of the item that the register calls a record by, above any number of others."""

Key = tuple[int, int, str]
"""(roster number, schedule row, provider): one sub-query of an application."""
Entry = Mapping[str, Value]


def compare(before: Iterable[Dossier], after: Iterable[Dossier]) -> tuple[list[Difference], int]:
    """Every difference of what the re-check asked again, by person, row and provider; and how many were compared.

    A sub-query that the original did not have (全国 has grown meanwhile) differs in all it says.
    """
    known = dict(_results(before))
    found: list[Difference] = []
    compared = 0
    for key, result in sorted(_results(after)):
        found += _differences(key, known.get(key), result)
        compared += 1
    return found, compared


def _results(dossiers: Iterable[Dossier]) -> Iterator[tuple[Key, Result]]:
    for dossier in dossiers:
        for person in dossier["persons"]:
            for result in person["results"]:
                yield (person["number"], result["row"], result["provider"]), result


def _differences(key: Key, before: Result | None, after: Result) -> Iterator[Difference]:
    for item in WHOLE:
        old = None if before is None else _text(before[item])
        new = _text(after[item])
        if old != new:
            yield _difference(key, 0, item, old, new)
    entries = [] if before is None else before["entries"]
    for number, old_entry, new_entry in match(entries, after["entries"]):
        for item in dict.fromkeys((*old_entry, *new_entry)):
            old, new = _text(old_entry.get(item)), _text(new_entry.get(item))
            if old != new:
                yield _difference(key, number, item, old, new)


def match(before: Sequence[Entry], after: Sequence[Entry]) -> list[tuple[int, Entry, Entry]]:
    """(number, before, after) of every record; an empty one stands for none.

    Numbers are those of the original's answer, from 1; new records go on behind them.
    """
    scores = (
        (-_likeness(old, new), position, other)
        for position, old in enumerate(before)
        for other, new in enumerate(after)
        if _are_one(old, new)
    )
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for _, position, other in sorted(scores):
        if position not in partner and other not in taken:
            partner[position] = other
            taken.add(other)
    nothing: Entry = {}
    pairs = [
        (number, old, after[partner[number - 1]] if number - 1 in partner else nothing)
        for number, old in enumerate(before, start=1)
    ]
    new = [entry for position, entry in enumerate(after) if position not in taken]
    return pairs + [(number, nothing, entry) for number, entry in enumerate(new, start=len(before) + 1)]


def _are_one(old: Entry, new: Entry) -> bool:
    """What they are called by outweighs all other items together."""
    return _likeness(old, new) * 2 >= len(old.keys() | new.keys())


def _likeness(old: Entry, new: Entry) -> int:
    alike = sum(item in new and _text(old[item]) == _text(new[item]) for item in old)
    name = next(iter(old), None)
    named = name is not None and old[name] is not None and _text(new.get(name)) == _text(old[name])
    return alike + (_NAMED if named else 0)


def _difference(key: Key, entry: int, item: str, before: str | None, after: str | None) -> Difference:
    number, row, provider = key
    return Difference(number=number, row=row, provider=provider, entry=entry, item=item, before=before, after=after)


def _text(value: Value) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)
