"""Documents and the filing they belong to (Art. 9): held against the roster before, archived with it or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.crypto.keys import Identity
from pipeline.domain.evidence import MOST_NAMED, missing
from pipeline.domain.faults import fault
from pipeline.province.evidence_documents import Matter
from pipeline.province.evidence_files import EvidenceFolder, Incoming
from pipeline.province.evidence_retention import load_retention, own_file
from pipeline.province.evidence_store import EvidenceStore
from pipeline.province.filing import Filing
from pipeline.province.forms import LoadedForm
from pipeline.province.store import Store


def with_evidence(loaded: LoadedForm, folder: EvidenceFolder) -> LoadedForm:
    """The form as it was read, and faulty also where documents are missing or cannot be read. All faults at once."""
    faults = list(folder.faults)
    if loaded.application is not None:
        faults += missing(loaded.roster, [(document.kind, document.numbers) for document in folder.documents])
    if len(folder.documents) > MOST_NAMED:
        faults.append(fault("evidence_too_many", limit=MOST_NAMED))
    if not faults:
        return loaded
    ordered = sorted([*loaded.faults, *faults], key=lambda f: (f["number"] is not None, f["number"] or 0))
    return replace(loaded, application=None, roster=[], faults=ordered)


def file_with_evidence(
    store: Store, identity: Identity, filing: Filing, release: int, documents: Sequence[Incoming], home: Path, now: int
) -> None:
    """File an application whose mandate names `documents`: they are archived first, and taken back when it is not filed.

    `home`: the installation's folder, for the province's own retention periods. Raises as `EvidenceStore.add` and
    `Store.file`.
    """
    archive, matter = EvidenceStore(store.connection, identity), Matter.of_form(filing.application)
    years = load_retention(own_file(home)).years(matter.business_category)
    archive.add(matter, documents, years=years, now=now)
    try:
        store.file(filing, release, now)
    except BaseException:
        archive.discard(matter, [document.digest for document in documents], now=now)
        raise
