"""What a signer and its clients say to each other: frames of deterministic CBOR on a Unix stream socket.

A frame is its length (4 bytes, big-endian) and one CBOR array. A request is `[operation, *arguments]`, an answer
`[true, *results]` or `[false, code]`: codes, never text from inside. Answers come in the order of the requests.

| operation | arguments | results |
|---|---|---|
| `identity` | | party, signing certificate, sealing certificate (DER) |
| `sign` | Sig_structure | signature, 64 bytes |
| `holds` | kid | whether there is such a key |
| `agree` | kid, SEC1 point | shared x coordinate, 32 bytes |
| `create_case` | | reply key's point, locked keys, data key |
| `open_case` | locked keys | reply key's point, data key |
| `tend` | | [[number, seal-key statement], ...] to be published |
| `published` | number | |
| `protection` | | dumpable, core limit (bytes), memory locked |
"""

from __future__ import annotations

import socket
from typing import Any

from pipeline.crypto import cbor
from pipeline.domain.errors import HedxError, InvalidMessage

MAX_REQUEST = 1024 * 1024
"""Bytes of a request: the largest signed object is 900 KiB."""
MAX_ANSWER = 64 * 1024
RESULTS = {
    "identity": 3,
    "sign": 1,
    "holds": 1,
    "agree": 1,
    "create_case": 3,
    "open_case": 2,
    "tend": 1,
    "published": 0,
    "protection": 3,
}
"""Operation → how many results its answer has."""
_HEAD = 4
_DEPTH = 3


FAILED = "signer_failed"
"""Code of what went wrong inside: a defect, or a disk. No message is to blame for it."""


class SignerGone(HedxError):
    """The signer ended, failed, or says what no signer says. The worker ends too; its supervisor starts both again."""


class SignerRefused(Exception):
    """The signer does not do what it was asked to: a defect of the worker, with the signer's `code`."""

    def __init__(self, code: str) -> None:
        super().__init__(f"the signer refused: {code}")
        self.code = code


def frame(items: list[object]) -> bytes:
    """One message, ready to be sent."""
    body = cbor.dumps(items)
    return len(body).to_bytes(_HEAD, "big") + body


def receive(connection: socket.socket, limit: int) -> bytes | None:
    """The next frame's body, None when the other side has closed. Raises InvalidMessage `size` above `limit` bytes."""
    head = _exactly(connection, _HEAD)
    if head is None:
        return None
    size = int.from_bytes(head, "big")
    if not 1 <= size <= limit:
        raise InvalidMessage("size", "frame")
    return _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    """`size` bytes, or None when the other side closed before them."""
    data = bytearray(size)
    view, filled = memoryview(data), 0
    while filled < size:
        read = connection.recv_into(view[filled:])
        if read == 0:
            return None
        filled += read
    return bytes(data)


def decode(body: bytes) -> list[Any]:
    """A frame's body as the array it must be. Raises InvalidMessage `cbor_invalid`."""
    items = cbor.loads(body, _DEPTH)
    if type(items) is not list or not items:
        raise InvalidMessage("cbor_invalid", "not an array with items")
    return items
