"""Seal keys on disk: made, rotated, and destroyed when nobody can need them any more.

The folder holds for each key its `<number>.key` (encrypted PKCS#8), `<number>.cose` (the statement that the encrypt key
signs about it), `<number>.used` (when it last unsealed, ms) and `<number>.published`; and `tended`, when it was last
looked after. Several signer processes of one party may share the folder, such as those of the center's stages.

Numbers are days since 1970, or one more than the last: they grow even where the folder was lost and begins anew, for
others refuse a lower number than they have seen; and one far ahead of the day, such as those that a clock that jumped
has led to, which are therefore left out of the count.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.crypto import signed
from pipeline.crypto.keys import LocalSigner, SealingKey
from pipeline.crypto.keystore import destroy, load_key, write_durably, write_key
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.domain.records import SealKey

log = logging.getLogger(__name__)

HOUR = 3600 * 1000
DAY = 24 * HOUR
VALIDITY = 30 * DAY
ROTATION = 3 * DAY
"""How long (ms) before a key's end the next one is made."""
RETENTION = 21 * DAY
"""How long (ms) a superseded key is kept after its last use: an envelope lives for 14 days."""
RETENTION_CENTER = 111 * DAY
"""The center's: it parks what is sealed to it on topics kept for 90 days."""
STEADY = 7 * DAY
"""Nothing is destroyed when the clock has jumped by more than this (ms) since the last look; the next look decides."""
_RACY = 2_000_000_000
"""A folder changed less than so long (ns) before it was read may have changed again within its clock's tick."""


class SealFolder:
    """The seal keys of one party.

    `encrypting`: its encrypt key with certificate; `replaced`: thumbprints of the certificates it had before.
    `clock`: ms.
    """

    def __init__(
        self,
        folder: Path,
        encrypting: LocalSigner,
        replaced: Collection[bytes],
        passphrase: bytes,
        clock: Callable[[], int],
    ) -> None:
        self._folder = folder
        self._encrypting = encrypting
        self._replaced = replaced
        self._passphrase = passphrase
        self._clock = clock
        self._retention = RETENTION_CENTER if encrypting.party == CENTER else RETENTION
        self._lock = threading.RLock()
        self._keys: dict[int, SealingKey] = {}
        self._numbers: dict[bytes, int] = {}
        self._used: dict[int, int] = {}
        self._seen = (-1, True)
        self.look()

    def holds(self, kid: bytes) -> bool:
        """Whether `kid` is a seal key's. Looks at the folder first when it is not known."""
        with self._lock:
            if kid not in self._numbers:
                self.look()
            return kid in self._numbers

    def agree(self, kid: bytes, other: ec.EllipticCurvePublicKey) -> bytes:
        """ECDH of the seal key `kid` with `other`, and a note of its use. Raises InvalidMessage `not_a_recipient`."""
        with self._lock:
            if not self.holds(kid):
                raise InvalidMessage("not_a_recipient")
            number = self._numbers[kid]
            key = self._keys[number]
            self._note_use(number)
        return key.agree(kid, other)

    def look(self) -> None:
        """Take up the keys that another process has put here, let go of those that it has destroyed."""
        with self._lock:
            modified = self._folder.stat().st_mtime_ns if self._folder.is_dir() else 0
            if self._seen == (modified, False):
                return
            self._seen = modified, time.time_ns() - modified < _RACY
            present = set(self._on_disk())
            for number in present - self._keys.keys():
                self._load(number)
            for number in self._keys.keys() - present:
                del self._numbers[self._keys.pop(number).kid]

    def tend(self) -> list[tuple[int, bytes]]:
        """Make the next key when it is due, destroy what is due; return the statements not published yet, by number."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        with self._lock, self._alone():
            for left in self._folder.glob(".*.key.*"):
                destroy(left)  # of somebody who was stopped while he made a key, or destroyed one
            self.look()
            now = self._clock()
            newest = self._newest(now)
            if newest == 0 or self._is_due(newest, now):
                newest = self._make(self._next(newest, now), now)
            due = [number for number in sorted(self._keys) if number != newest and self._is_over(number, now)]
            if self._is_steady(now):
                for number in due:
                    self._destroy(number)
            elif due:
                log.warning("the clock jumped, or nobody looked for a week: seal keys are destroyed at the next look")
            return [
                (number, self._statement(number))
                for number in sorted(self._keys)
                if number <= newest and not self._path(number, "published").exists()
            ]

    def published(self, number: int) -> None:
        """Remember that the statement of key `number` is published. Raises InvalidMessage `not_a_recipient`."""
        with self._lock:
            if number not in self._keys:
                raise InvalidMessage("not_a_recipient")
            write_durably(self._path(number, "published"), b"")

    def _newest(self, now: int) -> int:
        """The highest number of those that others take from whoever signs `now`; 0 where there is none."""
        from pipeline.crypto.seal_keys import highest_number

        ahead = [number for number in self._keys if number >= highest_number(now)]
        if ahead:
            log.warning(
                "seal keys %s were made by a clock far ahead: if they were published, renew the certificate", ahead
            )
        return max((number for number in self._keys if number not in ahead), default=0)

    def _next(self, newest: int, now: int) -> int:
        """A number that no key has: none is written over."""
        return next(number for number in count(max(newest + 1, now // DAY)) if number not in self._keys)

    def _is_over(self, number: int, now: int) -> bool:
        return self._last_use(number, now) + self._retention <= now

    def _is_steady(self, now: int) -> bool:
        """Whether the clock is to be believed: the last look was before it, a week at most. Notes this look."""
        path = self._folder / "tended"
        last = int(path.read_text()) if path.exists() else 0
        write_durably(path, str(now).encode())
        return last <= now <= last + STEADY

    def _is_due(self, number: int, now: int) -> bool:
        """Whether key `number` needs a successor.

        It ends soon; it begins later, made when the clock was wrong; or a certificate vouches for it that was replaced.

        A certificate not known here is a newer one; this process will know it when it is started again.
        """
        ends = self._not_after(number, now)
        wrong = ends - VALIDITY > now + HOUR
        return wrong or ends - ROTATION <= now or signed.peek(self._statement(number)).thumbprint in self._replaced

    def _make(self, number: int, now: int) -> int:
        """Key first, statement last: what nobody was told of can be told later."""
        key = SealingKey.generate()
        write_key(self._path(number, "key"), key.private_key, self._passphrase)
        self._take(number, key)
        self._state(number, now)
        log.info("seal key %d made", number)
        return number

    def _state(self, number: int, now: int) -> None:
        from pipeline.crypto.seal_keys import sign_seal_key  # here: Avro is a third of a signer's start

        point = self._keys[number].public_bytes
        record = SealKey(
            party=self._encrypting.party, number=number, point=point, not_before=now, not_after=now + VALIDITY
        )
        write_durably(self._path(number, "cose"), sign_seal_key(record, self._encrypting, now))

    def _not_after(self, number: int, now: int) -> int:
        """End of a key's validity; a key whose maker was stopped before its statement gets one now."""
        if not self._path(number, "cose").exists():
            self._state(number, now)
        from pipeline.codec import framing

        payload = signed.peek(self._statement(number)).payload
        record: SealKey = framing.decode_as("SealKey", payload)  # type: ignore[assignment]
        return record["not_after"]

    def _statement(self, number: int) -> bytes:
        return self._path(number, "cose").read_bytes()

    def _last_use(self, number: int, now: int) -> int:
        """Until a key's validity ends somebody may seal to it: that counts as use."""
        return max(self._used.get(number, 0), self._used_on_disk(number), self._not_after(number, now))

    def _used_on_disk(self, number: int) -> int:
        path = self._path(number, "used")
        return int(path.read_text()) if path.exists() else 0

    def _note_use(self, number: int) -> None:
        """Durably, at most once an hour."""
        now = self._clock()
        if now - self._used.get(number, 0) >= HOUR:
            write_durably(self._path(number, "used"), str(now).encode())
            self._used[number] = now

    def _destroy(self, number: int) -> None:
        destroy(self._path(number, "key"))
        for kind in ("cose", "used", "published"):
            self._path(number, kind).unlink(missing_ok=True)
        del self._numbers[self._keys.pop(number).kid]
        log.info("seal key %d destroyed", number)

    def _load(self, number: int) -> None:
        try:
            self._take(number, SealingKey(load_key(self._path(number, "key"), self._passphrase)))
        except FileNotFoundError:
            return  # destroyed since it was listed

    def _take(self, number: int, key: SealingKey) -> None:
        self._keys[number] = key
        self._numbers[key.kid] = number

    def _on_disk(self) -> Iterator[int]:
        for path in self._folder.glob("*.key"):
            if path.stem.isdecimal():
                yield int(path.stem)

    def _path(self, number: int, kind: str) -> Path:
        return self._folder / f"{number}.{kind}"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Only one process makes and destroys keys at a time."""
        with open(os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600), "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
