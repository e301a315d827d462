"""The registry's parties: their entries, addresses and suspension. Every change gives the entry its next number."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.center import addresses as ip
from pipeline.center.addresses import Address
from pipeline.center.registry_file import transaction
from pipeline.center.registry_membership import Membership
from pipeline.center.registry_rows import Member, member_of
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER, is_party, provider_name


class Parties(Membership):
    """Who is registered."""

    def register(self, party: str, now: int, addresses: Sequence[str] = ()) -> Member:
        """Register a party (Art. 4) with the addresses it connects from; one registered already stays as it is."""
        if not is_party(party):
            raise ConfigError(f"{party} is no party: give a province's code, e.g. 37, or 00 for 部中心")
        with transaction(self._db):
            if self._row("SELECT 1 FROM entry WHERE party = ?", party) is None:
                held: list[Address] = []
                for address in addresses:
                    held = ip.added(held, address, now)
                row = (party, 1, provider_name(party), ip.to_json(held), 0, 1)
                self._db.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)", row)
                self._note(now, party, "registered", ", ".join(each.address for each in held))
            return self.member(party)

    def member(self, party: str) -> Member:
        """A registered party. Raises ConfigError for one that is not."""
        row = self._row("SELECT * FROM entry WHERE party = ?", party)
        if row is None:
            raise ConfigError(f"party {party} is not registered here")
        return member_of(row)

    def members(self) -> list[Member]:
        """All registered parties, the center first."""
        rows = self._db.execute("SELECT * FROM entry ORDER BY party <> ?, party", (CENTER,))
        return [member_of(row) for row in rows]

    def suspend(self, party: str, reason: str, now: int) -> bool:
        """Suspend a party; False when it is already. Raises ConfigError for the center and for unknown parties."""
        if party == CENTER:
            raise ConfigError("the center cannot suspend itself")
        return self._set_suspended(party, True, reason, now)

    def resume(self, party: str, now: int) -> bool:
        """Let a suspended party in again; False when it is not suspended."""
        return self._set_suspended(party, False, "", now)

    def suspended(self) -> set[str]:
        """The parties that are suspended."""
        return {member.party for member in self.members() if member.suspended}

    def add_address(self, party: str, address: str, now: int, since: int | None = None) -> Member:
        """File one more address, in force from `since` (now by default) beside those there are."""
        with transaction(self._db):
            held = ip.added(self.member(party).addresses, address, now, since)
            self._change(party, "addresses = ?", ip.to_json(held))
            self._note(now, party, "address added", held[-1].address)
            return self.member(party)

    def change_address(
        self, party: str, old: str, new: str, now: int, *, overlap_days: int, since: int | None = None
    ) -> Member:
        """File a change of address (Art. 5): `new` from `since` (now by default), `old` `overlap_days` longer."""
        with transaction(self._db):
            held = ip.changed(
                self.member(party).addresses, old, new, now, overlap_days=overlap_days, since=since
            )  # fmt: skip
            self._change(party, "addresses = ?", ip.to_json(held))
            self._note(now, party, "address changed", f"{old} to {new}, both for {overlap_days} days")
            return self.member(party)

    def addresses(self, now: int) -> dict[str, list[str]]:
        """Of every party with registered addresses those that are in force `now`."""
        return {
            member.party: [each.address for each in member.addresses if each.in_force(now)]
            for member in self.members()
            if member.addresses
        }

    def _set_suspended(self, party: str, suspended: bool, reason: str, now: int) -> bool:
        with transaction(self._db):
            if self.member(party).suspended == suspended:
                return False
            self._change(party, "suspended = ?", int(suspended))
            self._note(now, party, "suspended" if suspended else "resumed", reason)
            return True

    def _change(self, party: str, assignment: str | None = None, *values: object) -> None:
        """One change to an entry, and its next number. `assignment` is a literal of this module."""
        also = "" if assignment is None else f", {assignment}"
        self._db.execute(f"UPDATE entry SET number = number + 1{also} WHERE party = ?", (*values, party))  # noqa: S608
