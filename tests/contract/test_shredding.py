"""Shredding: keys and persons are nowhere any more, back-ups included; what was signed still verifies."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.crypto import signed, suite
from pipeline.crypto.keys import CaseKeys, SealingKey
from pipeline.demo.application import Sample
from pipeline.domain.errors import ConfigError, InvalidMessage, Retryable
from pipeline.province import access
from pipeline.province.case_keys import CaseKeyFolder
from pipeline.province.casefile import CaseFile
from pipeline.province.database import connect
from pipeline.province.handover import ExportRefused, hand_over, hand_over_sealed
from pipeline.province.sealed_rows import SealedRows
from pipeline.province.shredding import OutOfReach, out_of_reach, shred
from pipeline.province.store import Store
from tests.network import Network
from tests.scenario import FEEDBACK, REQUESTER, local_codes, network_for


@dataclass
class Home:
    """The requester's folder, back-ups of its database, and what must not be found."""

    network: Network
    sample: Sample
    folder: Path
    backups: Path
    secrets: list[bytes]
    persons: list[bytes]

    @property
    def case(self) -> CaseFile:
        return self.network.case(self.sample.application)

    @property
    def store(self) -> Store:
        return self.network.parties[REQUESTER].store

    def files(self) -> Iterator[Path]:
        """Database, WAL, -shm, keys, back-ups: whatever lies there."""
        yield from (path for folder in (self.folder, self.backups) for path in folder.rglob("*") if path.is_file())

    def found(self) -> set[bytes]:
        """Which of the needles stand in some file."""
        contents = [path.read_bytes() for path in self.files()]
        return {n for n in (*self.secrets, *self.persons) if any(n in content for content in contents)}


def needles(sample: Sample) -> list[bytes]:
    """Every name and every number of the roster and the form."""
    words = {sample.application["lead_person"], sample.application["contact_name"], sample.application["contact_phone"]}
    for person in sample.persons:
        words |= {person["name"], person["document_number"], person["guardian_name"] or ""}
        words |= {person["guardian_document_number"] or ""}
    return [word.encode() for word in sorted(words - {""})]


def secrets_of(keys: CaseKeys) -> list[bytes]:
    """The reply key's scalar, raw and in hex, and the data key."""
    assert isinstance(keys.unsealer, SealingKey)
    scalar = suite.scalar(keys.unsealer.private_key)
    return [scalar, scalar.hex().encode(), keys.data_key, keys.data_key.hex().encode()]


def back_up(connection: sqlite3.Connection, folder: Path, name: str) -> None:
    """By SQLite's own means, and by copying the files as they are."""
    folder.mkdir(exist_ok=True)
    with closing(sqlite3.connect(folder / f"{name}.backup.db")) as copy:
        connection.backup(copy)
    file = Path(connection.execute("PRAGMA database_list").fetchone()[2])
    for path in file.parent.glob("store.db*"):
        (folder / f"{name}.{path.name}").write_bytes(path.read_bytes())


@pytest.fixture
def home(sample: Sample, tmp_path: Path) -> Home:
    """The application done, backed up at several moments."""
    network = network_for(sample, tmp_path)
    filing = network.file(sample.application, sample.persons)
    connection = network.parties[REQUESTER].store.connection
    back_up(connection, tmp_path / "backups", "filed")
    network.run()
    back_up(connection, tmp_path / "backups", "done")
    folder = tmp_path / "parties" / REQUESTER
    return Home(network, sample, folder, tmp_path / "backups", secrets_of(filing.keys), needles(sample))


def opened_copy(home: Home, name: str) -> bytes:
    """Everything that the party's identity and key folder read out of a back-up."""
    [row] = home.store.connection.execute("SELECT application_id FROM application")
    with closing(sqlite3.connect(home.backups / name)) as copy:
        keys = CaseKeyFolder(home.folder / "keys")
        vault = home.network.parties[REQUESTER].identity.vault
        rows = SealedRows(vault.open(keys.read(row[0])).data_key, row[0])
        [form] = copy.execute("SELECT form FROM application").fetchone()
        case = CaseFile(copy, row[0], home.network.reference.trust)
        persons = b"".join(person for section in case.sealed_roster(rows) for person in section)
        return rows.open("form", form) + persons


def test_before_shredding_who_has_the_keys_finds_everybody_and_who_has_not_nobody(home: Home) -> None:
    """In the back-ups as in the store: what is searched for below can be found, by the process that may."""
    read = opened_copy(home, "filed.backup.db") + json.dumps(home.case.dossiers(), ensure_ascii=False).encode()
    assert all(needle in read for needle in home.persons)
    keys = home.network.parties[REQUESTER].identity.vault.open(
        CaseKeyFolder(home.folder / "keys").read(home.sample.application["application_id"])
    )
    assert secrets_of(keys) == home.secrets
    assert home.found() == set(), "the disk holds ciphertext only, also before"


def test_the_search_finds_what_is_there(home: Home) -> None:
    """One number in clear in a file of the folder, one key in a back-up."""
    (home.folder / "note").write_bytes(b"about " + home.persons[0])
    (home.backups / "key").write_bytes(home.secrets[0])
    assert home.found() == {home.persons[0], home.secrets[0]}


def test_no_partys_store_has_a_person_in_clear(home: Home) -> None:
    """Nor a provider's: what it was asked and what it answered is sealed to others, or gone when the step is done."""
    for party in home.network.parties:
        folder = home.folder.parent / party
        contents = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
        assert any(b"SQLite format 3" in content for content in contents)
        assert not any(needle in content for needle in home.persons for content in contents)


def test_after_shredding_nothing_opens_anything(home: Home) -> None:
    """No file has a key or a person, the key file is gone, and back-ups made before stay closed for ever."""
    application_id = home.sample.application["application_id"]
    locked = (home.folder / "keys" / application_id).read_bytes()
    shred(home.case, home.network.clock())
    assert list((home.folder / "keys").iterdir()) == []
    assert not any(locked in path.read_bytes() for path in home.files())
    assert home.found() == set()
    with pytest.raises(ConfigError, match="keys of application"):
        opened_copy(home, "done.backup.db")
    for read in (home.case.dossiers, home.case.roster, home.case.form):
        with pytest.raises(ConfigError, match="shredded"):
            read()


def test_not_even_ciphertext_of_a_person_stays(home: Home) -> None:
    """Rows, free pages and write-ahead log: what was encrypted is overwritten as well."""
    db = home.store.connection
    rows = [row[0] for table in ("person", "answer") for row in db.execute(f"SELECT record FROM {table}")]  # noqa: S608
    rows += [row[0] for row in db.execute("SELECT salt FROM section")]
    rows += [row[0] for row in db.execute("SELECT form FROM application")]
    live = [home.folder / "store.db", home.folder / "store.db-wal"]
    held = b"".join(path.read_bytes() for path in live)
    assert any(row in held for row in rows)
    shred(home.case, home.network.clock())
    assert (home.folder / "store.db-wal").stat().st_size == 0
    held = b"".join(path.read_bytes() for path in live)
    assert len(rows) > len(home.sample.persons)
    assert not any(row in held for row in rows)


def test_the_evidence_still_verifies(home: Home) -> None:
    """Mandate, acceptance, certificate and digests: what was asked, by whom, and that all of it came."""
    before = home.case.certificate()
    shred(home.case, home.network.clock())
    home.network.clock.advance(300 * 24 * 3600)
    case = home.case
    after = case.certificate()
    assert after is not None
    assert before is not None
    assert (after.digest, after.result) == (before.digest, before.result)
    assert case.is_complete()
    assert case.acceptance() is not None
    assert case.shredded_at is not None
    mandate = signed.verify(
        case.mandate_raw,
        "mandate",
        home.network.reference.trust,
        now=signed.peek(case.mandate_raw).claims.issued_at,
        issuer=REQUESTER,
    )
    assert mandate.digest == after.result["mandate_digest"]
    assert case.mandate()["sections"][0]["count"] == len(home.sample.persons)


def test_exported_files_are_listed_as_out_of_reach(home: Home, tmp_path: Path) -> None:
    """Where, for whom, when, and which; afterwards the log has the digests and no path."""
    unit = home.sample.application["approving_authority"]
    path = tmp_path / f"{home.sample.persons[0]['name']}.json"
    handed = hand_over(home.case, path, "json", unit=unit)
    assert home.found() == set(), "a path may name a person: it is not kept in clear"
    exports = shred(home.case, home.network.clock())
    assert exports == [OutOfReach(str(path), "exported", unit, home.network.clock(), handed.sha256)]
    last = access.entries(home.store.connection)[-1]
    assert (last.act, last.detail["out_of_reach"]) == ("shredded", [handed.sha256])
    assert last.detail["persons"] == len(home.sample.persons)
    assert [(export.path, export.sha256) for export in out_of_reach(home.case)] == [(None, handed.sha256)]
    assert home.found() == set()
    with pytest.raises(ExportRefused) as caught:
        hand_over(home.case, tmp_path / "again.json", "json", unit=unit)
    assert caught.value.code == "shredded"


def test_a_running_adapter_opens_nothing_more(home: Home) -> None:
    """It had the keys in memory; what comes late is receipted, kept as a digest, and not opened."""
    network, sample = home.network, home.sample
    late: dict[str, object] = {"application_id": "c0000000-0000-4000-8000-000000000000"}
    application = {**sample.application, **late}
    network.file(application, sample.persons)  # type: ignore[arg-type]
    network.run(without=("37",))
    network.pass_time(FEEDBACK + 5, without=("37",))
    with closing(connect(home.folder / "store.db")) as other:
        case = CaseFile(
            other, str(late["application_id"]), network.reference.trust, network.parties[REQUESTER].identity
        )
        assert case.is_complete()
        shred(case, network.clock())
    db = home.store.connection
    opened = [e for e in access.entries(db, case.application_id) if e.act == "opened"]
    network.pass_time(60)
    again = network.case(application)  # type: ignore[arg-type]
    certificate = again.certificate()
    assert certificate is not None
    assert certificate.result["version"] == 2, "the supplement's certificate is evidence, too"
    assert again.is_complete()
    kept = "SELECT count(*) FROM answer JOIN bundle USING (digest) WHERE application_id = ?"
    assert db.execute(kept, (case.application_id,)).fetchone() == (0,)
    assert db.execute("SELECT count(*) FROM sealed_bundle").fetchone() == (0,)
    own = [e for e in access.entries(db, case.application_id) if e.act == "opened"]
    assert [e for e in own if "provider" in e.detail] == [e for e in opened if "provider" in e.detail]
    assert local_codes(network, REQUESTER) == []


def test_other_applications_stay_as_they_are(home: Home) -> None:
    """Only what was named is destroyed."""
    network, sample = home.network, home.sample
    other = {**sample.application, "application_id": "d0000000-0000-4000-8000-000000000000"}
    network.file(other, sample.persons)  # type: ignore[arg-type]
    network.run()
    expected = network.case(other).dossiers()  # type: ignore[arg-type]
    shred(home.case, network.clock())
    assert network.case(other).dossiers() == expected  # type: ignore[arg-type]
    assert [path.name for path in (home.folder / "keys").iterdir()] == [other["application_id"]]


@pytest.mark.parametrize("moment", ["keys", "vacuum"])
def test_a_crash_in_the_middle_is_finished_by_the_next_call(
    home: Home, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The log has it once; nothing is left afterwards, whichever step the first call got to."""
    with monkeypatch.context() as broken:
        if moment == "keys":
            broken.setattr(CaseKeyFolder, "destroy", _crash)
        else:
            broken.setattr("pipeline.province.shredding._empty_log", _crash)
        with pytest.raises(OSError, match="power cut"):
            shred(home.case, home.network.clock())
    with pytest.raises((ConfigError, InvalidMessage)):
        home.case.dossiers()
    shred(home.case, home.network.clock())
    assert list((home.folder / "keys").iterdir()) == []
    assert home.found() == set()
    assert [entry.act for entry in access.entries(home.store.connection)].count("shredded") == 1


def _crash(*_: object) -> None:
    raise OSError("power cut")


def test_a_reader_that_stays_is_said_and_all_else_is_done(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the write-ahead log; the keys are gone all the same, and the next call empties it."""
    monkeypatch.setattr("pipeline.province.shredding.PATIENCE", 0.2)
    with closing(sqlite3.connect(home.folder / "store.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM person").fetchone()
        home.store.connection.execute("PRAGMA busy_timeout = 200")
        with pytest.raises(Retryable, match="shred again"):
            shred(home.case, home.network.clock())
        assert list((home.folder / "keys").iterdir()) == []
        reader.execute("ROLLBACK")
    shred(home.case, home.network.clock())
    assert (home.folder / "store.db-wal").stat().st_size == 0


def test_an_exchanged_mandate_keeps_nothing_from_being_destroyed(home: Home) -> None:
    """It is no longer what was certified, and so exports nothing; shredding asks for no more than the id."""
    db = home.store.connection
    db.execute("UPDATE application SET mandate_digest = ?", (b"\1" * 32,))
    shred(home.case, home.network.clock())
    assert list((home.folder / "keys").iterdir()) == []
    assert access.entries(db)[-1].act == "shredded"


def test_shredding_needs_no_key_any_more(home: Home) -> None:
    """A lost key file is no reason to keep the rest."""
    (home.folder / "keys" / home.sample.application["application_id"]).unlink()
    assert shred(home.case, home.network.clock()) == []
    assert home.store.connection.execute("SELECT count(*) FROM person").fetchone() == (0,)


def test_a_pack_for_the_unit_is_out_of_reach_and_the_rest_goes(sample: Sample, tmp_path: Path) -> None:
    """The province's sealed copies go as well."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons, reply_key=SealingKey.generate().public)
    network.run()
    case, db = network.case(sample.application), network.parties[REQUESTER].store.connection
    handed = hand_over_sealed(case, tmp_path / "pack", unit=sample.application["approving_authority"])
    assert db.execute("SELECT count(*) FROM sealed_bundle").fetchone() != (0,)
    [export] = shred(case, network.clock())
    assert (export.act, export.sha256) == ("sealed_pack", handed.sha256)
    assert db.execute("SELECT count(*) FROM sealed_bundle").fetchone() == (0,)
    assert network.case(sample.application).is_complete()
