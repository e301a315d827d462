"""The stand that attacks are tried on: the whole exchange in one process, besieged by one attack after the other.

An attack is a row of a table: what it does with keys that the attacker really has, where it is caught, and with which code.
`Stand.strike` carries it out and holds that exactly this code comes out, that the place wrote it down, that the exchange
goes on (a genuine application has the same dossiers as without the attack), and that nothing personal and no key is in
anything that others than its owners can read.
"""

from __future__ import annotations

import json
import logging
import re
import uuid
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipeline.codec import framing
from pipeline.crypto import envelopes, sealing, suite
from pipeline.crypto.authority import certify, create_authority, issue
from pipeline.crypto.bundles import Bundle, SealedBundle, header_of, parse_bundle
from pipeline.crypto.certificates import ENCRYPT_USAGE
from pipeline.crypto.keys import LocalIdentity, LocalSigner, SealingKey
from pipeline.crypto.suite import H
from pipeline.crypto.trust_log import log_head
from pipeline.demo.application import Sample
from pipeline.domain.errors import ConfigError, InvalidMessage, NotReady
from pipeline.domain.parties import CENTER, InboxKind, inbox
from pipeline.domain.records import Application, LogHead, LogLeaf, TrustEntry
from pipeline.kafka.reference import LiveReference
from pipeline.logs import FIELDS, Lines
from pipeline.province import access, sealed_rows
from pipeline.province.database import access_log
from pipeline.province.filing import Filing
from pipeline.province.handover import ExportRefused
from pipeline.signer.protocol import SignerRefused
from pipeline.stages import topics
from pipeline.stages.effects import Message, Output
from pipeline.stages.membership import log_leaves, trust_entry
from pipeline.stages.reference import cosign, make_anchor, publish_trust
from tests.forgery import Opened, send, take_apart, withhold
from tests.network import PARTITIONS, Network
from tests.oracle import from_dossiers
from tests.scenario import PARTIES, REQUESTER, assert_equals_oracle, network_for, small_sample

PROVIDER = "37"
BYSTANDER = "32"
REVOKED, SUSPENDED, NOT_YET, OF_ANOTHER_CA, OF_ANOTHER_USE, FUTURE_SUITE = ODD = ("41", "42", "43", "44", "45", "46")
SCHEDULE = (("全国", "social_insurance", ""), ("山东", "vehicles", ""))

WORKERS = ("intake", "applications", "collect", "join", "answer", "deliver")
"""Places that refuse messages, and write one line for each."""
BOOKS = ("export", "opening")
"""Places that keep an access log."""

_LINE = re.compile(r"rejected (\w+) (\S+)/(\d+)/(\d+) issuer=(\S+) stage=(\w+)")
_REFUSED = re.compile(r"(hedx\.\w+) offset (\d+) refused: (\w+)")
_EXCEPTION = "__connect.errors.exception.message"


Attack = Callable[["Stand"], object]


@dataclass(frozen=True)
class Case:
    """A row: what is attacked, how, where it is caught (a stage, or another of our programs' parts), and the code.

    `says`: a part of the sentence, where a person is told one in place of a code (then the code is `config_error`).
    `also`: (code, place) of what the attacker itself has refused of the answer it gets.
    """

    name: str
    attack: Attack
    place: str
    code: str
    says: str = ""
    also: tuple[str, str] | None = None


class Ciphers:
    """Notes every AES-GCM key and nonce that is used to encrypt, and what for. Encrypts as ever."""

    def __init__(self) -> None:
        self.used: defaultdict[tuple[bytes, bytes], set[bytes]] = defaultdict(set)
        self.on = True

    def __call__(self, key: bytes) -> _Noted:
        """In place of the class AESGCM."""
        return _Noted(self, key)

    def note(self, key: bytes, nonce: bytes, data: bytes) -> None:
        """Remember one encryption."""
        if self.on:
            self.used[key, nonce].add(H(data))

    def twice(self) -> list[tuple[bytes, bytes]]:
        """The (key, nonce) pairs under which two different plaintexts were encrypted."""
        return [pair for pair, plaintexts in self.used.items() if len(plaintexts) > 1]

    @contextmanager
    def looking_away(self) -> Iterator[None]:
        """While an attacker encrypts: it may do with its own keys what it likes."""
        self.on = False
        try:
            yield
        finally:
            self.on = True

    @contextmanager
    def watching(self) -> Iterator[Ciphers]:
        """Put in place of AESGCM wherever the product encrypts."""
        with pytest.MonkeyPatch.context() as patch:
            for module in (suite, sealing, sealed_rows):
                patch.setattr(module, "AESGCM", self)
            yield self


class _Noted:
    """One cipher."""

    def __init__(self, ciphers: Ciphers, key: bytes) -> None:
        self._ciphers, self._key, self._cipher = ciphers, key, AESGCM(key)

    def encrypt(self, nonce: bytes, data: bytes, about: bytes | None) -> bytes:
        """As AESGCM's, and noted."""
        self._ciphers.note(self._key, nonce, data)
        return self._cipher.encrypt(nonce, data, about)

    def decrypt(self, nonce: bytes, data: bytes, about: bytes | None) -> bytes:
        """As AESGCM's."""
        return self._cipher.decrypt(nonce, data, about)


class Table(list[Case]):
    """The rows of a family. `row` adds the function beneath it, under its name in words."""

    def row(
        self, place: str, code: str, says: str = "", *, also: tuple[str, str] | None = None
    ) -> Callable[[Attack], Attack]:
        """A decorator that adds a row."""

        def add(attack: Attack) -> Attack:
            self.append(Case(attack.__name__.replace("_", " ").strip(), attack, place, code, says, also))
            return attack

        return add


@dataclass(frozen=True)
class Traces:
    """What one attack left: (code, place) of each line, codes told to others, and the code raised to who called."""

    lines: set[tuple[str, str]]
    told: set[str]
    raised: str | None
    sentence: str = ""


class Stand:
    """The exchange besieged. `ciphers`: notes what is encrypted; `folder`: for stores and files."""

    def __init__(self, sample: Sample, folder: Path, ciphers: Ciphers) -> None:
        self.sample = sample
        self.folder = folder
        self.ciphers = ciphers
        self.network: Network = network_for(sample, folder)
        self.filed: list[Filing] = []
        self._scanned: dict[tuple[str, int], int] = {}
        self._keys_scanned = 0
        self._looked_at: dict[tuple[str, int], int] = {}
        self._inside: set[tuple[object, str]] = set()
        self._readers = 0
        for member in self.network.parties.values():  # what a loss of power would do is not tried here
            member.store.connection.execute("PRAGMA synchronous = OFF")
        self.center_log = access_log(folder / "center.db")
        self._register_odd_ones()
        first = self.file()
        self.network.run()
        self.dossiers = from_dossiers(self.network.case(first.application).dossiers())
        assert_equals_oracle(self.network, replace(sample, application=first.application))

    def _register_odd_ones(self) -> None:
        """Six provinces that there is something wrong with; the center and all others know them."""
        network, now = self.network, self.network.clock()
        day = 24 * 3600 * 1000
        entries = {}
        for party in ODD:
            authority = create_authority(now) if party == OF_ANOTHER_CA else network.authority
            start = now + day if party == NOT_YET else now
            network.identities[party] = issue(authority, party, start)
            entries[party] = trust_entry(network.identities[party], 1)
            for kind in ("requests", "responses"):
                network.broker.create(inbox(party, kind), PARTITIONS)
        held = network.identities[OF_ANOTHER_USE]
        wrong = certify(network.authority, held.party, held.signer.key.public_key(), ENCRYPT_USAGE, now)
        network.identities[OF_ANOTHER_USE] = replace(held, signer=LocalSigner(held.party, held.signer.key, wrong))
        entries[OF_ANOTHER_USE]["signing_certificates"] = [wrong]
        entries[SUSPENDED]["suspended"] = True
        entries[FUTURE_SUITE]["minimum_suite"] = 2
        self.register(*entries.values())
        network.revoke(network.identities[REVOKED].signer.certificate)

    # -- genuine ------------------------------------------------------------------------------------------------------

    def file(self, **changes: Any) -> Filing:
        """A new application about the sample's persons, in the requester's outbox."""
        application: Application = {**self.sample.application, "application_id": str(uuid.uuid4()), **changes}  # type: ignore[typeddict-item]
        filing = self.network.file(application, self.sample.persons)
        self.filed.append(filing)
        return filing

    def prove_alive(self) -> None:
        """A genuine application goes through and has the dossiers that it has without any attack."""
        filing = self.file()
        self.network.run()
        case = self.network.case(filing.application)
        assert case.rejection() is None
        assert case.is_complete()
        assert from_dossiers(case.dossiers()) == self.dossiers

    # -- what attackers have ----------------------------------------------------------------------------------------

    def section(self, **changes: Any) -> Opened:
        """A section of an application that its requester has signed and not sent."""
        filing = self.file(**changes)
        self.network.parties[REQUESTER].store.connection.execute("DELETE FROM outbox_bundle")
        return take_apart(parse_bundle(filing.bundles[0].raw), self.network.identities[CENTER])

    def submit(self, section: Opened, sender: str = REQUESTER) -> None:
        """Send a section to the center, sealed and signed by its requester as everybody's are."""
        with self.ciphers.looking_away():
            sealed = section.seal(self.network.identities[sender], self.network)
        send(self.network, sender, CENTER, "requests", sealed)

    def raw_request(self) -> tuple[Bundle, Message]:
        """The center's request to the provider, with the message that it came in; kept from the provider."""
        filing = self.file()
        self.network.run(without=(PROVIDER,))
        withhold(self.network, PROVIDER, "requests")
        [found] = self.bundles(PROVIDER, "requests", "request", filing)
        return found

    def request(self) -> Opened:
        """The same, taken apart."""
        return take_apart(self.raw_request()[0], self.network.identities[PROVIDER])

    def ask(self, request: Opened, sender: str = CENTER) -> None:
        """Send it to the provider, sealed by the center, honest or not."""
        with self.ciphers.looking_away():
            sealed = request.seal(self.network.identities[sender], self.network)
        send(self.network, sender, PROVIDER, "requests", sealed)

    def relayed(self) -> tuple[Bundle, Bundle]:
        """The provider's answer and the center's relay of it, both kept from the requester."""
        filing = self.file()
        self.network.send(REQUESTER)
        self.network.run(without=(REQUESTER,))
        withhold(self.network, REQUESTER, "responses")
        outers = self.bundles(REQUESTER, "responses", "relay", filing)
        outer = next(bundle for bundle, _ in outers if bundle.header.provider == PROVIDER)
        answers = self.bundles(CENTER, "responses", "answer", filing)
        return next(bundle for bundle, _ in answers if bundle.header.provider == PROVIDER), outer

    def deliver(self, *sealed: SealedBundle, sender: str = CENTER) -> None:
        """Send bundles to the requester."""
        send(self.network, sender, REQUESTER, "responses", *sealed)

    def finished(self, **changes: Any) -> Filing:
        """A genuine application that is done."""
        filing = self.file(**changes)
        self.network.run()
        return filing

    def finished_once(self) -> str:
        """The id of a genuine application that is done; the first one will do."""
        return self.filed[0].application["application_id"]

    def newcomer(self, party: str) -> LocalIdentity:
        """Somebody who is to be registered."""
        return issue(self.network.authority, party, self.network.clock())

    def produce(self, value: bytes, party: str = CENTER, kind: InboxKind = "requests") -> Message:
        """Put bytes into an inbox."""
        return self.network.broker.produce(inbox(party, kind), b"key", value)

    def bundles(self, party: str, kind: InboxKind, bundle_kind: str, filing: Filing) -> list[tuple[Bundle, Message]]:
        """The bundles of one kind about one application in an inbox, each with its message."""
        found = []
        for message in self.network.broker.messages(inbox(party, kind)):
            try:
                envelope = envelopes.open_envelope(
                    message.value or b"", self.network.reference.trust, audience=party, now=message.timestamp
                )
            except InvalidMessage:
                continue  # one of the attacks before
            for bundle in envelope.bundles:
                about = bundle.header.application_id == filing.application["application_id"]
                if about and bundle.header.kind == bundle_kind:
                    found.append((bundle, message))
        return found

    # -- reference topics -----------------------------------------------------------------------------------------------

    def register(self, *entries: TrustEntry) -> None:
        """Let entries count: logged, the head witnessed by two parties."""
        network = self.network
        network.entries.update({entry["party"]: entry for entry in entries})
        network.leaves = log_leaves(entries, network.clock(), network.leaves)
        for output in self.publication():
            try:
                network.reference.apply(output.topic, output.key or b"", output.value)
            except InvalidMessage as error:
                assert error.code == "head_not_witnessed"  # noqa: PT017 - not what is tested
        head = log_head(network.leaves, network.clock())
        for witness in (BYSTANDER, PROVIDER):
            output = cosign(head, network.identities[witness].signer, network.clock())
            network.reference.apply(output.topic, output.key or b"", output.value)

    def publication(self) -> list[Output]:
        """All of hedx.trust as the center has it."""
        network = self.network
        center = network.identities[CENTER].signer
        return publish_trust(network.entries.values(), network.leaves, network.crl, center, network.clock())

    def leaves_with(self, *entries: TrustEntry) -> list[LogLeaf]:
        """The trust log with the certificates of `entries` after all others."""
        return log_leaves(entries, self.network.clock(), self.network.leaves)

    def head(self, *entries: TrustEntry) -> LogHead:
        """The head over the log, with the certificates of `entries` in it."""
        return log_head(self.leaves_with(*entries), self.network.clock())

    def read(self, *outputs: Output, first: Iterable[Output] = (), party: str | None = None) -> LiveReference:
        """Let a party's process that has read all of hedx.trust, and `first`, read `outputs`."""
        network = self.network
        center = network.identities[CENTER].signer
        anchor = make_anchor(
            network.authority.certificates,
            network.entries[CENTER],
            network.leaves,
            network.crl,
            center,
            network.clock(),
        )
        self._readers += 1
        reader = LiveReference("nowhere:0", anchor, self.folder / f"seen.{self._readers}", party=party)
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        feed(reader, self.publication())
        logging.disable(before)
        feed(reader, first)
        feed(reader, outputs)
        return reader

    # -- the trial ----------------------------------------------------------------------------------------------------

    def strike(self, case: Case, caplog: pytest.LogCaptureFixture) -> None:
        """Carry out the attack; raises AssertionError unless it ends as its row says and the exchange goes on."""
        traces = self.traces_of(case.attack, caplog)
        if case.place in WORKERS:
            also = set() if case.also is None else {case.also}
            assert traces.raised is None
            assert traces.lines == {(case.code, case.place)} | also
            assert traces.told == {case.code, *(code for code, _ in also)}
        elif case.place == "reader":
            assert traces.lines == {(case.code, "reader")}
        else:
            assert traces.raised == case.code
            assert traces.lines == ({(case.code, case.place)} if case.place in BOOKS else set())
            assert case.says in traces.sentence
        self.prove_alive()
        assert self.leaks(caplog) == []
        assert self.ciphers.twice() == []

    def traces_of(self, attack: Attack, caplog: pytest.LogCaptureFixture) -> Traces:
        """Carry out an attack, let everything come to rest, and look at what it left."""
        caplog.set_level(logging.DEBUG)
        caplog.clear()
        for member in self.network.parties.values():
            member.answers.rejections.flush()
            member.deliveries.rejections.flush()
        before, booked = self._told(), self._booked()
        raised, sentence = None, ""
        try:
            attack(self)
        except (InvalidMessage, NotReady, ExportRefused, SignerRefused) as error:
            raised, sentence = error.code, str(error)
        except ConfigError as error:
            raised, sentence = "config_error", str(error)
        self.network.run()
        lines = set()
        for record in caplog.records:
            text = record.getMessage()
            assert text.isprintable(), "a line of the log is one line"
            _as_json(record)
            if match := _LINE.match(text):
                lines.add((match[1], match[6]))
            elif match := _REFUSED.match(text):
                lines.add((match[3], "reader"))
        told = {code for _, code in self._told() - before}
        lines |= {(code, place) for _, code, place in self._booked() - booked}
        return Traces(lines, told, raised, sentence)

    def _told(self) -> set[tuple[object, str]]:
        """(where, code) of dead letters, of reasons for the requester, and of providers' refusals."""
        broker = self.network.broker
        found: set[tuple[object, str]] = set()
        for letter in broker.messages(topics.DEAD_LETTERS):
            found.add((letter.offset, dict(letter.headers)[_EXCEPTION].decode()))
        for party, member in self.network.parties.items():
            rows = member.store.connection.execute("SELECT rowid, code FROM dead_letter")
            found |= {((party, rowid), code) for rowid, code in rows}
        for message in self._new(topics.APPLICATIONS):
            name, record = framing.decode(message.value or b"")
            if name == "SectionReceived":
                place = message.partition, message.offset, "section"
                self._inside |= {(place, f["args"].get("reason", f["code"])) for f in record["faults"]}
        for message in self._new(topics.JOIN):
            name, record = framing.decode(message.value or b"")
            if name == "AnswerArrived":
                code = header_of(record["bundle"]).code
                self._inside |= {((message.partition, message.offset, "answer"), code)} if code else set()
        return found | self._inside

    def _new(self, topic: str) -> list[Message]:
        """The messages of an inner topic since the last call."""
        found: list[Message] = []
        for partition in range(PARTITIONS):
            start = self._looked_at.get((topic, partition), 0)
            found += self.network.broker.read(topic, partition, start)
            self._looked_at[topic, partition] = self.network.broker.end(topic, partition)
        return found

    def _booked(self) -> set[tuple[int, str, str]]:
        """(number, code, place) of what the access logs of the requester and of the center say was refused."""
        logs = {"export": self.network.parties[REQUESTER].store.connection, "opening": self.center_log}
        return {
            (entry.number, entry.detail["code"], place)
            for place, log in logs.items()
            for entry in access.entries(log)
            if entry.act == ("export_refused" if place == "export" else "refused")
        }

    # -- what must not be seen ------------------------------------------------------------------------------------------

    @cached_property
    def personal(self) -> list[bytes]:
        """Names, numbers and what the databases said of the persons, in the encodings of Chinese offices."""
        words = {self.sample.application["lead_person"]}
        for person in self.sample.persons:
            words |= {person["name"], person["document_number"], person["guardian_name"] or ""}
            words.add(person["guardian_document_number"] or "")
        for result in self.dossiers.values():
            for entry in result["entries"]:
                words |= {value for value in entry.values() if isinstance(value, str) and _is_telling(value)}
        encoded = {word.encode(encoding) for word in words if word for encoding in ("utf-8", "gb18030")}
        return sorted(word for word in encoded if len(word) >= 4)

    @property
    def _long(self) -> list[bytes]:
        """Those long enough not to turn up in megabytes of ciphertext by chance: two characters of GB18030 are not."""
        return [word for word in self.personal if len(word) >= 6]

    @cached_property
    def private(self) -> list[bytes]:
        """Private keys of all parties."""
        keys: list[ec.EllipticCurvePrivateKey] = []
        for identity in self.network.identities.values():
            keys += [identity.signer.key, identity.sealing.private_key]
        keys += [self.network.authority.issuing_key]
        return [suite.scalar(key) for key in keys]

    def secrets(self, since: int | None = None) -> list[bytes]:
        """Newest reply keys and data keys; and every key that was encrypted under, from the `since`-th on."""
        found = [] if since is None else [key for key, _ in list(self.ciphers.used)[since:]]
        for filing in self.filed[-5:]:
            found.append(filing.keys.data_key)
            if isinstance(filing.keys.unsealer, SealingKey):
                found.append(suite.scalar(filing.keys.unsealer.private_key))
        return found

    def leaks(self, caplog: pytest.LogCaptureFixture) -> list[str]:
        """Where anything personal or secret is: in what the broker holds (keys, headers, values) and in the log.

        Only what came since the last call is looked at.
        """
        places: list[tuple[str, bytes]] = []
        values: list[tuple[str, bytes]] = []
        for record in caplog.get_records("call"):
            text = record.getMessage() + (record.exc_text or "") + repr(record.args) + _as_json(record)
            places.append((f"log of {record.name}", text.encode() + text.encode("gb18030", "replace")))
        for topic, logs in self.network.broker._topics.items():
            for partition, messages in enumerate(logs):
                start = self._scanned.get((topic, partition), 0)
                self._scanned[topic, partition] = len(messages)
                for message in messages[start:]:
                    headers = b"\n".join(name.encode() + value for name, value in message.headers)
                    place = f"{topic}/{partition}/{message.offset}"
                    places.append((place, b"\n".join((message.key or b"", headers))))
                    values.append((place, message.value or b""))
        secret = forms(self.private + self.secrets(self._keys_scanned))
        self._keys_scanned = len(self.ciphers.used)
        return found_in(places, self.personal + secret) + found_in(values, self._long + secret)

    def leaks_in_files(self) -> list[str]:
        """Where anything personal or secret is in the files of all stores, write-ahead logs included."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        assert any(path.name == "store.db" for path in files)
        words = self._long + forms(self.private + self.secrets())
        return found_in([(path.name, path.read_bytes()) for path in files], words)


def _as_json(record: logging.LogRecord) -> str:
    """The record as a process writes it with HEDX_LOG=json: one line, one object, of known fields and words only."""
    line = Lines("attacked", as_json=True).format(record)
    assert line.isprintable(), "one line, whatever a value holds"
    found = json.loads(line)
    assert found.keys() <= FIELDS | {"time", "level", "logger", "process", "event", "traceback"}, "nothing was dropped"
    assert found["process"] == "attacked"
    return line


def feed(reader: LiveReference, outputs: Iterable[Output]) -> None:
    """Let a reader read records, as it does those of the topics."""
    for number, output in enumerate(outputs):
        message = Message(output.topic, 0, number, 0, output.key, output.value, ())
        reader._apply(output.topic, [message])


def forms(keys: Iterable[bytes]) -> list[bytes]:
    """Keys as bytes, in hex and in base 64."""
    return [form for key in keys for form in (key, key.hex().encode(), b64encode(key).rstrip(b"="))]


def found_in(places: Sequence[tuple[str, bytes]], words: Iterable[bytes]) -> list[str]:
    """Names of the places that hold one of `words`."""
    whole = b"\0".join(content for _, content in places)
    present = [word for word in set(words) if word in whole]
    return [name for name, content in places if any(word in content for word in present)]


def _is_telling(value: str) -> bool:
    """Whether a value tells who somebody is, or what one has: neither a code nor a date."""
    return len(value) >= 4 and not re.fullmatch(r"[\d.:-]+|[a-z_]+", value)


def stand_in(folder: Path) -> Iterator[Stand]:
    """A stand for the tests of one module."""
    sample = small_sample(folder / "sample", *SCHEDULE, persons=4, parties=PARTIES)
    ciphers = Ciphers()
    with ciphers.watching():
        yield Stand(sample, folder / "stand", ciphers)
