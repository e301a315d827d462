"""The seal: a secret S for named recipients, as an untagged COSE_Encrypt (RFC 9052 section 5, RFC 9053 section 6.4.1).

Body A256GCM under a random content key; each recipient gets that key by ECDH-ES+A256KW (-31) from a fresh P-256 key.
The key derivation is bound to the recipient (kid in its protected header) and to the sender and suite (ctx).
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from pipeline.crypto import cbor, suite
from pipeline.crypto.keys import PublicSealingKey, Unsealer, cose_key
from pipeline.crypto.stopwatch import timed
from pipeline.crypto.suite import KEY_SIZE, SUITE, TAG_SIZE, Entropy, H
from pipeline.domain.errors import InvalidMessage

A256GCM, A256KW, ECDH_ES_A256KW = 3, -5, -31
IV_SIZE = 12
WRAPPED_SIZE = KEY_SIZE + 8
MAX_RECIPIENTS = 4
MAX_SEAL_SIZE = 1024

_SIZES = [32, 32, WRAPPED_SIZE]  # x and y of the ephemeral key, wrapped content key
_BODY_PROTECTED = cbor.dumps({1: A256GCM})


def context(sender: str) -> bytes:
    """ctx: what a seal is bound to, `H(CBOR ["hedx/1/seal", suite, from])`."""
    return H(cbor.dumps(["hedx/1/seal", SUITE, sender]))


@timed("new_seal")
def new_seal(sender: str, recipients: Sequence[PublicSealingKey], entropy: Entropy = os.urandom) -> tuple[bytes, bytes]:
    """Draw a secret S (32 bytes) and seal it from `sender` to one to four recipients: (S, seal).

    Persist what is sealed under S, never S.
    """
    if not 1 <= len(recipients) <= MAX_RECIPIENTS:
        raise ValueError("a seal has one to four recipients")
    ctx = context(sender)
    secret, content_key, iv = entropy(KEY_SIZE), entropy(KEY_SIZE), entropy(IV_SIZE)
    ciphertext = AESGCM(content_key).encrypt(iv, secret, _aad(_BODY_PROTECTED, ctx))
    wrapped = [_recipient(recipient, content_key, ctx, entropy) for recipient in recipients]
    return secret, cbor.dumps([_BODY_PROTECTED, {5: iv}, ciphertext, wrapped])


@timed("unseal")
def unseal(seal: bytes, sender: str, keys: Unsealer) -> bytes:
    """S, from a seal made by `sender` for one of `keys`.

    Raises InvalidMessage `size`, `cbor_invalid`, `seal_invalid`, `not_a_recipient`, `key_off_curve` or
    `unseal_failed`.
    """
    iv, ciphertext, recipients = _decode(seal)
    ctx = context(sender)
    kid, protected, ephemeral, wrapped = _find(recipients, keys)
    wrapping_key = _wrapping_key(keys.agree(kid, suite.from_point(ephemeral)), protected, ctx)
    try:
        content_key = aes_key_unwrap(wrapping_key, wrapped)
        secret = AESGCM(content_key).decrypt(iv, ciphertext, _aad(_BODY_PROTECTED, ctx))
    except (InvalidUnwrap, InvalidTag, ValueError):
        raise InvalidMessage("unseal_failed") from None
    return secret


class SealCache:
    """Unseals for one party and remembers the last `size` secrets: bundles of one envelope may repeat a seal."""

    def __init__(self, keys: Unsealer, size: int = 1024) -> None:
        self._keys = keys
        self._size = size
        self._secrets: OrderedDict[tuple[bytes, str], bytes] = OrderedDict()

    def unseal(self, seal: bytes, sender: str) -> bytes:
        """As `sealing.unseal`."""
        name = H(seal), sender
        secret = self._secrets.get(name)
        if secret is None:
            secret = self._secrets[name] = unseal(seal, sender, self._keys)
            if len(self._secrets) > self._size:
                self._secrets.popitem(last=False)
        return secret


def _recipient(to: PublicSealingKey, content_key: bytes, ctx: bytes, entropy: Entropy) -> list[object]:
    ephemeral = suite.generate_key(entropy)
    protected = _recipient_protected(to.kid)
    wrapping_key = _wrapping_key(suite.agree(ephemeral, to.public_key), protected, ctx)
    unprotected = {-1: cose_key(suite.point(ephemeral.public_key()))}
    return [protected, unprotected, aes_key_wrap(wrapping_key, content_key)]


def _wrapping_key(shared: bytes, protected: bytes, ctx: bytes) -> bytes:
    """HKDF-SHA-256 without salt over COSE_KDF_Context (RFC 9053 section 5.2)."""
    nobody = [None, None, None]
    info = cbor.dumps([A256KW, nobody, nobody, [256, protected, ctx]])
    return HKDF(hashes.SHA256(), KEY_SIZE, None, info).derive(shared)


def _aad(protected: bytes, ctx: bytes) -> bytes:
    """Enc_structure (RFC 9052 section 5.3) with ctx as external_aad."""
    return cbor.dumps(["Encrypt", protected, ctx])


def _decode(seal: bytes) -> tuple[bytes, bytes, list[object]]:
    if len(seal) > MAX_SEAL_SIZE:
        raise InvalidMessage("size", "seal")
    match cbor.loads(seal, 5):
        case [bytes() as protected, {5: bytes() as iv, **others}, bytes() as ciphertext, list() as recipients] if (
            protected == _BODY_PROTECTED and not others and len(iv) == IV_SIZE
        ):
            if 1 <= len(recipients) <= MAX_RECIPIENTS and len(ciphertext) == KEY_SIZE + TAG_SIZE:
                return iv, ciphertext, recipients
    raise InvalidMessage("seal_invalid", "not a seal of suite 1")


def _find(recipients: list[object], keys: Unsealer) -> tuple[bytes, bytes, bytes, bytes]:
    """(kid, protected header, ephemeral point, wrapped key) of the first recipient held; the others are left unread."""
    for recipient in recipients:
        match recipient:
            case [bytes() as protected, {-1: {1: 2, -1: 1, -2: bytes() as x, -3: bytes() as y, **rest}, **others}, key]:
                kid = protected[-KEY_SIZE:]
                if protected != _recipient_protected(kid) or not keys.holds(kid):
                    continue
                if rest or others or not isinstance(key, bytes) or [*map(len, (x, y, key))] != _SIZES:
                    raise InvalidMessage("seal_invalid", "recipient is not the profile's")
                return kid, protected, b"\x04" + x + y, key
    raise InvalidMessage("not_a_recipient")


def _recipient_protected(kid: bytes) -> bytes:
    return cbor.dumps({1: ECDH_ES_A256KW, 4: kid})
