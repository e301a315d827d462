"""What `hedx doctor` knows as a file in Prometheus' text format, for the textfile collector of its node_exporter."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric as Family

from pipeline.domain.errors import ConfigError
from pipeline.ops.health import Facts, Finding
from pipeline.ops.metrics_building import Asked, family
from pipeline.ops.metrics_process import certificate_family

SEVERITIES = ("notice", "warning", "alarm")


def render(facts: Facts, findings: Iterable[Finding]) -> bytes:
    """The metrics, as text. Instants are Unix times in seconds: subtract `time()`. One without samples is left out."""
    registry = CollectorRegistry()
    Asked(registry, lambda: [each for each in _families(facts, findings) if each.samples])
    return generate_latest(registry)


def _families(facts: Facts, findings: Iterable[Finding]) -> Iterator[Family]:
    yield certificate_family(facts.certificates)
    held = facts.revocation_list
    if held is not None:
        yield family("hedx_crl_next_update_seconds", [({}, held.next_update / 1000)])
        yield family("hedx_crl_number", [({}, held.number)])
    seal_keys = (({"party": each.party, "number": str(each.number)}, each.not_after / 1000) for each in facts.seal_keys)
    yield family("hedx_seal_key_expiry_seconds", seal_keys)
    levels: Counter[str] = Counter(finding.severity for finding in findings)
    yield family("hedx_doctor_findings", (({"severity": each}, levels[each]) for each in SEVERITIES))
    yield family("hedx_doctor_run_seconds", [({}, facts.now / 1000)])


def write(path: Path, text: bytes) -> None:
    """Put it at `path` whole or not at all: the collector never sees half a file. Raises ConfigError."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_bytes(text)
        new.chmod(0o644)
        new.replace(path)
    except OSError as error:
        raise ConfigError(f"metrics: {error}") from error
