"""The file of what was seen: never older than it was, whole or not there, and nobody else's to read."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pipeline.crypto.trust_log import Point
from pipeline.domain.errors import ConfigError
from pipeline.kafka.seen_file import SeenFile
from pipeline.stages.anchor import Seen


def test_what_is_kept_is_read_by_the_next_process(tmp_path: Path) -> None:
    """A file that is not there says that nothing was seen."""
    path = tmp_path / "reference.seen"
    assert SeenFile(path).read() == Seen()
    held = Seen({"37": 3}, {f"37/{'ab' * 32}": 9}, log=Point(4, bytes(32)), release=2, revoked={2**159: 7})
    SeenFile(path).keep(held)
    assert SeenFile(path).read() == held
    assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}
    assert not (tmp_path / "reference.new").exists()


def test_processes_at_once_leave_the_newest_of_all(tmp_path: Path) -> None:
    """Each writes its own way up; whoever comes last takes nothing back."""
    path = tmp_path / "reference.seen"

    def climb(party: str) -> None:
        file = SeenFile(path)
        for number in range(1, 21):
            file.keep(Seen({party: number}, release=number if party == "37" else 1))

    climbers = [threading.Thread(target=climb, args=(party,)) for party in ("37", "53", "00", "32")]
    for climber in climbers:
        climber.start()
    for climber in climbers:
        climber.join()
    assert SeenFile(path).read() == Seen({"37": 20, "53": 20, "00": 20, "32": 20}, release=20)


def test_a_file_that_cannot_be_read_or_written_is_the_operators_error(tmp_path: Path) -> None:
    """It is not taken for one that says nothing, and not written over."""
    path = tmp_path / "reference.seen"
    path.write_text("{")
    with pytest.raises(ConfigError):
        SeenFile(path).read()
    with pytest.raises(ConfigError):
        SeenFile(path).keep(Seen(release=1))
    assert path.read_text() == "{"
    with pytest.raises(ConfigError, match="is not written"):
        SeenFile(tmp_path / "no" / "reference.seen").keep(Seen(release=1))
