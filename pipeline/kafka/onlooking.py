"""Who looks on never matters: what was committed stays as it is, whatever an observer of it does.

All that tells an observer, a log of hops or a collector of spans goes through `tell`. An exception of theirs is neither the
message's fault nor a reason to end: it is counted, and a line says so the first time, by class and place without its text.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from typing import ParamSpec

from pipeline import logs

log = logging.getLogger(__name__)

P = ParamSpec("P")


class Telling:
    """Calls who looks on, from any thread. `failed`: how often that raised, by class and place."""

    def __init__(self) -> None:
        self.failed: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, told: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Call `told`; whatever it raises ends here."""
        try:
            told(*args, **kwargs)
        except Exception as failure:  # noqa: BLE001  # whatever it is, what it is told of has happened
            place = logs.place_of(failure)
            with self._lock:
                self.failed[place] += 1
                first = self.failed[place] == 1
            if first:
                log.error("who looks on failed, which is said once: %s", place)  # noqa: TRY400  # its text may quote a message


tell: Telling = Telling()
"""This process's."""
