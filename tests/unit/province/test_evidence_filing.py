"""Documents and the filing they belong to: archived with it, or not at all."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from pipeline.domain.evidence import MOST_NAMED
from pipeline.domain.faults import fault
from pipeline.province import access
from pipeline.province.database import connect
from pipeline.province.evidence_files import EvidenceFolder, read_folder
from pipeline.province.evidence_filing import file_with_evidence, with_evidence
from pipeline.province.evidence_store import EvidenceStore
from pipeline.province.filing import Filing, file_application
from pipeline.province.forms import LoadedForm
from pipeline.province.store import Store
from tests.archive import make_documents
from tests.unit.crypto.exchange import NOW, identity, trust
from tests.unit.domain.samples import a_child, a_person, an_application

FORM = an_application(person_count=2)
PERSONS = [a_person(number=1), a_child(number=2)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """山东's empty store."""
    return Store(connect(tmp_path / "37" / "store.db"), identity("37"))


@pytest.fixture
def folder(tmp_path: Path) -> EvidenceFolder:
    """All that two persons need but the guardian's proof."""
    return read_folder(make_documents(tmp_path / "office", [1, 2]))


def filing(folder: EvidenceFolder) -> Filing:
    """The application with a mandate that names the folder's documents."""
    digests = [document.digest for document in folder.documents]
    return file_application(FORM, PERSONS, identity=identity("37"), trust=trust(), release=1, now=NOW, evidence=digests)


def test_what_is_filed_has_its_documents_archived(store: Store, folder: EvidenceFolder, tmp_path: Path) -> None:
    """Each that the mandate names, kept for the years that the province's own file says."""
    own = tmp_path / "evidence" / "retention.yaml"
    own.parent.mkdir()
    own.write_text("default_years: 15\n")
    file_with_evidence(store, identity("37"), filing(folder), 1, folder.documents, tmp_path, NOW)
    archive = EvidenceStore(store.connection)
    held = archive.documents(FORM["application_id"])
    assert sorted(document.digest for document in held) == sorted(archive.mandate(FORM["application_id"])["evidence"])
    assert {document.years for document in held} == {15}


def test_what_is_not_filed_leaves_nothing(store: Store, folder: EvidenceFolder, tmp_path: Path) -> None:
    """Its id is taken: the documents are taken back, keys and files, and the log says both."""
    store.file(filing(EvidenceFolder()), 1, NOW)
    with pytest.raises(sqlite3.IntegrityError):
        file_with_evidence(store, identity("37"), filing(folder), 1, folder.documents, tmp_path, NOW)
    archive = EvidenceStore(store.connection)
    assert (archive.documents(FORM["application_id"]), archive.unlisted()) == ([], [])
    acts = [entry.act for entry in access.entries(store.connection)]
    assert acts.count("evidence_added") == acts.count("evidence_discarded") == 5


def test_without_documents_an_application_is_filed_as_ever(store: Store, tmp_path: Path) -> None:
    """The mandate names none."""
    file_with_evidence(store, identity("37"), filing(EvidenceFolder()), 1, [], tmp_path, NOW)
    assert EvidenceStore(store.connection).mandate(FORM["application_id"])["evidence"] == []


def test_a_form_is_faulty_where_documents_are_missing(folder: EvidenceFolder) -> None:
    """All faults at once, the form's and the documents'; nothing half is left to be filed."""
    sound = LoadedForm(FORM, PERSONS, [], 2)
    found = with_evidence(sound, folder)
    assert (found.application, found.roster, found.persons_read) == (None, [], 2)
    assert [(f["code"], f["number"]) for f in found.faults] == [("evidence_guardianship_missing", 2)]
    faulty = LoadedForm(None, [], [fault("person_count")], 2)
    folder.faults.append(fault("evidence_file_name", position=1))
    assert [f["code"] for f in with_evidence(faulty, folder).faults] == ["person_count", "evidence_file_name"]


def test_a_mandate_has_room_for_so_many_documents(folder: EvidenceFolder) -> None:
    """More are archived once the application is filed."""
    many = EvidenceFolder([folder.documents[0]] * (MOST_NAMED + 1))
    codes = [f["code"] for f in with_evidence(LoadedForm(FORM, PERSONS, [], 2), many).faults]
    assert "evidence_too_many" in codes
