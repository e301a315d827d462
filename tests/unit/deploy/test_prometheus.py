"""Alert rules: they parse, read what is exported, are explained, and each has a test of its fault that promtool runs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.ops.watch_stuck import RULES as STUCK
from tests.promql import PROMETHEUS, RULES, documents, faults

TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
ALERTS = {str(rule["alert"]): rule for rule in documents() if "alert" in rule}
RUNBOOK = Path(__file__).resolve().parents[3] / "docs" / "alerts.md"
ALWAYS = {"HedxWatchdog"}
"""Fires all the time: that it stops is the news."""


def promtool(*arguments: str) -> str:
    """What promtool says; fails with it when it is not content."""
    assert shutil.which("promtool"), "promtool is missing: install what debian-packages.txt lists (package prometheus)"
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_rules_are_in_order() -> None:
    """promtool finds no fault in any rule file."""
    assert promtool("check", "rules", *map(str, RULES)).count("SUCCESS") == len(RULES)


def test_the_configuration_is_in_order() -> None:
    """Prometheus would start with it; files that exist only where it runs are not looked for."""
    promtool("check", "config", "--syntax-only", str(PROMETHEUS / "compose.yml"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_do_what_their_tests_say(path: Path) -> None:
    """promtool plays each fault, and looks whether the alert fires."""
    assert "SUCCESS" in promtool("test", "rules", str(path))


def test_stuck_applications_are_tried_with_reasons_that_there_are() -> None:
    """`why` is one of the watch's own words, in the tests as in the exporter."""
    text = "".join(path.read_text(encoding="utf-8") for path in TESTS)
    tried = set(re.findall(r'\bwhy="([^"]+)"', text))
    assert len(tried) >= 2
    assert tried <= {rule.why for rule in STUCK}


def test_each_alert_is_seen_quiet_firing_and_resolved() -> None:
    """Every alert's test expects it first not to fire, then to, and at last not to any more."""
    seen: dict[str, list[bool]] = {}
    for path in TESTS:
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for look in test["promql_expr_test"]:
                assert f'alertname="{test["name"]}"' in look["expr"]
                seen.setdefault(test["name"], []).append(bool(look.get("exp_samples")))
    assert seen.keys() == ALERTS.keys()
    for name in seen.keys() - ALWAYS:
        assert (seen[name][0], any(seen[name]), seen[name][-1]) == (False, True, False), name


@pytest.mark.parametrize("rule", documents(), ids=lambda rule: str(rule.get("alert") or rule["record"]))
def test_rules_read_only_what_somebody_exports(rule: dict[str, Any]) -> None:
    """Metrics and labels are those of metric_names, of Prometheus, or of node_exporter."""
    assert faults(rule["expr"]) == []


@pytest.mark.parametrize("name", ALERTS)
def test_alerts_say_how_bad_it_is_and_what_to_do(name: str) -> None:
    """Severity, a summary in both languages, a sentence, and the runbook's section for it."""
    rule: Any = ALERTS[name]
    assert re.fullmatch(r"Hedx([A-Z][a-z]+|\d+[A-Z][a-z]+)+", name)
    assert rule["labels"]["severity"] in {"info", "warning", "critical"}
    notes = rule["annotations"]
    assert notes.keys() == {"summary", "description", "runbook_url"}
    assert re.search(r"[\u4e00-\u9fff].* · [a-z]", notes["summary"])
    assert notes["description"].endswith(".")
    assert notes["runbook_url"] == f"docs/alerts.md#{name.lower()}"


def test_the_runbook_has_a_section_for_each_alert_and_no_other() -> None:
    """In each: what it means, what to look at, what to do."""
    sections = re.split(r"^### ", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    titles = [section.partition("\n")[0] for section in sections]
    assert sorted(titles) == sorted(ALERTS)
    for section in sections:
        for part in ("**Means**", "**Look at**", "**Do**"):
            assert part in section, section.partition("\n")[0]


def test_the_runbook_tells_the_severity_of_each() -> None:
    """The line under the title is the rule's own severity, and how long it waits."""
    text = RUNBOOK.read_text(encoding="utf-8")
    for name, rule in ALERTS.items():
        severity: Any = rule["labels"]
        wait = f", after {rule['for']}" if "for" in rule else ", at once"
        assert f"### {name}\n\n*{severity['severity']}{wait}*" in text, name
