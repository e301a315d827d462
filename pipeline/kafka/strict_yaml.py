"""YAML that an operator writes: read strictly, and every fault named with its key and its line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from pipeline.domain.errors import ConfigError

M = TypeVar("M", bound=BaseModel)
DEEPEST = 16
"""Brackets within brackets in a file."""
MOST_ENTRIES = 100_000
"""Keys, values and list entries of a file, aliases followed."""


class Shallow(yaml.scanner.Scanner):
    """Of a loader: refuse brackets within brackets beyond `DEEPEST`: with each of them every word costs more to read."""

    def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
        """Begin a list or mapping in brackets."""
        if self.flow_level >= DEEPEST:
            raise yaml.MarkedYAMLError(problem="brackets are nested too deep", problem_mark=self.get_mark())  # type: ignore[attr-defined]
        super().fetch_flow_collection_start(token)


class _UniqueKeys(Shallow, yaml.SafeLoader):
    """A safe loader for which a key written twice is an error (YAML's own keeps the last silently).

    Dates stay text: the model reads them, and names the key of one that does not exist.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is written twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


_UniqueKeys.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_strict(path: Path, model: type[M], known_keys: Iterable[str]) -> M:
    """The file at `path` as `model`. `known_keys` are what an unknown key is compared with for a hint.

    Raises ConfigError that lists every fault as `file:line: place: reason`.
    """
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=_UniqueKeys)
        _check_size(root)
        content = yaml.load(text, Loader=_UniqueKeys)  # noqa: S506 - it is a SafeLoader
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path.name}:{line}: {error.problem}") from error
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError) as error:
        # Characters that YAML has not, numbers of thousands of digits, lists as keys, brackets a thousand deep.
        raise ConfigError(f"{path.name}: cannot be read as YAML ({type(error).__name__})") from None
    try:
        return model.model_validate(content)
    except ValidationError as error:
        faults = [
            f"{path.name}:{_line(root, fault['loc'])}: {_place(root, fault['loc'])}: {_reason(fault, known_keys)}"
            for fault in error.errors()
        ]
        raise ConfigError("\n".join(faults)) from error


def line_of(path: Path, location: Sequence[int | str]) -> int:
    """The line (from 1) of a place in a file that `read_strict` has read: for faults that only its reader can find."""
    return _line(yaml.compose(path.read_text(encoding="utf-8"), Loader=_UniqueKeys), location)


def _check_size(root: yaml.Node | None) -> None:
    """Ten lines of aliases make ten thousand million entries, or one that holds itself. Raises ValueError for those."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node | None) -> int:
        if isinstance(node, yaml.CollectionNode):
            if id(node) not in sizes:
                sizes[id(node)] = MOST_ENTRIES  # while it is counted: whoever meets it again is inside it
                sizes[id(node)] = 1 + sum(map(size, _children(node)))
            return sizes[id(node)]
        return 1

    if size(root) > MOST_ENTRIES:
        raise ValueError("too many entries")


def _children(node: yaml.CollectionNode) -> list[yaml.Node]:
    return [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value


def _reason(fault: Any, known_keys: Iterable[str]) -> str:
    if fault["type"] == "extra_forbidden":
        close = get_close_matches(str(fault["loc"][-1]), list(known_keys), n=1)
        return "unknown key" + (f" (did you mean {close[0]!r}?)" if close else "")
    if fault["type"] == "missing":
        return "this key is missing"
    return str(fault["msg"]).removeprefix("Value error, ")


def _place(root: yaml.Node | None, location: Sequence[int | str]) -> str:
    """`topics[3] (hedx.trust).retention`: the path of keys, list entries with their `name`."""
    place, node = "", root
    for step in location:
        node = _child(node, step)
        if isinstance(step, int):
            name = _child(node, "name")
            place += f"[{step}]" + (f" ({name.value})" if isinstance(name, yaml.ScalarNode) else "")
        else:
            place += f".{step}" if place else step
    return place or "file"


def _line(root: yaml.Node | None, location: Sequence[int | str]) -> int:
    """The line (from 1) of the last part of `location` that the file has."""
    line, node = 1, root
    for step in location:
        line = _line_of(node, step) or line
        node = _child(node, step)
    return line


def _line_of(node: yaml.Node | None, step: int | str) -> int | None:
    if isinstance(node, yaml.MappingNode):
        return next((int(key.start_mark.line) + 1 for key, _ in node.value if key.value == step), None)
    child = _child(node, step)
    return int(child.start_mark.line) + 1 if child else None


def _child(node: yaml.Node | None, step: int | str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        child: yaml.Node = node.value[step]
        return child
    return None
