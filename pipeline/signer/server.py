"""Serves a keyring on connected sockets, one thread each. What it is asked for and answers is never logged."""

from __future__ import annotations

import logging
import socket
from typing import Any

from pipeline.domain.errors import InvalidMessage
from pipeline.signer import hardening
from pipeline.signer.keyring import Keyring
from pipeline.signer.protocol import FAILED, MAX_REQUEST, SignerRefused, decode, frame, receive

log = logging.getLogger(__name__)

_TOO_LARGE: list[object] = [False, "size"]


class Server:
    """Answers requests about one party's keys. `locked`: whether the process's memory is kept out of swap."""

    def __init__(self, keyring: Keyring, *, locked: bool) -> None:
        self._keyring = keyring
        self._locked = locked

    def serve(self, connection: socket.socket) -> None:
        """Answer on `connection` until the other side closes it, or sends a frame that is too large."""
        with connection:
            try:
                while (answer := self._next(connection)) is not None:
                    connection.sendall(frame(answer))
                    if answer is _TOO_LARGE:
                        return
            except OSError:
                return  # the other side went away in mid-sentence

    def _next(self, connection: socket.socket) -> list[object] | None:
        """The answer to the next request; None at the end of the connection."""
        try:
            body = receive(connection, MAX_REQUEST)
        except InvalidMessage:
            return _TOO_LARGE
        return None if body is None else self.answer(body)

    def answer(self, body: bytes) -> list[object]:
        """The answer to one request, whatever it is."""
        try:
            return [True, *self._results(decode(body))]
        except (InvalidMessage, SignerRefused) as error:
            return [False, error.code]
        except Exception as error:  # noqa: BLE001  # a defect or a disk; its words may tell too much
            log.error("a request failed: %s", type(error).__name__)  # noqa: TRY400  # no traceback of secrets
            return [False, FAILED]

    def _results(self, request: list[Any]) -> list[object]:
        keyring = self._keyring
        match request:
            case ["sign", bytes() as structure]:
                return [keyring.sign(structure)]
            case ["agree", bytes() as kid, bytes() as point]:
                return [keyring.agree(kid, point)]
            case ["holds", bytes() as kid]:
                return [keyring.holds(kid)]
            case ["create_case"]:
                keys, locked = keyring.create_case()
                return [keys.reply_key.point, locked, keys.data_key]
            case ["open_case", bytes() as locked]:
                keys = keyring.open_case(locked)
                return [keys.reply_key.point, keys.data_key]
            case ["identity"]:
                identity = keyring.identity
                return [identity.party, identity.signer.certificate, identity.sealing_certificate]
            case ["tend"]:
                return [[[number, statement] for number, statement in keyring.seals.tend()]]
            case ["published", int() as number]:
                keyring.seals.published(number)
                return []
            case ["protection"]:
                return [hardening.is_dumpable(), hardening.core_limit(), self._locked]
        raise SignerRefused("request_unknown")
