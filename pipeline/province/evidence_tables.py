"""Tables of a party's store about the documents its applications rest on (查询依据性文件, Art. 9).

What stands in clear says which document belongs to which roster number, never whose it is; file names are encrypted, and
so are the files themselves, which are no rows but lie in the folder `evidence` beside the store. A protocol of destruction
(销毁) is never altered and never removed, and outlives what it is about.
"""

from __future__ import annotations

SCHEMA = """
CREATE TABLE IF NOT EXISTS document (
  id TEXT PRIMARY KEY, application_id TEXT NOT NULL, digest BLOB NOT NULL, kind TEXT NOT NULL, media_type TEXT NOT NULL,
  size INTEGER NOT NULL, name BLOB, years INTEGER NOT NULL, added_at INTEGER NOT NULL, added_by TEXT NOT NULL,
  protocol INTEGER, UNIQUE (application_id, digest)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS document_person (
  id TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (id, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS evidence_decision (
  request_id TEXT NOT NULL, digest BLOB, number INTEGER, kind TEXT NOT NULL, reason TEXT NOT NULL, officer TEXT NOT NULL,
  at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS evidence_decision_of ON evidence_decision (request_id);
CREATE TABLE IF NOT EXISTS destruction (number INTEGER PRIMARY KEY, at INTEGER NOT NULL, signed BLOB NOT NULL);
CREATE TRIGGER IF NOT EXISTS destruction_without_gaps BEFORE INSERT ON destruction
WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM destruction)
BEGIN SELECT RAISE(ABORT, 'protocols of destruction are numbered without gaps'); END;
CREATE TRIGGER IF NOT EXISTS destruction_unaltered BEFORE UPDATE ON destruction
BEGIN SELECT RAISE(ABORT, 'protocols of destruction are append-only'); END;
CREATE TRIGGER IF NOT EXISTS destruction_kept BEFORE DELETE ON destruction
BEGIN SELECT RAISE(ABORT, 'protocols of destruction are append-only'); END;
CREATE TRIGGER IF NOT EXISTS document_kept BEFORE DELETE ON document WHEN OLD.protocol IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'what a protocol of destruction is about stays listed'); END;
"""
