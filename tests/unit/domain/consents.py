"""The consent to a county's application (Art. 3), to be spoilt one field at a time."""

from __future__ import annotations

from typing import Any, cast

from pipeline.domain.records import UnitConsent


def a_consent(**changes: Any) -> UnitConsent:
    """历下区 asks through 山东, whose civil affairs department has consented (Art. 3)."""
    consent: UnitConsent = {
        "level": "county",
        "unit": "济南市历下区民政局",
        "authority": "山东省民政厅",
        "document": "鲁民函〔2026〕15号",
        "reason": "辖区内跨省务工家庭集中，须核对省外收入",
        "date": "2026-10-08",
        "valid_until": "2027-10-07",
    }
    return cast("UnitConsent", {**consent, **changes})
