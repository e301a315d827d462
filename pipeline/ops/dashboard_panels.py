"""One panel of a dashboard: how each kind of figure is drawn, the same on every page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Json = dict[str, Any]
DATASOURCE = {"type": "prometheus", "uid": "${DS}"}
TYPES = {"lines": "timeseries", "stat": "stat", "table": "table", "bars": "bargauge", "states": "state-timeline"}
"""Kind in a description -> Grafana's type."""


def drawn(panel: Mapping[str, Any]) -> Json:
    """Grafana's JSON of a panel, without its number and place. Raises ValueError for what it does not know, KeyError for what lacks."""
    unknown = panel.keys() - {"title", "kind", "description", "unit", "thresholds", "queries", "stacked"}
    if unknown:
        raise ValueError(f"{panel['title']}: {sorted(unknown)}")
    kind = panel.get("kind", "lines")
    made: Json = {
        "type": TYPES[kind],
        "title": panel["title"],
        "description": panel["description"],
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": _defaults(panel, kind), "overrides": []},
        "options": _options(kind),
        "targets": [
            _target(letter, expr, legend, kind)
            for letter, (legend, expr) in zip("ABCDEFGH", panel["queries"].items(), strict=False)
        ],
    }
    if kind == "table":
        made["transformations"] = list(_table(list(panel["queries"])))
    return made


def _defaults(panel: Mapping[str, Any], kind: str) -> Json:
    thresholds = panel.get("thresholds", {"green": None})
    steps = [{"color": color, "value": value} for color, value in thresholds.items()]
    found: Json = {
        "unit": panel["unit"],
        "color": {"mode": "palette-classic" if kind == "lines" else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
        "noData": "无数据 · no data",
    }
    if kind == "lines":
        found["custom"] = {
            "lineWidth": 1,
            "axisSoftMin": 0,
            "fillOpacity": 30 if panel.get("stacked") else 0,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.get("stacked") else "none"},
            "thresholdsStyle": {"mode": "dashed" if "thresholds" in panel else "off"},
        }
    if kind == "table":
        found["custom"] = {
            "filterable": True,
            "cellOptions": {"type": "color-text" if "thresholds" in panel else "auto"},
        }
    return found


def _options(kind: str) -> Json:
    legend = {"showLegend": True, "displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]}
    now = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    of_kind: dict[str, Json] = {
        "lines": {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}},
        "states": {
            "legend": {**legend, "displayMode": "list"},
            "mergeValues": True,
            "rowHeight": 0.9,
            "showValue": "never",
        },
        "stat": {"reduceOptions": now, "colorMode": "background", "graphMode": "area", "textMode": "value"},
        "bars": {"reduceOptions": now, "orientation": "horizontal", "displayMode": "gradient", "showUnfilled": True},
        "table": {"showHeader": True, "footer": {"show": False}},
    }
    return of_kind[kind]


def _target(letter: str, expr: str, legend: str, kind: str) -> Json:
    once = kind in ("table", "bars")
    return {
        "refId": letter,
        "datasource": DATASOURCE,
        "expr": expr,
        "legendFormat": legend,
        "instant": once,
        "range": not once,
        "format": "table" if kind == "table" else "time_series",
    }


def _table(legends: Sequence[str]) -> Iterator[Json]:
    """One line for each set of labels, one column for each query, under its legend."""
    yield {"id": "merge", "options": {}}
    names = {f"Value #{letter}": legend for letter, legend in zip("ABCDEFGH", legends, strict=False)}
    if len(legends) == 1:
        names = {"Value": legends[0], **names}
    yield {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": names}}
