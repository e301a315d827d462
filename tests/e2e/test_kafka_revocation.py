"""A certificate revoked in mid-flight, on a real Kafka: new work stops at once, old proofs stay valid, and a new certificate
brings the party back.

One story in five scenes, each the fixture of the tests about it: `completed` (application A), `stolen` (B is in flight when
山东's signing certificate is revoked), `refused` (山东 files C), `renewed` (it has a new one, and D is filed), `bereft` (the
requester of A is revoked, too).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.cli.exits import Exit
from pipeline.cli.filing import offline_trust
from pipeline.cli.main import run
from pipeline.codec import framing
from pipeline.crypto import envelopes, signed
from pipeline.crypto.bundles import clear_bundle, parse_bundle
from pipeline.crypto.headers import Header
from pipeline.crypto.keystore import load_identity
from pipeline.crypto.trust import Trust
from pipeline.demo.application import sample_application
from pipeline.domain.parties import CENTER, InboxKind, inbox
from pipeline.domain.records import Application, DeadLetter, StatusCount
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.deadletters import HEADER
from pipeline.kafka.posting import Poster
from pipeline.province.casefile import CaseFile
from pipeline.stages import topics
from pipeline.stages.clock import local_date
from pipeline.stages.effects import Message, Output
from tests.exchange import LONG, Exchange, own_broker
from tests.processes import wait_until
from tests.unit.crypto.exchange import refusal
from tests.verdicts import assert_each_sub_query_once, assert_equals_oracle

pytestmark = pytest.mark.timeout(400)

REQUESTER, PROVIDER = "53", "37"
HURRIED = 2
"""The catalog release under which 山东 has eight seconds to answer."""
FEW = 20
"""Persons of the applications B, C and D."""
REVOKED = "certificate_revoked"
UNEXPECTED: dict[InboxKind, str] = {"requests": "cbor_invalid", "responses": "header_contradicts_envelope"}
"""The center's doors, each with a process of its own behind it, and what that says of the thief's envelopes while they count."""
AT_ONCE = 2000
"""How long (ms) after the command's return the center may go on taking what the revoked key signed."""


@dataclass
class Operator:
    """An officer at a terminal: `hedx …`, in this process, for the installation and the cluster of `exchange`."""

    exchange: Exchange

    def __call__(self, *words: str, expect: Exit = Exit.FINE) -> Any:
        """What the command says as JSON. It must end with `expect`."""
        out, err = StringIO(), StringIO()
        with pytest.MonkeyPatch.context() as environment, redirect_stdout(out), redirect_stderr(err):
            environment.setenv("HEDX_HOME", str(self.exchange.installation.folder))
            environment.setenv("HEDX_BOOTSTRAP", self.exchange.bootstrap)
            code = run([*words, "--json"])
        assert code == expect, f"hedx {' '.join(words)}: {err.getvalue()}"
        return json.loads(out.getvalue()) if out.getvalue() else None

    def revoke(self, party: str) -> int:
        """Have the party's signing certificate revoked and published; when (ms) the command returned."""
        [serial] = [row["serial"] for row in self("ca", "status") if (row["party"], row["usage"]) == (party, "sign")]
        self("ca", "revoke", serial, "--reason", "key-compromise", "--publish")
        returned = wall_clock()
        with self.exchange.installation.registry() as registry:
            newest = registry.newest_crl()
        assert newest is not None
        self.exchange.trust.revoke(newest)  # from here on the tests, too, verify under it
        return returned

    def renew(self, *parties: str) -> None:
        """New keys at the parties, certified, published, witnessed by the adapters that run, installed, taken up."""
        handed = {}
        for party in parties:
            [asked] = self("party", "request", "--party", party, "--only", "sign")
            [row] = self("ca", "issue", asked["file"])
            handed[party] = row["file"]
        self("ca", "publish")
        told = self("ca", "witnesses", "--wait", "60")
        assert told["believed"] == told["size"]
        for party, file in handed.items():
            self("party", "install", file, "--party", party)
        self.exchange.processes.stop(*parties)
        for party in parties:
            self.exchange.processes.restart(party)
        with self.exchange.installation.registry() as registry:
            for entry in registry.entries():
                self.exchange.trust.update(entry)


@dataclass(frozen=True)
class Refused:
    """A dead letter of the center: its record, the message put aside, and when (ms) the center did so."""

    record: DeadLetter
    value: bytes
    at: int

    @property
    def applications(self) -> set[str]:
        """What the message was about, by its headers in clear."""
        return {parse_bundle(raw).header.application_id for raw in cbor2.loads(self.value)[1]}


def refusals(exchange: Exchange) -> list[Refused]:
    """Every dead letter of the center."""
    return [
        Refused(framing.decode_as("DeadLetter", dict(m.headers)[HEADER]), m.value or b"", m.timestamp)  # type: ignore[arg-type]
        for m in exchange.messages(topics.DEAD_LETTERS)
    ]


def codes_about(exchange: Exchange, application: Application) -> list[str]:
    """Codes of the center's dead letters about one application."""
    wanted = application["application_id"]
    return [each.record["code"] for each in refusals(exchange) if wanted in each.applications]


@dataclass
class Thief:
    """Somebody with 山东's keys, the one to sign and the one for TLS: sends what the center must say it does not expect."""

    exchange: Exchange
    sent: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Copies the keys, before anybody renews them."""
        self._signer = load_identity(self.exchange.installation.identity_folder(PROVIDER)).signer
        self._poster = Poster(self.exchange.bootstrap, extra=self.exchange.security(f"P{PROVIDER}"))

    def send(self) -> None:
        """One envelope to each of the center's doors."""
        for kind in UNEXPECTED:
            header = Header("receipt", len(self.sent).to_bytes(16, "big"), PROVIDER, CENTER, PROVIDER)
            made = envelopes.build([clear_bundle(header, [b"loot"])], self._signer, audience=CENTER, now=wall_clock())
            self.sent.add(made.value)
            self._poster.send([Output(inbox(CENTER, kind), made.id, made.value, made.headers)])

    def close(self) -> None:
        """Let go of the connection."""
        self._poster.close()

    def codes(self) -> dict[InboxKind, list[tuple[int, str]]]:
        """Door -> (when, code) of each that the center has put aside, in the order of time."""
        mine = [each for each in refusals(self.exchange) if each.value in self.sent]
        return {
            door: sorted((each.at, each.record["code"]) for each in mine if each.record["topic"] == inbox(CENTER, door))
            for door in UNEXPECTED
        }

    def is_refused(self) -> bool:
        """Whether each door has refused him by the certificate."""
        return all(REVOKED in [code for _, code in codes] for codes in self.codes().values())


@dataclass
class Story:
    """What the scenes leave for the tests to look at; times in ms."""

    exchange: Exchange
    hedx: Operator
    first: Application
    in_flight: Application
    filed: Application
    later: Application
    returned: int = 0
    thief: dict[InboxKind, list[tuple[int, str]]] = field(default_factory=dict)
    statuses: list[StatusCount] = field(default_factory=list)


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """The demo's center and four parties on a broker of their own: what is revoked here is revoked for no other test."""
    folder = tmp_path_factory.mktemp("revocation")
    sample = sample_application(folder / "databases", today=local_date(wall_clock()))
    with Exchange(folder, sample, own_broker(folder), {HURRIED: {PROVIDER: 8}}) as exchange:
        yield exchange


@pytest.fixture(scope="module")
def completed(apart: Exchange) -> Story:
    """Application A is complete, and every outbox empty."""
    everyone, few = apart.sample.persons, apart.sample.persons[:FEW]
    b, c, d = apart.application(few), apart.application(few, PROVIDER), apart.application(few)
    story = Story(apart, Operator(apart), apart.application(everyone), b, c, d)
    apart.file(story.first, everyone)
    apart.wait_complete(story.first)
    apart.wait_rest()
    return story


@pytest.fixture(scope="module")
def stolen(completed: Story) -> Story:
    """山东 stands still when B comes; its certificate is revoked, a thief tries on, 山东 is let go and B's time runs out."""
    exchange = completed.exchange
    thief = Thief(exchange)
    thief.send()
    wait_until("the thief heard", lambda: all(thief.codes().values()), LONG)
    os.kill(exchange.processes.pid(PROVIDER), signal.SIGSTOP)
    application = completed.in_flight
    exchange.file(application, exchange.sample.persons[:FEW], release=HURRIED)
    others = set(exchange.sample.parties) - {PROVIDER}
    wait_until("the others answered", lambda: answered(exchange, application) == others, LONG, pause=0.1)
    assert exchange.case(application).certificate() is None, "this machine was too busy: B is not in flight any more"
    completed.returned = completed.hedx.revoke(PROVIDER)
    while not thief.is_refused():
        assert wall_clock() < completed.returned + LONG * 1000, "the thief is still heard"
        thief.send()
    completed.thief = thief.codes()
    thief.close()
    exchange.processes.thaw(PROVIDER)
    wait_until("its answers refused", lambda: bool(codes_about(exchange, application)), LONG)
    certificate = exchange.wait_complete(application).certificate()
    assert certificate is not None
    completed.statuses = certificate.result["statuses"]
    settled = others | {REQUESTER}
    wait_until("all receipts sent", lambda: not any(exchange.unsettled()[party] for party in settled), LONG)
    return completed


@pytest.fixture(scope="module")
def refused(stolen: Story) -> Story:
    """山东, revoked, files C itself."""
    exchange = stolen.exchange
    exchange.file(stolen.filed, exchange.sample.persons[:FEW])
    wait_until("C refused", lambda: bool(codes_about(exchange, stolen.filed)), LONG)
    exchange.wait_rest()
    return stolen


@pytest.fixture(scope="module")
def renewed(refused: Story) -> Story:
    """山东 has a new certificate; D is complete, what was refused has been sent again, and nothing is left to be receipted."""
    exchange = refused.exchange
    refused.hedx.renew(PROVIDER)
    exchange.file(refused.later, exchange.sample.persons[:FEW])
    exchange.wait_complete(refused.later)
    exchange.wait_complete(refused.in_flight, version=2)
    wait_until("C rejected", lambda: exchange.case(refused.filed).state == "rejected", LONG)
    wait_until("all receipts sent", lambda: not any(exchange.unsettled().values()), LONG)
    return refused


@pytest.fixture(scope="module")
def bereft(renewed: Story) -> Story:
    """The requester of A, B and D is revoked as well, and its adapter knows."""
    renewed.hedx.revoke(REQUESTER)
    wait_until("its adapter knows", lambda: current(renewed.exchange.trust, offline(renewed.exchange)), LONG)
    return renewed


def answered(exchange: Exchange, application: Application) -> set[str]:
    """Who has answered the application: their envelopes are at the center, genuine."""
    found = set()
    for message in exchange.messages(inbox(CENTER, "responses")):
        envelope = envelopes.open_envelope(message.value or b"", exchange.trust, audience=CENTER, now=message.timestamp)
        if any(bundle.header.application_id == application["application_id"] for bundle in envelope.bundles):
            found.add(envelope.issuer)
    return found


def offline(exchange: Exchange) -> Trust:
    """What the requester's own machine believes, without Kafka: as `hedx apply status` does."""
    return offline_trust(exchange.installation, REQUESTER)


def current(one: Trust, other: Trust) -> bool:
    """Whether both hold the same revocation list."""
    return one.revocation_list == other.revocation_list


def asked(exchange: Exchange, application: Application) -> set[str]:
    """Parties that have anything about the application in their inbox for requests; its id stands there in clear."""
    wanted = application["application_id"].encode()
    return {
        party
        for party in exchange.sample.parties
        if any(wanted in (message.value or b"") for message in exchange.messages(inbox(party, "requests")))
    }


def answers_of(exchange: Exchange, application: Application, party: str) -> list[Message]:
    """The party's answers to the application, as the center got them."""
    return [
        message
        for message in exchange.messages(inbox(CENTER, "responses"))
        if envelopes.claimed_issuer(message.value or b"") == party
        and application["application_id"].encode() in (message.value or b"")
    ]


def test_the_center_refuses_the_revoked_key_within_two_seconds(stolen: Story) -> None:
    """Who has the stolen key was heard before; soon after the command's return, and from then on always, he is not."""
    for door, found in stolen.thief.items():
        codes = [code for _, code in found]
        assert codes[0] == UNEXPECTED[door]
        first = codes.index(REVOKED)
        assert set(codes[first:]) == {REVOKED}
        took = found[first][0] - stolen.returned
        print(f"{door}: refused {took} ms after the command's return")
        assert took <= AT_ONCE


def test_the_party_revoked_in_mid_flight_is_not_heard_and_the_others_answers_stand(stolen: Story) -> None:
    """山东's answers to B are put aside by their code; in B's certificate its sub-queries, and no others, expired."""
    exchange = stolen.exchange
    assert set(codes_about(exchange, stolen.in_flight)) == {REVOKED}
    by_party = {
        party: {status["status"] for status in stolen.statuses if status["provider"] == party}
        for party in exchange.sample.parties
    }
    assert by_party.pop(PROVIDER) == {"expired"}
    assert "expired" not in set().union(*by_party.values())
    assert_each_sub_query_once(exchange.case(stolen.in_flight))


def test_who_is_revoked_files_nothing_that_anybody_is_asked(refused: Story) -> None:
    """C is refused at intake by its code; no provider has a byte of it, nobody accepted it. Of A all have."""
    exchange = refused.exchange
    [letter, *again] = [each for each in refusals(exchange) if refused.filed["application_id"] in each.applications]
    assert (letter.record["stage"], letter.record["code"]) == ("intake", REVOKED)
    assert {each.record["code"] for each in again} <= {REVOKED}
    assert asked(exchange, refused.filed) == set()
    assert exchange.events(refused.filed, "accepted") == []
    assert exchange.case(refused.filed).acceptance() is None
    assert asked(exchange, refused.first) == set(exchange.sample.parties)


def test_with_a_new_certificate_it_works_again(renewed: Story) -> None:
    """D has 山东's answers, is complete and as plain SQL says; the new certificate alarmed nobody."""
    exchange = renewed.exchange
    case = exchange.case(renewed.later)
    assert_each_sub_query_once(case)
    certificate = case.certificate()
    assert certificate is not None
    assert "expired" not in {status["status"] for status in certificate.result["statuses"]}
    assert_equals_oracle(exchange, renewed.later, exchange.sample.persons[:FEW])
    for party in exchange.sample.parties:
        assert "ALARM" not in exchange.processes.tail(party, 1_000_000)


def test_what_was_refused_is_settled_after_the_renewal(renewed: Story) -> None:
    """山东's answers to B come as a supplement; C is rejected, since its mandate was signed with the key revoked."""
    exchange = renewed.exchange
    certificate = exchange.case(renewed.in_flight).certificate()
    assert certificate is not None
    assert "expired" not in {status["status"] for status in certificate.result["statuses"]}
    assert_equals_oracle(exchange, renewed.in_flight, exchange.sample.persons[:FEW])
    rejection = exchange.case(renewed.filed).rejection()
    assert rejection is not None
    assert {fault["code"] for fault in rejection["faults"]} == {"section_unreadable"}
    assert asked(exchange, renewed.filed) == set()


def test_openssl_refuses_the_old_certificate_and_takes_the_new_one(renewed: Story, tmp_path: Path) -> None:
    """By the list that `hedx ca crl` writes for other tools."""
    renewed.hedx("ca", "crl", "--out", str(tmp_path / "list.pem"))
    with renewed.exchange.installation.registry() as registry:
        [entry] = [entry for entry in registry.entries() if entry["party"] == PROVIDER]
    new = load_identity(renewed.exchange.installation.identity_folder(PROVIDER)).signer.certificate
    [old] = [der for der in entry["signing_certificates"] if der != new]
    authority = renewed.exchange.installation.authority
    said = []
    for number, der in enumerate((old, new)):
        pem = tmp_path / f"{number}.pem"
        pem.write_bytes(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM))
        chain = ("-CAfile", authority / "root.pem", "-untrusted", authority / "issuing.pem")
        command = ("openssl", "verify", *chain, "-crl_check", "-CRLfile", tmp_path / "list.pem", pem)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said.append((done.returncode, done.stdout + done.stderr))
    assert said[0][0] != 0
    assert "certificate revoked" in said[0][1]
    assert said[1][0] == 0, said[1][1]


def test_every_old_proof_still_holds(bereft: Story) -> None:
    """Of A, with requester and provider revoked: certificate, sections, acceptance, mandate, bundles, dossiers, answers."""
    exchange, application = bereft.exchange, bereft.first
    assert current(exchange.trust, offline(exchange))
    identity = load_identity(exchange.installation.identity_folder(REQUESTER))
    case = CaseFile(exchange.store(REQUESTER), application["application_id"], offline(exchange), identity)
    assert case.is_complete()
    assert_each_sub_query_once(case)
    assert_equals_oracle(exchange, application, exchange.sample.persons)
    told = bereft.hedx("apply", "status", application["application_id"], "--party", REQUESTER)
    certificate, acceptance = case.certificate(), case.acceptance()
    assert certificate is not None
    assert acceptance is not None
    assert (told["complete"], told["certificate"]) == (True, certificate.digest.hex())
    accepted = acceptance["accepted_at"]
    mandate = signed.verify_kept(case.mandate_raw, "mandate", exchange.trust, witness=accepted, issuer=REQUESTER)
    assert mandate.digest == case.mandate_digest
    assert refusal(partial(signed.verify, case.mandate_raw, "mandate", exchange.trust, now=wall_clock())) == REVOKED


def test_old_answers_of_the_revoked_party_verify_as_of_when_they_came(bereft: Story) -> None:
    """What the center received from 山东 for A is genuine by the broker's time, and would be refused if it came today."""
    exchange = bereft.exchange
    answers = answers_of(exchange, bereft.first, PROVIDER)
    assert answers
    for message in answers:
        value = message.value or b""
        judged = partial(envelopes.open_envelope, value, exchange.trust, audience=CENTER)
        assert judged(now=message.timestamp).issuer == PROVIDER
        assert refusal(partial(judged, now=wall_clock())) == REVOKED
