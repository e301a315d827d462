"""Keys in signer processes, on a real cluster: seal keys are told and used, and a killed signer loses nothing."""

from __future__ import annotations

from functools import partial

import psutil

from pipeline.cli.exits import Exit
from pipeline.crypto.keystore import load_identity, load_key, read_passphrase
from pipeline.crypto.seal_keys import TYPE, StatedKey, read_seal_key
from pipeline.crypto.signed import peek
from pipeline.domain.parties import CENTER, inbox
from pipeline.domain.records import Application
from pipeline.stages import topics
from tests.exchange import LONG, Exchange
from tests.process_memory import forms, found_in, memory_of
from tests.processes import wait_until
from tests.verdicts import assert_at_rest, assert_each_sub_query_once


def stated(exchange: Exchange) -> dict[str, StatedKey]:
    """The newest seal key of each party, as hedx.checkpoints tells it."""
    found = {}
    for message in exchange.messages(topics.CHECKPOINTS):
        if peek(message.value or b"").typ == TYPE:
            key = read_seal_key(message.value or b"", exchange.trust)
            assert message.key == key.party.encode()
            found[key.party] = key
    return found


def signer_of(name: str, exchange: Exchange) -> psutil.Process:
    """The signer that process `name` has started."""
    return next(
        process
        for process in psutil.Process(exchange.processes.pid(name)).children()
        if "pipeline.signer" in process.cmdline()
    )


def test_requests_are_sealed_to_the_providers_seal_keys(exchange: Exchange) -> None:
    """Every party and the center state a key of their own, and what the center sends to a provider is for that key."""
    parties = {CENTER, *exchange.sample.parties}
    wait_until("all seal keys stated", lambda: stated(exchange).keys() == parties, LONG, pause=0.5)
    keys = stated(exchange)
    application = exchange.application(exchange.sample.persons[:5])
    exchange.file(application, exchange.sample.persons[:5])
    assert_each_sub_query_once(exchange.wait_complete(application))
    asked = [party for party in exchange.sample.parties if is_asked(exchange, party, application, keys[party].key.kid)]
    assert asked
    for party in asked:
        certified = load_identity(exchange.installation.identity_folder(party)).sealing.kid
        assert not is_asked(exchange, party, application, certified)


def is_asked(exchange: Exchange, party: str, application: Application, kid: bytes) -> bool:
    """Whether a message in the party's inbox is about the application and for the key `kid`."""
    wanted = application["application_id"].encode()
    found = [message.value or b"" for message in exchange.messages(inbox(party, "requests"))]
    return any(wanted in value and kid in value for value in found)


def test_adapters_at_work_have_no_key_in_memory(exchange: Exchange) -> None:
    """A requester and a provider, having signed and unsealed: none of the party's keys, but for the one of TLS."""
    application = exchange.application(exchange.sample.persons[:5])
    exchange.file(application, exchange.sample.persons[:5])
    exchange.wait_complete(application)
    for party in (application["requester"], "00"):
        folder = exchange.installation.identity_folder(party)
        identity, passphrase = load_identity(folder), read_passphrase(folder)
        secrets = {"passphrase": passphrase, **forms(identity.signer.key, "sign")}
        secrets |= forms(identity.sealing.private_key, "encrypt")
        [seal] = (folder / "seal").glob("*.key")
        secrets |= forms(load_key(seal, passphrase), "seal")
        assert found_in(memory_of(exchange.processes.pid(party)), secrets) == set()


def test_a_killed_signer_ends_its_worker_and_nothing_is_lost(exchange: Exchange) -> None:
    """Intake without its signer ends with a word about it, blames no message, and does the work when started again."""
    name = "intake"
    signer = signer_of(name, exchange)
    signer.kill()
    application = exchange.application(exchange.sample.persons[:5])
    exchange.file(application, exchange.sample.persons[:5])
    wait_until("intake ended", lambda: not exchange.processes.is_running(name), LONG)
    assert exchange.processes.wait(name) == Exit.FAILED
    assert "hedx: the signer" in exchange.processes.tail(name)
    exchange.processes.restart(name)
    assert_each_sub_query_once(exchange.wait_complete(application))
    assert_at_rest(exchange)


def test_a_killed_worker_takes_its_signer_with_it(exchange: Exchange) -> None:
    """After SIGKILL of an adapter no signer of its stays, and the one started next has its own."""
    signer = signer_of("37", exchange)
    exchange.processes.kill("37")
    wait_until("the signer ended", partial(_is_gone, signer), 10)
    exchange.processes.restart("37")
    wait_until("a new signer", lambda: bool(psutil.Process(exchange.processes.pid("37")).children()), LONG)
    assert signer_of("37", exchange).pid != signer.pid


def _is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
