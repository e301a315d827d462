"""The queries of a dashboard as Prometheus gets them, with its variables filled in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Query:
    """One query: where it stands, its legend, its PromQL with the page's variables in it."""

    panel: str
    legend: str
    expression: str


def asked(board: dict[str, Any]) -> Iterator[Query]:
    """Every query of a dashboard's panels."""
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield Query(panel["title"], target["legendFormat"], target["expr"])


def substituted(expression: str, rate: str = "1m") -> str:
    """The expression with all of every variable chosen, as Grafana fills it in; `rate`: the window of rates."""
    expression = expression.replace("$__rate_interval", rate)
    for name in ("cluster", "group", "stage", "province"):
        expression = expression.replace(f"${name}", ".+")
    assert "$" not in expression, expression
    return expression
