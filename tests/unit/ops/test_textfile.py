"""Metrics for node_exporter: well-formed, escaped, and put in place whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.domain.errors import ConfigError
from pipeline.ops.health import Facts, HeldCertificate, HeldList, HeldSealKey, examine
from pipeline.ops.textfile import Metric, metrics_of, render, write

NOW = 1_800_000_000_000
FACTS = Facts(
    NOW,
    [HeldCertificate("37", "sign", "0ab1", NOW + 5_000), HeldCertificate("37", "tls", "0ab2", NOW + 90 * 86_400_000)],
    HeldList(12, NOW - 1_000, NOW + 9_000),
    [HeldSealKey("37", 4, NOW, NOW + 7_000)],
)
LINE = re.compile(r"(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z]+=\"[^\"\n]*\",?)+\})? [0-9.e+]+)")


def test_what_doctor_knows_is_in_the_metrics() -> None:
    """Instants as Unix times in seconds, findings by severity."""
    text = render(metrics_of(FACTS, examine(FACTS)))
    assert 'hedx_certificate_expiry_seconds{party="37",usage="sign",serial="0ab1"} 1800000005\n' in text
    assert "hedx_crl_next_update_seconds 1800000009\n" in text
    assert "hedx_crl_number 12\n" in text
    assert 'hedx_seal_key_expiry_seconds{party="37",number="4"} 1800000007\n' in text
    assert 'hedx_doctor_findings{severity="alarm"} 1\n' in text
    assert "hedx_doctor_run_seconds 1800000000\n" in text


def test_every_line_is_of_the_text_format() -> None:
    """HELP and TYPE before the samples of each metric, once."""
    text = render(metrics_of(FACTS, []))
    assert text.endswith("\n")
    assert all(LINE.fullmatch(line) for line in text.splitlines())
    names = re.findall(r"# TYPE ([a-z_]+) gauge", text)
    assert len(names) == len(set(names)) == 6


def test_a_metric_without_samples_is_left_out() -> None:
    """A party's machine without a revocation list says nothing of one."""
    assert "crl" not in render(metrics_of(Facts(NOW), []))


def test_labels_are_escaped() -> None:
    """Quotes, backslashes and ends of line cannot break out of a label."""
    metric = Metric("m", "h", (({"l": 'a"b\\c\nd'}, 1.0),))
    assert 'm{l="a\\"b\\\\c\\nd"} 1' in render([metric])


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """Nothing but the file itself stays, readable by the collector."""
    path = tmp_path / "hedx.prom"
    write(path, "old\n")
    write(path, "new\n")
    assert [each.name for each in tmp_path.iterdir()] == ["hedx.prom"]
    assert path.read_text() == "new\n"
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_folder_that_is_missing_is_the_operators_error(tmp_path: Path) -> None:
    """Not a traceback."""
    with pytest.raises(ConfigError, match="metrics"):
        write(tmp_path / "missing" / "hedx.prom", "")
