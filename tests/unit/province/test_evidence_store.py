"""The archive of documents: nothing readable on the disk, every access logged, and destruction only by protocol."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest

from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.province import access, evidence_destruction
from pipeline.province.database import connect
from pipeline.province.evidence_blobs import PIECE
from pipeline.province.evidence_destruction import destroy, finish, protocols, until
from pipeline.province.evidence_documents import Matter
from pipeline.province.evidence_files import Incoming, read_folder
from pipeline.province.evidence_store import EvidenceStore
from pipeline.province.filing import file_application
from pipeline.province.store import Store
from tests.byte_search import files_under, find, pattern_of
from tests.unit.crypto.exchange import DAY, NOW, identity, trust
from tests.unit.domain.samples import a_child, a_person, an_application

SECRET = "绝密的户口本内容".encode()
FORM = an_application(person_count=2)
ID = FORM["application_id"]
MATTER = Matter.of_form(FORM)
YEAR = 366 * DAY


@pytest.fixture
def documents(tmp_path: Path) -> list[Incoming]:
    """Three files of an office, one of them in several pieces."""
    folder = tmp_path / "office"
    folder.mkdir()
    (folder / "1-identity-欧阳娜娜.pdf").write_bytes(b"%PDF-" + SECRET)
    (folder / "1+2-consent.pdf").write_bytes(b"%PDF-" + SECRET * (3 * PIECE // len(SECRET)))
    (folder / "mandate.pdf").write_bytes(b"%PDF-1.7 mandate")
    return read_folder(folder).documents


@pytest.fixture
def archive(tmp_path: Path) -> EvidenceStore:
    """山东's archive."""
    return EvidenceStore(connect(tmp_path / "37" / "store.db"), identity("37"), by="user:王")


@pytest.fixture
def filled(archive: EvidenceStore, documents: list[Incoming]) -> EvidenceStore:
    """The archive with the documents of an application that was then filed with their digests."""
    archive.add(MATTER, documents, years=10, now=NOW)
    filing = file_application(
        FORM,
        [a_person(), a_child()],
        identity=identity("37"),
        trust=trust(),
        release=1,
        now=NOW,
        evidence=[document.digest for document in documents],
    )
    Store(archive.connection, identity("37")).file(filing, 1, NOW)
    return archive


def close(archive: EvidenceStore, at: int) -> None:
    """Let the application have come to its end."""
    archive.connection.execute("INSERT INTO result VALUES (?, 1, x'00', ?)", (ID, at))


def acts(archive: EvidenceStore) -> list[str]:
    """What the access log says was done with documents."""
    return [entry.act for entry in access.entries(archive.connection) if entry.act.startswith("evidence")]


# -- adding and reading ----------------------------------------------------------------------------------------------


def test_what_was_added_is_read_back_and_both_are_logged(filled: EvidenceStore, documents: list[Incoming]) -> None:
    """Byte by byte, whatever its size; who read it and which document stands in the access log, and no name."""
    for document in filled.documents(ID):
        content = filled.read(document, "evidence_read", {}, now=NOW)
        assert hashlib.sha256(content).digest() == document.digest
    assert acts(filled) == ["evidence_added"] * 3 + ["evidence_read"] * 3
    said = access.entries(filled.connection, ID)[-1]
    assert (said.actor, said.unit) == ("user:王", FORM["approving_authority"])
    assert {d.digest for d in filled.documents(ID)} == {d.digest for d in documents}


def test_the_mandate_names_what_the_archive_holds(filled: EvidenceStore, documents: list[Incoming]) -> None:
    """The digests are in what the requester signed, so nobody exchanges a document afterwards."""
    assert filled.mandate(ID)["evidence"] == [document.digest for document in documents]


def test_nothing_of_a_document_is_readable_on_the_disk(filled: EvidenceStore, tmp_path: Path) -> None:
    """Neither content nor file name, in the database, its log, or the folder; the office's own folder has both."""
    pattern = pattern_of([SECRET, "欧阳娜娜".encode(), b"1.7 mandate"])
    assert [find(pattern, path) for path in files_under(tmp_path / "37")] == [None] * len(files_under(tmp_path / "37"))
    assert any(find(pattern, path) for path in files_under(tmp_path / "office"))
    assert filled.name(filled.documents(ID)[1]) == "1-identity-欧阳娜娜.pdf"


def test_a_document_added_twice_is_one(filled: EvidenceStore, documents: list[Incoming]) -> None:
    """Nor does it get a second key."""
    filled.add(MATTER, documents, years=10, now=NOW + 1)
    assert len(filled.documents(ID)) == 3
    assert filled.unlisted() == []


def test_each_document_has_a_key_of_its_own(filled: EvidenceStore) -> None:
    """One in another's place does not open, not even with both keys there."""
    first, second = filled.documents(ID)[:2]
    folder = filled._files.folder
    (folder / first.id).write_bytes((folder / second.id).read_bytes())
    with pytest.raises(InvalidMessage) as caught:
        filled.read(first, "evidence_read", {}, now=NOW)
    assert caught.value.code == "decrypt_failed"


def test_a_file_that_changes_while_it_is_archived_leaves_nothing(
    archive: EvidenceStore, documents: list[Incoming]
) -> None:
    """All or none: the ones written before it are taken back."""
    documents[-1].path.write_bytes(b"%PDF-other")
    with pytest.raises(ConfigError, match="changed"):
        archive.add(MATTER, documents, years=10, now=NOW)
    assert (archive.documents(ID), archive.unlisted(), acts(archive)) == ([], [], [])


def test_what_was_added_for_an_application_that_is_not_filed_is_taken_back(
    archive: EvidenceStore, documents: list[Incoming]
) -> None:
    """Rows, files and keys; the log says both."""
    archive.add(MATTER, documents, years=10, now=NOW)
    archive.discard(MATTER, [document.digest for document in documents], now=NOW)
    assert (archive.documents(ID), archive.unlisted()) == ([], [])
    assert acts(archive) == ["evidence_added"] * 3 + ["evidence_discarded"] * 3


def test_a_document_is_found_by_the_beginning_of_its_digest(filled: EvidenceStore) -> None:
    """One that is ambiguous or unknown is the operator's error."""
    document = filled.documents(ID)[0]
    assert filled.find(ID, document.digest.hex()[:12].upper()) == document
    for beginning in ("", "zz"):
        with pytest.raises(ConfigError, match="documents of"):
            filled.find(ID, beginning)


# -- verifying -------------------------------------------------------------------------------------------------------


def test_verifying_finds_what_was_altered_or_lost(filled: EvidenceStore) -> None:
    """A bit of a file, a key, a file; and says nothing of the others."""
    assert [fault for _, fault in filled.verify()] == [None] * 3
    altered, keyless, whole = filled.documents(ID)
    path = filled._files.folder / altered.id
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    filled._files.keys.destroy(keyless.id)
    found = {document.digest: fault for document, fault in filled.verify()}
    assert found == {altered.digest: "decrypt_failed", keyless.digest: "missing", whole.digest: None}
    (filled._files.folder / whole.id).unlink()
    assert {d.digest: fault for d, fault in filled.verify()}[whole.digest] == "missing"


def test_a_file_cut_at_a_piece_does_not_pass(filled: EvidenceStore) -> None:
    """Each piece that is left opens; the digest does not hold."""
    document = max(filled.documents(ID), key=lambda d: d.size)
    path = filled._files.folder / document.id
    path.write_bytes(path.read_bytes()[: PIECE + 16])
    assert {d.digest: fault for d, fault in filled.verify()}[document.digest] == "digest_mismatch"


def test_files_that_no_row_is_about_are_told(filled: EvidenceStore) -> None:
    """What a crash between writing and listing leaves."""
    (filled._files.folder / "ab").write_bytes(b"x")
    assert filled.unlisted() == ["ab"]


# -- destroying ------------------------------------------------------------------------------------------------------


def test_destruction_leaves_digest_and_protocol_and_nothing_else(filled: EvidenceStore) -> None:
    """Key and file are gone, the name too; who, who witnessed, why and what is signed."""
    close(filled, NOW)
    gone = filled.documents(ID)[:2]
    later = NOW + 11 * YEAR
    protocol = destroy(filled, ID, gone, second="李", reason="保管期满", now=later)
    assert (protocol["officer"], protocol["second"], protocol["early"]) == ("user:王", "李", False)
    assert [d["digest"] for d in protocol["documents"]] == [d.digest for d in gone]
    assert [d.protocol for d in filled.documents(ID)] == [1, 1, None]
    for document in gone:
        assert not (filled._files.folder / document.id).exists()
        with pytest.raises(ConfigError, match="destroyed"):
            filled.read(filled.document(ID, document.digest), "evidence_read", {}, now=later)
        with pytest.raises(ConfigError, match="destroyed"):
            filled.name(filled.document(ID, document.digest))
    assert "evidence_destroyed" in acts(filled)
    assert [fault for _, fault in filled.verify()] == [None] * 3


def test_nothing_is_destroyed_before_its_time_unless_it_is_said(filled: EvidenceStore) -> None:
    """The period begins with the close: before it there is no end at all. The protocol says that it was early."""
    [document, *_] = filled.documents(ID)
    assert until(filled, document) is None
    with pytest.raises(ConfigError, match="--early"):
        destroy(filled, ID, [document], second="李", reason="误收", now=NOW)
    close(filled, NOW)
    end = until(filled, document)
    assert end is not None
    with pytest.raises(ConfigError, match="--early"):
        destroy(filled, ID, [document], second="李", reason="误收", now=end)
    assert destroy(filled, ID, [document], second="李", reason="误收", now=end, early=True)["early"]


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ("", "期满"),
        ("  ", "期满"),
        ("王", "期满"),
        ("user:王", "期满"),
        ("王\u200b", "期满"),
        ("\u3000王", "期满"),
        ("\u200b", "期满"),
        ("李", " "),
        ("李", "长" * 501),
    ],
)
def test_a_protocol_needs_a_second_person_and_a_reason(filled: EvidenceStore, second: str, reason: str) -> None:
    """Nobody witnesses his own destruction."""
    with pytest.raises(ConfigError):
        destroy(filled, ID, filled.documents(ID), second=second, reason=reason, now=NOW, early=True)
    assert [d.protocol for d in filled.documents(ID)] == [None] * 3


def test_a_destroyed_document_is_destroyed_once_and_does_not_come_back(
    filled: EvidenceStore, documents: list[Incoming]
) -> None:
    """Neither by another protocol nor by being added again."""
    gone = filled.documents(ID)
    destroy(filled, ID, gone, second="李", reason="误收", now=NOW, early=True)
    with pytest.raises(ConfigError, match="already"):
        destroy(filled, ID, gone, second="李", reason="误收", now=NOW, early=True)
    with pytest.raises(ConfigError, match="does not come back"):
        filled.add(MATTER, documents, years=10, now=NOW)


def test_protocols_are_a_chain_that_nothing_is_taken_out_of(filled: EvidenceStore) -> None:
    """Signed, numbered, each naming the one before; the table takes no change, and who goes around it is found out."""
    for document in filled.documents(ID):
        destroy(filled, ID, [document], second="李", reason="误收", now=NOW, early=True)
    assert [p["number"] for p in protocols(filled, trust())] == [1, 2, 3]
    for statement in ("DELETE FROM destruction", "UPDATE destruction SET at = 0", "DELETE FROM document"):
        with pytest.raises(sqlite3.IntegrityError):
            filled.connection.execute(statement)
    filled.connection.executescript(
        "DROP TRIGGER destruction_kept; DROP TRIGGER destruction_unaltered;"
        "DELETE FROM destruction WHERE number = 2; UPDATE destruction SET number = 2 WHERE number = 3"
    )
    with pytest.raises(InvalidMessage) as caught:
        list(protocols(filled, trust()))
    assert caught.value.code == "protocol_chain_broken"


def test_a_crash_after_the_protocol_is_made_good(filled: EvidenceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The protocol is there and the files are, too: verifying says so, and finishing removes them."""
    monkeypatch.setattr(evidence_destruction, "finish", lambda _: 0)
    destroy(filled, ID, filled.documents(ID), second="李", reason="误收", now=NOW, early=True)
    assert [fault for _, fault in filled.verify()] == ["destroyed_but_kept"] * 3
    assert finish(filled) == 3
    assert [fault for _, fault in filled.verify()] == [None] * 3
