"""Dashboards: in step with their descriptions, readable, drawn without overlap, and asking only for what is exported."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.ops.dashboards import GRAFANA, LINKS, VARIABLES, dashboard, texts
from tests.promql import faults
from tests.queries import asked, substituted
from tests.unit.deploy.test_prometheus import promtool

DASHBOARDS: dict[str, Any] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((GRAFANA / "dashboards").glob("*.json"))
}
UNITS = {"none", "short", "s", "ms", "bytes", "Bps", "ops", "opm", "percentunit"}
"""Of Grafana's, those that mean something here."""


def panels(name: str) -> Iterator[dict[str, Any]]:
    """The panels of a dashboard that show something."""
    return (panel for panel in DASHBOARDS[name]["panels"] if panel["type"] != "row")


def places(name: str) -> list[tuple[str, dict[str, int]]]:
    """Title and place of each panel and row."""
    return [(panel["title"], panel["gridPos"]) for panel in DASHBOARDS[name]["panels"]]


def sources(part: Any) -> Iterator[Any]:
    """Whatever stands under `datasource`, anywhere in a dashboard."""
    if isinstance(part, dict):
        if "datasource" in part:
            yield part["datasource"]
        for value in part.values():
            yield from sources(value)
    elif isinstance(part, list):
        for value in part:
            yield from sources(value)


def test_dashboards_are_those_of_the_descriptions() -> None:
    """What lies in dashboards/ is what `python -m pipeline.ops.dashboards` makes."""
    made = texts()
    assert (
        {f"{name}.json" for name in DASHBOARDS}
        == made.keys()
        == {f"{n}.json" for n in ("brokers", "flow", "lag", "provinces")}
    )
    for name, text in made.items():
        assert (GRAFANA / "dashboards" / name).read_text(encoding="utf-8") == text, name


def test_no_two_dashboards_have_one_name() -> None:
    """Grafana keeps one of two dashboards with the same uid or title."""
    for key in ("uid", "title"):
        assert len({board[key] for board in DASHBOARDS.values()}) == len(DASHBOARDS)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_titles_and_descriptions_are_in_both_languages(name: str) -> None:
    """Chinese first, then English, of the page, its rows, panels and variables."""
    board = DASHBOARDS[name]
    titles = [board["title"], *(panel["title"] for panel in board["panels"])]
    titles += [variable["label"] for variable in board["templating"]["list"]]
    descriptions = [board["description"], *(panel["description"] for panel in panels(name))]
    for text in [*titles, *descriptions]:
        assert re.search(r"[\u4e00-\u9fff].* · .*[A-Za-z]", text), text


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_have_units_legends_and_thresholds(name: str) -> None:
    """Each figure says what it counts in, each line what it is, and steps of colour rise."""
    for panel in panels(name):
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] in UNITS, panel["title"]
        steps = [step["value"] for step in defaults["thresholds"]["steps"]]
        assert steps[0] is None
        assert steps[1:] == sorted(steps[1:])
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert target["legendFormat"].strip(), panel["title"]
        if panel["type"] in ("timeseries", "state-timeline"):
            assert panel["options"]["legend"]["showLegend"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_the_datasource_is_a_variable(name: str) -> None:
    """No page knows a data source by name: panels, queries, variables and annotations take `${DS}`."""
    board = DASHBOARDS[name]
    [source] = [variable for variable in board["templating"]["list"] if variable["type"] == "datasource"]
    assert (source["name"], source["query"]) == ("DS", "prometheus")
    found = list(sources(board))
    assert len(found) > 2 * len(list(panels(name)))
    assert all(each == {"type": "prometheus", "uid": "${DS}"} for each in found)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_have_numbers_and_places_of_their_own(name: str) -> None:
    """No number twice, nothing over anything else, nothing beyond the grid's edge."""
    board = DASHBOARDS[name]
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    for (one, a), (other, b) in combinations(places(name), 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or above, f"{one} lies over {other}"
    assert all(place["x"] + place["w"] <= 24 and place["w"] >= 4 for _, place in places(name))


@pytest.mark.parametrize("name", DASHBOARDS)
def test_rows_are_filled(name: str) -> None:
    """Each line of panels goes from edge to edge."""
    lines: dict[int, int] = {}
    for _, place in places(name):
        lines[place["y"]] = lines.get(place["y"], 0) + place["w"]
    assert set(lines.values()) == {24}


@pytest.mark.parametrize("name", DASHBOARDS)
def test_links_lead_to_the_other_pages_the_console_and_the_runbook(name: str) -> None:
    """Each link's address is a variable of the page, so that an installation can set its own."""
    board = DASHBOARDS[name]
    assert {link["type"] for link in board["links"]} == {"dashboards", "link"}
    boxes = {variable["name"] for variable in board["templating"]["list"] if variable["type"] == "textbox"}
    assert {link["url"] for link in board["links"] if "url" in link} == {f"${{{box}}}" for box in boxes}
    assert boxes == LINKS.keys()


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_variable_is_used_and_declared(name: str) -> None:
    """A page declares what its queries name, and nothing else."""
    board = DASHBOARDS[name]
    declared = {variable["name"] for variable in board["templating"]["list"] if variable["type"] == "query"}
    used = {word for each in asked(board) for word in re.findall(r"\$(\w+)", each.expression)} - {"__rate_interval"}
    assert used == declared <= VARIABLES.keys()


@pytest.mark.parametrize("name", DASHBOARDS)
def test_queries_read_only_what_somebody_exports(name: str) -> None:
    """Metrics and labels are known, those in legends too."""
    for each in asked(DASHBOARDS[name]):
        assert faults(each.expression.replace("$__rate_interval", "5m")) == [], each.panel
        for label in re.findall(r"\{\{(\w+)\}\}", each.legend):
            assert faults(f"count by ({label}) ({each.expression.replace('$__rate_interval', '5m')})") == [], each.panel


def test_every_query_parses() -> None:
    """promtool takes each of them as the expression of a rule."""
    rules = [
        {"record": f"q:{name}:{number}", "expr": substituted(each.expression)}
        for name, board in DASHBOARDS.items()
        for number, each in enumerate(asked(board))
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as file:
        yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}, file)
        file.flush()
        assert f"{len(rules)} rules found" in promtool("check", "rules", file.name)


def test_a_description_with_an_unknown_word_is_refused() -> None:
    """A slip of the pen in a description is no silent default."""
    panel = {"title": "a · b", "description": "a · b", "unit": "s", "queries": {"x": "up"}, "treshold": {}}
    described = {
        "uid": "x",
        "title": "x",
        "description": "x",
        "variables": [],
        "rows": [{"title": "r", "height": 8, "panels": [panel]}],
    }
    with pytest.raises(ValueError, match="treshold"):
        dashboard(described)


def test_the_provisioning_finds_what_there_is() -> None:
    """Data source and folder of dashboards are declared, each once, as Grafana reads them."""
    provisioning = GRAFANA / "provisioning"
    [source] = yaml.safe_load((provisioning / "datasources" / "hedx.yml").read_text(encoding="utf-8"))["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    compose: Any = yaml.safe_load(Path(GRAFANA.parent, "prometheus", "compose.yml").read_text(encoding="utf-8"))
    assert source["jsonData"]["timeInterval"] == compose["global"]["scrape_interval"]
    [provider] = yaml.safe_load((provisioning / "dashboards" / "hedx.yml").read_text(encoding="utf-8"))["providers"]
    assert provider["type"] == "file"
