"""The trust log (信任日志): every certificate ever issued, in an append-only tree whose growth the parties witness.

Leaves are the framed `LogLeaf` records as published; the tree has the shape of RFC 6962. A reader holds all leaves, so
that consistency (RFC 6962, section 2.1.2) needs no proof: it computes the root of every size itself. It believes a head
that is the center's, extends what it believed before, and is cosigned by two provinces (or by all, where they are
fewer); the center and its own resources are no witnesses. Pure: whose signature is under a head is for the caller to
verify.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from pipeline.codec import framing
from pipeline.crypto import merkle
from pipeline.crypto.suite import H
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import PROVINCES
from pipeline.domain.records import LogHead, LogLeaf

NAME = "trust"
LEAF, NODE = b"\x07", b"\x08"
WITNESSES = 2
"""How many provinces must have cosigned a head, where there are so many; one more while one of them contradicts."""
CONTRADICTORS = 2
"""So many provinces that have seen another log are believed: nothing newer is."""

Witness = tuple[str, bytes]
"""A party, and the thumbprint of the certificate under which it cosigned."""

_MOST_AHEAD = 1000  # cosigned heads of a party that wait for the log to grow to them


@dataclass(frozen=True, slots=True)
class Point:
    """How far a log is believed."""

    size: int
    root: bytes


EMPTY = Point(0, merkle.EMPTY)


def leaf_hash(leaf: bytes) -> bytes:
    """`H(0x07 || leaf)` of a framed LogLeaf."""
    return H(LEAF + leaf)


def log_root(leaves: Sequence[bytes]) -> bytes:
    """The root over framed LogLeaf records."""
    return merkle.root([leaf_hash(leaf) for leaf in leaves], NODE)


def log_head(leaves: Sequence[LogLeaf], now: int) -> LogHead:
    """The head over all of `leaves`, as the center signs it."""
    framed = [framing.encode("LogLeaf", leaf) for leaf in leaves]
    return LogHead(log=NAME, size=len(framed), root=log_root(framed), at=now)


class TrustLog:
    """The log as one process knows it. `accepted`: how far it is believed, from what the process was given on."""

    def __init__(self, start: Point = EMPTY) -> None:
        self.accepted = start
        self._head: Point | None = None  # the center's newest, once the leaves held are found to be its own
        self._waiting: Point | None = None  # the center's newest, its leaves not (all) here yet
        self._hashes: list[bytes] = []  # of the leaves from 0 on, without a gap
        self._roots: dict[int, bytes] = {}  # by size, of what the center's newest head covers
        self._leaves: dict[int, tuple[bytes, LogLeaf]] = {}
        self._cosigned: dict[Witness, set[Point]] = {}  # not compared yet
        self._seen: dict[Witness, int] = {}  # how far it has seen this log
        self._contradicting: dict[Witness, int] = {}  # size of which it has seen another
        self._named: tuple[int, set[str]] = 0, set()  # size, the provinces with a certificate below it
        self._fork: str | None = None
        self._certificates: dict[tuple[str, bytes], int] = {}  # party, digest -> index, of all leaves without a gap

    @property
    def size(self) -> int:
        """How far the log is known to be the center's, believed or not."""
        return 0 if self._head is None else self._head.size

    @property
    def is_whole(self) -> bool:
        """Whether all leaves that are believed are here."""
        return self._head is not None

    def append(self, index: int, leaf: bytes) -> LogLeaf | None:
        """Take a framed leaf as published; None when it is the one held.

        A leaf that no head covers yet may be replaced. Raises InvalidMessage: those of `framing`, `log_invalid` when it
        is not leaf `index`, and `log_forked` when it is not the leaf that a head covers.
        """
        record: LogLeaf = framing.decode_as("LogLeaf", leaf)  # type: ignore[assignment]
        if record["index"] != index:
            raise InvalidMessage("log_invalid", f"not leaf {index}")
        held = self._leaves.get(index)
        if held is not None and held[0] == leaf:
            return None
        if index < self.size:
            raise InvalidMessage("log_forked", f"another leaf {index}")
        self._leaves[index] = leaf, record
        if index < len(self._hashes):
            self._cut(index)
        while (following := self._leaves.get(len(self._hashes))) is not None:
            if following[1]["kind"] == "certificate":
                name = following[1]["party"], following[1]["digest"]
                self._certificates.setdefault(name, len(self._hashes))
            self._hashes.append(leaf_hash(following[0]))
        return record

    def offer(self, head: LogHead) -> bool:
        """Take a head that the center signed; tell whether it is news. Leaves that are not here yet are waited for.

        Raises InvalidMessage `log_invalid` for another log's, `log_rollback` for an older one, and `log_forked` for one
        that does not grow out of what is held: nothing newer is believed after that.
        """
        if head["log"] != NAME or head["size"] < 0:
            raise InvalidMessage("log_invalid", "not the trust log's head")
        point = Point(head["size"], head["root"])
        for held in (self.accepted, self._head, self._waiting):
            if held is not None and point.size == held.size and point.root != held.root:
                self._fork = f"two heads of size {point.size}"
                raise InvalidMessage("log_forked", self._fork)
        if point.size < self.size:
            if self._root(point.size) != point.root:
                self._fork = f"another head of size {point.size}"
                raise InvalidMessage("log_forked", self._fork)
            raise InvalidMessage("log_rollback", f"{point.size} after {self.size}")
        if point.size < self.accepted.size:
            raise InvalidMessage("log_rollback", f"{point.size} after {self.accepted.size}")
        if point in (self._head, self._waiting) or (self._waiting and point.size < self._waiting.size):
            return False
        self._waiting = point
        return True

    def cosign(self, party: str, head: LogHead, thumbprint: bytes = b"") -> None:
        """Note that `party` has signed `head`, under the certificate with `thumbprint`.

        Raises InvalidMessage `log_invalid` for another log's.
        """
        if head["log"] != NAME or head["size"] < 0:
            raise InvalidMessage("log_invalid", "not the trust log's head")
        ahead = self._cosigned.setdefault((party, thumbprint), set())
        if len(ahead) < _MOST_AHEAD:
            ahead.add(Point(head["size"], head["root"]))

    def advance(
        self, suspended: Set[str] = frozenset(), holds: Callable[[str, bytes], bool] = lambda party, thumbprint: True
    ) -> bool:
        """Believe as much as may be believed now; tell whether that is more than before.

        `suspended` parties do not count, nor does what was signed under a certificate (of a party, by thumbprint) that
        does not hold any more. Raises InvalidMessage `log_forked` when leaves and heads contradict each other, or two
        provinces have seen another log.
        """
        self._follow()
        if self._head is None:
            return False
        if self._fork is not None:
            raise InvalidMessage("log_forked", self._fork)
        self._compare()
        if not self._contradicting and self._head.size == self.accepted.size:
            return False
        named = self.parties()
        witnesses = named - suspended
        contradicting = self.contradictors(suspended, holds) & witnesses
        if len(contradicting) >= CONTRADICTORS:
            raise InvalidMessage("log_forked", f"{', '.join(sorted(contradicting))} have seen another log")
        sizes = dict.fromkeys(witnesses - contradicting, 0)
        for (party, thumbprint), size in self._seen.items():
            if party in sizes and holds(party, thumbprint):
                sizes[party] = max(sizes[party], size)
        size = self._witnessed(sorted(sizes.values(), reverse=True), len(witnesses)) if named else self._head.size
        if size <= self.accepted.size:
            return False
        self.accepted = Point(size, self._root(size))
        return True

    def contradictors(
        self, suspended: Set[str] = frozenset(), holds: Callable[[str, bytes], bool] = lambda party, thumbprint: True
    ) -> set[str]:
        """The parties that signed a head of another log than this one; see `advance`."""
        found = {party for party, thumbprint in self._contradicting if holds(party, thumbprint)}
        return found - suspended

    def contradicts(self, party: str, thumbprint: bytes) -> bool:
        """Whether something that was signed so is a head of another log than this one."""
        return (party, thumbprint) in self._contradicting

    def parties(self) -> set[str]:
        """The provinces with a certificate under what is believed: those whose cosignatures count.

        Neither the center nor 00, its own resources, is one: who is to be watched is no witness.
        """
        if not self.is_whole:
            return set()
        size = self.accepted.size
        if self._named[0] != size:  # what is believed never changes
            held = {party for (party, _), index in self._certificates.items() if index < size}
            self._named = size, held & PROVINCES.keys()
        return set(self._named[1])

    def check(self, party: str, digests: Iterable[bytes]) -> None:
        """Refuse certificates (SHA-256 over their DER) that are not in the log, as the party's, as far as it is believed.

        Raises InvalidMessage `certificate_not_logged`, or `head_not_witnessed` when all are under the center's newest
        head and only cosignatures are missing.
        """
        last = max((self._certificates.get((party, digest), 1 << 62) for digest in digests), default=-1)
        if last < self.accepted.size and self.is_whole:
            return
        if last < self.size:
            raise InvalidMessage("head_not_witnessed", f"size {self.size}")
        raise InvalidMessage("certificate_not_logged")

    def has(self, party: str, digest: bytes) -> bool:
        """Whether a certificate is in the log as the party's, as far as it is believed."""
        return self.is_whole and self._certificates.get((party, digest), 1 << 62) < self.accepted.size

    def newest(self) -> Point | None:
        """The center's newest head that grows out of what is believed: the one to cosign. None after a fork."""
        return None if self._fork is not None else self._head

    def cosigned_by(self, party: str) -> int:
        """The size of the largest head that `party` has signed."""
        seen, ahead = dict(self._seen), dict(self._cosigned)  # others may look while the log is followed
        waiting = (point.size for (who, _), points in ahead.items() if who == party for point in tuple(points))
        return max([0, *(size for (who, _), size in seen.items() if who == party), *waiting])

    def seen_by(self, party: str, holds: Callable[[str, bytes], bool]) -> int:
        """How far `party` has seen this log grow, by what it signed under certificates that hold."""
        seen = dict(self._seen)  # others may look while the log is followed
        return max((size for (who, x5t), size in seen.items() if who == party and holds(who, x5t)), default=0)

    def _witnessed(self, sizes: Sequence[int], count: int) -> int:
        """The size that enough have seen, of `sizes` descending; `count`: how many there are, contradictors included.

        While one contradicts, one more of the others is needed, or all of them where there is no one more; never fewer
        than without him. Where all are suspended nobody is left to see anything.
        """
        needed = min(WITNESSES, count)
        if len(sizes) < count:
            needed = max(needed, min(needed + 1, len(sizes)))
        return sizes[needed - 1] if 0 < needed <= len(sizes) else 0

    def _compare(self) -> None:
        """Hold cosigned heads against the log held, each once, when it has grown to their size."""
        for witness, points in self._cosigned.items():
            for point in [point for point in points if point.size <= self.size]:
                points.discard(point)
                if self._root(point.size) == point.root:
                    self._seen[witness] = max(self._seen.get(witness, 0), point.size)
                else:
                    self._contradicting[witness] = point.size

    def _follow(self) -> None:
        """Move to the center's newest head once the leaves held are its own."""
        if self._head is None and len(self._hashes) >= self.accepted.size:
            if self._root(self.accepted.size) != self.accepted.root:
                raise InvalidMessage("log_forked", f"other leaves than those of size {self.accepted.size}")
            self._head = self.accepted
        if self._head is not None and self._waiting is not None and len(self._hashes) >= self._waiting.size:
            if self._root(self._waiting.size) != self._waiting.root:
                raise InvalidMessage("log_forked", f"other leaves than those of size {self._waiting.size}")
            self._head, self._waiting = self._waiting, None

    def _root(self, size: int) -> bytes:
        """Each once: years of heads, signed by all parties, are read at every start."""
        known = self._roots.get(size)
        if known is None:
            known = merkle.root(self._hashes[:size], NODE)
            if size <= self.size:
                self._roots[size] = known
        return known

    def _cut(self, index: int) -> None:
        """Forget the hashes from `index` on: a leaf that no head covers was replaced."""
        del self._hashes[index:]
        self._certificates = {name: at for name, at in self._certificates.items() if at < index}


def certificates_of(entry: Mapping[str, object]) -> list[bytes]:
    """Digests of all certificates that a TrustEntry lists."""
    names = ("signing_certificates", "sealing_certificates", "transport_certificates")
    return [H(der) for name in names for der in entry[name]]  # type: ignore[attr-defined]
