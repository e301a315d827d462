"""docs/articles.md, held against the regulation's text, the commands, the code and the tests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from pipeline.cli.main import hedx

REPOSITORY = Path(__file__).resolve().parents[3]
PAGE = REPOSITORY / "docs" / "articles.md"
TEXT = REPOSITORY / "tests" / "procedure" / "regulation.txt"
NUMERALS = ("一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二", "十三", "十四", "十五")
ARTICLES = (*(f"第{numeral}條" for numeral in NUMERALS), "附件", "附表")
COLUMNS = ("Article", "Decisive words", "What HEDX does", "Command", "Code", "Test")
QUOTE = re.compile(r"“([^”]+)”")
CODE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\[`([^`]+)`\]\(([^)]+)\)")


@dataclass(frozen=True)
class Row:
    """One row of the table: its cells as they stand in Markdown."""

    article: str
    words: str
    does: str
    command: str
    code: str
    test: str


def rows(page: str) -> list[Row]:
    """The rows of the table whose header is `COLUMNS`. Raises AssertionError when there is no such table."""
    lines = page.splitlines()
    header = "| " + " | ".join(COLUMNS) + " |"
    assert header in lines
    found = []
    for line in lines[lines.index(header) + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert len(cells) == len(COLUMNS), line
        found.append(Row(*cells))
    return found


def articles(text: str) -> dict[str, str]:
    """The regulation taken apart: article, 附件 (the form) and 附表 (the schedule's notes) → its text."""
    body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    heads = re.compile(rf"^({'|'.join(ARTICLES)})", re.MULTILINE)
    _, *parts = heads.split(body)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def faults_of(row: Row, law: dict[str, str]) -> Iterator[str]:
    """What is wrong with one row, in words."""
    quotes = QUOTE.findall(row.words)
    if not quotes:
        yield f"{row.article} quotes nothing"
    yield from (f"{row.article} does not say “{q}”" for q in quotes if q not in law[row.article])
    if len(row.does) < 40:
        yield f"{row.article}: what HEDX does is not told"
    commands = CODE.findall(row.command)
    if not commands:
        yield f"{row.article} has no command"
    yield from (f"{row.article}: no command `{command}`" for command in commands if not exists(command))
    paths = CODE.findall(row.code)
    if not paths:
        yield f"{row.article} has no code"
    yield from (f"{row.article}: no {path}" for path in paths if not (REPOSITORY / path).exists())
    tests = LINK.findall(row.test)
    if not tests or LINK.sub("", row.test).replace("<br>", "").strip(" ,;"):
        yield f"{row.article} has no test, or something beside links to tests"
    for name, link in tests:
        yield from faults_of_test(row.article, name, link)


def exists(command: str) -> bool:
    """Whether the click tree has the command `hedx …`, words and options."""
    words = command.split()
    if words[:1] != ["hedx"]:
        return False
    found: click.Command | None = hedx
    context = click.Context(hedx, info_name="hedx")
    for word in words[1:]:
        if word.startswith("-"):
            break
        found = found.get_command(context, word) if isinstance(found, click.Group) else None
        if found is None:
            return False
        context = click.Context(found, info_name=word, parent=context)
    assert found is not None
    known = {option for parameter in found.get_params(context) for option in parameter.opts}
    return {word for word in words if word.startswith("-")} <= known and not isinstance(found, click.Group)


def faults_of_test(article: str, name: str, link: str) -> Iterator[str]:
    """What is wrong with one link to a test `path::function`."""
    path, _, function = name.partition("::")
    file = REPOSITORY / path
    if not file.is_file() or file != (PAGE.parent / link).resolve():
        yield f"{article}: no {path}, or the link leads elsewhere"
    elif function not in functions(file):
        yield f"{article}: {path} has no test {function}"


def functions(file: Path) -> set[str]:
    """Names of the tests a file defines, read from its syntax tree."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")}


@pytest.fixture(scope="module")
def law() -> dict[str, str]:
    """The regulation, article by article."""
    return articles(TEXT.read_text(encoding="utf-8"))


def test_the_text_has_fifteen_articles_and_the_annex(law: dict[str, str]) -> None:
    """Each once, none empty; their last words are where they belong."""
    assert tuple(law) == ARTICLES
    assert all(len(text) > 10 for text in law.values())
    assert law["第十五條"].strip().endswith("實施。")
    assert "YYYY/MM/DD" in law["附表"]


def test_every_article_has_its_row() -> None:
    """Articles 1 to 15, the form and the schedule's notes, in order; an article may have more than one row."""
    listed = [row.article for row in rows(PAGE.read_text(encoding="utf-8"))]
    assert tuple(dict.fromkeys(listed)) == ARTICLES


def test_every_row_holds(law: dict[str, str]) -> None:
    """Quotes stand in the article; commands, code and tests exist."""
    page = PAGE.read_text(encoding="utf-8")
    assert [fault for row in rows(page) for fault in faults_of(row, law)] == []


def test_every_article_has_a_test_file_named_after_it_that_its_row_names() -> None:
    """tests/procedure/test_article_NN_*.py, for NN from 01 to 15, each with tests; its article's rows link to it."""
    named = {row.article: "" for row in rows(PAGE.read_text(encoding="utf-8"))}
    for row in rows(PAGE.read_text(encoding="utf-8")):
        named[row.article] += row.test
    for number, article in enumerate(ARTICLES[:15], 1):
        files = sorted((REPOSITORY / "tests" / "procedure").glob(f"test_article_{number:02}_*.py"))
        assert files, f"{article} has no test file"
        assert all(functions(file) for file in files)
        assert f"tests/procedure/test_article_{number:02}_" in named[article], article


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        ("words", "“自發布之日後實施”", "does not say"),
        ("words", "", "quotes nothing"),
        ("does", "", "is not told"),
        ("command", "", "has no command"),
        ("command", "`hedx apply forget`", "no command"),
        ("command", "`hedx apply status --never`", "no command"),
        ("code", "", "has no code"),
        ("code", "`pipeline/domain/nothing.py`", "no pipeline/domain/nothing.py"),
        ("test", "", "has no test"),
        ("test", "still to come", "has no test"),
        ("test", "[`tests/test_none.py::test_x`](../tests/test_none.py)", "no tests/test_none.py"),
        ("test", "[`tests/test_architecture.py::test_x`](../tests/test_architecture.py)", "has no test test_x"),
    ],
)
def test_a_wrong_row_is_found(law: dict[str, str], column: str, value: str, fault: str) -> None:
    """The checks above can fail: each cell emptied, or naming what is not there."""
    [last] = [row for row in rows(PAGE.read_text(encoding="utf-8")) if row.article == "第十五條"][-1:]
    spoilt = Row(**{**{name: getattr(last, name) for name in Row.__annotations__}, column: value})
    found = list(faults_of(spoilt, law))
    assert len(found) >= 1
    assert any(fault in text for text in found)
    assert list(faults_of(last, law)) == []
