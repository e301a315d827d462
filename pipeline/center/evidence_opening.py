"""The center's opening of documents that a province released (Art. 9).

Parts are put together, and each document is held against the digest it goes by, against what the province signed, and
against what the mandate named before anybody asked.
A document that the signed reply does not name is nobody's word and is not given out. One that the mandate does not name was
added after the application was filed; it is given out, and said to be so.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, cast

from pipeline.codec import framing
from pipeline.crypto import bundles, cose
from pipeline.crypto.bundles import parse_bundle
from pipeline.crypto.keys import Identity
from pipeline.crypto.keystore import write_durably
from pipeline.crypto.sealing import SealCache
from pipeline.crypto.trust import Trust
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.evidence import LARGEST
from pipeline.domain.parties import CENTER
from pipeline.domain.records import (
    EvidenceAsked,
    EvidenceHead,
    EvidenceJudged,
    EvidenceReply,
    Mandate,
)
from pipeline.province import access
from pipeline.province.database import transaction
from pipeline.province.evidence_files import EXTENSIONS
from pipeline.stages.acts import open_act
from pipeline.stages.effects import Message
from pipeline.stages.evidence_casework import mark
from pipeline.stages.local import Access

Fault = Literal[
    "part_missing", "part_altered", "parts_contradict", "digest_mismatch", "not_named_in_reply", "named_but_absent"
]
OPENED: Final = "evidence_opened"


@dataclass(slots=True)
class RequestFile:
    """All the center's own topic says of one request. `parts`: the sealed bundles, in the order in which they came."""

    asked: EvidenceAsked
    mandate: Mandate | None = None
    reply: EvidenceReply | None = None
    replied_at: int | None = None
    judged: EvidenceJudged | None = None
    parts: list[bytes] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The request's id."""
        return self.asked["request_id"]


@dataclass(frozen=True, slots=True)
class OpenedDocument:
    """A document put together. `in_mandate`: the requester signed its digest when it filed."""

    head: EvidenceHead
    content: bytes = field(repr=False)
    in_mandate: bool

    @property
    def file_name(self) -> str:
        """A name that says what it is and names nobody."""
        head = self.head
        number = "application" if head["number"] is None else str(head["number"])
        return f"{number}-{head['kind']}-{head['digest'].hex()[:12]}{EXTENSIONS.get(head['media_type'], '.bin')}"


@dataclass(frozen=True, slots=True)
class OpenedRequest:
    """What came for a request: documents that hold, and by digest what does not."""

    documents: list[OpenedDocument]
    faults: dict[bytes, Fault]

    @property
    def is_whole(self) -> bool:
        """Whether everything the province said it released is here and holds."""
        return not self.faults


def gather(messages: Iterable[Message], trust: Trust) -> list[RequestFile]:
    """The requests that hedx.center.applications tells of, in the order in which they were asked."""
    files: dict[str, RequestFile] = {}
    marks: dict[bytes, RequestFile] = {}
    mandates: dict[tuple[str, str], bytes] = {}
    for message in messages:
        try:
            name, record = framing.decode(message.value or b"")
        except InvalidMessage:  # its stage has put it aside
            continue
        if name == "SectionReceived" and record["mandate"]:
            mandates.setdefault((record["requester"], record["application_id"]), record["mandate"])
        elif name == "EvidenceAsked" and record["request_id"] not in files:
            found = files[record["request_id"]] = RequestFile(cast("EvidenceAsked", record))
            marks[mark(found.id)] = found
        elif name == "Acted" and record["typ"] == "evidence-reply":
            _reply(files, record, trust)
        elif name == "EvidenceArrived":
            _part(marks, record)
        elif name == "EvidenceJudged" and record["request_id"] in files:
            files[record["request_id"]].judged = cast("EvidenceJudged", record)
    for found in files.values():
        raw = mandates.get((found.asked["requester"], found.asked["application_id"]))
        if raw is not None:
            found.mandate = cast("Mandate", framing.decode_as("Mandate", cose.decode(raw).payload))
    return list(files.values())


def find(files: Iterable[RequestFile], request_id: str) -> RequestFile:
    """The request with this id, or whose id begins so. Raises ConfigError for none or several."""
    found = [file for file in files if request_id and file.id.startswith(request_id)]
    if len(found) != 1:
        raise ConfigError(f"{len(found)} requests have an id that begins with {request_id}")
    return found[0]


def open_documents(file: RequestFile, center: Identity) -> OpenedRequest:
    """Open what came for a request. Raises ConfigError before the province's reply."""
    if file.reply is None:
        raise ConfigError(f"{file.asked['requester']} has not replied to {file.id} yet")
    seals = SealCache(center.sealing)
    faults: dict[bytes, Fault] = {}
    pieces: dict[bytes, dict[int, tuple[EvidenceHead, bytes]]] = {}
    for raw in file.parts:
        try:
            head, piece = _opened(raw, file, seals)
        except InvalidMessage:
            faults[parse_bundle(raw).leaf] = "part_altered"
            continue
        held = pieces.setdefault(head["digest"], {}).setdefault(head["part"], (head, piece))
        if held != (head, piece):
            faults[head["digest"]] = "parts_contradict"
    named = set(file.mandate["evidence"]) if file.mandate else set()
    documents: list[OpenedDocument] = []
    for digest, parts in pieces.items():
        fault, content = _joined(digest, parts)
        if fault is None and digest not in file.reply["released"]:
            fault = "not_named_in_reply"
        if fault is not None:
            faults[digest] = fault
        elif digest not in faults:
            documents.append(OpenedDocument(parts[1][0], content, digest in named))
    for digest in file.reply["released"]:
        if digest not in pieces:
            faults[digest] = "named_but_absent"
    return OpenedRequest(documents, faults)


def open_into(
    file: RequestFile, center: Identity, folder: Path, log: sqlite3.Connection, *, now: int, by: str | None = None
) -> OpenedRequest:
    """Write the documents of a request into `folder`, readable by their owner only; the access log says so first.

    `log`: of `database.access_log`; `by`: who opens, by default the operating system's user. The documents that hold are
    written also where others do not.
    """
    opened = open_documents(file, center)
    unit = purpose = ""
    if file.mandate is not None:
        unit, purpose = file.mandate["entrusting_unit"], file.mandate["purpose"]
    detail: dict[str, object] = {
        "request": file.id,
        "documents": [document.head["digest"].hex() for document in opened.documents],
        "faults": len(opened.faults),
    }
    said = Access(OPENED, file.asked["application_id"], file.asked["requester"], unit, purpose, detail)
    with transaction(log):
        access.record(log, said, actor=by or access.user(), at=now)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for document in opened.documents:
        write_durably(folder / document.file_name, document.content)
    return opened


def _reply(files: Mapping[str, RequestFile], record: Mapping[str, Any], trust: Trust) -> None:
    """The signed reply, verified as of when it came; the newest counts, as it does in the stage."""
    try:
        act = open_act(record["act"], trust, at=record["received_at"], issuer=record["requester"], audience=CENTER)
    except InvalidMessage:  # its stage has put it aside
        return
    found = files.get(act.record["request_id"])
    if found is not None and found.judged is None and _belongs(found, act.record):
        found.reply = cast("EvidenceReply", act.record)
        found.replied_at = record["received_at"]


def _part(marks: Mapping[bytes, RequestFile], record: Mapping[str, Any]) -> None:
    found = marks.get(bundles.header_of(record["bundle"]).answers or b"")
    if found is not None and _belongs(found, record):
        found.parts.append(record["bundle"])


def _belongs(file: RequestFile, record: Mapping[str, Any]) -> bool:
    return all(record[key] == file.asked[key] for key in ("requester", "application_id"))


def _opened(raw: bytes, file: RequestFile, seals: SealCache) -> tuple[EvidenceHead, bytes]:
    bundle = parse_bundle(raw)
    if bundle.seal is None or bundle.heads != 1 or bundle.header.count != 1:
        raise InvalidMessage("evidence_invalid", "not one head and one piece")
    head_raw, piece = bundles.open_records(bundle, seals.unseal(bundle.seal, bundle.header.sender))
    head = cast("EvidenceHead", framing.decode_as("EvidenceHead", head_raw))
    about = (head["request_id"], head["application_id"], bundle.header.sender)
    stated = (head["part"], head["parts"])
    if about != (file.id, file.asked["application_id"], file.asked["requester"]):
        raise InvalidMessage("evidence_invalid", "of another request")
    if stated != (bundle.header.part, bundle.header.parts):
        raise InvalidMessage("evidence_invalid", "part")
    return head, piece


def _joined(digest: bytes, parts: Mapping[int, tuple[EvidenceHead, bytes]]) -> tuple[Fault | None, bytes]:
    """The document of these parts, or why there is none."""
    heads = [head for head, _ in parts.values()]
    if any({**head, "part": 0} != {**heads[0], "part": 0} for head in heads):
        return "parts_contradict", b""
    if sorted(parts) != list(range(1, heads[0]["parts"] + 1)):
        return "part_missing", b""
    content = b"".join(parts[number][1] for number in sorted(parts))
    if not len(content) == heads[0]["size"] <= LARGEST or hashlib.sha256(content).digest() != digest:
        return "digest_mismatch", b""
    return None, content
