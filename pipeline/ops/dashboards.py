"""Grafana dashboards from short descriptions: which panels with which queries; where and how they are drawn follows.

python -m pipeline.ops.dashboards       # deploy/grafana/described/*.yaml -> deploy/grafana/dashboards/*.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.ops.dashboard_panels import DATASOURCE, Json, drawn

GRAFANA = Path(__file__).resolve().parents[2] / "deploy" / "grafana"
WIDTH = 24
"""Columns of Grafana's grid."""
IN_A_ROW = {"stat": 6, "bars": 3}
"""Panels of a kind beside each other; of others, two to four."""
VARIABLES = {
    "cluster": ("集群 · Cluster", "label_values(hedx_lag_members, cluster_name)"),
    "group": ("消费组 · Group", 'label_values(hedx_lag_members{cluster_name=~"$cluster"}, group)'),
    "stage": ("阶段 · Stage", "label_values(hedx_messages_total, stage)"),
    "province": ("参与方 · Party", "label_values(hedx_outbox_envelopes, party)"),
}
"""Name -> what is shown for it, and the query for its values."""
LINKS = {
    "console": ("控制台 · Console", "https://localhost:9443"),
    "runbook": ("处置手册 · Runbook", "/public/hedx/alerts.md"),
}
"""Name -> what is shown for it, and the address unless another is typed in."""


def dashboard(described: Mapping[str, Any]) -> Json:
    """Grafana's JSON of a described dashboard. Raises KeyError for what a description lacks, ValueError for what it has too much."""
    unknown = described.keys() - {"uid", "title", "description", "variables", "rows"}
    if unknown:
        raise ValueError(f"{described['uid']}: {sorted(unknown)}")
    return {
        "uid": described["uid"],
        "title": described["title"],
        "description": described["description"],
        "tags": ["hedx"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timepicker": {"refresh_intervals": ["5s", "10s", "30s", "1m", "5m"]},
        "timezone": "browser",
        "links": list(_links()),
        "templating": {"list": list(_variables(described["variables"]))},
        "annotations": {"list": [_firing()]},
        "panels": list(_panels(described["rows"])),
    }


def _links() -> Iterator[Json]:
    """To the other dashboards, the console and the runbook."""
    yield {"type": "dashboards", "title": "HEDX", "tags": ["hedx"], "asDropdown": True, "keepTime": True}
    for name, (title, _) in LINKS.items():
        yield {"type": "link", "title": title, "url": f"${{{name}}}", "icon": "external link", "targetBlank": True}


def _variables(names: Sequence[str]) -> Iterator[Json]:
    yield {"name": "DS", "label": "数据源 · Data source", "type": "datasource", "query": "prometheus", "current": {}}
    for name in names:
        label, query = VARIABLES[name]
        yield {
            "name": name,
            "label": label,
            "type": "query",
            "datasource": DATASOURCE,
            "query": {"query": query, "refId": name},
            "definition": query,
            "refresh": 2,  # with the time range: groups and parties come and go
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "current": {"text": ["All"], "value": ["$__all"]},
        }
    for name, (label, address) in LINKS.items():
        current = {"text": address, "value": address}
        yield {"name": name, "label": label, "type": "textbox", "query": address, "current": current, "hide": 2}


def _firing() -> Json:
    """A mark where an alert began to fire."""
    return {
        "name": "告警 · Alerts",
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": 'ALERTS{alertname=~"Hedx.+", alertname!="HedxWatchdog", alertstate="firing", severity!="info"}',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{group}}{{stage}}{{party}}{{provider}}{{instance}}",
    }


def _panels(rows: Sequence[Mapping[str, Any]]) -> Iterator[Json]:
    """Rows from top to bottom; in each its panels from left to right, as many beside each other as fit."""
    number, top = 1, 0
    for row in rows:
        yield {
            "id": number,
            "type": "row",
            "title": row["title"],
            "collapsed": False,
            "gridPos": _place(0, top, WIDTH, 1),
        }
        number, top = number + 1, top + 1
        columns = _columns(row["panels"])
        for index, panel in enumerate(row["panels"]):
            line, column = divmod(index, columns)
            last = len(row["panels"]) - line * columns  # of this line; the last one is spread out
            width = WIDTH // min(columns, last)
            place = _place(column * width, top + line * row["height"], width, row["height"])
            yield {"id": number, "gridPos": place, **drawn(panel)}
            number += 1
        top += -(-len(row["panels"]) // columns) * row["height"]


def _columns(panels: Sequence[Mapping[str, Any]]) -> int:
    kinds = {panel.get("kind", "lines") for panel in panels}
    if kinds <= IN_A_ROW.keys():
        return min(len(panels), max(IN_A_ROW[kind] for kind in kinds))
    return next(columns for columns in (4, 3, 2, len(panels)) if len(panels) % columns == 0 or columns == 2)


def _place(x: int, y: int, width: int, height: int) -> Json:
    return {"x": x, "y": y, "w": width, "h": height}


def texts(folder: Path = GRAFANA / "described") -> dict[str, str]:
    """File name -> the JSON that belongs there, of every description in `folder`."""
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        made = dashboard(yaml.safe_load(path.read_text(encoding="utf-8")))
        found[f"{path.stem}.json"] = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
    return found


def main() -> None:
    """Write every dashboard beside its description's folder."""
    for name, text in texts().items():
        (GRAFANA / "dashboards" / name).write_text(text, encoding="utf-8")
        sys.stderr.write(f"{name}\n")


if __name__ == "__main__":
    main()
