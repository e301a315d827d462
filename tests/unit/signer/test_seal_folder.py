"""Seal keys over the months: made, told to others, followed by the next, destroyed when nobody can need them."""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.codec import framing
from pipeline.crypto import signed
from pipeline.crypto.authority import issue
from pipeline.crypto.keys import LocalIdentity, PublicSealingKey, SealingKey, public_sealing_key
from pipeline.crypto.keystore import read_passphrase, write_durably, write_identity, write_key
from pipeline.crypto.seal_keys import read_seal_key
from pipeline.crypto.sealing import new_seal, unseal
from pipeline.crypto.suite import H
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.records import SealKey
from pipeline.signer.client import open_identity
from pipeline.signer.keyring import Keyring
from pipeline.signer.seal_folder import HOUR, RETENTION, RETENTION_CENTER
from tests.unit.crypto.exchange import DAY, NOW, authority, identity, refusal, trust

FIRST = NOW // DAY
"""Number of a key made on the first day."""


@dataclass
class Clock:
    now: int = NOW

    def __call__(self) -> int:
        return self.now


@dataclass
class Holder:
    """A party's signer with a clock that a test sets."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    party: str = "37"

    def __post_init__(self) -> None:
        write_identity(self.folder, identity(self.party))
        self.keyring = self.restarted()

    def restarted(self) -> Keyring:
        return Keyring(self.folder, self.clock)

    def tend(self) -> list[SealKey]:
        """As the keeper does, which was here an hour ago: the records of the new statements, which are published."""
        (self.folder / "seal").mkdir(exist_ok=True)
        (self.folder / "seal" / "tended").write_text(str(self.clock.now - HOUR))
        made = self.keyring.seals.tend()
        for number, _ in made:
            self.keyring.seals.published(number)
        return [record(raw) for _, raw in made]

    def numbers(self) -> list[int]:
        """Of the private keys on disk."""
        return sorted(int(path.stem) for path in (self.folder / "seal").glob("*.key"))

    def unseal(self, seal: bytes) -> bytes:
        return unseal(seal, "53", Ring(self.keyring))


@dataclass
class Ring:
    """A keyring as an `Unsealer`."""

    keyring: Keyring

    def holds(self, kid: bytes) -> bool:
        return self.keyring.holds(kid)

    def agree(self, kid: bytes, other: object) -> bytes:
        from pipeline.crypto.suite import point

        return self.keyring.agree(kid, point(other))  # type: ignore[arg-type]


@pytest.fixture
def holder(tmp_path: Path) -> Holder:
    return Holder(tmp_path / "identity")


def record(raw: bytes) -> SealKey:
    found: SealKey = framing.decode_as("SealKey", signed.peek(raw).payload)  # type: ignore[assignment]
    return found


def key_of(statement: SealKey) -> PublicSealingKey:
    return public_sealing_key(statement["point"])


def test_the_first_look_makes_the_first_key(holder: Holder) -> None:
    """Its statement verifies under the encrypt certificate, is valid for 30 days, and is given out until published."""
    [(number, raw)] = holder.keyring.seals.tend()
    stated = read_seal_key(raw, trust())
    assert (number, stated.number, stated.party) == (FIRST, FIRST, "37")
    assert (stated.not_before, stated.not_after) == (NOW, NOW + 30 * DAY)
    assert stated.thumbprint == H(identity("37").sealing_certificate)
    assert holder.keyring.seals.tend() == [(number, raw)]
    holder.keyring.seals.published(number)
    assert holder.keyring.seals.tend() == []
    assert holder.restarted().seals.tend() == []


def test_a_year_of_rotation(holder: Holder) -> None:
    """Day by day for a year: what was sealed to the newest valid key opens up to 14 days later, and old keys go."""
    statements: list[SealKey] = []
    under_way: list[tuple[int, bytes, bytes]] = []
    opened = 0
    for day in range(366):
        holder.clock.now = NOW + day * DAY
        statements += holder.tend()
        usable = [each for each in statements if each["not_before"] <= holder.clock.now <= each["not_after"]]
        for each in usable:  # some still seal to the one before
            secret, seal = new_seal("53", [key_of(each)])
            under_way.append((day + (14 if day % 2 else 1), secret, seal))
        for _, secret, seal in [item for item in under_way if item[0] == day]:
            assert holder.unseal(seal) == secret
            opened += 1
        under_way = [item for item in under_way if item[0] > day]
        for number in holder.numbers():
            [stated] = [each for each in statements if each["number"] == number]
            assert stated is statements[-1] or holder.clock.now < stated["not_after"] + RETENTION + 14 * DAY
        if day % 50 == 0:
            holder.keyring = holder.restarted()
    assert opened > 366
    assert [each["number"] for each in statements] == [FIRST + 27 * n for n in range(14)]
    assert all(b["not_before"] == a["not_after"] - 3 * DAY for a, b in pairwise(statements))


def test_a_superseded_key_goes_21_days_after_its_last_use(holder: Holder) -> None:
    """To the day: there while somebody may still need it, then gone from disk, memory and every other process."""
    [first] = holder.tend()
    secret, seal = new_seal("53", [key_of(first)])
    holder.clock.now = NOW + 27 * DAY
    assert [each["number"] for each in holder.tend()] == [FIRST + 27]
    holder.clock.now = first["not_after"] + 5 * DAY
    assert holder.unseal(seal) == secret
    other = holder.restarted()
    content = (holder.folder / "seal" / f"{FIRST}.key").read_bytes()
    holder.clock.now += RETENTION - 1
    holder.tend()
    assert FIRST in holder.numbers()
    holder.clock.now += 1
    holder.tend()
    assert FIRST not in holder.numbers()
    assert not [path for path in holder.folder.rglob("*") if path.is_file() and content in path.read_bytes()]
    assert not [path for path in (holder.folder / "seal").iterdir() if path.name.startswith(f"{FIRST}.")]
    for keyring in (holder.keyring, other, holder.restarted()):
        keyring.seals.look()
        assert not keyring.holds(key_of(first).kid)
    assert refusal(lambda: holder.unseal(seal)) == "not_a_recipient"


def test_a_key_never_used_goes_21_days_after_its_end(holder: Holder) -> None:
    """Until its validity ends somebody may seal to it, so that counts as use."""
    [first] = holder.tend()
    holder.clock.now = NOW + 28 * DAY
    holder.tend()
    holder.clock.now = first["not_after"] + RETENTION - 1
    holder.tend()
    assert FIRST in holder.numbers()
    holder.clock.now += 1
    holder.tend()
    assert FIRST not in holder.numbers()


def test_the_center_keeps_them_longer(tmp_path: Path) -> None:
    """It parks what is sealed to it on topics that are kept for 90 days."""
    center = Holder(tmp_path / "identity", party="center")
    [first] = center.tend()
    center.clock.now = NOW + 28 * DAY
    center.tend()
    center.clock.now = first["not_after"] + RETENTION_CENTER - 1
    center.tend()
    assert FIRST in center.numbers()
    center.clock.now += 1
    center.tend()
    assert FIRST not in center.numbers()


def test_the_newest_key_stays_however_old(holder: Holder) -> None:
    """A signer that slept for a year makes the next key before it destroys the last one."""
    holder.tend()
    holder.clock.now = NOW + 365 * DAY
    assert [each["number"] for each in holder.tend()] == [FIRST + 365]
    assert holder.numbers() == [FIRST + 365]


def test_a_last_use_is_written_once_an_hour(holder: Holder) -> None:
    """It survives a restart, and a busy day does not wear the disk."""
    [first] = holder.tend()
    used = holder.folder / "seal" / f"{FIRST}.used"
    written = []
    for minute in range(0, 180, 5):
        holder.clock.now = NOW + minute * 60_000
        _, seal = new_seal("53", [key_of(first)])
        holder.unseal(seal)
        written.append(used.read_text())
    assert sorted(set(written)) == [str(NOW), str(NOW + HOUR), str(NOW + 2 * HOUR)]


def test_a_key_that_another_process_made_is_found_at_once(holder: Holder) -> None:
    """Stages of the center share a folder: a seal to the newest key opens in a signer that was started before it."""
    before = holder.restarted()
    [first] = holder.tend()
    assert before.holds(key_of(first).kid)
    assert not before.holds(bytes(32))


def test_two_that_tend_at_once_make_one_key(holder: Holder) -> None:
    """The second one finds the first one's key."""
    other = holder.restarted()
    assert [number for number, _ in holder.keyring.seals.tend()] == [FIRST]
    assert [number for number, _ in other.seals.tend()] == [FIRST]
    assert holder.numbers() == [FIRST]


def test_a_key_whose_maker_was_stopped_gets_its_statement(holder: Holder) -> None:
    """Power fails between key and statement: nobody knew the key, so it is stated from now on."""
    seal = holder.folder / "seal"
    seal.mkdir()
    write_key(seal / f"{FIRST}.key", SealingKey.generate().private_key, read_passphrase(holder.folder))
    holder.keyring = holder.restarted()
    holder.clock.now += 5 * DAY
    [stated] = holder.tend()
    assert (stated["number"], stated["not_before"]) == (FIRST, NOW + 5 * DAY)


def test_what_a_stopped_signer_left_is_destroyed(holder: Holder) -> None:
    """Power fails while a key is written, or overwritten: neither half stays, and neither keeps a signer from starting."""
    [first] = holder.tend()
    seal = holder.folder / "seal"
    content = (seal / f"{first['number']}.key").read_bytes()
    (seal / f".{first['number'] + 27}.key.4711").write_bytes(content)
    (seal / f".{first['number'] - 27}.key.gone").write_bytes(content[:7])
    holder.keyring = holder.restarted()
    holder.tend()
    assert holder.keyring.holds(key_of(first).kid)
    assert not [path.name for path in seal.iterdir() if path.name.startswith(".")]


def test_a_renewed_certificate_vouches_for_a_key_of_its_own(holder: Holder) -> None:
    """After renewal the next key is made at once; a process that does not know the new certificate leaves it alone."""
    [first] = holder.tend()
    before = holder.restarted()
    renewed: LocalIdentity = issue(authority(), "37", NOW)
    earlier = holder.folder / "earlier"
    earlier.mkdir()
    passphrase = read_passphrase(holder.folder)
    write_key(earlier / "old.key", identity("37").sealing.private_key, passphrase)
    write_durably(earlier / "old.der", identity("37").sealing_certificate)
    write_key(holder.folder / "encrypt.key", renewed.sealing.private_key, passphrase)
    write_durably(holder.folder / "encrypt.der", renewed.sealing_certificate)
    holder.keyring = holder.restarted()
    [(number, raw)] = holder.keyring.seals.tend()
    assert (number, signed.peek(raw).thumbprint) == (FIRST + 1, H(renewed.sealing_certificate))
    assert [number for number, _ in before.seals.tend()] == [FIRST + 1]
    assert holder.numbers() == [FIRST, FIRST + 1]
    for key in (key_of(first), identity("37").sealing.public, renewed.sealing.public):
        secret, seal = new_seal("53", [key])
        assert holder.unseal(seal) == secret


def test_nothing_is_destroyed_on_the_word_of_a_clock_that_jumped(holder: Holder) -> None:
    """A clock that is a year ahead for a moment makes a key too early, but takes none away, and its number leads on nowhere.

    Others refuse numbers far ahead of the day: the next keys are numbered as if there had been no jump.
    """
    holder.tend()
    holder.clock.now = NOW + 365 * DAY
    holder.keyring.seals.tend()
    assert holder.numbers() == [FIRST, FIRST + 365]
    holder.clock.now = NOW + HOUR
    assert holder.keyring.seals.tend() == []
    assert holder.numbers() == [FIRST, FIRST + 365]
    holder.clock.now = NOW + 28 * DAY
    [(number, raw)] = holder.keyring.seals.tend()
    assert number == FIRST + 28
    assert holder.numbers() == [FIRST, FIRST + 28, FIRST + 365]
    usable = record(raw)
    assert usable["not_before"] <= holder.clock.now <= usable["not_after"]


def test_numbers_grow_where_the_folder_was_lost(holder: Holder) -> None:
    """Others refuse a lower number than they have seen: a folder that begins anew must not begin with 1."""
    [first] = holder.tend()
    shutil.rmtree(holder.folder / "seal")
    holder.clock.now += 2 * DAY
    holder.keyring = holder.restarted()
    [again] = holder.tend()
    assert again["number"] > first["number"]
    assert not holder.keyring.holds(key_of(first).kid)


def test_statement_and_rotation_in_a_real_signer(tmp_path: Path) -> None:
    """A signer process makes key 1 by its own clock; a seal to it opens through the process, and the note stays."""
    write_identity(tmp_path / "identity", identity("37"))
    with open_identity(tmp_path / "identity") as remote:
        [(number, raw)] = remote.tend()
        today = time.time_ns() // 1_000_000 // DAY
        assert record(raw)["number"] == number
        assert today - 1 <= number <= today
        secret, seal = new_seal("53", [key_of(record(raw))])
        assert unseal(seal, "53", remote.sealing) == secret
        remote.published(number)
        assert remote.tend() == []
        assert re.fullmatch(r"[0-9]{13}", (tmp_path / "identity" / "seal" / f"{number}.used").read_text())
        with pytest.raises(InvalidMessage):
            remote.sealing.agree(bytes(32), key_of(record(raw)).public_key)
