"""A province loses its disk: docs/backup.md brings it back out of a copy, and its adapter goes on where that stood."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.center.installation import Installation
from pipeline.demo.application import random_application
from pipeline.kafka.clock import wall_clock
from pipeline.ops import backup
from pipeline.stages.clock import local_date
from tests.exchange import Exchange, own_broker

pytestmark = pytest.mark.timeout(400)
LOST = "37"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """An exchange of its own: what is answered twice here stays put aside."""
    folder = tmp_path_factory.mktemp("exchange")
    sample = random_application(folder / "sample", seed=2026, today=local_date(wall_clock()))
    with Exchange(folder, sample, own_broker(folder)) as exchange:
        yield exchange


def test_a_province_goes_on_out_of_its_copy(exchange: Exchange, tmp_path: Path) -> None:
    """Answered before the copy, after it, and after the loss: each application is certified once; what is answered twice changes nothing.

    The request that came after the copy is read again, whatever Kafka's copy of the offsets says: a restored store never skips.
    Its section is certified and gone, so the second answers are put aside by the center, and stay in the outbox (docs/backup.md).
    """
    persons = exchange.sample.persons[:30]
    before, after, later = (exchange.application(persons) for _ in range(3))
    exchange.file(before, persons)
    first = exchange.wait_complete(before).certificate()
    copy = tmp_path / "copy"
    apart = backup.make(exchange.installation.folder, copy, wall_clock()).apart
    secrets = {path: (exchange.installation.folder / path).read_bytes() for path in apart}
    exchange.file(after, persons)
    certificate = exchange.wait_complete(after).certificate()
    exchange.wait_rest()

    exchange.processes.kill(LOST)
    exchange.store(LOST).close()
    del exchange._connections[LOST]
    home = exchange.installation.party(LOST)
    shutil.move(home / "identity" / "seal", tmp_path / "seal")  # on a disk that survives (docs/signer.md)
    shutil.rmtree(home)
    again = Installation(tmp_path / "again")
    assert backup.restore(copy, again.folder) == apart
    for path, secret in secrets.items():
        (again.folder / path).write_bytes(secret)
        (again.folder / path).chmod(0o600)
    shutil.move(again.party(LOST), home)
    shutil.move(tmp_path / "seal", home / "identity" / "seal")

    exchange.file(later, persons)
    exchange.processes.restart(LOST)
    last = exchange.wait_complete(later).certificate()
    assert first is not None
    assert last is not None
    assert last.result["statuses"] == first.result["statuses"]
    exchange.wait_rest()
    assert exchange.case(after).certificate() == certificate, "what was answered twice changes nothing"
    twice = exchange.dead_letters()
    assert twice
    assert {letter.split()[:3] == ["join", "InvalidMessage", "section_unknown"] for letter in twice} == {True}
    assert {party for party, envelopes in exchange.unsettled().items() if envelopes} == {LOST}
