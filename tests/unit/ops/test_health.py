"""Findings: each check is a rule over facts, with its boundaries."""

from __future__ import annotations

from string import Formatter

import pytest

from pipeline.ops.health import (
    CRL_AGE,
    DAY,
    Facts,
    Finding,
    HeldCertificate,
    HeldFile,
    HeldList,
    HeldSealKey,
    Pending,
    examine,
    is_healthy,
)
from pipeline.ops.health_words import FINDINGS, cure, told

NOW = 1_800_000_000_000


def certificate(left: int, usage: str = "sign", *, revoked: bool = False) -> Facts:
    """One certificate with so much time (ms) left."""
    return Facts(NOW, [HeldCertificate("37", usage, "ab", NOW + left, revoked)])


@pytest.mark.parametrize(
    ("left", "severity"),
    [
        (61 * DAY, None),
        (60 * DAY + 1, None),
        (60 * DAY, "notice"),
        (30 * DAY + 1, "notice"),
        (30 * DAY, "warning"),
        (7 * DAY + 1, "warning"),
        (7 * DAY, "alarm"),
        (0, "alarm"),
    ],
)
def test_certificates_are_told_60_30_and_7_days_before(left: int, severity: str | None) -> None:
    """To the millisecond, and with the days that are left."""
    found = examine(certificate(left))
    assert [each.severity for each in found] == ([] if severity is None else [severity])
    assert [each.args["days"] for each in found] == [left // DAY] * len(found)
    assert is_healthy(found) == (severity in (None, "notice"))


def test_an_expired_certificate_is_an_alarm() -> None:
    """One millisecond later it is another finding."""
    [found] = examine(certificate(-1))
    assert (found.code, found.severity) == ("certificate_expired", "alarm")


def test_a_revoked_certificate_without_a_successor_is_an_alarm() -> None:
    """And nothing is said of its expiry."""
    [found] = examine(certificate(DAY, revoked=True))
    assert found.code == "certificate_revoked"


@pytest.mark.parametrize(("usage", "code"), [("root", "root_expires"), ("issuing", "issuing_expires")])
def test_a_cas_certificate_has_a_cure_of_its_own(usage: str, code: str) -> None:
    """It takes a ceremony."""
    assert [each.code for each in examine(certificate(DAY, usage))] == [code]


@pytest.mark.parametrize(
    ("age", "left", "code"),
    [
        (CRL_AGE, 5 * DAY, None),
        (CRL_AGE + 1, 5 * DAY, "crl_old"),
        (7 * DAY, 0, "crl_old"),
        (7 * DAY, -1, "crl_stale"),
    ],
)
def test_a_revocation_list_gets_old_and_then_stale(age: int, left: int, code: str | None) -> None:
    """Two days without a new one is a warning; past its time everything new is refused."""
    found = examine(Facts(NOW, revocation_list=HeldList(7, NOW - age, NOW + left)))
    assert [each.code for each in found] == ([] if code is None else [code])


@pytest.mark.parametrize(
    ("left", "code"),
    [(3 * DAY, None), (2 * DAY, None), (2 * DAY - 1, "seal_key_old"), (0, "seal_key_old"), (-1, "seal_key_expired")],
)
def test_a_seal_key_without_a_successor(left: int, code: str | None) -> None:
    """A day after it should have got one."""
    found = examine(Facts(NOW, seal_keys=[HeldSealKey("37", 4, NOW - 27 * DAY, NOW + left)]))
    assert [each.code for each in found] == ([] if code is None else [code])


@pytest.mark.parametrize(
    ("file", "found"),
    [
        (HeldFile("sign.key", 0o600), []),
        (HeldFile("sign.key", 0o400), []),
        (HeldFile("sign.key", 0o640), [("file_open", "alarm")]),
        (HeldFile("sign.key", 0o602), [("file_open", "alarm")]),
        (HeldFile("sign.key", 0o600, own=False), [("file_foreign", "alarm")]),
        (HeldFile("/hedx", 0o755, folder=True), [("file_open", "warning")]),
    ],
)
def test_keystores_are_their_owners_only(file: HeldFile, found: list[tuple[str, str]]) -> None:
    """Whatever bit is set for others."""
    assert [(each.code, each.severity) for each in examine(Facts(NOW, files=[file]))] == found


def test_a_request_that_waits_is_a_notice() -> None:
    """After a week."""
    for days, count in ((6, 0), (7, 1)):
        assert len(examine(Facts(NOW, pending=[Pending("37", "sign", NOW - days * DAY)]))) == count


def test_the_gravest_comes_first() -> None:
    """Whatever check it comes from."""
    facts = Facts(
        NOW,
        [HeldCertificate("37", "tls", "ab", NOW + 50 * DAY), HeldCertificate("37", "sign", "cd", NOW + 20 * DAY)],
        files=[HeldFile("sign.key", 0o644)],
    )
    assert [each.severity for each in examine(facts)] == ["alarm", "warning", "notice"]
    assert examine(Facts(NOW)) == []


@pytest.mark.parametrize("code", FINDINGS)
def test_every_finding_has_words_and_a_cure(code: str) -> None:
    """In both languages, with every placeholder filled."""
    names = {name for words in FINDINGS[code] for text in words for _, name, _, _ in Formatter().parse(text) if name}
    finding = Finding(code, "alarm", "37 sign", dict.fromkeys(names, "sign"))
    texts = [say(finding, lang) for say in (told, cure) for lang in ("zh", "en")]
    assert len(set(texts)) == 4
    assert all(text and "{" not in text for text in texts)
