"""A folder of documents (查询依据性文件) as an office has it: which file is what, and whom of the roster it is about.

Either an `index.csv` says so (文件,种类,序号), or the files' names do: `3-授权书.pdf`, `1+2-identity.jpg`, `委托书.pdf`.
Faults name files by their position in the order of names, since a name often is a person's.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline.domain.evidence import LARGEST, MOST_DOCUMENTS, kind_of, numbers_in
from pipeline.domain.faults import fault
from pipeline.domain.records import EvidenceKind, Fault
from pipeline.province.text_files import read_text

INDEX: Final = "index.csv"
_INDEX_MIB: Final = 4
_HEADER: Final = frozenset({"file", "文件", "文件名"})
_NAME: Final = re.compile(r"(?:(?P<numbers>[\d+,，、\-]+|all|全部)-)?(?P<kind>[^-\W\d_]+)(?:[-_ (（].*)?")
_MAGIC: Final[dict[str, tuple[str, tuple[bytes, ...]]]] = {
    ".pdf": ("application/pdf", (b"%PDF-",)),
    ".ofd": ("application/ofd", (b"PK\x03\x04",)),
    ".jpg": ("image/jpeg", (b"\xff\xd8\xff",)),
    ".jpeg": ("image/jpeg", (b"\xff\xd8\xff",)),
    ".png": ("image/png", (b"\x89PNG\r\n\x1a\n",)),
    ".tif": ("image/tiff", (b"II*\0", b"MM\0*")),
    ".tiff": ("image/tiff", (b"II*\0", b"MM\0*")),
}
"""Extension → media type and the bytes such a file begins with. OFD (GB/T 33190) is a ZIP."""
EXTENSIONS: Final = {"application/pdf": ".pdf", "application/ofd": ".ofd", "image/jpeg": ".jpg", "image/png": ".png",
                     "image/tiff": ".tiff"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Incoming:
    """A document before it is archived. `numbers`: the roster's, () for all persons; `name`: the file's, personal."""

    kind: EvidenceKind
    numbers: tuple[int, ...]
    media_type: str
    name: str = field(repr=False)
    path: Path = field(repr=False)
    size: int
    digest: bytes

    def content(self) -> bytes:
        """The file's bytes."""
        return self.path.read_bytes()


@dataclass
class EvidenceFolder:
    """The documents of a folder, or the faults that keep them from being archived."""

    documents: list[Incoming] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def read_folder(folder: Path) -> EvidenceFolder:
    """Every document of `folder` (not of folders within it). Never raises for what people put there."""
    found = EvidenceFolder()
    try:
        paths = sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=lambda p: p.name)
    except OSError:
        found.faults.append(fault("evidence_folder"))
        return found
    listed = _index(folder / INDEX, found) if folder / INDEX in paths else None
    paths = [path for path in paths if path.name != INDEX]
    if len(paths) > MOST_DOCUMENTS:
        found.faults.append(fault("evidence_too_many", limit=MOST_DOCUMENTS))
        return found
    first: dict[bytes, int] = {}
    for position, path in enumerate(paths, start=1):
        try:
            document = _read(position, path, listed)
        except _Faulty as error:
            found.faults.append(error.reason)
            continue
        if first.setdefault(document.digest, position) != position:
            found.faults.append(fault("evidence_file_repeated", position=position, first=first[document.digest]))
        else:
            found.documents.append(document)
    return found


def read_file(path: Path, kind: EvidenceKind, numbers: tuple[int, ...]) -> Incoming | Fault:
    """One document whose kind and persons are said apart from its name, or what is wrong with it."""
    try:
        return _read(1, path, {path.name: (kind, numbers)})
    except _Faulty as error:
        return error.reason


class _Faulty(Exception):
    def __init__(self, reason: Fault) -> None:
        super().__init__(reason["code"])
        self.reason = reason


def _read(position: int, path: Path, listed: dict[str, tuple[EvidenceKind, tuple[int, ...]]] | None) -> Incoming:
    if path.is_symlink() or not path.is_file():
        raise _Faulty(fault("evidence_file_link", position=position))
    said = listed.get(path.name) if listed is not None else _said_by_name(path.stem)
    if said is None:
        raise _Faulty(fault("evidence_file_name", position=position))
    size = path.stat().st_size
    if not 0 < size <= LARGEST:
        raise _Faulty(fault("evidence_file_size", position=position, limit=LARGEST // (1024 * 1024)))
    media_type, beginnings = _MAGIC.get(path.suffix.lower(), ("", ()))
    try:
        content = path.read_bytes()
    except OSError:
        raise _Faulty(fault("evidence_file_link", position=position)) from None
    if not content.startswith(beginnings or (b"\0no type",)):
        raise _Faulty(fault("evidence_file_type", position=position))
    kind, numbers = said
    return Incoming(kind, numbers, media_type, path.name, path, len(content), hashlib.sha256(content).digest())


def _said_by_name(stem: str) -> tuple[EvidenceKind, tuple[int, ...]] | None:
    match = _NAME.fullmatch(stem)
    kind = kind_of(match["kind"]) if match else None
    numbers = numbers_in(match["numbers"] or "") if match else None
    if kind is None or numbers is None:
        return None
    return kind, numbers


def _index(path: Path, found: EvidenceFolder) -> dict[str, tuple[EvidenceKind, tuple[int, ...]]]:
    text = read_text(path, "evidence", _INDEX_MIB)
    if not isinstance(text, str):
        found.faults.append(text)
        return {}
    listed: dict[str, tuple[EvidenceKind, tuple[int, ...]]] = {}
    try:
        for line, cells in _lines(text):
            said = _said_by_line(cells)
            if said is None or cells[0] in listed or not (path.parent / cells[0]).exists() or "/" in cells[0]:
                found.faults.append(fault("evidence_index_line", line=line))
            else:
                listed[cells[0]] = said
    except csv.Error:
        found.faults.append(fault("file_syntax", field="evidence", line=1))
    return listed


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    for cells in reader:
        stripped = [cell.strip() for cell in cells]
        if any(stripped) and stripped[0].lower() not in _HEADER:
            yield reader.line_num, stripped


def _said_by_line(cells: list[str]) -> tuple[EvidenceKind, tuple[int, ...]] | None:
    if len(cells) < 2 or not cells[0]:
        return None
    kind, numbers = kind_of(cells[1]), numbers_in(cells[2] if len(cells) > 2 else "")
    return None if kind is None or numbers is None else (kind, numbers)
