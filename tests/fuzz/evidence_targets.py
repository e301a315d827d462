"""Documents on their way to the center, a folder of them at the office, and the file of a draw."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from pipeline.center.evidence_draws import read_draw, verify
from pipeline.center.evidence_opening import RequestFile, open_documents
from pipeline.codec import framing, schemas
from pipeline.crypto import bundles, sealing
from pipeline.crypto.headers import Header
from pipeline.domain.parties import CENTER
from pipeline.domain.records import EvidenceAsked, EvidenceReply
from pipeline.domain.wording import explain
from pipeline.province.evidence_files import INDEX, read_folder
from pipeline.stages.evidence_casework import mark
from tests.fuzz import file_targets, world
from tests.fuzz.harness import Target, loaded, misconfigured, must, refused
from tests.vectors import scenario
from tests.vectors.identities import NOW, Draws

REQUEST = "5e6f7a8b-0000-4000-8000-000000000001"
_PDF = b"%PDF-1.7"


def read_documents(data: bytes) -> None:
    """Input: `[[* [EvidenceHead, part, parts, bytes]], [* digest]]`: 37 seals and names them; documents that hold, the rest by its fault."""
    match loaded(data, 4):
        case [[*parts], [*released]] if all(isinstance(digest, bytes) for digest in released):
            sealed = [made for number, part in enumerate(parts[:32]) if (made := _sealed(part, number)) is not None]
        case _:
            return
    file = RequestFile(
        cast("EvidenceAsked", asked()), reply=cast("EvidenceReply", {"released": released}), parts=sealed
    )
    opened = open_documents(file, world.identity(CENTER))
    for document in opened.documents:
        must(document.head["digest"] in released, "a document that nobody vouched for")
        must(not set("/\\\0") & set(document.file_name), "a name that leads elsewhere")
        must(len(document.content) == document.head["size"], "another size than stated")
    must(not {d.head["digest"] for d in opened.documents} & set(opened.faults), "a document with a fault is given out")


def _sealed(part: object, number: int) -> bytes | None:
    match part:
        case [bytes() as head, int() as first, int() as of, bytes() as piece] if 1 <= first <= of < 1 << 16:
            draws = Draws(f"fuzz/evidence/{number}")
            secret, seal = sealing.new_seal("37", [world.trust().sealing_key(CENTER)], draws)
            header = Header(
                kind="evidence",
                bundle_id=draws(16),
                sender="37",
                to=CENTER,
                requester="37",
                application_id=scenario.APPLICATION_ID,
                answers=mark(REQUEST),
                version=1,
                schema=schemas.schema_id("EvidenceHead"),
                part=first,
                parts=of,
            )
            return bundles.seal_bundle(header, [piece], secret, seal, heads=[head]).raw
    return None


def asked() -> dict[str, Any]:
    """The request that all documents are for."""
    return {
        "request_id": REQUEST,
        "application_id": scenario.APPLICATION_ID,
        "requester": "37",
        "numbers": [1],
        "kinds": [],
        "draw": None,
        "officer": "张",
        "reason": "抽查",
        "at": NOW,
    }


def head(content: bytes, digest: bytes, part: int = 1, parts: int = 1) -> bytes:
    """A head as a province writes it."""
    record = {
        "request_id": REQUEST,
        "application_id": scenario.APPLICATION_ID,
        "number": 1,
        "kind": "consent",
        "digest": digest,
        "size": len(content),
        "media_type": "application/pdf",
        "part": part,
        "parts": parts,
    }
    return framing.encode("EvidenceHead", record)


def read_index(data: bytes) -> None:
    """The index of a folder with two documents: each of them once at most, or faults in words that name no file."""
    folder = file_targets.folder() / "documents"
    folder.mkdir(exist_ok=True)
    for name in ("one.pdf", "two.pdf"):
        (folder / name).write_bytes(_PDF + name.encode())
    (folder / INDEX).write_bytes(data)
    found = read_folder(folder)
    must(len(found.documents) + sum(f["code"] == "evidence_file_name" for f in found.faults) == 2, "a document is lost")
    for fault in found.faults:
        must(explain(fault) and "one.pdf" not in explain(fault), "a fault without words, or with a name")


def read_draw_file(data: bytes) -> None:
    """The file of a draw: drawn again under the center's two signatures, or refused; a long list costs nothing before that."""
    path: Path = file_targets.file("draw.json", data)
    file = misconfigured(lambda: read_draw(path))
    if file is not None:
        refused(lambda: verify(file, world.trust()))


TARGETS = [
    Target("evidence", "center.evidence_opening behind the seal", read_documents, 3, 8192),
    Target("evidence-index", "province.evidence_files.read_folder", read_index, 1, 4096, structured=False),
    Target("draw-file", "center.evidence_draws.read_draw, verify", read_draw_file, 2, 8192, structured=False),
]
