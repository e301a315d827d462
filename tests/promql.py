"""Which metrics a PromQL expression reads, and by which labels: enough of the language for the rules and dashboards here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from pipeline.ops.metric_names import METRICS

PROMETHEUS = Path(__file__).resolve().parents[1] / "deploy" / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))

TOKEN = re.compile(
    r"\s*(?P<string>\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*')"
    r"|\s*(?P<range>\[[^\]]*\])"
    r"|\s*(?P<number>\d[\w.]*)"
    r"|\s*(?P<name>[A-Za-z_:][\w:]*)"
    r"|\s*(?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^(){},=<>])"
)
GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
WORDS = {"and", "or", "unless", "offset", "bool", "inf", "nan"}

TARGET_LABELS = {"job", "instance", "process"}
"""What Prometheus adds to each series of ours: the labels of the target files."""

NODE = {
    "node_cpu_seconds_total": {"cpu", "mode"},
    "node_disk_written_bytes_total": {"device"},
    "node_filesystem_avail_bytes": {"device", "fstype", "mountpoint"},
    "node_filesystem_size_bytes": {"device", "fstype", "mountpoint"},
    "node_memory_MemAvailable_bytes": set(),
    "node_network_receive_bytes_total": {"device"},
    "node_network_transmit_bytes_total": {"device"},
    "node_timex_offset_seconds": set(),
}
"""Names and labels of node_exporter that are used here, by its documentation (collectors that are on unless switched off)."""

SCRAPED: dict[str, set[str]] = {
    "up": set(),
    "scrape_duration_seconds": set(),
    "process_cpu_seconds_total": set(),
    "process_max_fds": set(),
    "process_open_fds": set(),
    "process_resident_memory_bytes": set(),
    "process_start_time_seconds": set(),
    "process_virtual_memory_bytes": set(),
}
"""What Prometheus itself and prometheus_client's process collector give."""


@dataclass(slots=True)
class Read:
    """What an expression reads: metric -> labels by which it is selected; labels by which results are grouped, and those it makes."""

    metrics: dict[str, set[str]] = field(default_factory=dict)
    grouped: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)


def tokens(expression: str) -> list[tuple[str, str]]:
    """Kind and text of each token. Raises ValueError where there is none."""
    found, place = [], 0
    expression = expression.rstrip()
    while place < len(expression):
        match = TOKEN.match(expression, place)
        if match is None or match.lastgroup is None:
            raise ValueError(f"{expression[place:]!r} in {expression!r}")
        found.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return found


def read(expression: str) -> Read:
    """What `expression` reads."""
    found, rest = Read(), tokens(expression)
    for index, (kind, text) in enumerate(rest):
        following = rest[index + 1][1] if index + 1 < len(rest) else ""
        if kind != "name" or text in WORDS or _in_braces(rest, index):
            continue
        if text == "count_values":
            found.made.add(rest[index + 2][1].strip("\"'"))
        elif text in GROUPING:
            found.grouped |= set(_names(rest[index + 1 :], "(", ")"))
        elif following not in {"(", "by", "without"} and not _in_grouping(rest, index):
            labels = found.metrics.setdefault(text, set())
            if following == "{":
                labels |= set(_names(rest[index + 1 :], "{", "}"))
    return found


def _names(rest: list[tuple[str, str]], opening: str, closing: str) -> Iterator[str]:
    """The names between the brackets with which `rest` begins; none when it does not."""
    if rest and rest[0][1] == opening:
        for kind, text in rest[1:]:
            if text == closing and kind == "sign":
                return
            if kind == "name":
                yield text


def _in_braces(rest: list[tuple[str, str]], index: int) -> bool:
    before = [text for kind, text in rest[:index] if kind == "sign" and text in "{}"]
    return bool(before) and before[-1] == "{"


def _in_grouping(rest: list[tuple[str, str]], index: int) -> bool:
    """Whether the token stands in the brackets after `by` and its like."""
    for place in range(index - 1, -1, -1):
        kind, text = rest[place]
        if kind == "name" or text == ",":
            continue
        return text == "(" and place > 0 and rest[place - 1][1] in GROUPING
    return False


def documents() -> list[dict[str, object]]:
    """Every rule there is: `alert` or `record`, `expr`, and what else belongs to it."""
    loaded = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in RULES]
    return [rule for document in loaded for group in document["groups"] for rule in group["rules"]]


def known() -> dict[str, set[str]]:
    """Every series that a rule or a dashboard may read, with the labels that it can have."""
    found: dict[str, set[str]] = {}
    for metric in METRICS:
        labels = {*metric.labels, *TARGET_LABELS}
        suffixes = {"counter": ("",), "gauge": ("",), "histogram": ("_sum", "_count", "_bucket")}[metric.kind]
        for suffix in suffixes:
            found[metric.name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    for name, labels in (SCRAPED | NODE).items():
        found[name] = labels | TARGET_LABELS
    for rule in documents():
        if "record" in rule:
            found[str(rule["record"])] = read(str(rule["expr"])).grouped - {"le"}
    alerts = {"alertname", "alertstate", "severity"}
    return {**found, "ALERTS": alerts.union(*found.values())}


def faults(expression: str) -> list[str]:
    """What is unknown in `expression`: metrics nobody exports, labels they do not have."""
    names, found, wrong = known(), read(expression), []
    for metric, labels in found.metrics.items():
        if metric not in names:
            wrong.append(f"nobody exports {metric}")
        else:
            wrong += [f"{metric} has no label {label}" for label in sorted(labels - names[metric])]
    possible = set[str]().union(*(names.get(metric, set()) for metric in found.metrics))
    return wrong + [f"nothing has a label {label}" for label in sorted(found.grouped - possible - found.made)]
