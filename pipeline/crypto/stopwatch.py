"""How much of a process's time goes into cryptography, by operation: counted where it is done, read by who wants to know.

Whole operations are timed, an envelope's or a bundle's, never a record's: what timing costs is lost in them. Times of
operations that ask a signer process include the way there. Threads share the counts without a lock: CPython changes threads
at calls and jumps, and there is none between the reading and the writing of a count.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from time import perf_counter
from typing import Literal, ParamSpec, TypeVar

Operation = Literal["verify", "sign", "new_seal", "unseal", "seal", "open", "split", "chain"]

P = ParamSpec("P")
T = TypeVar("T")


class Spent:
    """Seconds and number of one operation since the process began."""

    __slots__ = ("operations", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.operations = 0


SPENT: dict[Operation, Spent] = {}
"""`verify` and `sign` a signature; `new_seal` and `unseal` a seal (key agreement); `seal` and `open` the records of a bundle;
`split` a bundle (CBOR and hashes); verify a certificate's `chain`."""


def timed(operation: Operation) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorates a function that is an operation: its time counts whether it returns or raises. Timed ones never call another."""
    spent = SPENT.setdefault(operation, Spent())

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def measured(*args: P.args, **kwargs: P.kwargs) -> T:
            started = perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                elapsed = perf_counter() - started
                spent.seconds += elapsed
                spent.operations += 1

        return measured

    return decorate
