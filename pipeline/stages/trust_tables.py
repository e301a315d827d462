"""hedx.trust and hedx.checkpoints as one process believes them: entries, revocations, the log and its witnesses.

A certificate counts once it is in the trust log as far as that is witnessed; what only takes away (a suspension, a
certificate dropped, a revocation) counts at once.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.codec import framing
from pipeline.crypto import signed
from pipeline.crypto.certificates import certified_key
from pipeline.crypto.seal_keys import TYPE as SEAL_KEY
from pipeline.crypto.seal_keys import series_of
from pipeline.crypto.suite import H
from pipeline.crypto.trust import Trust
from pipeline.crypto.trust_log import NAME, TrustLog, certificates_of
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER, is_party
from pipeline.domain.records import LogHead, LogLeaf, RevocationList, TrustEntry
from pipeline.stages import topics
from pipeline.stages.anchor import EVERYONE, Anchor, Seen, trust_of, verified

CRL, HEAD = b"crl", b"head"
"""Keys on hedx.trust that are no party's."""
_LEAF = re.compile(rb"log/(0|[1-9][0-9]{0,8})")
_EARLY = 64  # checkpoints of a party that wait for its certificate to count
_UNLISTED = 8  # those that wait for the party's entry to list it: anybody may have written them
_LARGEST_EARLY = 4096  # bytes; a checkpoint has some hundreds

Requests = Callable[[], Mapping[bytes, bytes]]
"""Of the certificate requests that a party has made itself: SHA-256 over each, and its public key."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a person must look into. `digest` is that of the certificate concerned, where there is one."""

    code: str
    party: str
    digest: bytes | None = None


class TrustTables:
    """What a process believes of the parties. With a `party` it is that party's own process, which watches its name."""

    def __init__(self, anchor: Anchor, seen: Seen, party: str | None = None, requests: Requests = dict) -> None:
        """Raises InvalidMessage when the anchor does not hold by itself, or contradicts what was seen."""
        self.trust = trust_of(anchor, seen)
        start = anchor.log_start(self.trust)
        self.log = TrustLog(start if start.size >= seen.log.size else seen.log)
        if start.size == seen.log.size != 0 and start.root != seen.log.root:
            raise InvalidMessage("log_forked", f"anchor and memory of size {start.size}")
        self._seen = seen
        self._party = party
        self._requests = requests
        self._entries: dict[str, TrustEntry] = {}  # as published, the newest of each party
        self._counted: dict[str, TrustEntry] = {}  # with the certificates that count
        self._given = {digest for entry in (anchor.center, seen.center) if entry for digest in certificates_of(entry)}
        self._asked: dict[bytes, LogLeaf] = {}  # request -> the leaf in one's own name for which it was used
        self._own: set[bytes] = set()  # certificates in one's own name that are for keys of one's own
        self._listed = Trust(anchor.roots)  # entries as published, to know who wrote what waits
        self._early: dict[bytes, deque[bytes]] = {}
        self._unlisted: dict[bytes, deque[bytes]] = {}
        self._alarms: list[Alarm] = []
        self._raised: set[Alarm] = set()

    def apply(self, topic: str, key: bytes, value: bytes) -> None:
        """Take one record of either topic in. Raises InvalidMessage when it does not hold, or not yet."""
        if topic == topics.CHECKPOINTS:
            self._checkpoint(key, value)
        elif key == CRL:
            crl: RevocationList = self._by_center(value, "trust", "RevocationList")  # type: ignore[assignment]
            if self.trust.revoke(crl):
                self._settle()
        elif key == HEAD:
            head: LogHead = self._by_center(value, "checkpoint", "LogHead")  # type: ignore[assignment]
            with self._watched():
                self.log.offer(head)
            self._settle()
        elif match := _LEAF.fullmatch(key):
            with self._watched():
                leaf = self.log.append(int(match[1]), value)
            if leaf is not None:
                self._look_for_own(leaf)
                self._settle()
        else:
            entry: TrustEntry = self._by_center(value, "trust", "TrustEntry")  # type: ignore[assignment]
            if entry["party"].encode() != key:
                raise InvalidMessage("key_contradicts_entry", topic)
            self._entry(entry)

    def alarms(self) -> list[Alarm]:
        """What came up since the last call."""
        found, self._alarms = self._alarms, []
        return found

    def uncosigned(self) -> LogHead | None:
        """The center's newest head, when this process's party has seen the log grow to it and not yet said so."""
        newest = self.log.newest()
        if self._party is None or newest is None or self._is_mute(self._party):
            return None
        if newest.size <= self.log.seen_by(self._party, self._holds):
            return None  # not by the largest size signed: whoever had its key for a moment could have signed any
        return LogHead(log=NAME, size=newest.size, root=newest.root, at=0)

    def seen(self) -> Seen:
        """What must not be forgotten."""
        numbers = {party: entry["number"] for party, entry in self._entries.items()}
        now = Seen(
            numbers,
            self.trust.seal_key_numbers(),
            self._counted.get(CENTER),
            self.trust.revocation_list,
            self.log.accepted,
            revoked=self.trust.revoked_since(),
        )
        return self._seen.merged(now)

    def missing(self) -> list[InvalidMessage]:
        """What was there before and is not now, though the topics have been read to their ends."""
        keys = self.trust.seal_key_numbers()
        held = {party: entry["number"] for party, entry in self._entries.items()}
        found = [
            InvalidMessage("entry_rollback", f"{party}: {held.get(party, 0)} after {number}")
            for party, number in self._seen.entries.items()
            if held.get(party, 0) < number
        ]
        found += [
            InvalidMessage("seal_key_rollback", f"{party}: {keys.get(series_of(party, x5t), 0)} after {number}")
            for party, x5t, number in self._expected()
            if keys.get(series_of(party, x5t), 0) < number
        ]
        if not self.log.is_whole:
            found.append(InvalidMessage("log_rollback", f"less than the {self.log.accepted.size} leaves there were"))
        return found

    def waiting(self) -> list[InvalidMessage]:
        """Entries with certificates that do not count yet."""
        found: list[InvalidMessage] = []
        for entry in self._entries.values():
            try:
                self._check(entry)
            except InvalidMessage as error:
                found.append(InvalidMessage(error.code, entry["party"]))
        return found

    def _expected(self) -> Iterator[tuple[str, bytes, int]]:
        """Of the seal keys seen before those that must still be there: party, thumbprint and highest number.

        Under a certificate that was revoked or dropped since, none must.
        """
        for series, number in self._seen.seal_keys.items():
            party, _, x5t = series.partition("/")
            if party not in self.trust.parties() or self._holds(party, bytes.fromhex(x5t)):
                yield party, bytes.fromhex(x5t), number

    # -- inside ------------------------------------------------------------------------------------------------------

    def _by_center(self, raw: bytes, typ: str, name: str) -> object:
        record = verified(raw, typ, name, self.trust, CENTER)
        self._in_good_standing(raw)
        return record

    def _in_good_standing(self, raw: bytes) -> None:
        """What says whom to trust must not be under a certificate that is revoked today, whatever time it states."""
        certificate = self.trust.signer(signed.peek(raw).thumbprint)
        if self.trust.revoked(certificate) is not None:
            raise InvalidMessage("certificate_revoked", f"certificate of {certificate.party}")

    def _entry(self, entry: TrustEntry) -> None:
        party, number = entry["party"], entry["number"]
        if party == self._party:
            self._look_at_own(entry)
        held = self._entries.get(party)
        newest = max(self._seen.entries.get(party, 0), held["number"] if held else 0)
        if number < newest:
            raise InvalidMessage("entry_rollback", f"{party}: {number} after {newest}")
        if held is not None and number == held["number"]:
            if entry != held:
                raise InvalidMessage("entry_contradicts", f"{party}: two entries of number {number}")
            return
        self._entries[party] = entry
        self._listed.update(entry)
        self._count(entry)
        try:
            self._settle()
        finally:
            self._hear_each(party.encode(), self._unlisted.pop(party.encode(), ()))
        self._check(entry)

    def _check(self, entry: TrustEntry) -> None:
        party = entry["party"]
        self.log.check(party, (digest for digest in certificates_of(entry) if not self._is_given(party, digest)))

    def _is_logged(self, party: str, digest: bytes) -> bool:
        """In the log, as the party's, as far as it is believed."""
        return self._is_given(party, digest) or self.log.has(party, digest)

    def _is_given(self, party: str, digest: bytes) -> bool:
        """The center's own certificates, given by hand, are believed like the log itself."""
        return party == CENTER and digest in self._given

    def _count(self, entry: TrustEntry) -> None:
        """Let the entry count with its certificates in the log; of a newcomer nothing does before it can sign."""
        counted = entry.copy()
        for name in ("signing_certificates", "sealing_certificates", "transport_certificates"):
            counted[name] = [der for der in entry[name] if self._is_logged(entry["party"], H(der))]
        known = entry["party"] in self.trust.parties()
        speaks = known or (counted["signing_certificates"] and counted["sealing_certificates"])
        if speaks and counted != self._counted.get(entry["party"]):
            self._counted[entry["party"]] = counted
            self.trust.update(counted, grown=True)

    def _checkpoint(self, key: bytes, value: bytes) -> None:
        try:
            self._hear(key, value)
        except InvalidMessage as error:
            if error.code == "certificate_unknown" and is_party(key.decode(errors="replace")):
                self._keep_early(key, value)
            raise

    def _keep_early(self, key: bytes, value: bytes) -> None:
        """Keep a checkpoint until the certificate it is under counts: bounded, and nobody else's can push it out."""
        if len(value) > _LARGEST_EARLY:
            return
        try:
            self._listed.signer(signed.peek(value).thumbprint)
        except InvalidMessage:
            self._unlisted.setdefault(key, deque(maxlen=_UNLISTED)).append(value)
            return
        typ, issuer = signed.peek(value).typ, key.decode()
        signed.verify(value, typ, self._listed, now=_issued(value), audience=EVERYONE, issuer=issuer, published=True)
        early = self._early.setdefault(key, deque(maxlen=_EARLY))
        if value not in early:
            early.append(value)

    def _hear(self, key: bytes, value: bytes) -> None:
        sign1 = signed.peek(value)
        party = sign1.claims.issuer
        if party.encode() != key:
            raise InvalidMessage("key_contradicts_entry", topics.CHECKPOINTS)
        if sign1.typ == SEAL_KEY:
            self.trust.seal_key(value, self._seen.seal_keys.get(series_of(party, sign1.thumbprint), 0))
            return
        head: LogHead = verified(value, "checkpoint", "LogHead", self.trust, party)  # type: ignore[assignment]
        self._in_good_standing(value)
        self.log.cosign(party, head, sign1.thumbprint)
        self._settle()
        if self.log.contradicts(party, sign1.thumbprint):
            raise InvalidMessage("log_forked", f"{party} has seen another log")

    def _settle(self) -> None:
        """Believe as much of the log as may be, and let count what that lets count."""
        before = self.log.is_whole, self.log.accepted
        silent = {party for party, entry in self._entries.items() if entry["suspended"] or self._is_mute(party)}
        try:
            with self._watched():
                self.log.advance(silent, self._holds)
        finally:
            for party in self.log.contradictors(silent, self._holds):
                self._raise(Alarm("log_forked", party))
            if before != (self.log.is_whole, self.log.accepted):
                for entry in self._entries.values():
                    self._count(entry)
                self._hear_again()

    def _hear_again(self) -> None:
        """Checkpoints that came before the certificate they are under counted; what still does not hold is dropped."""
        early, self._early = self._early, {}
        for key, values in early.items():
            self._hear_each(key, values)

    def _hear_each(self, key: bytes, values: Iterable[bytes]) -> None:
        for value in values:
            try:
                self._checkpoint(key, value)
            except InvalidMessage:
                continue  # it was refused, and said so, when it came

    def _is_mute(self, party: str) -> bool:
        """Whether all certificates the party could sign with are revoked: until its next one it is no witness, as if suspended."""
        entry = self._entries.get(party)
        if entry is None:
            return False
        known = [x5t for x5t in map(H, entry["signing_certificates"]) if self._is_listed(x5t)]
        return bool(known) and not any(self._holds(party, x5t) for x5t in known)

    def _is_listed(self, x5t: bytes) -> bool:
        try:
            self.trust.listed(x5t)
        except InvalidMessage:
            return False
        return True

    def _holds(self, party: str, x5t: bytes) -> bool:
        """Whether a certificate of the party counts today: listed, and not revoked."""
        try:
            certificate = self.trust.signer(x5t)
        except InvalidMessage:
            return False
        return certificate.party == party and self.trust.revoked(certificate) is None

    def _look_for_own(self, leaf: LogLeaf) -> None:
        """A leaf in one's own name is for a request of one's own, and a request is good for one certificate."""
        if leaf["kind"] != "certificate" or leaf["party"] != self._party:
            return
        request = leaf["request"]
        if request is None or request not in self._requests():
            self._raise(Alarm("certificate_not_requested", leaf["party"], leaf["digest"]))
            return
        first = self._asked.setdefault(request, leaf)
        if first["index"] != leaf["index"]:
            self._raise(Alarm("certificate_not_requested", leaf["party"], leaf["digest"]))

    def _look_at_own(self, entry: TrustEntry) -> None:
        """What is published as one's own certificates, whatever the log says of them, is for keys of one's own."""
        names = ("signing_certificates", "sealing_certificates", "transport_certificates")
        new = {H(der): der for name in names for der in entry[name]}  # type: ignore[literal-required]
        new = {digest: der for digest, der in new.items() if digest not in self._own}
        keys = set(self._requests().values()) if new else set()
        for digest, der in new.items():
            if certified_key(der) in keys:
                self._own.add(digest)
            else:
                self._raise(Alarm("certificate_not_requested", entry["party"], digest))

    def _raise(self, alarm: Alarm) -> None:
        """Once is enough."""
        if alarm not in self._raised:
            self._raised.add(alarm)
            self._alarms.append(alarm)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """A fork is refused like any other fault; and it is an alarm."""
        try:
            yield
        except InvalidMessage as error:
            if error.code == "log_forked":
                self._raise(Alarm(error.code, CENTER))
            raise


def _issued(raw: bytes) -> int:
    return signed.peek(raw).claims.issued_at


def leaf_key(index: int) -> bytes:
    """Key of a leaf on hedx.trust."""
    return f"log/{index}".encode()


def framed_leaf(leaf: LogLeaf) -> bytes:
    """A leaf as it stands on hedx.trust, and as it is hashed."""
    return framing.encode("LogLeaf", leaf)
