"""Files that people wrote, as text: the encodings of Chinese offices, and YAML whose every value stays as written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode

from pipeline.domain.faults import fault, shown
from pipeline.domain.records import Fault
from pipeline.kafka.strict_yaml import Shallow

_MIB = 1024 * 1024


def read_text(path: Path, what: str, limit_mib: int) -> str | Fault:
    """The text of a file in UTF-8 (with or without a byte order mark) or GB18030, or the fault that keeps it unread.

    `what` is the field that the fault names: `form` or `roster`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit_mib * _MIB + 1)
    except OSError:
        return fault("file_missing", field=what)
    if len(data) > limit_mib * _MIB:
        return fault("file_too_large", field=what, limit=limit_mib)
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    return fault("file_encoding", field=what)


@dataclass(frozen=True)
class YamlText:
    """A parsed YAML document: mappings, lists and strings only."""

    content: Any
    repeated: list[str] = field(default_factory=list)
    """Keys that stand twice in one mapping; the first value is kept."""


class _Words(Shallow, yaml.BaseLoader):
    """Leaves every scalar a string (00 stays 00, 否 and no stay words); no tags, no aliases."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.repeated: list[str] = []

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases are not accepted", problem_mark=self.get_mark())
        return super().compose_node(parent, index)

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key is not a word", problem_mark=key_node.start_mark)
            if key_node.value in mapping:
                self.repeated.append(key_node.value)
            mapping.setdefault(key_node.value, self.construct_object(value_node, deep=True))
        return mapping

    def construct_words(self, node: MappingNode) -> dict[Any, Any]:
        return self.construct_mapping(node, deep=True)


_Words.add_constructor("tag:yaml.org,2002:map", _Words.construct_words)


def parse_yaml(text: str) -> YamlText:
    """Parse one YAML document. Raises YamlError with the line (from 1) when it cannot be understood."""
    try:
        loader = _Words(text)
        try:
            return YamlText(loader.get_single_data(), [shown(key) for key in loader.repeated])
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(mark.line + 1 if mark else 1) from None
    except (yaml.YAMLError, RecursionError):
        raise YamlError(1) from None


class YamlError(Exception):
    """Not YAML, or YAML of a kind that forms do not need (aliases, several documents). Holds none of its text."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line}")
        self.line = line
