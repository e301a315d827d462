"""A party's own database: one SQLite file, WAL, one connection per thread, explicit transactions.

It holds applications filed, results delivered, the outbox, and how far each inbox has been worked through.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS application (
  application_id TEXT PRIMARY KEY, form BLOB NOT NULL, mandate BLOB NOT NULL, mandate_digest BLOB NOT NULL,
  reply_key BLOB NOT NULL, release INTEGER NOT NULL, filed_at INTEGER NOT NULL, persons INTEGER NOT NULL,
  state TEXT NOT NULL, acceptance BLOB, rejection BLOB) WITHOUT ROWID;
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
CREATE TABLE IF NOT EXISTS reply_key (key BLOB PRIMARY KEY, mandate_digest BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answered (
  mandate_digest BLOB NOT NULL, section INTEGER NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY (mandate_digest, section, version)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS position (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead_letter (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL, code TEXT NOT NULL, detail TEXT NOT NULL,
  key BLOB, value BLOB, at INTEGER NOT NULL);
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


def connect(path: Path) -> sqlite3.Connection:
    """A connection of this thread's own; the file and its tables are made when missing, readable by the owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        path.touch(mode=0o600)
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.executescript(SCHEMA)
    return connection


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
