"""A worker's identity whose keys are in a signer process: real processes, real sockets."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipeline.crypto import cose, signed, suite
from pipeline.crypto.keystore import write_identity
from pipeline.crypto.sealing import new_seal, unseal
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.signer.client import open_identity
from pipeline.signer.protocol import SignerGone, SignerRefused
from pipeline.signer.remote import RemoteIdentity
from tests.unit.crypto.exchange import NOW, identity, refusal, trust


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_identity(tmp_path / "identity", identity("37"))
    return tmp_path / "identity"


@pytest.fixture
def remote(folder: Path) -> Iterator[RemoteIdentity]:
    with open_identity(folder) as opened:
        yield opened


def child() -> psutil.Process:
    """The signer of this process."""
    signers = [process for process in psutil.Process().children() if "pipeline.signer" in process.cmdline()]
    assert len(signers) == 1
    return signers[0]


def test_what_it_signs_verifies(remote: RemoteIdentity) -> None:
    """A signature made in the signer is the party's, under the certificate that its identity shows."""
    made = signed.sign("envelope", b"root", remote.signer, audience="center", now=NOW)
    assert signed.verify(made.raw, "envelope", trust(), now=NOW, issuer="37").payload == b"root"
    assert remote.sealing_certificate == identity("37").sealing_certificate


def test_seals_to_the_party_open(remote: RemoteIdentity) -> None:
    """What is sealed to the encrypt certificate's key opens through the signer; another's does not."""
    secret, seal = new_seal("53", [identity("37").sealing.public])
    assert unseal(seal, "53", remote.sealing) == secret
    _, other = new_seal("53", [identity("00").sealing.public])
    assert refusal(lambda: unseal(other, "53", remote.sealing)) == "not_a_recipient"
    point = identity("00").sealing.public.public_key
    assert refusal(lambda: remote.sealing.agree(bytes(32), point)) == "not_a_recipient"


def test_an_applications_keys_are_made_and_opened_again(folder: Path) -> None:
    """Locked keys open in the next signer too; the reply key answers there, the data key is the same."""
    with open_identity(folder) as first:
        keys, locked = first.vault.create()
    secret, seal = new_seal("00", [keys.reply_key])
    with open_identity(folder) as second:
        again = second.vault.open(locked)
        assert again.data_key == keys.data_key
        assert unseal(seal, "00", again.unsealer) == secret
        assert refusal(lambda: second.vault.open(locked[:-1] + bytes((locked[-1] ^ 1,)))) == "decrypt_failed"


def test_a_reply_key_pushed_out_is_opened_again(remote: RemoteIdentity) -> None:
    """The signer keeps some hundred reply keys; the client brings back an older one unasked."""
    keys, _ = remote.vault.create()
    secret, seal = new_seal("00", [keys.reply_key])
    for _ in range(1024):
        remote.connection.ask("create_case")
    assert remote.connection.ask("holds", keys.reply_key.kid) == [False]
    assert unseal(seal, "00", keys.unsealer) == secret


def test_a_refusal_is_the_workers_fault(remote: RemoteIdentity) -> None:
    """Arbitrary bytes are not signed, and the error is no InvalidMessage that a worker would dead-letter."""
    with pytest.raises(SignerRefused) as caught:
        remote.signer.sign(b"ClientHello")
    assert caught.value.code == "cbor_invalid"
    assert not isinstance(caught.value, InvalidMessage)


def test_threads_share_it(remote: RemoteIdentity) -> None:
    """Two threads sign and unseal at the same time, and each gets its own answers."""
    wrong: list[str] = []

    def work(name: str) -> None:
        for number in range(200):
            payload = f"{name}/{number}".encode()
            made = signed.sign("envelope", payload, remote.signer, audience="center", now=NOW)
            if signed.verify(made.raw, "envelope", trust(), now=NOW).payload != payload:
                wrong.append(name)
            secret, seal = new_seal("53", [identity("37").sealing.public])
            if unseal(seal, "53", remote.sealing) != secret:
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("answer", "deliver")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_killed_signer_is_noticed_at_once(remote: RemoteIdentity) -> None:
    """After SIGKILL every call raises within moments, and so does one that was under way."""
    child().send_signal(signal.SIGKILL)
    started = time.monotonic()
    for _ in range(2):
        with pytest.raises(SignerGone):
            remote.signer.sign(b"")
    assert time.monotonic() - started < 1


def test_a_signer_killed_under_way_is_noticed_at_once(remote: RemoteIdentity) -> None:
    """A call whose signer stops answering and is then killed raises; it does not wait for its time limit."""
    signer = child()
    signer.suspend()
    threading.Timer(0.3, signer.kill).start()
    started = time.monotonic()
    with pytest.raises(SignerGone):
        remote.sealing.holds(bytes(32))
    assert 0.2 < time.monotonic() - started < 5


def test_it_ends_with_the_block_and_leaves_no_zombie(folder: Path) -> None:
    """The child ends at the end of its socket and is reaped."""
    with open_identity(folder):
        signer = child()
    assert not psutil.pid_exists(signer.pid)


def test_it_outlives_the_supervisors_signals(remote: RemoteIdentity) -> None:
    """SIGTERM and SIGINT to the whole group are the worker's to obey: it may still have something to be signed."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(child().pid, number)
    assert remote.sealing.holds(identity("37").sealing.kid)


def test_without_keys_there_is_no_identity(tmp_path: Path) -> None:
    """A missing folder, and one whose keys do not open, are the operator's fault."""
    with pytest.raises(ConfigError, match="no identity"), open_identity(tmp_path / "identity"):
        pass
    write_identity(tmp_path / "identity", identity("37"))
    (tmp_path / "identity" / "passphrase").write_bytes(b"wrong")
    with pytest.raises(ConfigError, match="did not start"), open_identity(tmp_path / "identity"):
        pass


def test_the_signature_is_over_what_was_shown(remote: RemoteIdentity) -> None:
    """The signer signs the structure itself: a plain ES256 check over it holds."""
    claims = cose.Claims("37", "center", NOW, NOW + 1000, bytes(16))
    structure = cose.sig_structure("envelope", cose.protected_header("envelope", remote.signer.thumbprint, claims), b"")
    suite.verify(identity("37").signer.key.public_key(), remote.signer.sign(structure), structure)
