"""Three questions that the client library does not ask, in Kafka's own protocol: versions, the controller's clock, disks.

One connection to one broker, one request, one answer; nothing is changed by any of them. ApiVersions anybody may ask (it comes before
everything else), the other two need the right to describe the cluster: the operator's. Formats: the message definitions of
Apache Kafka, `ApiVersionsRequest`, `DescribeQuorumRequest`, `DescribeLogDirsRequest`.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from time import monotonic
from typing import Final, TypeVar

from pipeline.domain.errors import ConfigError

T = TypeVar("T")
API_VERSIONS, DESCRIBE_LOG_DIRS, DESCRIBE_QUORUM = (18, 3), (35, 4), (55, 1)
LARGEST_ANSWER: Final = 16 * 1024 * 1024
FEATURES_TAG: Final = {"supported": 0, "finalized": 2}
METADATA_VERSION: Final = "metadata.version"


@dataclass(frozen=True, slots=True)
class Levels:
    """A broker's metadata version: what the cluster has agreed on (None: nothing), and the newest that it supports."""

    agreed: int | None
    newest: int | None


@dataclass(frozen=True, slots=True)
class ControllerTime:
    """The active controller's clock (ms) as it answered, and how far off that may be (ms): half of the way there and back."""

    at: int
    error: int
    asked: int  # our own clock at the middle of the way, ms


@dataclass(frozen=True, slots=True)
class LogDir:
    """One of a broker's folders: bytes of its disk, and those that are free."""

    path: str
    total: int
    free: int


class Reader:
    """Kafka's flexible encoding, forwards. Raises ConfigError when the bytes end too early."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self, size: int) -> int:
        """A signed integer of `size` bytes."""
        return int.from_bytes(self.take(size), "big", signed=True)

    def varint(self) -> int:
        """An unsigned variable-length integer."""
        value = shift = 0
        while True:
            [byte] = self.take(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 28:
                raise ConfigError("a broker's answer cannot be read")

    def text(self) -> str:
        """A compact string; empty for null."""
        return self.take(max(0, self.varint() - 1)).decode("utf-8", "replace")

    def array(self, item: Callable[[], T]) -> list[T]:
        """A compact array."""
        return [item() for _ in range(max(0, self.varint() - 1))]

    def tags(self) -> dict[int, bytes]:
        """Tagged fields, by number."""
        return {self.varint(): self.take(self.varint()) for _ in range(self.varint())}

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        found = self._data[self._at : self._at + size]
        if len(found) < size:
            raise ConfigError("a broker's answer cannot be read")
        self._at += size
        return found


def levels(address: tuple[str, int], context: ssl.SSLContext | None, seconds: float) -> Levels:
    """The metadata versions of the broker at `address`. Raises ConfigError, OSError."""
    body = _compact("hedx") + _compact("1") + b"\0"
    answer = Reader(_ask(address, context, API_VERSIONS, body, seconds, tagged_header=False))
    _check(answer.number(2))
    answer.array(lambda: (answer.number(2), answer.number(2), answer.number(2), answer.tags()))
    answer.number(4)
    tags = answer.tags()
    supported = _features(tags.get(FEATURES_TAG["supported"]), newest_first=False)
    finalized = _features(tags.get(FEATURES_TAG["finalized"]), newest_first=True)
    return Levels(finalized.get(METADATA_VERSION), supported.get(METADATA_VERSION))


def controller_time(
    address: tuple[str, int], context: ssl.SSLContext | None, clock: Callable[[], int], seconds: float
) -> ControllerTime:
    """The active controller's clock, by way of the broker at `address`. `clock`: ours, ms. Raises ConfigError, OSError.

    Of the metadata quorum's leader, the controller, DescribeQuorum tells as the time of its last fetch the time at which it answers.
    """
    body = _array(_compact("__cluster_metadata") + _array(struct.pack(">i", 0) + b"\0") + b"\0") + b"\0"
    connection = _connect(address, context, seconds)
    with closing(connection):
        before, began = clock(), monotonic()
        answer = Reader(_exchange(connection, DESCRIBE_QUORUM, body, tagged_header=True))
        way = int((monotonic() - began) * 1000) + 1
    _check(answer.number(2))

    def replica() -> tuple[int, int]:
        number, _, fetched, _ = (answer.number(size) for size in (4, 8, 8, 8))
        answer.tags()
        return number, fetched

    def partition() -> int:
        answer.number(4)
        _check(answer.number(2))
        leader = answer.number(4)
        answer.number(4)
        answer.number(8)
        times = dict([*answer.array(replica), *answer.array(replica)])
        answer.tags()
        return times.get(leader, -1)

    times = answer.array(lambda: (answer.text(), answer.array(partition), answer.tags())[1])
    at = times[0][0] if times and times[0] else -1
    if at <= 0:
        raise ConfigError("the controller does not tell its time")
    return ControllerTime(at, way // 2 + 1, before + way // 2)


def log_dirs(address: tuple[str, int], context: ssl.SSLContext | None, seconds: float) -> list[LogDir]:
    """The folders of the broker at `address`, with the room on their disks. Raises ConfigError, OSError."""
    body = b"\x01" + b"\0"  # no topics: the folders alone
    answer = Reader(_ask(address, context, DESCRIBE_LOG_DIRS, body, seconds, tagged_header=True))
    answer.number(4)
    _check(answer.number(2))

    def topic() -> None:
        answer.text()
        answer.array(lambda: (answer.take(4 + 8 + 8 + 1), answer.tags()))
        answer.tags()

    def folder() -> LogDir:
        _check(answer.number(2))
        path = answer.text()
        answer.array(topic)
        found = LogDir(path, answer.number(8), answer.number(8))
        answer.tags()
        return found

    return answer.array(folder)


def _features(data: bytes | None, *, newest_first: bool) -> dict[str, int]:
    """Name → the highest level. Supported features stand as (least, newest), finalized ones as (newest, least)."""
    if data is None:
        return {}
    reader = Reader(data)
    pairs = reader.array(lambda: (reader.text(), (reader.number(2), reader.number(2)), reader.tags()))
    return {name: levels[0 if newest_first else 1] for name, levels, _ in pairs}


def _ask(
    address: tuple[str, int],
    context: ssl.SSLContext | None,
    api: tuple[int, int],
    body: bytes,
    seconds: float,
    *,
    tagged_header: bool,
) -> bytes:
    with closing(_connect(address, context, seconds)) as connection:
        return _exchange(connection, api, body, tagged_header=tagged_header)


def _connect(address: tuple[str, int], context: ssl.SSLContext | None, seconds: float) -> socket.socket:
    plain = socket.create_connection(address, timeout=seconds)
    if context is None:
        return plain
    try:
        return context.wrap_socket(plain, server_hostname=address[0])
    except OSError:
        plain.close()
        raise


def _exchange(connection: socket.socket, api: tuple[int, int], body: bytes, *, tagged_header: bool) -> bytes:
    """One request with header 2, and the body of its answer: with header 1, or 0 for ApiVersions."""
    header = struct.pack(">hhi", *api, 1) + struct.pack(">h", 4) + b"hedx" + b"\0"
    connection.sendall(struct.pack(">i", len(header) + len(body)) + header + body)
    size = int.from_bytes(_receive(connection, 4), "big")
    if not 4 < size <= LARGEST_ANSWER:
        raise ConfigError("a broker's answer cannot be read")
    answer = _receive(connection, size)
    return answer[5:] if tagged_header else answer[4:]


def _receive(connection: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        chunk = connection.recv(min(65536, size - len(found)))
        if not chunk:
            raise ConfigError("the broker closed the connection: it takes no such question from this principal")
        found += chunk
    return bytes(found)


def _check(code: int) -> None:
    if code:
        raise ConfigError(f"the broker refuses to tell: error {code}")


def _compact(text: str) -> bytes:
    return bytes((len(text) + 1,)) + text.encode()


def _array(*items: bytes) -> bytes:
    return bytes((len(items) + 1,)) + b"".join(items)
