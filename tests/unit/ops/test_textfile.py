"""Metrics for node_exporter: well-formed, escaped, and put in place whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.domain.errors import ConfigError
from pipeline.ops.health import Facts, HeldCertificate, HeldList, HeldSealKey, examine
from pipeline.ops.metric_names import BY_NAME
from pipeline.ops.textfile import render, write

NOW = 1_800_000_000_000
FACTS = Facts(
    NOW,
    [HeldCertificate("37", "sign", "0ab1", NOW + 5_000), HeldCertificate("37", "tls", "0ab2", NOW + 90 * 86_400_000)],
    HeldList(12, NOW - 1_000, NOW + 9_000),
    [HeldSealKey("37", 4, NOW, NOW + 7_000)],
)


def rendered(facts: Facts) -> dict[str, dict[tuple[str, ...], float]]:
    """Metric → the values of its labels, by their names → value; read by Prometheus' own parser."""
    families = text_string_to_metric_families(render(facts, examine(facts)).decode())
    return {
        each.name: {
            tuple(sample.labels[label] for label in BY_NAME[each.name].labels): sample.value for sample in each.samples
        }
        for each in families
    }


def test_what_doctor_knows_is_in_the_metrics() -> None:
    """Instants as Unix times in seconds, findings by severity."""
    assert rendered(FACTS) == {
        "hedx_certificate_expiry_seconds": {
            ("37", "sign", "0ab1"): 1_800_000_005,
            ("37", "tls", "0ab2"): 1_807_776_000,
        },
        "hedx_crl_next_update_seconds": {(): 1_800_000_009},
        "hedx_crl_number": {(): 12},
        "hedx_seal_key_expiry_seconds": {("37", "4"): 1_800_000_007},
        "hedx_doctor_findings": {("notice",): 0, ("warning",): 1, ("alarm",): 1},
        "hedx_doctor_run_seconds": {(): 1_800_000_000},
    }


def test_names_are_those_of_the_table() -> None:
    """All that `hedx doctor` promises, as it is documented; and what it shares with the processes."""
    text = render(FACTS, []).decode()
    promised = {metric.name for metric in BY_NAME.values() if metric.source == "doctor"}
    assert promised < rendered(FACTS).keys() <= BY_NAME.keys()
    for name in rendered(FACTS):
        assert f"# HELP {name} {BY_NAME[name].help}\n# TYPE {name} {BY_NAME[name].kind}\n" in text


def test_a_metric_without_samples_is_left_out() -> None:
    """A party's machine without a revocation list says nothing of one."""
    assert rendered(Facts(NOW)).keys() == {"hedx_doctor_findings", "hedx_doctor_run_seconds"}


def test_labels_are_escaped() -> None:
    """Quotes, backslashes and ends of line cannot break out of a label."""
    strange = 'a"b\\c\nd'
    facts = Facts(NOW, [HeldCertificate(strange, "sign", "1", NOW)])
    assert rendered(facts)["hedx_certificate_expiry_seconds"] == {(strange, "sign", "1"): NOW / 1000}


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """Nothing but the file itself stays, readable by the collector."""
    path = tmp_path / "hedx.prom"
    write(path, b"old\n")
    write(path, b"new\n")
    assert [each.name for each in tmp_path.iterdir()] == ["hedx.prom"]
    assert path.read_text() == "new\n"
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_folder_that_is_missing_is_the_operators_error(tmp_path: Path) -> None:
    """Not a traceback."""
    with pytest.raises(ConfigError, match="metrics"):
        write(tmp_path / "missing" / "hedx.prom", b"")
