"""Documents as files: each encrypted under a key of its own, which is locked under the party's encrypt key.

In the folder `evidence` beside the store: `files/<id>` is a document in sealed pieces of 1 MiB, `keys/<id>` its key. What
destroys a document is the destruction of its key.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from pipeline.crypto.keys import Vault
from pipeline.crypto.keystore import destroy, write_durably
from pipeline.domain.errors import InvalidMessage
from pipeline.province.case_keys import CaseKeyFolder
from pipeline.province.sealed_rows import SealedRows

PIECE = 1024 * 1024
"""Bytes of a document that are encrypted together."""
_TAG = 16
_CONTENT, _FILE_NAME = "document", "document name"


@dataclass(frozen=True, slots=True)
class Blob:
    """Where a document's file is, and what it must be."""

    id: str
    application_id: str
    digest: bytes


class DocumentFiles:
    """The files and keys of one party's archive."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "files"
        self.keys = CaseKeyFolder(folder / "keys")

    def write(self, vault: Vault, application_id: str, content: bytes, name: str) -> tuple[Blob, bytes]:
        """Put a document on the disk, whole or not at all; returns where, and its file's name, sealed."""
        keys, locked = vault.create()
        blob = Blob(secrets.token_hex(16), application_id, hashlib.sha256(content).digest())
        rows = SealedRows(keys.data_key, application_id)
        group = rows.group(_CONTENT, blob.digest)
        pieces = [content[at : at + PIECE] for at in range(0, len(content), PIECE)]
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            write_durably(self.folder / blob.id, b"".join(group.seal(n, piece) for n, piece in enumerate(pieces)))
            self.keys.write(blob.id, locked)
        except BaseException:
            self.remove(blob.id)
            raise
        return blob, rows.seal(_FILE_NAME, name.encode())

    def read(self, vault: Vault, blob: Blob) -> bytes:
        """The document again. Raises InvalidMessage `decrypt_failed` or `digest_mismatch` for one that is damaged.

        And ConfigError or OSError where its key or its file is gone.
        """
        group = self._rows(vault, blob).group(_CONTENT, blob.digest)
        sealed = (self.folder / blob.id).read_bytes()
        step = PIECE + _TAG
        content = b"".join(group.open(n, sealed[at : at + step]) for n, at in enumerate(range(0, len(sealed), step)))
        if hashlib.sha256(content).digest() != blob.digest:
            raise InvalidMessage("digest_mismatch", blob.digest.hex())
        return content

    def name(self, vault: Vault, blob: Blob, sealed: bytes) -> str:
        """The file's name, as `write` sealed it."""
        return self._rows(vault, blob).open(_FILE_NAME, sealed).decode()

    def holds(self, identifier: str) -> bool:
        """Whether anything of a document is here."""
        return self.keys.holds(identifier) or (self.folder / identifier).exists()

    def remove(self, identifier: str) -> None:
        """Overwrite and remove key and file of a document. May be called again after a crash."""
        self.keys.destroy(identifier)
        file = self.folder / identifier
        if file.exists():
            destroy(file)

    def ids(self) -> set[str]:
        """Ids of everything that is here, half-written files included."""
        folders = [folder for folder in (self.folder, self.keys.folder) if folder.is_dir()]
        return {path.name for folder in folders for path in folder.iterdir()}

    def _rows(self, vault: Vault, blob: Blob) -> SealedRows:
        return SealedRows(vault.open(self.keys.read(blob.id)).data_key, blob.application_id)
