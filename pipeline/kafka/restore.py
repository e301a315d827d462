"""Filling a store from the changelog, when partitions are assigned."""

from __future__ import annotations

from collections.abc import Collection
from itertools import groupby
from time import monotonic

from pipeline.domain.errors import HedxError
from pipeline.kafka.clients import Extra
from pipeline.kafka.stores import Store
from pipeline.kafka.tailing import CommittedLog


class RestoreTimeout(HedxError):
    """The changelog did not become readable to its end in time; the process should exit and be started again."""


def restore(
    store: Store,
    bootstrap: str,
    changelog: str,
    partitions: Collection[int],
    *,
    seconds: float,
    extra: Extra | None = None,
) -> int:
    """Replace `partitions` in `store` by what the changelog says, exactly; returns the number of records read.

    A predecessor that stopped in mid-transaction holds the last stable offset back; its records are below the high
    watermark, so this waits until the transaction ended, one way or the other. Raises RestoreTimeout after `seconds`.
    """
    for partition in partitions:
        store.drop(partition)
    log = CommittedLog(bootstrap, changelog, partitions, extra)
    deadline, read = monotonic() + seconds, 0
    try:
        while not log.reached_end:
            if monotonic() > deadline:
                raise RestoreTimeout(f"{changelog} {sorted(partitions)} not restored within {seconds:g} s")
            messages = log.poll(0.1)
            for partition, entries in groupby(messages, key=lambda message: message.partition):
                store.load(partition, [(entry.key or b"", entry.value) for entry in entries])
            read += len(messages)
    finally:
        log.close()
    return read
