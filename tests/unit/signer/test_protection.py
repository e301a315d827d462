"""Where secrets are not: arguments, environment, logs, core dumps, a worker's memory, the text of objects."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from pipeline.crypto.authority import issue
from pipeline.crypto.keys import LocalIdentity, SealingKey
from pipeline.crypto.keystore import Transport, load_identity, write_identity
from pipeline.signer.client import open_identity
from tests.process_memory import forms, found_in, memory_of
from tests.unit.crypto.exchange import START, authority

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Working:
    """A worker process that has used every key once."""

    process: subprocess.Popen[bytes]
    locked: bytes


@contextmanager
def worker(kind: str, folder: Path, log: Path) -> Iterator[Working]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, "-m", "tests.unit.signer.worker", kind, str(folder)]
    pipe = subprocess.PIPE
    with log.open("wb") as errors:
        process = subprocess.Popen(arguments, stdin=pipe, stdout=pipe, stderr=errors, env=environment, cwd=ROOT)
    try:
        assert process.stdout is not None
        yield Working(process, bytes.fromhex(process.stdout.readline().decode()))
    finally:
        process.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_identity(tmp_path / "identity", issue(authority(), "37", START))
    return tmp_path / "identity"


def secrets_of(folder: Path, locked: bytes) -> dict[str, bytes]:
    """All that the identity keeps secret, and the reply key in `locked`."""
    identity = load_identity(folder)
    reply = identity.vault.open(locked).unsealer
    assert isinstance(reply, SealingKey)
    return {
        "passphrase": (folder / "passphrase").read_bytes(),
        **forms(identity.signer.key, "sign"),
        **forms(identity.sealing.private_key, "encrypt"),
        **forms(reply.private_key, "reply"),
    }


def test_a_workers_memory_holds_no_private_key(folder: Path, tmp_path: Path) -> None:
    """Having signed, unsealed and filed, a worker's memory has none of the keys, in any form."""
    with worker("remote", folder, tmp_path / "log") as working:
        assert found_in(memory_of(working.process.pid), secrets_of(folder, working.locked)) == set()


def test_the_search_finds_keys_where_they_are(folder: Path, tmp_path: Path) -> None:
    """The same search in a process that has loaded the keys finds each of them."""
    with worker("local", folder, tmp_path / "log") as working:
        found = found_in(memory_of(working.process.pid), secrets_of(folder, working.locked))
    assert {name.split()[0] for name in found} >= {"sign", "encrypt", "reply"}


def test_arguments_environment_and_log_hold_no_secret(folder: Path, tmp_path: Path) -> None:
    """Neither the worker's nor its signer's; the environment of the signer is not even the worker's."""
    with worker("remote", folder, tmp_path / "log") as working:
        secrets = secrets_of(folder, working.locked)
        processes = [psutil.Process(working.process.pid), *psutil.Process(working.process.pid).children()]
        assert len(processes) == 2
        for process in processes:
            assert found_in(b"\0".join(map(str.encode, process.cmdline())), secrets) == set()
            assert found_in(str(process.environ()).encode(), secrets) == set()
        assert set(processes[1].environ()) <= {"PATH", "LANG", "LC_CTYPE"}
    log = (tmp_path / "log").read_bytes()
    assert b"the signer refused" in log
    assert found_in(log, secrets) == set()


def test_a_signer_leaves_no_core_and_lets_nobody_attach(folder: Path) -> None:
    """The core limit is 0 and the process is not dumpable, so nobody of its user may read its memory (ptrace(2))."""
    with open_identity(folder) as remote:
        dumpable, core, _ = remote.protection()
        assert (dumpable, core) == (False, 0)
        [signer] = [child for child in psutil.Process().children() if "pipeline.signer" in child.cmdline()]
        assert signer.rlimit(psutil.RLIMIT_CORE) == (0, 0)
        assert Path(f"/proc/{signer.pid}/mem").stat().st_uid == 0


def test_files_are_for_their_owner_only(folder: Path) -> None:
    """Keys and passphrase have mode 0600."""
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


def test_no_key_is_in_the_text_of_an_object(folder: Path) -> None:
    """What an error report or a log line would show of keys is their kind, never their bits."""
    identity: LocalIdentity = load_identity(folder)
    keys, locked = identity.vault.create()
    secrets = {**secrets_of(folder, locked), "data key": keys.data_key, "data key, text": repr(keys.data_key).encode()}
    secrets |= {f"{name}, text": repr(secret)[2:-1].encode() for name, secret in secrets.items()}
    transport = Transport("P37", identity.signer.key, b"")
    with open_identity(folder) as remote:
        shown = [identity, identity.signer, identity.sealing, identity.vault, keys, transport, remote, remote.vault]
        shown += [remote.vault.open(locked), remote.signer, remote.connection]
        for each in shown:
            assert found_in(f"{each!r} {each}".encode(), secrets) == set()


ATTACH = """
import ctypes, os, sys
from pipeline.signer import hardening

if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # dumpable again, which a change of user takes away
told, tell = os.pipe()
ending, end = os.pipe()
child = os.fork()
if child == 0:
    os.close(end)
    os.close(told)
    if sys.argv[1] == "hardened":
        hardening.harden()
    os.write(tell, b"x")
    os.read(ending, 1)
    os._exit(0)
os.close(tell)
assert os.read(told, 1)
try:
    with open(f"/proc/{child}/mem", "rb", buffering=0):
        print("open")
except PermissionError:
    print("closed")
os.close(end)
os.waitpid(child, 0)
"""


@pytest.mark.parametrize(("kind", "outcome"), [("hardened", "closed"), ("plain", "open")])
def test_a_process_of_the_same_user_cannot_read_a_hardened_ones_memory(kind: str, outcome: str) -> None:
    """Not even its parent; without the hardening it can, so the attempt is a real one. Root is left out: it always can."""
    arguments = [sys.executable, "-c", ATTACH, kind]
    found = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, timeout=30, check=True)
    assert found.stdout.strip() == outcome
