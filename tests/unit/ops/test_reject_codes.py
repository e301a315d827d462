"""The closed list of reject codes is that of the program."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pipeline
from pipeline.domain.joining import Arrival
from pipeline.ops.reject_codes import CODES, OTHER, bounded

PACKAGE = Path(pipeline.__file__).parent


def codes_of(source: str) -> Iterator[str]:
    """The codes that a module's `InvalidMessage("…")` have as literals."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "InvalidMessage":
            match node.args:
                case [ast.Constant(value=str() as code), *_]:
                    yield code


def test_every_code_of_the_program_is_listed_and_no_other() -> None:
    """What raises a new one adds it, so that its counts have a name."""
    found = {code for path in PACKAGE.rglob("*.py") for code in codes_of(path.read_text(encoding="utf-8"))}
    assert len(found) > 100
    assert found | {f"answer_{arrival.value}" for arrival in Arrival} == CODES


def test_a_stray_code_is_other() -> None:
    """Nothing that comes from outside makes a label of its own."""
    assert bounded("signature_invalid") == "signature_invalid"
    assert bounded("440101199001011234") == OTHER
