"""Findings of the probes: each check is a rule over what was seen, with its boundaries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.ops.health import Facts, examine, is_healthy
from pipeline.ops.health_checks import DAY, SKEW_ALARM, SKEW_WARNING
from pipeline.ops.health_seen import (
    BrokerSeen,
    ClockSeen,
    ClusterSeen,
    DeskSeen,
    DiskSeen,
    DriftSeen,
    LettersSeen,
    RightsSeen,
    SchemasSeen,
    Seen,
    Unlooked,
    VersionsSeen,
    YearsSeen,
)

NOW = 1_800_000_000_000
GIB = 2**30
BROKER = BrokerSeen(
    "kafka1:9092", advertised=True, resolves=True, connects=True, handshake="ok", not_after=NOW + 90 * DAY
)
TRIED = VersionsSeen("3.11.2", "2.16.1", "2.16.0")


def found(**seen: object) -> list[tuple[str, str]]:
    """(code, severity) of what the checks say of these facts."""
    return [(each.code, each.severity) for each in examine(Facts(NOW, seen=Seen(**seen)))]  # type: ignore[arg-type]


def test_a_site_in_order_has_no_findings() -> None:
    """Everything was looked at, and nothing is the matter."""
    seen = Seen(
        cluster=ClusterSeen("kafka1:9092", "center", answers=True),
        brokers=(BROKER,),
        rights=(RightsSeen("center", 20),),
        drift=DriftSeen(()),
        schemas=SchemasSeen(looked=100),
        clock=ClockSeen(100, 5, "controller", disciplined=True),
        disks=(DiskSeen("/hedx", 100 * GIB, 50 * GIB),),
        versions=replace(TRIED, agreed={"a": 30}, newest={"a": 30}),
        years=YearsSeen(2026, 11, "published", "published"),
        desk=DeskSeen(0, 0),
        letters=LettersSeen(NOW, {}),
        memory_lockable=True,
    )
    assert examine(Facts(NOW, seen=seen)) == []


def test_a_cluster_that_does_not_answer_is_an_alarm() -> None:
    """With what was said."""
    assert found(cluster=ClusterSeen("kafka1:9092", "center", answers=False, said="timed out")) == [
        ("kafka_silent", "alarm")
    ]


@pytest.mark.parametrize(
    ("broker", "code"),
    [
        (replace(BROKER, resolves=False, connects=False, handshake=None, not_after=None), "broker_unresolved"),
        (replace(BROKER, connects=False, handshake=None, not_after=None), "broker_unreachable"),
        (replace(BROKER, handshake="wrong_name"), "broker_name_wrong"),
        (replace(BROKER, handshake="not_a_broker"), "broker_impostor"),
        (replace(BROKER, handshake="expired"), "broker_certificate_expired"),
        (replace(BROKER, handshake="not_yet_valid"), "broker_certificate_early"),
        (replace(BROKER, handshake="unknown_authority"), "broker_certificate_unknown"),
        (replace(BROKER, handshake="failed"), "broker_tls_failed"),
    ],
)
def test_an_address_that_fails_says_at_which_step(broker: BrokerSeen, code: str) -> None:
    """One finding each: what comes after the first failure was not looked at."""
    assert found(brokers=(broker,)) == [(code, "alarm")]


@pytest.mark.parametrize(
    ("left", "severity"),
    [(61, None), (60, "notice"), (31, "notice"), (30, "warning"), (8, "warning"), (7, "alarm"), (0, "alarm")],
)
def test_a_brokers_certificate_is_told_as_early_as_others(left: int, severity: str | None) -> None:
    """60, 30 and 7 days before."""
    expected = [] if severity is None else [("broker_certificate_expires", severity)]
    assert found(brokers=(replace(BROKER, not_after=NOW + left * DAY),)) == expected


def test_rights_missing_and_beyond_are_alarms_of_their_own() -> None:
    """Three are named, the others counted."""
    seen = Seen(rights=(RightsSeen("P37", 9, ("read a",), ("write b", "write c", "write d", "write e")),))
    missing, beyond = examine(Facts(NOW, seen=seen))
    assert (missing.code, missing.args["what"]) == ("rights_missing", "read a")
    assert (beyond.code, beyond.args["what"]) == ("rights_beyond", "write b, write c, write d … (4)")


def test_drift_is_a_warning() -> None:
    """With the first line of the plan."""
    assert found(drift=DriftSeen(("~ hedx.trust  retention.ms: 1 -> (default)",))) == [("topics_drift", "warning")]


@pytest.mark.parametrize(
    ("schemas", "expected"),
    [
        (SchemasSeen(unreleased=("Person",)), [("schemas_unreleased", "warning")]),
        (SchemasSeen(faults=1), [("schemas_unreleased", "alarm")]),
        (SchemasSeen(unknown={"hedx.events": 3}), [("schema_unknown", "alarm")]),
    ],
)
def test_schemas_that_are_not_the_released_ones(schemas: SchemasSeen, expected: list[tuple[str, str]]) -> None:
    """Our own are a warning, or an alarm when they contradict; others' that we cannot read are an alarm."""
    assert found(schemas=schemas) == expected


@pytest.mark.parametrize(
    ("skew", "error", "expected"),
    [
        (0, 0, []),
        (SKEW_WARNING - 1, 0, []),
        (SKEW_WARNING, 0, [("clock_ahead", "warning")]),
        (-SKEW_WARNING, 0, [("clock_behind", "warning")]),
        (SKEW_WARNING, 1, []),
        (SKEW_ALARM, 0, [("clock_ahead", "alarm")]),
        (-SKEW_ALARM - 50, 50, [("clock_behind", "alarm")]),
    ],
)
def test_a_clock_is_off_beyond_what_the_measurement_may_err(
    skew: int, error: int, expected: list[tuple[str, str]]
) -> None:
    """To the millisecond, in both directions."""
    assert found(clock=ClockSeen(skew, error, "controller", disciplined=True)) == expected


def test_a_clock_that_nothing_keeps_right_is_a_notice_and_a_made_up_one_a_warning() -> None:
    """Where the kernel does not say, nothing is said."""
    assert found(clock=ClockSeen(disciplined=False)) == [("clock_undisciplined", "notice")]
    assert found(clock=ClockSeen(disciplined=None)) == []
    assert found(clock=ClockSeen(simulated=True)) == [("clock_simulated", "warning")]


@pytest.mark.parametrize(
    ("free", "severity"), [(16, None), (15, None), (14.9, "warning"), (5, "warning"), (4.9, "alarm"), (0, "alarm")]
)
def test_a_disk_gets_full(free: float, severity: str | None) -> None:
    """By the share that is left."""
    disk = DiskSeen("/hedx", 1000 * GIB, int(free * 10 * GIB))
    assert found(disks=(disk,)) == ([] if severity is None else [("disk_full", severity)])


def test_versions_that_were_not_tried_together() -> None:
    """An old Python, packages off the lock, brokers that could do more or differ from each other."""
    assert found(versions=replace(TRIED, python="3.10.9")) == [("python_old", "alarm")]
    assert found(versions=replace(TRIED, packages={"click": ("8.3.3", "8.0.0")})) == [("packages_differ", "notice")]
    behind = replace(TRIED, agreed={"a": 29, "b": 29}, newest={"a": 30, "b": 30})
    assert found(versions=behind) == [("metadata_version_behind", "notice")]
    differ = replace(TRIED, agreed={"a": 29, "b": 29}, newest={"a": 29, "b": 30})
    assert found(versions=differ) == [("brokers_differ", "warning"), ("metadata_version_behind", "notice")]


@pytest.mark.parametrize(
    ("years", "expected"),
    [
        (YearsSeen(2026, 10, "published", None), []),
        (YearsSeen(2026, 11, "published", None), [("year_unknown", "warning")]),
        (YearsSeen(2026, 12, "published", None), [("year_unknown", "alarm")]),
        (YearsSeen(2026, 11, "published", "estimated"), [("year_estimated", "notice")]),
        (YearsSeen(2026, 12, "published", "estimated"), [("year_estimated", "warning")]),
        (YearsSeen(2026, 3, "estimated", None), [("year_estimated", "warning")]),
        (YearsSeen(2026, 3, None, None), [("year_unknown", "alarm")]),
    ],
)
def test_the_next_years_working_days_are_asked_for_in_november(
    years: YearsSeen, expected: list[tuple[str, str]]
) -> None:
    """This year's are needed always, the next one's from December on."""
    assert found(years=years) == expected


def test_what_is_overdue_at_the_desk_is_an_alarm() -> None:
    """What must be decided on today is a warning."""
    assert found(desk=DeskSeen(2, 1)) == [("holds_overdue", "alarm"), ("holds_due", "warning")]


def test_dead_letters_that_nobody_decided_about_are_a_warning() -> None:
    """With the commonest codes; a count that was cut short says so."""
    seen = Seen(letters=LettersSeen(NOW, {"expired": 1, "signature_invalid": 999}, more=True))
    [finding] = examine(Facts(NOW, seen=seen))
    assert (finding.code, finding.severity) == ("letters_open", "warning")
    assert finding.args == {"count": "1000+", "codes": "signature_invalid 999, expired 1"}


def test_memory_that_may_be_swapped_is_a_notice() -> None:
    """Where nobody looked, nothing is said."""
    assert found(memory_lockable=False) == [("memory_swappable", "notice")]
    assert found(memory_lockable=None) == []


def test_what_could_not_be_looked_at_is_not_healthy() -> None:
    """Too slow or failed: silence about it would pass for health."""
    seen = Seen(unlooked=(Unlooked("rights", "too_slow"), Unlooked("drift", "failed", "no authorizer")))
    findings = examine(Facts(NOW, seen=seen))
    assert [(each.code, each.subject) for each in findings] == [("probe_too_slow", "rights"), ("probe_failed", "drift")]
    assert not is_healthy(findings)
