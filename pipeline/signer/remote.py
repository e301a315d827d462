"""Keys in another process: a `Signer`, an `Unsealer` and a `Vault` that ask a signer over a socket."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.crypto import suite
from pipeline.crypto.certificates import thumbprint
from pipeline.crypto.keys import CaseKeys, Identity, public_sealing_key
from pipeline.domain.errors import InvalidMessage
from pipeline.signer.protocol import FAILED, MAX_ANSWER, RESULTS, SignerGone, SignerRefused, decode, frame, receive

PATIENCE = 30.0
"""Seconds within which a signer answers, or counts as gone."""


class Connection:
    """Requests to a signer, one at a time; threads share it."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        self._socket = connection
        self._lock = threading.Lock()
        self._broken = False

    def ask(self, operation: str, *arguments: object) -> list[Any]:
        """The results of a request, as many as the operation has. Raises SignerRefused with the code of a refusal, SignerGone."""
        with self._lock:
            if self._broken:
                raise SignerGone("the signer is gone")
            try:
                self._socket.sendall(frame([operation, *arguments]))
                body = receive(self._socket, MAX_ANSWER)
                answer = [] if body is None else decode(body)
            except (OSError, InvalidMessage) as error:
                self._broken = True
                raise SignerGone(f"the signer does not answer: {type(error).__name__}") from error
            if not answer:
                self._broken = True
                raise SignerGone("the signer has ended")
        match answer:
            case [True, *results] if len(results) == RESULTS[operation]:
                return results
            case [False, str() as code] if code != FAILED:
                raise SignerRefused(code)
            case [False, str()]:
                raise SignerGone("the signer failed; it says how in the log")
        raise SignerGone("the signer answers in another language")

    def close(self) -> None:
        """Let the signer go; a private one ends."""
        self._socket.close()


@dataclass(frozen=True)
class RemoteSigner:
    """A `Signer` whose key is in the signer process. `sign` raises SignerRefused for what no party signs."""

    party: str
    certificate: bytes
    connection: Connection = field(repr=False)

    @cached_property
    def thumbprint(self) -> bytes:
        """x5t of the certificate."""
        return thumbprint(self.certificate)

    def sign(self, data: bytes) -> bytes:
        """ES256 signature over `data`, a Sig_structure in the party's name: raw r || s."""
        signature: bytes = self.connection.ask("sign", data)[0]
        return signature


class RemoteUnsealer:
    """The party's own keys, as an `Unsealer`: its encrypt key and its seal keys."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: frozenset[bytes] = frozenset()

    def holds(self, kid: bytes) -> bool:
        """Whether the signer has this key; one that it had may be destroyed, which `agree` then says."""
        if kid not in self._known and self._connection.ask("holds", kid)[0] is True:
            self._known |= {kid}
        return kid in self._known

    def agree(self, kid: bytes, other: ec.EllipticCurvePublicKey) -> bytes:
        """ECDH of the key `kid` with `other`. Raises InvalidMessage `not_a_recipient` for a key not held any more."""
        return _agree(self._connection, kid, other)


class RemoteCase:
    """An application's reply key, as an `Unsealer`. The signer keeps it at hand, or opens it again."""

    def __init__(self, connection: Connection, kid: bytes, locked: bytes) -> None:
        self._connection = connection
        self._kid = kid
        self._locked = locked

    def holds(self, kid: bytes) -> bool:
        """Whether `kid` is the reply key's."""
        return kid == self._kid

    def agree(self, kid: bytes, other: ec.EllipticCurvePublicKey) -> bytes:
        """ECDH of the reply key with `other`. Raises InvalidMessage `not_a_recipient`, and as `Vault.open`."""
        if kid != self._kid:
            raise InvalidMessage("not_a_recipient")
        try:
            return _agree(self._connection, kid, other)
        except InvalidMessage as error:
            if error.code != "not_a_recipient":
                raise
            _open(self._connection, self._locked)
            return _agree(self._connection, kid, other)


class RemoteVault:
    """A `Vault` in the signer: reply keys never leave it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self) -> tuple[CaseKeys, bytes]:
        """New keys for an application, and their locked form."""
        point, locked, data_key = self._connection.ask("create_case")
        return self._keys(point, locked, data_key), locked

    def open(self, locked: bytes) -> CaseKeys:
        """The keys again. Raises InvalidMessage as `Vault.open`."""
        point, data_key = _open(self._connection, locked)
        return self._keys(point, locked, data_key)

    def _keys(self, point: bytes, locked: bytes, data_key: bytes) -> CaseKeys:
        reply = public_sealing_key(point)
        return CaseKeys(reply, RemoteCase(self._connection, reply.kid, locked), data_key)


@dataclass(frozen=True)
class RemoteIdentity(Identity):
    """An identity whose keys are in a signer process."""

    signer: RemoteSigner
    connection: Connection = field(repr=False)

    def tend(self) -> list[tuple[int, bytes]]:
        """Let the signer make and destroy seal keys as is due; the statements not published yet, by number."""
        return [(number, statement) for number, statement in self.connection.ask("tend")[0]]

    def published(self, number: int) -> None:
        """Tell the signer that the statement of seal key `number` is where the others read it."""
        self.connection.ask("published", number)

    def protection(self) -> tuple[bool, int, bool]:
        """Whether the signer's memory can be dumped, its core limit (bytes), and whether its memory is locked."""
        dumpable, core, locked = self.connection.ask("protection")
        return dumpable, core, locked


def _agree(connection: Connection, kid: bytes, other: ec.EllipticCurvePublicKey) -> bytes:
    shared: bytes = _about_message(connection, "agree", kid, suite.point(other))[0]
    return shared


def _open(connection: Connection, locked: bytes) -> list[bytes]:
    return _about_message(connection, "open_case", locked)


def _about_message(connection: Connection, operation: str, *arguments: object) -> list[Any]:
    """What is refused here is a message's fault, not the worker's."""
    try:
        return connection.ask(operation, *arguments)
    except SignerRefused as refusal:
        raise InvalidMessage(refusal.code, "says the signer") from None
