"""Filing into a party's store and waiting for what comes back, as its own clerks would."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager

from pipeline.bench.workload import Workload
from pipeline.crypto.keys import Identity
from pipeline.crypto.trust import Trust
from pipeline.demo.application import Sample
from pipeline.domain.errors import ConfigError
from pipeline.domain.lifecycle import CERTIFIED
from pipeline.domain.records import StatusCount
from pipeline.kafka.clock import wall_clock
from pipeline.province import outbox
from pipeline.province.casefile import CaseFile
from pipeline.province.database import connect
from pipeline.province.filing import file_application
from pipeline.province.store import Store
from pipeline.signer.client import open_identity

LOOK = 0.002
"""How often (s) the store is looked at; a look is one indexed query."""


class Clerk:
    """Files the applications of a workload at its requester."""

    def __init__(self, workload: Workload, connection: sqlite3.Connection, identity: Identity) -> None:
        installation = workload.installation
        self._workload = workload
        self._connection = connection
        self._identity = identity
        self._trust = Trust(installation.roots(), installation.trust_entries())

    def file(self, sample: Sample) -> None:
        """Seal the application and put it into the outbox."""
        filing = file_application(
            sample.application, sample.persons, identity=self._identity, trust=self._trust, release=1, now=wall_clock()
        )
        Store(self._connection, self._identity).file(filing, 1, wall_clock())

    def await_complete(self, samples: Iterable[Sample], seconds: float, show: Callable[[int], None]) -> None:
        """Wait until every bundle that the certificates name is here. Raises ConfigError when it takes too long."""
        deadline = time.monotonic() + seconds
        for done, sample in enumerate(samples):
            show(done)
            while not self._is_complete(sample):
                if time.monotonic() > deadline:
                    raise ConfigError(f"{sample.application['application_id']} is not complete after {seconds:g} s")
                time.sleep(LOOK)

    def case(self, sample: Sample) -> CaseFile:
        """The application as its requester holds it."""
        return CaseFile(self._connection, sample.application["application_id"], self._trust)

    def statuses(self, sample: Sample) -> list[StatusCount]:
        """How its sub-queries ended, as its certificate says. Raises ConfigError when there is none."""
        certificate = self.case(sample).certificate()
        if certificate is None:
            raise ConfigError(f"{sample.application['application_id']} has no certificate")
        return certificate.result["statuses"]

    def _is_complete(self, sample: Sample) -> bool:
        """A cheap look first: verifying the certificate at each would be a load of its own."""
        application_id = sample.application["application_id"]
        query = "SELECT state FROM application WHERE application_id = ?"
        [state] = self._connection.execute(query, (application_id,)).fetchone()
        if state == "rejected":
            raise ConfigError(f"the application was rejected: {self.case(sample).rejection()}")
        return state in CERTIFIED and self.case(sample).is_complete()


@contextmanager
def clerk(workload: Workload) -> Iterator[Clerk]:
    """A clerk with a connection to the requester's store, and its signer."""
    installation, party = workload.installation, workload.requester
    with (
        open_identity(installation.identity_folder(party)) as identity,
        closing(connect(installation.store(party))) as connection,
    ):
        yield Clerk(workload, connection, identity)


def await_settled(workload: Workload, seconds: float) -> None:
    """Wait until all that was sent is receipted, so that its cost is in the figures. Raises ConfigError."""
    deadline = time.monotonic() + seconds
    for party in workload.parties:
        with closing(connect(workload.installation.store(party))) as connection:
            while outbox.waiting(connection) or outbox.unsettled(connection):
                if time.monotonic() > deadline:
                    raise ConfigError(f"{party} still holds what was not receipted after {seconds:g} s")
                time.sleep(0.05)
