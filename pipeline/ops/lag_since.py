"""Since when the first unread record of each partition waits: the port, and how the two ways to know are put together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from pipeline.ops.lag_samples import Target

Answers = Mapping[Target, int | None]
"""Target → timestamp (ms) of the first record at or after its offset; None: only transaction markers, or nothing, are left
there. A target that is missing could not be answered."""


class Since(Protocol):
    """Tells since when records wait. Raises KafkaException for what the brokers refuse."""

    def __call__(self, targets: Collection[Target]) -> Answers:
        """The answers that can be given to `targets`."""


class ReadElseSearch:
    """Reads the record where that is allowed, and searches by time for the rest.

    A timestamp once found is remembered for as long as it is asked for: the record at an offset does not change, so a group
    that stands still costs nothing.
    """

    def __init__(self, read: Since, search: Since, may_read: Callable[[str], bool]) -> None:
        self._read = read
        self._search = search
        self._may_read = may_read
        self._known: dict[tuple[str, int, int], int] = {}

    def __call__(self, targets: Collection[Target]) -> Answers:
        """The answers to `targets`. Raises KafkaException."""
        answers: dict[Target, int | None] = {
            target: self._known[target[:3]] for target in targets if target[:3] in self._known
        }
        answers |= self._read([each for each in targets if each not in answers and self._may_read(each.topic)])
        answers |= self._search([each for each in targets if each not in answers])
        self._known = {target[:3]: since for target, since in answers.items() if since is not None}
        return answers
