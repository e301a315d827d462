"""Documents that a query rests on (查询依据性文件, Art. 9): their kinds, and the persons of the roster they are about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, get_args

from pipeline.domain.faults import fault
from pipeline.domain.records import EvidenceKind, Fault, Person

KINDS: Final[tuple[EvidenceKind, ...]] = get_args(EvidenceKind)
WORDS: Final[Mapping[EvidenceKind, tuple[str, str]]] = {
    "identity": ("身份证明材料", "proof of identity"),
    "consent": ("授权书", "consent letter"),
    "guardianship": ("监护关系证明", "proof of guardianship"),
    "mandate": ("审批机关委托书", "mandate of the approving authority"),
    "other": ("其他材料", "other document"),
}
"""Kind → its Chinese and English name."""
_ALIASES: Final[Mapping[str, EvidenceKind]] = {
    **{kind: kind for kind in KINDS},
    **{WORDS[kind][0]: kind for kind in KINDS},
    "身份证明": "identity",
    "身份证": "identity",
    "授权委托书": "consent",
    "监护": "guardianship",
    "监护证明": "guardianship",
    "委托书": "mandate",
    "其他": "other",
}
LARGEST: Final = 32 * 1024 * 1024
"""Bytes of a document at most."""
MOST_DOCUMENTS: Final = 20_000
"""Documents of one application at most."""
MOST_NAMED: Final = 2_000
"""Of these a mandate names so many: it travels with every section to every provider, 34 bytes a document."""
_RANGE: Final = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?")
_ALL: Final = frozenset({"", "all", "全部"})


def kind_of(word: str) -> EvidenceKind | None:
    """The kind that an official's word names, in Chinese or English; None for another word."""
    return _ALIASES.get(word.strip().lower())


def numbers_in(text: str) -> tuple[int, ...] | None:
    """Roster numbers as people write them: `3`, `1+2`, `1-3+7`; () for `all`, 全部 or nothing; None when it is neither."""
    if text.strip().lower() in _ALL:
        return ()
    found: set[int] = set()
    for part in re.split(r"[+,，、;；]", text.strip()):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            return None
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last:
            return None
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def missing(persons: Iterable[Person], held: Sequence[tuple[EvidenceKind, tuple[int, ...]]]) -> list[Fault]:
    """What Art. 9 wants and `held` (kind, roster numbers; () for all persons) does not have, person by person.

    Identity and consent of everybody, the guardian's relation where a guardian consented, and one mandate of the approving
    authority. Also roster numbers that nobody has.
    """
    people = list(persons)
    known = {person["number"] for person in people}
    covered: dict[EvidenceKind, set[int]] = {kind: set() for kind in KINDS}
    for kind, numbers in held:
        covered[kind] |= set(numbers) if numbers else known
    faults = [fault("evidence_number_unknown", number) for number in sorted(set().union(*covered.values()) - known)]
    for person in people:
        number = person["number"]
        if number not in covered["identity"]:
            faults.append(fault("evidence_identity_missing", number))
        if number not in covered["consent"]:
            faults.append(fault("evidence_consent_missing", number))
        if person["consent_by"] == "guardian" and number not in covered["guardianship"]:
            faults.append(fault("evidence_guardianship_missing", number))
    if not any(kind == "mandate" for kind, _ in held):
        faults.append(fault("evidence_mandate_missing"))
    return faults
