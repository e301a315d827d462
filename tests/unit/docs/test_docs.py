"""The documentation, held against the repository: links, commands and make targets are there, and nothing leaks out."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pipeline.cli.main import hedx

REPOSITORY = Path(__file__).resolve().parents[3]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^(#{1,6}) (.+)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
HEDX = re.compile(r"(?:^|[\s;(`])hedx ([a-z][^|#;)`\n]*)")
MAKE = re.compile(r"(?:^|[\s`])make ([a-z][a-z-]*)\b")
LEAKS = re.compile(r"/wor[k]/|/tmp/hed[x]|/home/[a-z]|/roo[t]/|(?<!no-emit-)index-ur[l]|/simpl[e]/")
"""Paths of a machine, and addresses of a package index."""


def tracked() -> list[Path]:
    """Files that belong to the repository."""
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.splitlines() if (path := REPOSITORY / name).is_file()]


PAGES = [path for path in tracked() if path.suffix == ".md"]
READMES = [REPOSITORY / name for name in ("README.md", "README.zh-CN.md")]


def ids(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def code_of(text: str) -> Iterator[str]:
    """Every line in a fence, and every span of code outside."""
    for block in FENCED.findall(text):
        yield from block.splitlines()[1:-1]
    yield from CODE.findall(FENCED.sub("", text))


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings: lower case, blanks to hyphens, punctuation dropped."""
    titles = [title for _, title in HEADING.findall(FENCED.sub("", page.read_text(encoding="utf-8")))]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_relative_links_resolve(page: Path) -> None:
    """A link to a file or a heading of this repository leads somewhere."""
    broken = []
    for link in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path)):
            broken.append(link)
    assert broken == []


def resolve(words: list[str]) -> str | None:
    """What is wrong with the command and options of `hedx <words>`; None when they exist."""
    found: click.Command = hedx
    rest = list(words)
    context = click.Context(hedx, info_name="hedx")
    while isinstance(found, click.Group) and rest and re.fullmatch(r"[a-z][a-z0-9-]*", rest[0]):
        following = found.get_command(context, rest[0])
        if following is None:
            return f"{context.info_name} has no {rest[0]}"
        found, context = following, click.Context(following, info_name=rest.pop(0), parent=context)
    known = {option for parameter in found.get_params(context) for option in parameter.opts}
    given = {word.partition("=")[0] for word in rest if word.startswith("-") and len(word) > 1}
    return None if given <= known else f"{context.info_name} has no {', '.join(sorted(given - known))}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name != "decisions"], ids=ids)
def test_commands_exist_with_their_options(page: Path) -> None:
    """Whatever stands as `hedx …` in code of a page is a command of this program; options are its own.

    Decisions speak of what is to come, too.
    """
    wrong = {}
    for line in code_of(page.read_text(encoding="utf-8")):
        for command in HEDX.findall(line):
            problem = resolve(command.split())
            if problem:
                wrong[command] = problem
    assert wrong == {}


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_make_targets_exist(page: Path) -> None:
    """Whatever stands as `make …` in code of a page is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z.-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {target for line in code_of(page.read_text(encoding="utf-8")) for target in MAKE.findall(line)}
    assert named <= targets


def test_readmes_show_the_two_commands() -> None:
    """`make demo` and `make test` are what a newcomer needs; both pages say so, and name real commands at all."""
    for page in READMES:
        lines = list(code_of(page.read_text(encoding="utf-8")))
        assert {"demo", "test"} <= {target for line in lines for target in MAKE.findall(line)}
        assert len({command for line in lines for command in HEDX.findall(line)}) > 15


def test_readmes_say_the_same() -> None:
    """Each README links the other on its first line; headings, commands and tables correspond."""
    english, chinese = (page.read_text(encoding="utf-8") for page in READMES)
    assert "README.zh-CN.md" in english.splitlines()[0]
    assert "README.md" in chinese.splitlines()[0]
    levels = [[len(mark) for mark, _ in HEADING.findall(FENCED.sub("", text))] for text in (english, chinese)]
    assert levels[0] == levels[1]
    assert english.count("\n|") == chinese.count("\n|")
    commands = [
        [line.replace("--lang zh", "--lang en") for block in FENCED.findall(text) for line in block.splitlines()
         if HEDX.match(line)]
        for text in (english, chinese)
    ]  # fmt: skip
    assert commands[0] == commands[1]
    assert len(commands[0]) > 15


def test_a_wrong_command_or_option_is_found() -> None:
    """The checks above can fail."""
    assert resolve(["apply", "submit", "form.yaml", "--roster", "x"]) is None
    assert resolve(["apply", "withdrawn"]) == "apply has no withdrawn"
    assert resolve(["demo", "--keep"]) == "demo has no --keep"
    assert MAKE.findall("`make tests`") == ["tests"]


def test_no_machine_or_index_is_named() -> None:
    """No tracked text names a path of somebody's machine, or the address of a package index."""
    leaks = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        leaks += [f"{ids(path)}: {found}" for found in LEAKS.findall(text)]
    assert leaks == []
