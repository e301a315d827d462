"""A center's stage as a process of its own that kills or stops itself, once, inside a transaction.

`python -m tests.e2e.faulty_stage BOOTSTRAP STAGE SIGNAL POINT NTH [CLIENT.SETTING=VALUE…]`; the installation is HEDX_HOME's.
Ends on SIGTERM.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time

from confluent_kafka.admin import AdminClient

from pipeline.app import run_stage
from pipeline.center.installation import Installation
from pipeline.cli import cluster
from pipeline.cli.stopping import stop_on_signals
from pipeline.kafka.clients import Extra, admin_config
from pipeline.settings import data_dir
from pipeline.stages import topics
from tests.exchange import has_open_transaction

DELIVERY = 1.0
"""Seconds in which what is produced reaches the brokers: only then is the transaction open there."""


class Fault:
    """A checkpoint that sends this process `fault` at `point` of the `nth` transaction that has state in it.

    Transactions with watermarks or offsets alone are let pass. `point`: produced, offsets_sent, committed or never.
    """

    def __init__(
        self, bootstrap: str, changelog: str, fault: signal.Signals, point: str, nth: int, extra: Extra
    ) -> None:
        self._admin = AdminClient(admin_config(bootstrap, extra))
        self._changelog = changelog
        self._fault = fault
        self._point = point
        self._left = nth
        self._has_state = False

    def __call__(self, passed: str) -> None:
        """The worker passes a point."""
        if self._point == "never":
            return
        if passed == "begun":
            self._becomes_open(False)  # the markers of the transaction before this one may still be on their way
        if passed == "produced":
            self._has_state = self._becomes_open(True)
        if passed == self._point and self._has_state:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), self._fault)

    def _becomes_open(self, wanted: bool) -> bool:
        """Whether a transaction on the changelog is open (`wanted`), or none is, within `DELIVERY`."""
        deadline = time.monotonic() + DELIVERY
        while time.monotonic() < deadline:
            if has_open_transaction(self._admin, self._changelog) == wanted:
                return True
            time.sleep(0.05)
        return False


def main(bootstrap: str, stage: str, fault: str, point: str, nth: str, *settings: str) -> None:
    """Run until SIGTERM, or until the fault."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    security = cluster.security("center")
    checkpoint = Fault(bootstrap, topics.changelog(stage), signal.Signals[fault], point, int(nth), security)
    extra = {**security, **dict(setting.split("=", 1) for setting in settings)}
    run_stage(stage, Installation(data_dir()), bootstrap, stop_on_signals(), extra=extra, checkpoint=checkpoint)


if __name__ == "__main__":
    main(*sys.argv[1:])
