"""Debian's Prometheus over an installation, with the rules as they are but for their durations.

Production waits minutes before it calls somebody. `shortened` makes every minute of a rule a second, wherever a duration stands: `for: 5m`,
`[10m]`, `offset 10m`, and `5 * 60` where an expression compares seconds. Days stay (`7 * 86400`: a certificate can be issued with few days
left), and so does everything else. That the real durations are right, promtool's tests show.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode
from urllib.request import urlopen

from pipeline.kafka.readiness import free_ports
from tests.processes import _die_with_parent, wait_until
from tests.promql import RULES

START = 20.0
Series = dict[str, str]


def shortened(rules: str) -> str:
    """The text of a rule file with seconds for minutes."""
    text = re.sub(r"\bfor: (\d+)m\b", r"for: \1s", rules)
    text = re.sub(r"\[(\d+)m\]", r"[\1s]", text)
    text = re.sub(r"\boffset (\d+)m\b", r"offset \1s", text)
    return re.sub(r"(\d+) \* 60\b", r"\1", text)


def shortened_rules(folder: Path) -> Path:
    """A folder below `folder` with all rules, shortened."""
    rules = folder / "rules"
    rules.mkdir(parents=True)
    for path in RULES:
        (rules / path.name).write_text(shortened(path.read_text(encoding="utf-8")), encoding="utf-8")
    return rules


class Prometheus:
    """Debian's Prometheus with the configuration at `config`, for as long as the block; what it keeps lies beside that."""

    def __init__(self, config: Path) -> None:
        self.config = config
        [port] = free_ports(1)
        self.address = f"127.0.0.1:{port}"

    def __enter__(self) -> Self:
        assert shutil.which("prometheus"), "prometheus is missing: install what debian-packages.txt lists"
        self._log = (self.config.parent / "prometheus.log").open("wb")
        options = {"config.file": self.config, "storage.tsdb.path": self.config.parent / "data"}
        self._process = subprocess.Popen(
            [
                "prometheus",
                *(f"--{name}={value}" for name, value in options.items()),
                f"--web.listen-address={self.address}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            preexec_fn=_die_with_parent,
        )
        wait_until("Prometheus ready", self._is_ready, START)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(START)
        self._log.close()

    def ask(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        """The `data` of an answer of its HTTP API."""
        url = f"http://{self.address}/api/v1/{path}" + (f"?{urlencode(parameters)}" if parameters else "")
        with urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[tuple[Series, float]]:
        """Labels and value of each series that `expression` gives now."""
        found = self.ask("query", {"query": expression})["result"]
        return [(series["metric"], float(series["value"][1])) for series in found]

    def targets(self) -> dict[str, str]:
        """Instance -> `up`, or what its last scrape failed with."""
        found = self.ask("targets", {"state": "active"})["activeTargets"]
        return {target["labels"]["instance"]: target["lastError"] or target["health"] for target in found}

    def firing(self) -> dict[str, list[dict[str, Any]]]:
        """Alert -> each of its firings: labels and annotations."""
        found: dict[str, list[dict[str, Any]]] = {}
        for alert in self.ask("alerts")["alerts"]:
            if alert["state"] == "firing":
                found.setdefault(alert["labels"]["alertname"], []).append(alert)
        return found

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, (self.config.parent / "prometheus.log").read_text(errors="replace")[-2000:]
        try:
            with urlopen(f"http://{self.address}/-/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
