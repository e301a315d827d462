"""Bundles: the records of one section for one destination, each sealed under a key of its own.

`bundle = CBOR [header: bstr, seal: bstr / nil, [* record: bstr]]`, a sealed record is `CBOR [kc: bstr, ciphertext: bstr]`.
A record can be disclosed and proved on its own: its key E_i opens nothing else, and kc commits to that key, without
which AES-GCM would let one ciphertext open to two plaintexts under two keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.crypto import cbor, headers, merkle
from pipeline.crypto.headers import SEALED_KINDS, Header
from pipeline.crypto.stopwatch import timed
from pipeline.crypto.suite import KEY_SIZE, SUITE, TAG_SIZE, H, aead_decrypt, aead_encrypt, hmac, hmac_under
from pipeline.domain.errors import InvalidMessage

MAX_HEADS = 2
STEP = 128
LEAST_RECORD = 32
"""Bytes a record has at least, header included; a sealed one has 180, a signed object 250."""
_LENGTH = 4  # u32 before each plaintext record
_ANSWER_STEPS = (512, 1024, 2048, 4096)
_KC_PREFIX = cbor.head(4, 2) + cbor.head(2, KEY_SIZE)
_KC_END = len(_KC_PREFIX) + KEY_SIZE


@dataclass(frozen=True, slots=True)
class SealedBundle:
    """A bundle ready to travel. `raw` is what the outbox keeps and sends again; `count` counts all records."""

    raw: bytes
    leaf: bytes
    count: int
    header: Header


@dataclass(frozen=True, slots=True)
class Parts:
    """A bundle taken apart as far as its leaf needs it; its header is not read yet."""

    raw: bytes
    header_bytes: bytes
    header_digest: bytes
    seal: bytes | None
    records: list[bytes]
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle read from the wire, its records still encoded; `leaves` are those of all bundles of its envelope."""

    raw: bytes
    header: Header
    header_bytes: bytes
    header_digest: bytes
    seal: bytes | None
    records: list[bytes]
    leaf: bytes
    index: int
    leaves: Sequence[bytes]

    @property
    def size(self) -> int:
        """How many bundles the envelope has."""
        return len(self.leaves)

    @property
    def heads(self) -> int:
        """How many records stand before the person records."""
        return len(self.records) - self.header.count

    def proof(self) -> tuple[int, int, list[bytes]]:
        """(index, size, path) of the bundle in its envelope's tree."""
        return self.index, self.size, merkle.path(self.leaves, self.index, merkle.BUNDLE_NODE)


def padded_size(kind: str, longest: int) -> int:
    """To what size plaintexts are padded when the longest record has `longest` bytes (the u32 before it counts too).

    Answers: 512, 1024, 2048, 4096, then multiples of 4096, for their size tells how much was found. Anything else:
    multiples of 128, for a roster line tells little.
    """
    needed = longest + _LENGTH
    if kind == "answer":
        return next((step for step in _ANSWER_STEPS if step >= needed), -(-needed // 4096) * 4096)
    return -(-needed // STEP) * STEP


@timed("seal")
def seal_bundle(
    header: Header, records: Sequence[bytes], secret: bytes, seal: bytes, *, heads: Sequence[bytes] = ()
) -> SealedBundle:
    """Seal `heads`, then the person `records`, under the secret S of `seal`.

    Sets `count` in the header, and `padded` when it is 0. Raises ValueError when a record is longer than `padded`
    allows, when there are more than two heads, or for a kind that travels in clear.
    """
    if header.kind not in SEALED_KINDS or len(heads) > MAX_HEADS or (not records and not heads):
        raise ValueError("a sealed kind with records is needed, and two heads at most")
    padded = header.padded or padded_size(header.kind, max(map(len, records), default=0))
    header = replace(header, count=len(records), padded=padded)
    header_bytes = header.encode()
    header_digest = H(header_bytes)
    # Padding hides what a person's record would tell by its size. A head is the same whoever is in the section, so
    # it is padded by itself: padded together, every person would grow to the size of the mandate.
    plaintexts = [_pad(head, padded_size("head", len(head))) for head in heads]
    plaintexts += [_pad(record, padded) for record in records]
    sealed = _seal_records(plaintexts, bundle_key(secret, header_digest), header_digest)
    return _bundle(header, header_bytes, header_digest, seal, sealed)


def clear_bundle(header: Header, records: Sequence[bytes]) -> SealedBundle:
    """A bundle whose records are signed objects or public entries: no seal, no padding. Sets `count`."""
    if header.kind in SEALED_KINDS and records:
        raise ValueError(f"{header.kind} records travel sealed")
    header = replace(header, count=len(records), padded=0)
    header_bytes = header.encode()
    return _bundle(header, header_bytes, H(header_bytes), None, records)


def parse_bundle(raw: bytes) -> Bundle:
    """Read one bundle on its own. Raises InvalidMessage as `split` and `interpret`."""
    parts = split(raw)
    return interpret(parts, 0, [parts.leaf])


def header_of(raw: bytes) -> Header:
    """The header alone, of a bundle that was verified before; the rest is not looked at.

    Raises InvalidMessage `cbor_invalid`, `bundle_invalid` or `header_invalid`.
    """
    match cbor.leading(raw):
        case bytes() as header:
            return headers.decode(header)
    raise InvalidMessage("bundle_invalid", "not [header, …]")


@timed("split")
def split(raw: bytes) -> Parts:
    """Take a bundle apart and hash it, header unread. Raises InvalidMessage `cbor_invalid` or `bundle_invalid`."""
    outer, count = cbor.array_sizes(raw, 2)
    if (
        outer != 3 or count is None or count * LEAST_RECORD > len(raw)
    ):  # reading and hashing cost as much a record as a kilobyte
        raise InvalidMessage("bundle_invalid", "not [header, seal, records], or more records than there can be")
    match cbor.loads(raw, 2):
        case [bytes() as header, (None | bytes()) as seal, list() as records] if all(type(r) is bytes for r in records):
            header_digest = H(header)
            leaf = bundle_leaf(header_digest, seal, records)
            return Parts(raw, header, header_digest, seal, records, leaf)
    raise InvalidMessage("bundle_invalid", "not [header, seal, records]")


def interpret(parts: Parts, index: int, leaves: Sequence[bytes]) -> Bundle:
    """Read the header and hold the bundle against it, nothing decrypted.

    Raises InvalidMessage `header_invalid`, `suite_unknown`, `count_mismatch`, `seal_missing`, `seal_unexpected` or
    `size_mismatch`.
    """
    header = headers.decode(parts.header_bytes)
    sealed = header.kind in SEALED_KINDS and bool(parts.records)
    heads = len(parts.records) - header.count
    if header.suite != SUITE:
        raise InvalidMessage("suite_unknown", str(header.suite))
    if not 0 <= heads <= (MAX_HEADS if sealed else 0):
        raise InvalidMessage("count_mismatch", f"{len(parts.records)} records for {header.count}")
    if sealed and parts.seal is None:
        raise InvalidMessage("seal_missing", header.kind)
    if not sealed and parts.seal is not None:
        raise InvalidMessage("seal_unexpected", header.kind)
    if sealed and header.count:
        _check_sizes(header, parts.records[heads:])
    return Bundle(
        parts.raw,
        header,
        parts.header_bytes,
        parts.header_digest,
        parts.seal,
        parts.records,
        parts.leaf,
        index,
        leaves,
    )


@timed("open")
def open_records(bundle: Bundle, secret: bytes, start: int = 0, stop: int | None = None) -> list[bytes]:
    """The plaintexts of records `start` to `stop` (heads count, record 0 is the first head).

    Raises InvalidMessage `record_invalid`, `key_commitment_mismatch`, `decrypt_failed` or `padding_invalid`.
    """
    key_of = hmac_under(bundle_key(secret, bundle.header_digest))
    heads, padded, digest = bundle.heads, bundle.header.padded, bundle.header_digest
    numbered = enumerate(bundle.records[start:stop], start)
    return [
        open_record(record, i, key_of(b"record" + i.to_bytes(4, "big")), digest, padded if i >= heads else None)
        for i, record in numbered
    ]


def open_record(record: bytes, index: int, key: bytes, header_digest: bytes, padded: int | None) -> bytes:
    """One record's plaintext by its own key E_i, as a proof pack discloses it. `padded` None: any multiple of 128."""
    # 1. Layout; 2. the commitment to the key; 3. AEAD; 4. padding.
    ciphertext = _ciphertext(record)
    if record[len(_KC_PREFIX) : _KC_END] != H(b"\x06" + key):
        raise InvalidMessage("key_commitment_mismatch", f"record {index}")
    plain = aead_decrypt(key, header_digest + index.to_bytes(4, "big"), ciphertext)
    size = len(plain)
    end = _LENGTH + int.from_bytes(plain[:_LENGTH], "big")
    if (size != padded if padded is not None else size % STEP) or end > size or plain.count(0, end) != size - end:
        raise InvalidMessage("padding_invalid", f"record {index}")
    return plain[_LENGTH:end]


def bundle_key(secret: bytes, header_digest: bytes) -> bytes:
    """BK: from which the keys of a bundle's records derive, `E_i = HMAC(BK, "record" || i)`."""
    return hmac(secret, b"bundle" + header_digest)


def bundle_leaf(header_digest: bytes, seal: bytes | None, records: Sequence[bytes]) -> bytes:
    """`H(0x02 || H(header) || H(seal or "") || count || record root)`."""
    root = merkle.root(merkle.record_leaves(records), merkle.RECORD_NODE)
    return H(b"\x02" + header_digest + H(seal or b"") + len(records).to_bytes(4, "big") + root)


def _seal_records(plaintexts: Sequence[bytes], base: bytes, header_digest: bytes) -> list[bytes]:
    key_of = hmac_under(base)
    records = []
    for i, plaintext in enumerate(plaintexts):
        number = i.to_bytes(4, "big")
        key = key_of(b"record" + number)
        ciphertext = aead_encrypt(key, header_digest + number, plaintext)
        records.append(_KC_PREFIX + H(b"\x06" + key) + cbor.head(2, len(ciphertext)) + ciphertext)
    return records


def _pad(record: bytes, size: int) -> bytes:
    if len(record) + _LENGTH > size:
        raise ValueError(f"record of {len(record)} bytes does not fit {size}")
    return (len(record).to_bytes(_LENGTH, "big") + record).ljust(size, b"\0")


def _bundle(
    header: Header, header_bytes: bytes, header_digest: bytes, seal: bytes | None, records: Sequence[bytes]
) -> SealedBundle:
    leaf = bundle_leaf(header_digest, seal, records)
    raw = cbor.head(4, 3) + cbor.dumps(header_bytes) + cbor.dumps(seal) + cbor.byte_strings(records)
    return SealedBundle(raw, leaf, len(records), header)


def _ciphertext(record: bytes) -> bytes:
    size = len(record) - _KC_END
    for width in (3, 5, 2, 1):  # of the head; three bytes are the rule
        head = record[_KC_END : _KC_END + width]
        if size >= width and head == cbor.head(2, size - width) and record.startswith(_KC_PREFIX):
            return record[_KC_END + width :]
    raise InvalidMessage("record_invalid", "not [kc, ciphertext]")


def _check_sizes(header: Header, records: Sequence[bytes]) -> None:
    if header.padded != padded_size(header.kind, header.padded - _LENGTH) or not header.padded:
        raise InvalidMessage("size_mismatch", f"no such padding: {header.padded}")
    ciphertext = header.padded + TAG_SIZE
    expected = _KC_END + len(cbor.head(2, ciphertext)) + ciphertext
    if set(map(len, records)) != {expected}:
        raise InvalidMessage("size_mismatch", "records are not of the padded size")
