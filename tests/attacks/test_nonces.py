"""No key and nonce of AES-GCM ever meets two plaintexts: over whole runs, and over every step killed and done again."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.crypto import suite
from pipeline.domain.parties import InboxKind, inbox
from pipeline.province.database import transaction
from pipeline.province.desks import AnswerDesk, DeliveryDesk
from pipeline.province.sources import Sources
from pipeline.province.store import Store
from pipeline.stages.answer import Answerer
from pipeline.stages.deliver import Deliver
from pipeline.stages.effects import Output
from tests.attacks.stand import SCHEDULE, Ciphers
from tests.network import Network
from tests.scenario import REQUESTER, assert_equals_oracle, network_for, small_sample

TIMES = 2
"""How often each step of each process is killed before it may commit."""


KINDS: tuple[InboxKind, ...] = ("requests", "responses")


class Killed(BaseException):
    """SIGKILL: nothing after it runs, no handler of the product catches it."""


class Reaper:
    """Kills each process `TIMES` times at the last moment: all is computed and encrypted, nothing is committed."""

    def __init__(self, network: Network) -> None:
        self.killed = Counter[str]()
        self._network = network
        self._sources: dict[str, Sources] = {}
        self._transact = network.broker.transact
        network.broker.transact = self._at_commit  # type: ignore[method-assign]
        for party, member in network.parties.items():
            sources = member.answers._sources
            assert sources is not None
            self._sources[party] = sources
            self._arm(party, member.store)

    def _at_commit(self, records: Iterable[Output], group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        written = list(records)
        if written and self._may_kill(group):
            raise Killed
        self._transact(written, group, offsets)

    def _arm(self, party: str, store: Store) -> None:
        apply: Callable[..., None] = store.apply

        @contextmanager
        def cut_off(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
            with transaction(connection) as db:
                yield db
                raise Killed

        def at_commit(effects: Any, *rest: Any) -> None:
            act = "delivers" if effects.delivered else "answers" if effects.posts else None
            with pytest.MonkeyPatch.context() as patch:
                if act is not None and self._may_kill(f"{party} {act}"):
                    patch.setattr("pipeline.province.store.transaction", cut_off)
                apply(effects, *rest)

        store.apply = at_commit  # type: ignore[method-assign, assignment]

    def _may_kill(self, name: str) -> bool:
        if self.killed[name] >= TIMES:
            return False
        self.killed[name] += 1
        return True

    def start_again(self) -> None:
        """All processes anew, with what they had committed."""
        network = self._network
        network.workers = network._workers()
        for party, member in network.parties.items():
            store = Store(member.store.connection, member.identity)
            self._arm(party, store)
            answers = AnswerDesk(
                Answerer(member.identity, network.reference), self._sources[party], store, network.clock
            )
            deliveries = DeliveryDesk(Deliver(member.identity, network.reference), store, network.clock)
            positions = {
                (inbox(party, kind), partition): following
                for kind in KINDS
                for partition, following in store.positions(inbox(party, kind)).items()
            }
            network.parties[party] = replace(
                member, store=store, answers=answers, deliveries=deliveries, positions=positions
            )


def test_no_key_and_nonce_meets_two_plaintexts_over_kills(tmp_path: Path) -> None:
    """Every stage of the center and every desk of every party dies twice with its work done and not committed."""
    sample = small_sample(tmp_path / "sample", *SCHEDULE, persons=4)
    with Ciphers().watching() as ciphers:
        network = network_for(sample, tmp_path / "network")
        reaper = Reaper(network)
        network.file(sample.application, sample.persons, section_size=2)
        deaths = 0
        while True:
            try:
                network.run()
                break
            except Killed:
                deaths += 1
                reaper.start_again()
        assert_equals_oracle(network, sample)
    died = {name.removeprefix("hedx.") for name, times in reaper.killed.items() if times == TIMES}
    assert {"intake", "applications", "collect", "join", "37 answers", f"{REQUESTER} delivers"} <= died
    assert deaths == sum(reaper.killed.values())
    assert len(ciphers.used) > 50
    assert ciphers.twice() == []


def test_filing_the_same_again_encrypts_nothing_new(tmp_path: Path) -> None:
    """A crash at the end of filing rolls the rows back; written again they are the same under the same keys."""
    sample = small_sample(tmp_path / "sample", *SCHEDULE, persons=4)
    with Ciphers().watching() as ciphers:
        network = network_for(sample, tmp_path / "network")
        store = network.parties[REQUESTER].store

        def dies(*_: object) -> None:
            raise Killed

        release = network.reference.current
        assert release is not None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pipeline.province.store.outbox.put", dies)
            with pytest.raises(Killed):
                network.file(sample.application, sample.persons)
        assert store.filed(sample.application["application_id"]) is None
        network.file(sample.application, sample.persons)
        network.run()
        assert_equals_oracle(network, sample)
    assert ciphers.twice() == []


def test_the_watch_sees_a_key_used_twice() -> None:
    """So that seeing none means something."""
    with Ciphers().watching() as ciphers:
        suite.aead_encrypt(b"k" * 32, b"", b"one")
        suite.aead_encrypt(b"k" * 32, b"", b"one")
        assert ciphers.twice() == []
        suite.aead_encrypt(b"k" * 32, b"", b"two")
    assert ciphers.twice() == [(b"k" * 32, bytes(12))]
