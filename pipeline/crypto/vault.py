"""The keys of applications, locked under a party's encrypt key: a file to be destroyed, and with it what it opens."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pipeline.crypto import cbor, sealing, suite
from pipeline.crypto.keys import CaseKeys, SealingKey, SealingKeys
from pipeline.crypto.suite import KEY_SIZE, Entropy, H
from pipeline.domain.errors import InvalidMessage

_AT_REST = "at-rest"  # no party's name, so a seal from the wire never passes for locked keys


class LocalVault:
    """A `Vault` under an encrypt key in this process's memory; what was locked under an `earlier` one opens too."""

    def __init__(self, key: SealingKey, entropy: Entropy = os.urandom, earlier: Sequence[SealingKey] = ()) -> None:
        self._key = key
        self._all = SealingKeys([key, *earlier])
        self._entropy = entropy

    def create(self) -> tuple[CaseKeys, bytes]:
        """New keys for an application, and their locked form: `CBOR [seal, AEAD(S, H(seal), scalar || data key)]`."""
        reply, data_key = SealingKey.generate(self._entropy), self._entropy(KEY_SIZE)
        secret, seal = sealing.new_seal(_AT_REST, [self._key.public], self._entropy)
        locked = cbor.dumps([seal, suite.aead_encrypt(secret, H(seal), suite.scalar(reply.private_key) + data_key)])
        return CaseKeys(reply.public, reply, data_key), locked

    def open(self, locked: bytes) -> CaseKeys:
        """The keys again. Raises InvalidMessage as `sealing.unseal`, `decrypt_failed`, or `seal_invalid`."""
        match cbor.loads(locked, 1):
            case [bytes() as seal, bytes() as ciphertext]:
                plain = suite.aead_decrypt(sealing.unseal(seal, _AT_REST, self._all), H(seal), ciphertext)
            case _:
                raise InvalidMessage("seal_invalid", "not locked keys")
        reply = SealingKey(suite.from_scalar(plain[:KEY_SIZE]))
        return CaseKeys(reply.public, reply, plain[KEY_SIZE:])
