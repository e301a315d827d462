"""Back-ups: what is in one, what never is, that damage is found, and that nothing is ever restored over something."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipeline.center.installation import Installation, set_up
from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.domain.errors import ConfigError
from pipeline.kafka.clock import wall_clock
from pipeline.ops import backup
from pipeline.province.case_keys import CaseKeyFolder
from pipeline.province.database import connect
from pipeline.signer.client import open_identity

NOW = 1_800_000_000_000
Hedx = Callable[..., Any]


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """The center and 37 on one machine, with a store, two applications' keys, a document's, and a worker's leavings."""
    made = Installation(tmp_path / "home")
    set_up(made, ["37"], wall_clock())
    with closing(connect(made.store("37"))) as connection:
        connection.execute("INSERT INTO standing VALUES ('one')")
        for case in ("case-1", "case-2"):
            CaseKeyFolder.beside(connection).write(case, case.encode())
    (made.party("37") / "evidence" / "files").mkdir(parents=True)
    CaseKeyFolder(made.party("37") / "evidence" / "keys").write("document", b"locked")
    (made.party("37") / "evidence" / "files" / "document").write_bytes(b"sealed")
    with open_identity(made.identity_folder("37")) as identity:
        identity.tend()  # makes a seal key
    for folder in backup.MADE_ANEW:
        (made.folder / folder).mkdir()
        (made.folder / folder / "x").write_text("x")
    return made


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Where a copy goes."""
    return tmp_path / "copy"


def names(copy: Path, part: str = backup.DATA) -> set[str]:
    """The files of one part of a copy."""
    return {str(path.relative_to(copy / part)) for path in (copy / part).rglob("*") if path.is_file()}


def test_a_copy_has_everything_but_what_it_must_not(installation: Installation, copy: Path) -> None:
    """Stores, identities, anchor, registry are in it; passphrases, seal keys, the root and what is made anew are not."""
    assert list(installation.identity_folder("37").glob("seal/*.key"))
    made = backup.make(installation.folder, copy, NOW)
    there = names(copy)
    assert {
        "parties/37/store.db",
        "parties/37/identity/encrypt.key",
        "authority/registry.db",
        "authority/issuing.key",
    } <= there
    assert any(name.startswith("anchor/") for name in there)
    assert any(name.startswith("parties/37/requests/") for name in there)
    assert "parties/37/evidence/files/document" in there
    assert not [name for name in there if "seal/" in name or "root/" in name or name.endswith(("-wal", "-shm"))]
    assert not {name.split("/")[0] for name in there} & set(backup.MADE_ANEW)
    assert not [name for name in there if name.endswith(("passphrase", ".secret"))]
    assert {"parties/37/identity/passphrase", "parties/center/tag.secret", "principals/admin/passphrase"} <= set(
        made.apart
    )
    secrets = [(installation.folder / path).read_bytes() for path in made.apart]
    whole = b"".join(path.read_bytes() for path in copy.rglob("*") if path.is_file())
    assert all(secret not in whole for secret in secrets)
    assert (made.databases, made.keys, made.destroyed) == (2, 3, 0)


def test_a_copy_is_closed_to_others(installation: Installation, copy: Path) -> None:
    """Folders 0700, files 0600: doctor would say so of the original."""
    backup.make(installation.folder, copy, NOW)
    for path in [copy, *copy.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_a_store_is_copied_as_of_one_moment_while_others_write(installation: Installation, copy: Path) -> None:
    """What is committed is in the copy although it still lies in the write-ahead log; what is not committed is not."""
    with closing(connect(installation.store("37"))) as writer:
        writer.execute("INSERT INTO standing VALUES ('committed')")
        assert (installation.party("37") / "store.db-wal").stat().st_size > 0
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO standing VALUES ('open')")
        backup.make(installation.folder, copy, NOW)
        writer.execute("ROLLBACK")
    with closing(sqlite3.connect(copy / "data/parties/37/store.db")) as held:
        assert {name for (name,) in held.execute("SELECT name FROM standing")} == {"one", "committed"}


def test_what_is_destroyed_here_is_destroyed_in_the_copy(installation: Installation, copy: Path) -> None:
    """Shredding reaches the copy with its next run: an application's key, and a document's."""
    backup.make(installation.folder, copy, NOW)
    assert names(copy, backup.KEYS) == {
        "parties/37/keys/case-1", "parties/37/keys/case-2", "parties/37/evidence/keys/document",
    }  # fmt: skip
    CaseKeyFolder(installation.party("37") / "keys").destroy("case-1")
    CaseKeyFolder(installation.party("37") / "evidence" / "keys").destroy("document")
    assert backup.make(installation.folder, copy, NOW).destroyed == 2
    assert names(copy, backup.KEYS) == {"parties/37/keys/case-2"}
    assert not [path for path in (copy / backup.DATA).rglob("*") if path.is_file() and path.read_bytes() == b"case-1"]
    assert list(backup.check(copy)) == []


def test_a_restored_installation_is_the_same(installation: Installation, copy: Path, tmp_path: Path) -> None:
    """Every file but those kept apart, with the same content; with these it opens its keys again."""
    made = backup.make(installation.folder, copy, NOW)
    again = Installation(tmp_path / "again")
    assert backup.restore(copy, again.folder) == made.apart
    with pytest.raises(ConfigError, match="did not start"), open_identity(again.identity_folder("37")):
        pass
    for path in made.apart:
        (again.folder / path).write_bytes((installation.folder / path).read_bytes())
        (again.folder / path).chmod(0o600)
    with open_identity(again.identity_folder("37")) as identity:
        assert identity.party == "37"
    assert again.anchor() == installation.anchor()
    assert again.trust_entries() == installation.trust_entries()
    with closing(connect(again.store("37"))) as connection:
        assert connection.execute("SELECT name FROM standing").fetchall() == [("one",)]
        assert CaseKeyFolder.beside(connection).read("case-2") == b"case-2"


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda copy: (copy / "data/parties/37/identity/sign.key").write_bytes(b""), "sign.key was altered"),
        (lambda copy: (copy / "data/parties/37/store.db").unlink(), "store.db is missing"),
        (lambda copy: (copy / "keys/parties/37/keys/case-1").unlink(), "case-1 is missing"),
        (lambda copy: (copy / "data/more").write_bytes(b""), "data/more is not of this copy"),
    ],
    ids=["altered", "missing", "key missing", "more"],
)
def test_damage_is_found_and_not_restored(
    installation: Installation, copy: Path, tmp_path: Path, damage: Callable[[Path], object], fault: str
) -> None:
    """Each kind of damage is told, and a copy that has any is not restored."""
    backup.make(installation.folder, copy, NOW)
    assert list(backup.check(copy)) == []
    damage(copy)
    assert [found for found in backup.check(copy) if fault in found]
    with pytest.raises(ConfigError, match="not sound"):
        backup.restore(copy, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_damaged_database_is_not_taken_for_a_copy(installation: Installation, copy: Path) -> None:
    """A back-up of a broken store says so at once, and the last good copy stays."""
    backup.make(installation.folder, copy, NOW)
    store = installation.store("37")
    content = bytearray(store.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    store.write_bytes(bytes(content))
    with pytest.raises((ConfigError, sqlite3.DatabaseError)):
        backup.make(installation.folder, copy, NOW)
    assert list(backup.check(copy)) == []


def test_a_folder_on_another_disk_is_copied_too(installation: Installation, copy: Path, tmp_path: Path) -> None:
    """A link to a folder is followed, or the copy would lack it without a word."""
    installation.party("37").rename(tmp_path / "disk")
    installation.party("37").symlink_to(tmp_path / "disk")
    backup.make(installation.folder, copy, NOW)
    assert "parties/37/store.db" in names(copy)


def test_nothing_is_restored_over_something(installation: Installation, copy: Path) -> None:
    """Neither over an installation nor over any other file; and a copy inside the installation is refused."""
    backup.make(installation.folder, copy, NOW)
    with pytest.raises(ConfigError, match="not empty"):
        backup.restore(copy, installation.folder)
    with pytest.raises(ConfigError, match="lies inside"):
        backup.make(installation.folder, installation.folder / "copy", NOW)


def test_what_is_no_copy_is_refused(tmp_path: Path) -> None:
    """A folder without contents, or with another layout's."""
    with pytest.raises(ConfigError, match="no copy"):
        list(backup.check(tmp_path))
    (tmp_path / backup.CONTENTS).write_text(json.dumps({"layout": 0, "made_at": 0, "files": {}, "apart": []}))
    with pytest.raises(ConfigError, match="another layout"):
        list(backup.check(tmp_path))


def test_the_commands(
    installation: Installation,
    copy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """make, check and restore, by their exit codes and JSON."""
    monkeypatch.setenv("HEDX_HOME", str(installation.folder))
    assert run(["backup", "make", str(copy), "--json"]) == Exit.FINE
    assert "parties/37/identity/passphrase" in json.loads(capsys.readouterr().out)["apart"]
    assert run(["backup", "check", str(copy), "--json"]) == Exit.FINE
    assert json.loads(capsys.readouterr().out) == {"sound": True, "faults": []}
    assert run(["backup", "restore", str(copy)]) == Exit.FAILED
    monkeypatch.setenv("HEDX_HOME", str(tmp_path / "again"))
    assert run(["backup", "restore", str(copy)]) == Exit.FINE
    assert "parties/37/identity/passphrase" in capsys.readouterr().out
    (copy / "data" / "more").touch()
    assert run(["backup", "check", str(copy)]) == Exit.DRIFT
