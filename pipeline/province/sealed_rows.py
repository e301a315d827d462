"""Rows that say something about a person, encrypted under their application's data key (AES-256-GCM).

No (key, nonce) ever meets two plaintexts, whatever crashes and comes again. Rows come in groups, and a group's key is
`HMAC(data key, CBOR [table, anchor])`, where the anchor is a value that *fixes the plaintext of every row of the group*;
the nonce is the row's number in the group. So the same key and nonce always meet the same plaintext, and writing a row a
second time writes the same bytes.

| rows | anchor | why it fixes them |
|---|---|---|
| answers of a bundle | the bundle's digest | it covers every `[kc, ciphertext]`, and kc commits to the one key that opens it |
| persons of a section | the section's root in the mandate | its leaves are hashes over index and HMAC of the person's bytes |
| salt of a section | the same | another salt has another root |
| the form; where an export went; signed differences | `HMAC(data key, CBOR [table, plaintext])` | it is made from it, and kept in front of the ciphertext |

Breaking this takes a collision of SHA-256. The additional data are table, application, anchor and number, so a row put in
another's place does not open.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipeline.crypto import cbor
from pipeline.crypto.suite import DIGEST_SIZE, hmac
from pipeline.domain.errors import InvalidMessage

ANSWER, PERSON, SALT, FORM, EXPORT, DIFFERENCE = "answer", "person", "salt", "form", "export", "difference"
"""Tables, as key derivation and additional data name them."""


class RowGroup:
    """The rows beneath one anchor."""

    def __init__(self, data_key: bytes, application_id: str, table: str, anchor: bytes) -> None:
        self._cipher = AESGCM(hmac(data_key, cbor.dumps([table, anchor])))
        self._about = cbor.dumps([table, application_id, anchor])

    def seal(self, number: int, plaintext: bytes) -> bytes:
        """Row `number` (below 2^32): ciphertext and tag."""
        return self._cipher.encrypt(number.to_bytes(12, "big"), plaintext, self._about + number.to_bytes(4, "big"))

    def open(self, number: int, sealed: bytes) -> bytes:
        """The inverse. Raises InvalidMessage `decrypt_failed`."""
        try:
            return self._cipher.decrypt(number.to_bytes(12, "big"), sealed, self._about + number.to_bytes(4, "big"))
        except (InvalidTag, ValueError):
            raise InvalidMessage("decrypt_failed", "a row of the store") from None


class SealedRows:
    """The rows of one application. `data_key`: 32 bytes, of `CaseKeys`, drawn for this application alone."""

    def __init__(self, data_key: bytes, application_id: str) -> None:
        self._key = data_key
        self._application_id = application_id

    def group(self, table: str, anchor: bytes) -> RowGroup:
        """The rows of `table` whose plaintexts `anchor` fixes."""
        return RowGroup(self._key, self._application_id, table, anchor)

    def seal(self, table: str, plaintext: bytes) -> bytes:
        """A row alone: its anchor, made from the plaintext, and the ciphertext."""
        anchor = self._anchor(table, plaintext)
        return anchor + self.group(table, anchor).seal(0, plaintext)

    def open(self, table: str, sealed: bytes) -> bytes:
        """The inverse of `seal`. Raises InvalidMessage `decrypt_failed`."""
        return self.group(table, sealed[:DIGEST_SIZE]).open(0, sealed[DIGEST_SIZE:])

    def _anchor(self, table: str, plaintext: bytes) -> bytes:
        return hmac(self._key, cbor.dumps([f"{table} anchor", plaintext]))
