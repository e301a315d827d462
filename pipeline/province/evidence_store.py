"""The archive of documents (查询依据性文件) at the province (Art. 9): what there is, for which application and whom.

The files are encrypted (`evidence_blobs`); the rows about them are in the store, and every adding and reading is in the
access log, in the same transaction.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from pipeline.crypto import cose
from pipeline.crypto.keys import Identity
from pipeline.domain.errors import ConfigError, HedxError, InvalidMessage
from pipeline.domain.evidence import MOST_DOCUMENTS
from pipeline.domain.records import EvidenceKind, Mandate
from pipeline.province import access
from pipeline.province.case_keys import CaseKeyFolder
from pipeline.province.database import transaction
from pipeline.province.evidence_blobs import DocumentFiles
from pipeline.province.evidence_documents import Document, Matter
from pipeline.province.evidence_files import Incoming
from pipeline.province.store import mandate_in

_Row = tuple[str, str, bytes, EvidenceKind, str, int, int, int, str, int | None]
_COLUMNS = "id, application_id, digest, kind, media_type, size, years, added_at, added_by, protocol"


class EvidenceStore:
    """The archive of one party. `identity` may be left out by who only lists; `by`: who acts, for the access log."""

    def __init__(
        self, connection: sqlite3.Connection, identity: Identity | None = None, *, by: str | None = None
    ) -> None:
        self.connection = connection
        self.identity = identity
        self.by = by or access.user()
        self._files = DocumentFiles(CaseKeyFolder.beside(connection).folder.parent / "evidence")

    # -- adding ------------------------------------------------------------------------------------------------------

    def add(self, matter: Matter, documents: Sequence[Incoming], *, years: int, now: int) -> list[Document]:
        """Archive files of an application, all or none; one that is there already stays as it is.

        `years`: how long they are kept after the close; `now`: ms. Raises ConfigError for a file that changed since it was
        looked at, for the application's most documents, and for one that is shredded or was destroyed by protocol.
        """
        held = {document.digest: document for document in self.documents(matter.application_id)}
        for document in documents:
            if document.digest in held and held[document.digest].protocol is not None:
                raise ConfigError(f"document {document.digest.hex()} was destroyed by protocol, and does not come back")
        new = [document for document in documents if document.digest not in held]
        if len(held) + len(new) > MOST_DOCUMENTS:
            raise ConfigError(f"an application has at most {MOST_DOCUMENTS} documents")
        if not new:
            return [held[document.digest] for document in documents]
        written: list[tuple[str, bytes, Incoming]] = []
        try:
            for document in new:
                written.append(self._write(document, matter.application_id))
            with transaction(self.connection) as db:
                for identifier, name, document in written:
                    self._insert(db, matter, identifier, name, document, years, now)
        except BaseException:
            for identifier, _, _ in written:
                self._files.remove(identifier)
            raise
        return [self.document(matter.application_id, document.digest) for document in documents]

    def _write(self, document: Incoming, application_id: str) -> tuple[str, bytes, Incoming]:
        content = document.content()
        if hashlib.sha256(content).digest() != document.digest:
            raise ConfigError("a document changed while it was archived: nothing was")
        blob, name = self._files.write(self._identity().vault, application_id, content, document.name)
        return blob.id, name, document

    def _insert(
        self, db: sqlite3.Connection, matter: Matter, identifier: str, name: bytes, new: Incoming, years: int, now: int
    ) -> None:
        db.execute(
            "INSERT INTO document VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (
                identifier, matter.application_id, new.digest, new.kind, new.media_type, new.size, name, years, now, self.by,
            ),
        )  # fmt: skip
        db.executemany("INSERT INTO document_person VALUES (?, ?)", [(identifier, number) for number in new.numbers])
        detail: dict[str, object] = {"document": new.digest.hex(), "kind": new.kind, "persons": len(new.numbers)}
        access.record(db, matter.access("evidence_added", detail), actor=self.by, at=now)

    def discard(self, matter: Matter, digests: Iterable[bytes], *, now: int) -> None:
        """Take back what was added for an application that was then not filed after all."""
        gone = [self.document(matter.application_id, digest) for digest in digests]
        with transaction(self.connection) as db:
            for document in gone:
                db.execute("DELETE FROM document_person WHERE id = ?", (document.id,))
                db.execute("DELETE FROM document WHERE id = ?", (document.id,))
                detail: dict[str, object] = {"document": document.digest.hex()}
                access.record(db, matter.access("evidence_discarded", detail), actor=self.by, at=now)
        for document in gone:
            self._files.remove(document.id)

    # -- looking -----------------------------------------------------------------------------------------------------

    def documents(self, application_id: str) -> list[Document]:
        """What the archive has, or had, of an application: by kind, then by digest."""
        query = f"SELECT {_COLUMNS} FROM document WHERE application_id = ? ORDER BY kind, digest"  # noqa: S608
        return [self._document(row) for row in self.connection.execute(query, (application_id,)).fetchall()]

    def rests_on(self, application_id: str) -> list[Document]:
        """What an application rests on: its own documents, and of a re-check (复核) those of its original that it names.

        Roster numbers are the same in both, so a document is about the same person.
        """
        held, mandate = self.documents(application_id), self.mandate(application_id)
        if mandate["recheck"] is not None:
            named, own = set(mandate["evidence"]), {document.digest for document in held}
            older = self.documents(mandate["recheck"]["original"])
            held += [document for document in older if document.digest in named - own]
        return held

    def document(self, application_id: str, digest: bytes) -> Document:
        """One document. Raises ConfigError when the archive never had it."""
        query = f"SELECT {_COLUMNS} FROM document WHERE application_id = ? AND digest = ?"  # noqa: S608
        row = self.connection.execute(query, (application_id, digest)).fetchone()
        if row is None:
            raise ConfigError(f"the archive has no document {digest.hex()} of {application_id}")
        return self._document(row)

    def find(self, application_id: str, beginning: str) -> Document:
        """The one document that an application rests on whose digest, in hex, begins so. Raises ConfigError."""
        found = [d for d in self.rests_on(application_id) if beginning and d.digest.hex().startswith(beginning.lower())]
        if len(found) != 1:
            raise ConfigError(f"{len(found)} documents of {application_id} have a digest that begins with {beginning}")
        return found[0]

    def matter(self, application_id: str) -> Matter:
        """The application as it was filed. Raises ConfigError for one that is not this party's."""
        return Matter.of_mandate(self.mandate(application_id))

    def mandate(self, application_id: str) -> Mandate:
        """The mandate the application was filed under, with the digests of what was archived before."""
        row = self.connection.execute(
            "SELECT mandate, mandate_digest FROM application WHERE application_id = ?", (application_id,)
        ).fetchone()
        if row is None:
            raise ConfigError(f"no application {application_id} in this store")
        if cose.decode(row[0]).digest != row[1]:
            raise InvalidMessage("mandate_mismatch", application_id)
        return mandate_in(row[0])

    def name(self, document: Document) -> str:
        """The file's name, as it was when it was added; it often is a person's."""
        query = "SELECT name FROM document WHERE id = ?"
        [sealed] = self.connection.execute(query, (document.id,)).fetchone()
        if sealed is None:
            raise ConfigError(f"document {document.digest.hex()} is destroyed")
        return self._files.name(self._identity().vault, document.blob, sealed)

    def read(self, document: Document, act: str, detail: dict[str, object], *, now: int) -> bytes:
        """A document's bytes, and a row in the access log before they are given out.

        Raises ConfigError for a destroyed one, InvalidMessage `decrypt_failed` or `digest_mismatch` for one that is damaged.
        """
        content = self._content(document)
        said: dict[str, object] = {"document": document.digest.hex(), "kind": document.kind, **detail}
        with transaction(self.connection) as db:
            access.record(db, self.matter(document.application_id).access(act, said), actor=self.by, at=now)
        return content

    def verify(self) -> Iterator[tuple[Document, str | None]]:
        """Hash every document again: each with None, or the code of what is wrong with it. Nothing is given out."""
        for document in self._all():
            if document.protocol is not None:
                yield document, "destroyed_but_kept" if self._files.holds(document.id) else None
                continue
            try:
                self._content(document)
            except InvalidMessage as error:
                yield document, error.code
            except (HedxError, OSError):
                yield document, "missing"
            else:
                yield document, None

    def unlisted(self) -> list[str]:
        """Ids of files and keys that no row is about: a crash between writing and listing left them."""
        known = {row[0] for row in self.connection.execute("SELECT id FROM document")}
        return sorted(self._files.ids() - known)

    # -- destroying (evidence_destruction) ---------------------------------------------------------------------------

    def destroyed_but_kept(self) -> list[Document]:
        """Documents that a protocol says are destroyed, and whose key or file a crash left."""
        return [document for document in self._all("WHERE protocol IS NOT NULL") if self._files.holds(document.id)]

    def forget(self, document: Document) -> None:
        """Overwrite and remove a document's key and file; its row stays. May be called again after a crash."""
        self._files.remove(document.id)

    def _all(self, which: str = "") -> list[Document]:
        query = f"SELECT {_COLUMNS} FROM document {which} ORDER BY application_id, id"  # noqa: S608
        return [self._document(row) for row in self.connection.execute(query).fetchall()]

    def _content(self, document: Document) -> bytes:
        if document.protocol is not None:
            raise ConfigError(f"document {document.digest.hex()} is destroyed (protocol {document.protocol})")
        return self._files.read(self._identity().vault, document.blob)

    def _identity(self) -> Identity:
        if self.identity is None:
            raise ConfigError("documents are read and written with the party's identity")
        return self.identity

    def _document(self, row: _Row) -> Document:
        query = "SELECT number FROM document_person WHERE id = ? ORDER BY number"
        numbers = tuple(number for (number,) in self.connection.execute(query, (row[0],)))
        return Document(*row, numbers)
