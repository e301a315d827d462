"""hedx catalog publish, as far as it goes without Kafka."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli.exits import Exit
from pipeline.cli.main import run

DEMO = Path(__file__).resolve().parents[3] / "deploy" / "demo" / "catalog" / "37.yaml"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("feedback_seconds: 3600", f"feedback_seconds: {61 * 86400}"),
        # 36 working days are 51 days in most of a year, and 61 around Spring Festival
        ("feedback_working_days: 5", "feedback_working_days: 36"),
    ],
)
def test_a_limit_longer_than_requests_are_kept_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str
) -> None:
    """A release whose answers may come after the request is gone from its topic is not published."""
    report = tmp_path / "37.yaml"
    report.write_text(DEMO.read_text(encoding="utf-8").replace(old, new))
    assert run(["catalog", "publish", str(report), "--bootstrap", "127.0.0.1:1"]) == Exit.FAILED
    assert "retention.ms" in capsys.readouterr().err
