"""Files with secrets: whole or not there, ours alone, and never somebody else's that stood in the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.crypto.keystore import write_durably


def test_a_file_is_written_whole_for_its_owner_alone(tmp_path: Path) -> None:
    """Also in the place of one that all could read."""
    path = tmp_path / "result.json"
    path.write_bytes(b"old")
    path.chmod(0o644)
    write_durably(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [*tmp_path.iterdir()] == [path]


def test_a_link_in_the_place_of_an_export_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """In a folder that others may write to: what it leads to stays as it is."""
    theirs, path = tmp_path / "theirs", tmp_path / "result.json"
    theirs.write_bytes(b"theirs")
    path.symlink_to(theirs)
    write_durably(path, b"personal")
    assert theirs.read_bytes() == b"theirs"
    assert not path.is_symlink()
    assert path.read_bytes() == b"personal"


def test_the_draft_cannot_be_laid_out_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even who foresees its name: a file or a link there is an error, and nothing is written into it."""
    theirs, path = tmp_path / "theirs", tmp_path / "result.json"
    theirs.write_bytes(b"")
    monkeypatch.setattr("secrets.token_hex", lambda _: "foreseen")
    (tmp_path / ".result.json.foreseen").symlink_to(theirs)
    with pytest.raises(FileExistsError):
        write_durably(path, b"personal")
    assert theirs.read_bytes() == b""
    assert not path.exists()


def test_a_failed_write_leaves_no_draft(tmp_path: Path) -> None:
    """Half an export would lie about: here a folder stands in its place."""
    (tmp_path / "result.json").mkdir()
    with pytest.raises(OSError, match="irectory"):
        write_durably(tmp_path / "result.json", b"personal")
    assert [each.name for each in tmp_path.iterdir()] == ["result.json"]


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One in the middle of the other's: each has a draft of its own, and the last one stands."""
    path, sync = tmp_path / "result.json", os.fsync
    inner: list[bool] = []

    def between(descriptor: int) -> None:
        sync(descriptor)
        if not inner:
            inner.append(True)
            write_durably(path, b"inner")

    monkeypatch.setattr(os, "fsync", between)
    write_durably(path, b"outer")
    assert path.read_bytes() == b"outer"
    assert [*tmp_path.iterdir()] == [path]
