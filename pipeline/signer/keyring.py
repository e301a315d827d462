"""Everything a signer process holds: the sign key, the encrypt key, the seal keys, and applications' reply keys."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from pipeline.crypto import suite
from pipeline.crypto.certificates import thumbprint
from pipeline.crypto.keys import CaseKeys, LocalSigner, SealingKey, SealingKeys
from pipeline.crypto.keystore import load_earlier, load_identity, read_passphrase
from pipeline.domain.errors import InvalidMessage
from pipeline.signer import policy
from pipeline.signer.seal_folder import SealFolder

CASES = 1024
"""Reply keys kept at hand; a client opens again what was pushed out."""
CASE_LIFE = 10 * 60 * 1000
"""How long (ms) a reply key stays after its last use: its application may be shredded meanwhile."""


class Keyring:
    """The keys of one party, from its identity folder. Safe to use from many threads. `clock`: ms."""

    def __init__(self, directory: Path, clock: Callable[[], int], cases: int = CASES) -> None:
        """Raises ConfigError when a file is missing or does not fit."""
        self.identity = load_identity(directory)
        encrypting = LocalSigner(
            self.identity.party, self.identity.sealing.private_key, self.identity.sealing_certificate
        )
        earlier = load_earlier(directory)
        self._own = SealingKeys([self.identity.sealing, *(key for key, _ in earlier)])
        replaced = frozenset(thumbprint(der) for _, der in earlier)
        self.seals = SealFolder(directory / "seal", encrypting, replaced, read_passphrase(directory), clock)
        self._clock = clock
        self._cases: OrderedDict[bytes, tuple[SealingKey, int]] = OrderedDict()  # and when it was last used
        self._limit = cases
        self._lock = threading.Lock()

    def sign(self, structure: bytes) -> bytes:
        """ES256 over a Sig_structure. Raises InvalidMessage as `policy.check`."""
        signer = self.identity.signer
        policy.check(structure, signer.party, signer.thumbprint)
        return signer.sign(structure)

    def holds(self, kid: bytes) -> bool:
        """Whether `kid` is an encrypt key's, a seal key's or an opened reply key's."""
        return self._own.holds(kid) or self._case(kid) is not None or self.seals.holds(kid)

    def agree(self, kid: bytes, point: bytes) -> bytes:
        """ECDH of the key `kid` with the public key at `point`: the shared x coordinate, 32 bytes.

        Raises InvalidMessage `not_a_recipient` or `key_off_curve`.
        """
        other = suite.from_point(point)
        if self._own.holds(kid):
            return self._own.agree(kid, other)
        case = self._case(kid)
        return self.seals.agree(kid, other) if case is None else case.agree(kid, other)

    def create_case(self) -> tuple[CaseKeys, bytes]:
        """New keys for an application, its reply key kept at hand, and their locked form."""
        keys, locked = self.identity.vault.create()
        self._keep(keys)
        return keys, locked

    def open_case(self, locked: bytes) -> CaseKeys:
        """The keys again, the reply key kept at hand. Raises InvalidMessage as `Vault.open`."""
        keys = self.identity.vault.open(locked)
        self._keep(keys)
        return keys

    def let_go(self) -> None:
        """Drop the reply keys that were not used for a while, and the seal keys that another process has destroyed."""
        old = self._clock() - CASE_LIFE
        with self._lock:
            self._cases = OrderedDict((kid, case) for kid, case in self._cases.items() if case[1] > old)
        self.seals.look()

    def _case(self, kid: bytes) -> SealingKey | None:
        with self._lock:
            case = self._cases.pop(kid, None)
            if case is None:
                return None
            self._cases[kid] = case[0], self._clock()
            return case[0]

    def _keep(self, keys: CaseKeys) -> None:
        if not isinstance(keys.unsealer, SealingKey):
            raise InvalidMessage("not_a_recipient")
        with self._lock:
            self._cases.pop(keys.reply_key.kid, None)
            self._cases[keys.reply_key.kid] = keys.unsealer, self._clock()
            while len(self._cases) > self._limit:
                self._cases.popitem(last=False)
