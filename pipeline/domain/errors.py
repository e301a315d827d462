"""Errors say whose fault it is, and steer the worker that meets them."""

from __future__ import annotations


class HedxError(Exception):
    """Root of all errors this package raises on purpose."""


class InvalidMessage(HedxError):
    """The sender's fault: this message can never be processed. The worker dead-letters it and goes on.

    `code` is stable and machine-readable (snake_case); `detail` never holds personal data. `authenticated` is false when
    nobody can be shown to have sent it: it was refused before its signature, and all that the signature covers, held.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
        self.authenticated = True


class Retryable(HedxError):
    """Nobody's fault, for now: the same call may succeed later. The worker aborts, rewinds and tries again."""


class NotReady(Retryable):
    """The reader's own condition: until it changes no message of anybody's can be judged, and none is put aside for it.

    `code` is stable, as that of `InvalidMessage`; it must never depend on what an unproved message says.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code


class ViewLost(HedxError):
    """The process's fault: it can no longer keep up what it judges messages by. It ends; its supervisor starts it again."""


class ConfigError(HedxError):
    """The operator's fault: a file, setting or environment is wrong. The process says so and exits."""
