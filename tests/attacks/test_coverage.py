"""How many attacks there are is counted from the tables themselves, so that the claim cannot rot."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.attacks import (
    test_denial,
    test_disclosure,
    test_privilege,
    test_repudiation,
    test_spoofing,
    test_tampering,
)
from tests.attacks.stand import BOOKS, WORKERS

ENOUGH = 10
"""Distinct cases, and distinct codes, of each family at least."""

TOLD = WORKERS + BOOKS + ("reader",)
"""Places that write down what they refuse; the others tell whoever called them, and log nothing of what they were asked."""

FAMILIES: Mapping[str, Mapping[str, str]] = {
    "spoofing": {case.name: case.code for case in test_spoofing.CASES},
    "tampering": {case.name: case.code for case in test_tampering.CASES},
    "repudiation": {case.name: case.code for case in test_repudiation.CASES},
    "disclosure": {case.name: case.code for case in test_disclosure.CASES},
    "denial": {
        attack.__name__: code
        for table in (test_denial.ATTACKS, test_denial.ALTERATIONS)
        for attack, code in table.items()
    },
    "privilege": {case.name: case.code for case in test_privilege.CASES},
}
"""Family -> attack -> code."""


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_has_its_cases_and_codes(family: str) -> None:
    """Sentences for people (`config_error`) are no codes."""
    cases = FAMILIES[family]
    assert len(cases) >= ENOUGH
    assert len(set(cases.values()) - {"config_error"}) >= ENOUGH


def test_there_are_a_hundred_attacks_and_more() -> None:
    """Over all families, each case counted once however it is named."""
    assert sum(map(len, FAMILIES.values())) >= 100


def test_no_case_is_lost_under_anothers_name() -> None:
    """Two rows with one name would be counted as one, and tried as two."""
    tables = (test_spoofing, test_tampering, test_repudiation, test_disclosure, test_privilege)
    for table in tables:
        assert len({case.name for case in table.CASES}) == len(table.CASES)


def test_most_attacks_are_caught_where_it_is_written_down() -> None:
    """Workers, readers and access logs; of each family at least ten."""
    for table in (test_spoofing, test_tampering, test_repudiation, test_disclosure, test_privilege):
        assert sum(case.place in TOLD for case in table.CASES) >= ENOUGH


PAGE = Path(__file__).resolve().parents[2] / "docs" / "threat-model.md"


def claimed(family: str) -> set[str]:
    """The codes that the threat model names in the table of a family."""
    text = PAGE.read_text(encoding="utf-8")
    [table] = re.findall(rf"^### {family.capitalize()} .*?\n(.*?)^##", text, re.MULTILINE | re.DOTALL)
    last = [line.rstrip("| ").rpartition("|")[2] for line in table.splitlines() if line.startswith("|")]
    return {code for cell in last for code in re.findall(r"`([a-z]+(?:_[a-z]+)+)`", cell)}


@pytest.mark.parametrize("family", sorted(FAMILIES.keys() - {"denial"}))
def test_the_threat_model_claims_what_its_suite_tries(family: str) -> None:
    """Each code in the table of a family is that of a row in its suite."""
    codes = claimed(family)
    assert len(codes) >= 5
    assert codes <= set(FAMILIES[family].values())
