"""A folder of documents: told apart by their names or an index, by what they are, never by what a name says alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pipeline.domain.evidence import LARGEST
from pipeline.province.evidence_files import EvidenceFolder, read_file, read_folder

PDF = b"%PDF-1.7 "


def folder_of(tmp_path: Path, **files: bytes) -> Path:
    """A folder with these files; `__` in a name is a dot, and each begins as its type does."""
    folder = tmp_path / "documents"
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def codes(found: EvidenceFolder) -> list[str]:
    """Codes of the faults."""
    return [fault["code"] for fault in found.faults]


def test_names_say_number_and_kind(tmp_path: Path) -> None:
    """In Chinese or English, with whatever follows; a mandate is about all."""
    folder = folder_of(
        tmp_path,
        **{
            "3-授权书.pdf": PDF + b"1",
            "1+2-identity-王.jpg": b"\xff\xd8\xff1",
            "委托书.pdf": PDF,
            "1-2-监护_a.png": b"\x89PNG\r\n\x1a\n",
        },
    )
    found = read_folder(folder)
    assert codes(found) == []
    assert {(d.kind, d.numbers, d.media_type) for d in found.documents} == {
        ("consent", (3,), "application/pdf"),
        ("identity", (1, 2), "image/jpeg"),
        ("mandate", (), "application/pdf"),
        ("guardianship", (1, 2), "image/png"),
    }
    assert {d.digest for d in found.documents} == {hashlib.sha256(p.read_bytes()).digest() for p in folder.iterdir()}


def test_an_index_says_it_instead(tmp_path: Path) -> None:
    """Then names say nothing, and a file that it does not list is a fault."""
    folder = folder_of(tmp_path, **{"scan1.pdf": PDF + b"1", "scan2.pdf": PDF + b"2", "3-授权书.pdf": PDF + b"3"})
    (folder / "index.csv").write_text(
        "文件,种类,序号\nscan1.pdf,授权书,1+2\nscan2.pdf,mandate,\n", encoding="utf-8-sig"
    )
    found = read_folder(folder)
    assert [(d.kind, d.numbers) for d in found.documents] == [("consent", (1, 2)), ("mandate", ())]
    assert codes(found) == ["evidence_file_name"]


def test_an_index_with_a_line_that_says_nothing_is_told_by_its_line(tmp_path: Path) -> None:
    """An unknown kind, a file that is not there, one listed twice, one outside the folder."""
    folder = folder_of(tmp_path, **{"a.pdf": PDF})
    (tmp_path / "out.pdf").write_bytes(PDF)
    lines = [
        "a.pdf,户口,1",
        "b.pdf,consent,1",
        "a.pdf,consent,x",
        "../out.pdf,consent,1",
        "a.pdf,consent,1",
        "a.pdf,other,1",
    ]
    (folder / "index.csv").write_text("\n".join(lines))
    found = read_folder(folder)
    assert [fault["args"]["line"] for fault in found.faults] == ["1", "2", "3", "4", "6"]
    assert [d.kind for d in found.documents] == ["consent"]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("王小明的身份证.pdf", PDF, "evidence_file_name"),
        ("1-identity.exe", b"MZ", "evidence_file_type"),
        ("1-identity.pdf", b"MZ not a pdf", "evidence_file_type"),
        ("1-identity.pdf", b"", "evidence_file_size"),
        ("0-identity.pdf", PDF, "evidence_file_name"),
    ],
)
def test_what_is_no_document_is_a_fault_that_names_no_file(
    tmp_path: Path, name: str, content: bytes, code: str
) -> None:
    """By its position: the name may be a person's."""
    found = read_folder(folder_of(tmp_path, **{name: content}))
    assert codes(found) == [code]
    assert found.documents == []
    assert name not in str(found.faults)


def test_a_file_over_the_limit_a_link_and_a_copy_are_faults(tmp_path: Path) -> None:
    """32 MiB; nothing outside the folder; the same content is one document."""
    folder = folder_of(tmp_path, **{"1-consent.pdf": PDF, "2-consent.pdf": PDF, "3-consent.pdf": PDF + bytes(LARGEST)})
    (folder / "4-consent.pdf").symlink_to(folder / "1-consent.pdf")
    found = read_folder(folder)
    assert codes(found) == ["evidence_file_repeated", "evidence_file_size", "evidence_file_link"]
    assert len(found.documents) == 1


def test_no_folder_is_a_fault_and_hidden_files_are_left_alone(tmp_path: Path) -> None:
    """Nothing that is not there is archived."""
    assert codes(read_folder(tmp_path / "nowhere")) == ["evidence_folder"]
    assert read_folder(folder_of(tmp_path, **{".DS_Store": b"x"})).faults == []


def test_one_file_is_read_with_its_kind_said_apart(tmp_path: Path) -> None:
    """For documents that are added later, one at a time."""
    folder = folder_of(tmp_path, **{"scan.pdf": PDF, "x.pdf": b""})
    document = read_file(folder / "scan.pdf", "consent", (2,))
    assert (document.kind, document.numbers, document.size) == ("consent", (2,), len(PDF))  # type: ignore[union-attr]
    assert read_file(folder / "x.pdf", "consent", ())["code"] == "evidence_file_size"  # type: ignore[index]
