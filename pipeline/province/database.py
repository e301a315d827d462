"""A party's own database: one SQLite file, WAL, one connection per thread, explicit transactions.

It holds applications filed, results delivered, the outbox, the access log, and how far each inbox has been worked
through. What says anything about a person is encrypted (`sealed_rows`) under keys that are not in it (`case_keys`); what
stands in clear is what the state of an application needs, and signed evidence.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.domain.errors import ConfigError
from pipeline.province import access, evidence_tables, parking

LAYOUT = 5
"""The store's `user_version`. 1 (then written as 0) kept persons and answers in clear, 2 no time of receipt of decisions, 3 no acts,
4 no time at which a dead letter was appended to its inbox."""
RAISED = {4: "ALTER TABLE dead_letter ADD COLUMN appended_at INTEGER"}
"""How a store of an earlier layout is turned into the next one, where it can be: nothing that it held has to go."""

SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS application (
  application_id TEXT PRIMARY KEY, form BLOB, mandate BLOB NOT NULL, mandate_digest BLOB NOT NULL,
  held_by_unit INTEGER NOT NULL, release INTEGER NOT NULL, filed_at INTEGER NOT NULL, persons INTEGER NOT NULL,
  state TEXT NOT NULL, acceptance BLOB, accepted_at INTEGER, rejection BLOB, rejected_at INTEGER,
  shredded_at INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS section (
  application_id TEXT NOT NULL, section INTEGER NOT NULL, salt BLOB NOT NULL,
  PRIMARY KEY (application_id, section)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS person (
  application_id TEXT NOT NULL, section INTEGER NOT NULL, idx INTEGER NOT NULL, record BLOB NOT NULL,
  PRIMARY KEY (application_id, section, idx)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bundle (
  digest BLOB PRIMARY KEY, application_id TEXT NOT NULL, section INTEGER NOT NULL, provider TEXT NOT NULL,
  outcome TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS bundle_of ON bundle (application_id, section);
CREATE TABLE IF NOT EXISTS answer (
  digest BLOB NOT NULL, idx INTEGER NOT NULL, record BLOB NOT NULL, PRIMARY KEY (digest, idx)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sealed_bundle (
  digest BLOB PRIMARY KEY, application_id TEXT NOT NULL, relay BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sealed_bundle_of ON sealed_bundle (application_id);
CREATE TABLE IF NOT EXISTS export (
  number INTEGER PRIMARY KEY, application_id TEXT NOT NULL, path BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS standing (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS witness (
  thumbprint BLOB PRIMARY KEY, party TEXT NOT NULL, certificate BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (
  number INTEGER PRIMARY KEY, application_id TEXT NOT NULL, at INTEGER NOT NULL, by TEXT NOT NULL, event TEXT NOT NULL,
  state TEXT NOT NULL, code TEXT);
CREATE INDEX IF NOT EXISTS history_of ON history (application_id);
CREATE TABLE IF NOT EXISTS recheck (
  application_id TEXT PRIMARY KEY, original TEXT NOT NULL, attempt INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS recheck_of ON recheck (original, attempt);
CREATE TABLE IF NOT EXISTS difference (
  application_id TEXT NOT NULL, original TEXT NOT NULL, before BLOB NOT NULL, after BLOB NOT NULL, part INTEGER NOT NULL,
  signed BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (application_id, before, after, part)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS act (
  digest BLOB PRIMARY KEY, typ TEXT NOT NULL, issuer TEXT NOT NULL, requester TEXT, application_id TEXT,
  at INTEGER NOT NULL, signed BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS act_of ON act (application_id, typ);
CREATE TABLE IF NOT EXISTS certificate (
  application_id TEXT NOT NULL, section INTEGER NOT NULL, version INTEGER NOT NULL, signed BLOB NOT NULL,
  PRIMARY KEY (application_id, section, version)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS result (
  application_id TEXT NOT NULL, version INTEGER NOT NULL, signed BLOB NOT NULL, received_at INTEGER NOT NULL,
  PRIMARY KEY (application_id, version)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (
  issuer TEXT NOT NULL, id BLOB NOT NULL, digest BLOB NOT NULL, expires_at INTEGER NOT NULL,
  PRIMARY KEY (issuer, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS seen_until ON seen (expires_at);
CREATE TABLE IF NOT EXISTS reply_key (
  requester TEXT NOT NULL, key BLOB NOT NULL, mandate_digest BLOB NOT NULL, PRIMARY KEY (requester, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answered (
  mandate_digest BLOB NOT NULL, section INTEGER NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY (mandate_digest, section, version)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS position (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead_letter (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL, code TEXT NOT NULL, detail TEXT NOT NULL,
  key BLOB, value BLOB, at INTEGER NOT NULL, appended_at INTEGER);
CREATE TABLE IF NOT EXISTS dead_letter_act (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL, put_aside INTEGER NOT NULL, act TEXT NOT NULL,
  by TEXT NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL, done_at INTEGER);
CREATE INDEX IF NOT EXISTS dead_letter_act_due ON dead_letter_act (topic) WHERE done_at IS NULL;
CREATE TABLE IF NOT EXISTS dead_letter_withheld (
  code TEXT NOT NULL, issuer TEXT NOT NULL, day INTEGER NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (code, issuer, day)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox_bundle (
  id INTEGER PRIMARY KEY, inbox TEXT NOT NULL, raw BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS outbox_envelope (
  id BLOB PRIMARY KEY, topic TEXT NOT NULL, value BLOB NOT NULL, headers BLOB NOT NULL, sends INTEGER NOT NULL,
  next_at INTEGER NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS outbox_due ON outbox_envelope (next_at);
CREATE INDEX IF NOT EXISTS outbox_until ON outbox_envelope (expires_at);
CREATE TABLE IF NOT EXISTS outbox_open (
  digest BLOB NOT NULL, envelope_id BLOB NOT NULL, PRIMARY KEY (digest, envelope_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS outbox_open_of ON outbox_open (envelope_id);
"""
    + access.SCHEMA
    + evidence_tables.SCHEMA
    + parking.SCHEMA
)


def connect(path: Path) -> sqlite3.Connection:
    """A connection of this thread's own; the file and its tables are made when missing, readable by the owner only.

    A store of layout 4 is raised to this one, and no earlier program reads it then. Raises ConfigError for one that is earlier
    still: it is not turned into this one, since what it held in clear would stay on the disk.
    """
    connection = open_file(path)
    _raise_layout(connection)
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if version == LAYOUT:
        connection.executescript(SCHEMA)
        return connection
    made = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'application'").fetchone()
    [version] = connection.execute("PRAGMA user_version").fetchone()  # another process may be making it just now
    if made and version != LAYOUT:
        connection.close()
        raise ConfigError(f"{path} is of an earlier layout: finish with the version that made it, and start a new one")
    connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {LAYOUT}; COMMIT")
    return connection


def _raise_layout(connection: sqlite3.Connection) -> None:
    """Of two processes at once the second finds it done."""
    [version] = connection.execute("PRAGMA user_version").fetchone()
    while version in RAISED:
        with transaction(connection) as db:
            [version] = db.execute("PRAGMA user_version").fetchone()
            if version in RAISED:
                db.execute(RAISED[version])
                version += 1
                db.execute(f"PRAGMA user_version = {version}")


def access_log(path: Path) -> sqlite3.Connection:
    """A connection to a file that holds an access log and nothing else: the center's."""
    connection = open_file(path)
    connection.executescript(access.SCHEMA)
    return connection


def open_file(path: Path) -> sqlite3.Connection:
    """A connection to a file as every store of a party's has it: its owner's alone, WAL, what is deleted overwritten."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        path.touch(mode=0o600)
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA secure_delete=ON")
    return connection


def read_only(path: Path) -> sqlite3.Connection:
    """A connection to a store that is there, for looking at it while others work: it cannot write, and nobody waits for it."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5, isolation_level=None)


def is_made(connection: sqlite3.Connection) -> bool:
    """Whether its tables are there: between the making of the file and theirs, a process that only looks finds none."""
    [version] = connection.execute("PRAGMA user_version").fetchone()
    return bool(version == LAYOUT)


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Everything read inside is of one moment; nobody who writes waits for it."""
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        connection.execute("ROLLBACK")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Everything inside becomes durable together, or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
