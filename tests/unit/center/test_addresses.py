"""Registered addresses: one host each, filed in time, with an overlap."""

from __future__ import annotations

import pytest

from pipeline.center.addresses import DAY, Address, added, address_of, changed, from_json, to_json
from pipeline.domain.errors import ConfigError

NOW = 1_800_000_000_000
HELD = added([], "10.0.0.1", NOW)


@pytest.mark.parametrize(
    ("text", "address"),
    [("10.0.0.1", "10.0.0.1"), (" 10.0.0.1 ", "10.0.0.1"), ("2001:DB8:0:0::1", "2001:db8::1"), ("::1", "::1")],
)
def test_an_address_has_one_form(text: str, address: str) -> None:
    """The shortest: two ways to write one host are one address."""
    assert address_of(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "*", "10.0.0.0/8", "10.0.0.256", "0.0.0.0", "::", "224.0.0.1", "kafka", "010.0.0.1"],  # noqa: S104
)
def test_what_is_not_one_host_is_refused(text: str) -> None:
    """No networks, no names, no wildcard: Art. 5 registers addresses."""
    with pytest.raises(ConfigError):
        address_of(text)


def test_a_change_filed_in_time() -> None:
    """The new address counts from its day; the old one for the overlap after it."""
    since = NOW + 3 * DAY
    old, new = changed(HELD, "10.0.0.1", "10.0.0.2", NOW, overlap_days=7, since=since)
    assert (old.until, new.since, new.until, new.filed_at) == (since + 7 * DAY, since, None, NOW)
    assert not new.filed_late
    assert [[each.in_force(at) for each in (old, new)] for at in (NOW, since, since + 7 * DAY)] == [
        [True, False],
        [True, True],
        [False, True],
    ]


def test_a_change_filed_late_is_marked_and_still_overlaps() -> None:
    """The overlap runs from when it was filed, since until then nobody let the new address in."""
    old, new = changed(HELD, "10.0.0.1", "10.0.0.2", NOW, overlap_days=2, since=NOW - 5 * DAY)
    assert new.filed_late
    assert old.until == NOW + 2 * DAY


def test_no_overlap_is_a_clean_cut() -> None:
    """At every instant exactly one of the two is in force."""
    since = NOW + DAY
    old, new = changed(HELD, "10.0.0.1", "10.0.0.2", NOW, overlap_days=0, since=since)
    for at in (NOW, since - 1, since, since + DAY):
        assert [old.in_force(at), new.in_force(at)].count(True) == 1


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("10.0.0.9", "10.0.0.2", "not registered"),
        ("10.0.0.1", "10.0.0.0/8", "no IPv4 or IPv6"),
        ("10.0.0.3", "10.0.0.1", "registered already"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(old: str, new: str, sentence: str) -> None:
    """From an address that is not there, to one that is, or to none."""
    with pytest.raises(ConfigError, match=sentence):
        changed(added(HELD, "10.0.0.3", NOW), old, new, NOW, overlap_days=1)


def test_an_address_on_its_way_out_is_not_changed_again() -> None:
    """Its end is settled; the new one is what changes next."""
    held = changed(HELD, "10.0.0.1", "10.0.0.2", NOW, overlap_days=7)
    with pytest.raises(ConfigError, match="on its way out"):
        changed(held, "10.0.0.1", "10.0.0.3", NOW, overlap_days=7)
    assert changed(held, "10.0.0.2", "10.0.0.1", NOW, overlap_days=0)[-1].address == "10.0.0.1"


def test_addresses_survive_their_text() -> None:
    """As the registry keeps them."""
    held = [*HELD, Address("::1", NOW, NOW + 1, NOW - 1)]
    assert from_json(to_json(held)) == held
