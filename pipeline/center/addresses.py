"""A party's registered addresses on the government extranet (电子政务外网), and their change in time (Art. 5).

Pure: a list of addresses in, a list out. An address is in force from `since` until `until`; `filed_at` says when the
party told, which Art. 5 wants to be no later than the change.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_address

from pipeline.domain.errors import ConfigError
from pipeline.domain.records import RegisteredAddress

DAY = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Address:
    """One registered address; times in ms."""

    address: str  # IPv4 or IPv6, in its shortest form
    since: int
    until: int | None  # None: until it is changed
    filed_at: int

    def in_force(self, at: int) -> bool:
        """Whether the party may connect from it `at`."""
        return self.since <= at and (self.until is None or at < self.until)

    @property
    def filed_late(self) -> bool:
        """Whether it was told only after it was in use."""
        return self.filed_at > self.since

    def record(self) -> RegisteredAddress:
        """As the trust entry tells it."""
        return RegisteredAddress(address=self.address, since=self.since, until=self.until)


def address_of(text: str) -> str:
    """One address in its shortest form. Raises ConfigError for anything that is not one host's address."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        raise ConfigError(f"{text} is no IPv4 or IPv6 address") from None
    if address.is_unspecified or address.is_multicast:
        raise ConfigError(f"{text} is not the address of one host")
    return str(address)


def added(held: Sequence[Address], address: str, now: int, since: int | None = None) -> list[Address]:
    """`held` and one more, filed `now`, in force from `since` (now by default)."""
    text = address_of(address)
    if any(each.address == text and each.until is None for each in held):
        raise ConfigError(f"{text} is registered already")
    return [*held, Address(text, now if since is None else since, None, now)]


def changed(
    held: Sequence[Address], old: str, new: str, now: int, *, overlap_days: int, since: int | None = None
) -> list[Address]:
    """`new` from `since` (now by default), `old` until `overlap_days` later: in between both are in force."""
    leaving = address_of(old)
    if not any(each.address == leaving and each.until is None for each in held):
        raise ConfigError(f"{leaving} is not registered, or is on its way out already")
    start = now if since is None else since
    end = max(start, now) + overlap_days * DAY
    kept = [replace(each, until=end) if each.address == leaving and each.until is None else each for each in held]
    return added(kept, new, now, start)


def to_json(addresses: Iterable[Address]) -> str:
    """As the registry keeps them."""
    return json.dumps([asdict(each) for each in addresses])


def from_json(text: str) -> list[Address]:
    """The inverse of `to_json`."""
    return [Address(**each) for each in json.loads(text)]
