"""What files under deploy/ name: commands of the CLI, environment variables of the code, hosts' paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from pipeline.cli.main import hedx

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
VARIABLE = re.compile(r"HEDX_[A-Z_]+")


def command_faults(arguments: Sequence[str]) -> Iterator[str]:
    """What `hedx <arguments>` would not take: an unknown word or option, a missing or wrong value. Nothing is run."""
    shown = "hedx " + " ".join(arguments)
    context = click.Context(hedx, info_name="hedx")
    command: click.Command = hedx
    rest = list(arguments)
    while isinstance(command, click.Group):
        if not rest:
            yield f"{shown}: names no command"
            return
        found = command.get_command(context, rest[0])
        if found is None:
            yield f"{shown}: there is no {rest[0]}"
            return
        command, rest = found, rest[1:]
        context = click.Context(command, info_name=command.name, parent=context)
    parser = command.make_parser(context)
    try:
        values, left, _ = parser.parse_args(args=list(rest))
    except click.UsageError as error:
        yield f"{shown}: {error.format_message()}"
        return
    if left:
        yield f"{shown}: {' '.join(left)} is too much"
    for parameter in command.get_params(context):
        value = values.get(str(parameter.name))
        if parameter.required and not value and not getattr(parameter, "envvar", None):
            yield f"{shown}: {parameter.get_error_hint(context)} is missing"
        if isinstance(parameter.type, click.Choice) and value:
            for each in value if isinstance(value, (list, tuple)) else [value]:
                if each not in parameter.type.choices:
                    yield f"{shown}: {each} is none of {', '.join(parameter.type.choices)}"


def variables_read() -> set[str]:
    """Every HEDX_ variable that the package's code names."""
    return {name for path in (ROOT / "pipeline").rglob("*.py") for name in VARIABLE.findall(path.read_text("utf-8"))}


def unread(names: Iterable[str]) -> set[str]:
    """Those of `names` that begin with HEDX_ and that no code reads."""
    return {name for name in names if name.startswith("HEDX_")} - variables_read()
