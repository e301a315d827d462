"""Imports point one way, up the list in docs and design; read from the source, so nothing has to be importable."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "pipeline"
LEVELS = (
    {"domain"},
    {"settings", "crypto", "codec", "logs"},
    {"signer"},
    {"stages"},
    {"kafka"},
    {"province", "center"},
    {"ops"},
    {"app"},
    {"demo"},
    {"bench"},
    {"cli"},
)
LEVEL = {part: number for number, parts in enumerate(LEVELS) for part in parts}
MODULES = sorted(PACKAGE.rglob("*.py"))


def part_of(module: Path) -> str:
    """The part of the package a file belongs to: its folder, or its own name."""
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(source: str) -> Iterator[str]:
    """Every module that a source imports, anywhere in it: at the top, in functions, for type checking."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the direction"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module == "pipeline")


def faults(part: str, source: str) -> Iterator[str]:
    """What is wrong with the imports of a source that belongs to `part`."""
    for name in imports(source):
        root, _, rest = name.partition(".")
        target = rest.partition(".")[0]
        if root != "pipeline":
            if part == "domain" and root not in sys.stdlib_module_names:
                yield f"domain imports {name}: it may use the standard library only"
        elif target and target != part:
            if target not in LEVEL:
                yield f"{name} belongs to no level"
            elif LEVEL[target] > LEVEL[part]:
                yield f"{part} imports {name}, which stands above it"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_imports_point_up_the_list(module: Path) -> None:
    """No module imports a part that stands above its own; domain needs nothing but the standard library."""
    if module != PACKAGE / "__init__.py":
        assert part_of(module) in LEVEL
        assert list(faults(part_of(module), module.read_text(encoding="utf-8"))) == []


def test_only_the_watch_imports_faust() -> None:
    """Faust carries what may be rebuilt, and nothing else."""
    users = {
        str(module.relative_to(PACKAGE))
        for module in MODULES
        if any(name.split(".")[0] in {"faust", "mode"} for name in imports(module.read_text(encoding="utf-8")))
    }
    assert users <= {"ops/watch.py"}


def test_shipped_code_imports_no_test_oracle() -> None:
    """Packages that are here only to test against (one of them under the LGPL) are imported by tests only."""
    oracles = {"cwt", "stdnum", "hypothesis", "pytest"}
    for module in MODULES:
        assert not oracles & {name.split(".")[0] for name in imports(module.read_text(encoding="utf-8"))}, module


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("domain", "import cbor2"),
        ("domain", "from pipeline.crypto import suite"),
        ("stages", "from pipeline import kafka"),
        ("kafka", "def f():\n    from pipeline.province.outbox import Outbox"),
        ("app", "import pipeline.cli.main"),
        ("crypto", "import pipeline.nowhere"),
    ],
)
def test_a_wrong_import_is_seen(part: str, source: str) -> None:
    """The check itself can fail: each of these is a fault."""
    assert list(faults(part, source))
