"""Metrics as a file in Prometheus' text format, for the textfile collector of its node_exporter."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.domain.errors import ConfigError
from pipeline.ops.health import Facts, Finding

Samples = tuple[tuple[Mapping[str, str], float], ...]
"""Labels → value."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A gauge with its help line."""

    name: str
    help: str
    samples: Samples


def metrics_of(facts: Facts, findings: Iterable[Finding]) -> list[Metric]:
    """What `hedx doctor` knows, as metrics. Instants are Unix times in seconds: subtract `time()`."""
    certificates = tuple(
        ({"party": each.party, "usage": each.usage, "serial": each.serial}, each.not_after / 1000)
        for each in facts.certificates
    )
    seal_keys = tuple(
        ({"party": each.party, "number": str(each.number)}, each.not_after / 1000) for each in facts.seal_keys
    )
    held = facts.revocation_list
    lists: Samples = () if held is None else (({}, held.next_update / 1000),)
    numbers: Samples = () if held is None else (({}, float(held.number)),)
    levels = [finding.severity for finding in findings]
    counts = tuple(({"severity": level}, float(levels.count(level))) for level in ("notice", "warning", "alarm"))
    return [
        Metric("hedx_certificate_expiry_seconds", "When a certificate in use expires, Unix time.", certificates),
        Metric("hedx_crl_next_update_seconds", "When the newest revocation list goes stale, Unix time.", lists),
        Metric("hedx_crl_number", "Number of the newest revocation list.", numbers),
        Metric("hedx_seal_key_expiry_seconds", "When a party's newest seal key expires, Unix time.", seal_keys),
        Metric("hedx_doctor_findings", "Findings of the last run, by severity.", counts),
        Metric("hedx_doctor_run_seconds", "When hedx doctor ran last, Unix time.", (({}, facts.now / 1000),)),
    ]


def render(metrics: Iterable[Metric]) -> str:
    """Prometheus' text format; a metric without samples is left out."""
    lines = []
    for metric in metrics:
        if metric.samples:
            lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} gauge"]
            lines += [f"{metric.name}{_labels(labels)} {value:.15g}" for labels, value in metric.samples]
    return "".join(f"{line}\n" for line in lines)


def write(path: Path, text: str) -> None:
    """Put it at `path` whole or not at all: the collector never sees half a file. Raises ConfigError."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_text(text, encoding="utf-8")
        new.chmod(0o644)
        new.replace(path)
    except OSError as error:
        raise ConfigError(f"metrics: {error}") from error


def _labels(labels: Mapping[str, str]) -> str:
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inner}}}" if inner else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
