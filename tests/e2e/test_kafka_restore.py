"""A province loses its disk: docs/backup.md brings it back out of a copy, and its adapter goes on where that stood."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.center.installation import Installation
from pipeline.kafka.clock import wall_clock
from pipeline.ops import backup
from tests.exchange import Exchange
from tests.verdicts import assert_at_rest

pytestmark = pytest.mark.timeout(400)
LOST = "37"


def test_a_province_goes_on_out_of_its_copy(exchange: Exchange, tmp_path: Path) -> None:
    """Answered before the copy, after it, and after the loss: every application is answered once, and all comes to rest."""
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
    assert_at_rest(exchange)
