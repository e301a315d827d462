"""Documents of an application in scenarios on the in-memory network: made, archived, asked for, released."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.center.evidence_opening import RequestFile, find, gather
from pipeline.codec import framing
from pipeline.crypto import cose
from pipeline.demo.application import Sample
from pipeline.domain.records import (
    DeskItem,
    EvidenceAsked,
    EvidenceJudged,
    EvidenceKind,
    EvidenceRequest,
    LifecycleEvent,
)
from pipeline.province.evidence_documents import Document, Matter
from pipeline.province.evidence_files import read_folder
from pipeline.province.evidence_release import Release
from pipeline.province.evidence_requests import Asked, requests
from pipeline.province.evidence_store import EvidenceStore
from pipeline.stages import topics
from pipeline.stages.keys import application_key
from tests.network import Network
from tests.scenario import REQUESTER

PLANTED = "云南省昆明市某某路的户口本原件".encode()
"""Stands in every document, and must stand nowhere else."""


@dataclass
class Archive:
    """The requester's archive and its officer, and the center's evidence desk, around one network."""

    network: Network
    sample: Sample
    store: EvidenceStore
    officer: Release

    @property
    def application_id(self) -> str:
        """The application's id."""
        return self.sample.application["application_id"]

    def documents(self, kind: EvidenceKind | None = None, number: int | None = None) -> list[Document]:
        """Documents held, of a kind, about a number."""
        held = self.store.documents(self.application_id)
        return [d for d in held if kind in (None, d.kind) and (number is None or d.is_about(number))]

    def add(self, folder: Path) -> list[Document]:
        """Archive a folder after the application was filed."""
        found = read_folder(folder)
        assert found.faults == []
        matter = self.store.matter(self.application_id)
        return self.store.add(matter, found.documents, years=10, now=self.network.clock())

    def ask(
        self,
        numbers: Sequence[int] = (1,),
        kinds: Sequence[EvidenceKind] = (),
        *,
        draw: str | None = None,
        reason: str = "抽查",
        requester: str = REQUESTER,
    ) -> str:
        """An officer of the center asks; returns the request's id once everything has worked."""
        request_id = str(uuid.uuid4())
        record = EvidenceAsked(
            request_id=request_id,
            application_id=self.application_id,
            requester=requester,
            numbers=list(numbers),
            kinds=list(kinds),
            draw=draw,
            officer="张",
            reason=reason,
            at=self.network.clock(),
        )
        self._produce("EvidenceAsked", record, requester)
        self.network.run()
        return request_id

    def judge(self, request_id: str, verdict: str = "accepted", reason: str = "属实") -> None:
        """An officer of the center judges what came."""
        record = EvidenceJudged(
            request_id=request_id,
            application_id=self.application_id,
            requester=REQUESTER,
            verdict=verdict,  # type: ignore[typeddict-item]
            officer="张",
            reason=reason,
            at=self.network.clock(),
        )
        self._produce("EvidenceJudged", record, REQUESTER)
        self.network.run()

    def _produce(self, name: str, record: object, requester: str) -> None:
        key = application_key(requester, self.application_id)
        self.network.broker.produce(topics.APPLICATIONS, key, framing.encode(name, record))  # type: ignore[arg-type]

    def asked(self) -> list[Asked]:
        """The requests as the province has them."""
        return requests(self.store.connection, self.network.reference.trust, REQUESTER)

    def told(self) -> list[EvidenceRequest]:
        """Every request and reminder the province holds, in the order in which they came."""
        rows = self.network.parties[REQUESTER].store.acts(self.application_id, "evidence-request")
        found = [framing.decode_as("EvidenceRequest", cose.decode(raw).payload) for raw, _ in rows]
        return sorted(found, key=lambda request: request["reminder"])  # type: ignore[arg-type]

    def release_all(self, request_id: str) -> bool:
        """Release everything that a request asks for."""
        found = self.officer.eligible(self.officer.asked(request_id))
        whole = self.officer.release(request_id, found, now=self.now)
        self.network.run()
        return whole

    @property
    def now(self) -> int:
        """The network's clock, ms."""
        return self.network.clock()

    def file(self, request_id: str) -> RequestFile:
        """The request as the center's topic tells it."""
        return find(gather(self.network.broker.messages(topics.APPLICATIONS), self.network.reference.trust), request_id)

    def desk(self, request_id: str) -> DeskItem | None:
        """What lies on the center's desk of it."""
        return desk(self.network).get(f"evidence/{request_id}")

    def events(self, beginning: str = "evidence_") -> list[LifecycleEvent]:
        """Lifecycle events whose kind begins so."""
        found = [
            framing.decode_as("LifecycleEvent", m.value or b"") for m in self.network.broker.messages(topics.EVENTS)
        ]
        return [event for event in found if str(event["kind"]).startswith(beginning)]  # type: ignore[misc]


def desk(network: Network) -> dict[str, DeskItem]:
    """What lies on the center's desk, by key."""
    table: dict[str, DeskItem] = {}
    for message in network.broker.messages(topics.DESK):
        key = (message.key or b"").decode()
        if message.value is None:
            table.pop(key, None)
        else:
            table[key] = framing.decode_as("DeskItem", message.value)  # type: ignore[assignment]
    return table


def make_documents(folder: Path, numbers: Sequence[int], *, large: int = 0) -> Path:
    """A folder with proof of identity and consent of each number, and the mandate; `large`: bytes of the first's proof."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        body = os.urandom(large) if number == numbers[0] else b""
        (folder / f"{number}-identity-某人.pdf").write_bytes(b"%PDF-" + PLANTED + bytes((number,)) + body)
        (folder / f"{number}-授权书.pdf").write_bytes(b"%PDF-c" + PLANTED + bytes((number,)))
    (folder / "委托书.pdf").write_bytes(b"%PDF-m" + PLANTED)
    return folder


def archived(network: Network, sample: Sample, folder: Path, *, large: int = 0) -> Archive:
    """File the sample with documents of all its persons, archived before; nothing runs yet."""
    member = network.parties[REQUESTER]
    store = EvidenceStore(member.store.connection, member.identity, by="user:王")
    numbers = [person["number"] for person in sample.persons]
    found = read_folder(make_documents(folder, numbers, large=large))
    assert found.faults == []
    store.add(Matter.of_form(sample.application), found.documents, years=10, now=network.clock())
    network.file(sample.application, sample.persons, evidence=[document.digest for document in found.documents])
    return Archive(network, sample, store, Release(store, member.identity, network.reference.trust))
