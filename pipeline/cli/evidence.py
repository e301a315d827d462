"""`hedx evidence`: the documents a query rests on (查询依据性文件, Art. 9), at the province and at the center."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import click

from pipeline.center.installation import Installation
from pipeline.cli import cluster, evidence_center, evidence_draws, evidence_requests, options
from pipeline.cli.evidence_words import document_data, in_words, kinds_option, party_archive
from pipeline.cli.exits import Exit
from pipeline.cli.filing import offline_trust
from pipeline.cli.output import emit, emit_list, remark
from pipeline.crypto.keystore import write_durably
from pipeline.domain.errors import ConfigError
from pipeline.domain.evidence import numbers_in
from pipeline.domain.parties import CENTER
from pipeline.domain.records import EvidenceKind, Fault
from pipeline.domain.wording import Language, explain
from pipeline.kafka.clock import wall_clock
from pipeline.province import evidence_destruction
from pipeline.province.database import connect
from pipeline.province.evidence_documents import Document
from pipeline.province.evidence_files import Incoming, read_file, read_folder
from pipeline.province.evidence_retention import load_retention, own_file
from pipeline.province.evidence_store import EvidenceStore
from pipeline.settings import data_dir

_PATH = click.Path(path_type=Path)


@click.group()
def command() -> None:
    """Documents a query rests on (查询依据性文件): the province's archive, the center's requests, spot checks (Art. 9)."""


@contextmanager
def listing(party: str) -> Iterator[EvidenceStore]:
    """A party's archive for who only lists: no key is needed."""
    with closing(connect(Installation(data_dir()).store(party))) as connection:
        yield EvidenceStore(connection)


@command.command()
@click.argument("application_id")
@click.argument("paths", nargs=-1, required=True, type=_PATH)
@click.option("--kind", type=kinds_option, help="What single files are; else their names say so.")
@click.option("--numbers", help="Whom of the roster single files are about: 3, 1+2, 1-4; without it all.")
@options.party
@options.lang
@options.as_json
def add(
    application_id: str,
    paths: Sequence[Path],
    kind: EvidenceKind | None,
    numbers: str | None,
    party: str,
    lang: Language,
    as_json: bool,
) -> Exit:
    """Archive PATHS, files or folders of them, for an application that is filed. Nothing is, when there is a fault.

    A folder's files are told apart by their names (3-授权书.pdf, 1+2-identity.jpg, 委托书.pdf) or by an index.csv (文件,种类,序号).
    The application's mandate does not name what is added now: the center will see that it came later.
    """
    documents, faults = _incoming(paths, kind, numbers)
    if faults:
        for reason in faults:
            remark(explain(reason, lang))
        return Exit.FAILED
    with party_archive(party) as archive:
        matter = archive.matter(application_id)
        years = load_retention(own_file(data_dir())).years(matter.business_category)
        added = archive.add(matter, documents, years=years, now=wall_clock())
        emit([_told(archive, document, lang, as_json) for document in added], as_json)
    return Exit.FINE


def _incoming(
    paths: Sequence[Path], kind: EvidenceKind | None, numbers: str | None
) -> tuple[list[Incoming], list[Fault]]:
    about = numbers_in(numbers or "")
    if about is None:
        raise click.BadParameter("give roster numbers: 3, 1+2, 1-4, or all", param_hint="--numbers")
    documents: list[Incoming] = []
    faults: list[Fault] = []
    for path in paths:
        if path.is_dir():
            found = read_folder(path)
            documents, faults = documents + found.documents, faults + found.faults
            continue
        if kind is None:
            raise click.UsageError(f"{path.name} is a file: say what it is with --kind")
        one = read_file(path, kind, about)
        if isinstance(one, Incoming):
            documents.append(one)
        else:
            faults.append(one)
    return documents, faults


@command.command("list")
@click.argument("application_id", required=False)
@options.member
@cluster.bootstrap_later
@options.lang
@options.as_json
def list_(application_id: str | None, party: str, bootstrap: str | None, lang: Language, as_json: bool) -> None:
    """List a province's documents of APPLICATION_ID, or with --party center what the center has asked for."""
    if party == CENTER:
        evidence_center.show_desk(cluster.resolve(bootstrap), lang, as_json)
        return
    if application_id is None:
        raise click.UsageError("say of which application")
    with listing(party) as archive:
        archive.matter(application_id)
        found = archive.rests_on(application_id)
        emit_list([_told(archive, document, lang, as_json) for document in found], as_json, lang)
        named = set(archive.mandate(application_id)["evidence"]) - {document.digest for document in found}
    if named:
        remark(f"{len(named)} documents that the mandate names were never archived here")


@command.command()
@click.argument("application_id")
@click.argument("digest")
@click.option("--output", "-o", type=_PATH, required=True, help="The file to write it to, readable by you only.")
@options.party
@options.as_json
def show(application_id: str, digest: str, output: Path, party: str, as_json: bool) -> None:
    """Write one document, by its DIGEST or how that begins, to a file. It is in the access log before it is there."""
    with party_archive(party) as archive:
        document = archive.find(application_id, digest)
        content = archive.read(document, "evidence_read", {}, now=wall_clock())
        write_durably(output, content)
        found = {"file": str(output), "sha256": document.digest.hex(), "name": archive.name(document)}
    emit(found, as_json)


@command.command()
@click.argument("application_id")
@click.argument("digests", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All documents of the application.")
@click.option("--reason", required=True, help="Why, for the protocol. Name nobody.")
@click.option("--second", required=True, help="Who witnesses it (监销人): somebody else than who destroys.")
@click.option("--early", is_flag=True, help="Before the retention period has ended; the protocol says so.")
@options.party
@options.as_json
def destroy(
    application_id: str,
    digests: Sequence[str],
    everything: bool,
    reason: str,
    second: str,
    early: bool,
    party: str,
    as_json: bool,
) -> None:
    """Destroy documents (销毁) of an application, with a signed protocol that stays, as their digests do."""
    if bool(digests) == everything:
        raise click.UsageError("give digests, or --all")
    with party_archive(party) as archive:
        if everything:
            documents = [d for d in archive.documents(application_id) if d.protocol is None]
        else:
            documents = [_own(archive, application_id, digest) for digest in digests]
        protocol = evidence_destruction.destroy(
            archive, application_id, documents, second=second, reason=reason, now=wall_clock(), early=early
        )
    emit({**protocol, "documents": [d["digest"].hex() for d in protocol["documents"]]}, as_json)


def _own(archive: EvidenceStore, application_id: str, digest: str) -> Document:
    """A document of the application itself: one that a re-check only rests on is destroyed with its original."""
    document = archive.find(application_id, digest)
    if document.application_id != application_id:
        raise ConfigError(f"document {document.digest.hex()} is of application {document.application_id}")
    return document


@command.command()
@options.party
@options.as_json
def protocols(party: str, as_json: bool) -> None:
    """List the protocols of destruction (销毁), every signature and their chain verified."""
    with listing(party) as archive:
        trust = offline_trust(Installation(data_dir()), party)
        found = [
            {**p, "documents": [d["digest"].hex() for d in p["documents"]]}
            for p in evidence_destruction.protocols(archive, trust)
        ]
    emit(found, as_json)


@command.command()
@click.argument("draw", required=False, type=_PATH)
@click.option("--party", envvar="HEDX_PARTY", help="Whose archive, or who verifies the draw (or HEDX_PARTY).")
@click.option("--bulletin", is_flag=True, help="Hold the draw against what hedx.bulletin says of it, too.")
@cluster.bootstrap_later
@options.as_json
def verify(draw: Path | None, party: str | None, bulletin: bool, bootstrap: str | None, as_json: bool) -> Exit:
    """Hash every document of a province's archive again; or, given the published file of a DRAW, draw again from it.

    Exits 2 when a document is lost or altered, 1 when a draw was made otherwise than its file says, or was published. Needs no
    network without --bulletin.
    """
    if party is None:
        raise click.UsageError("say who you are: --party")
    if draw is not None:
        return evidence_draws.verify_file(draw, party, as_json, cluster.resolve(bootstrap) if bulletin else None)
    with party_archive(party) as archive:
        found = list(archive.verify())
        faults = [(document, fault) for document, fault in found if fault]
        unlisted = archive.unlisted()
        missing = _never_archived(archive)
    emit(
        {
            "documents": len(found),
            "faults": [
                {"application_id": d.application_id, "sha256": d.digest.hex(), "fault": fault} for d, fault in faults
            ],
            "unlisted_files": unlisted,
            "named_and_never_archived": missing,
        },
        as_json,
    )
    return Exit.DRIFT if faults or unlisted or missing else Exit.FINE


def _never_archived(archive: EvidenceStore) -> list[str]:
    """Digests that mandates name and the archive never had, as `application digest`."""
    found: list[str] = []
    for (application_id,) in archive.connection.execute("SELECT application_id FROM application").fetchall():
        held = {document.digest for document in archive.rests_on(application_id)}
        found += [f"{application_id} {d.hex()}" for d in archive.mandate(application_id)["evidence"] if d not in held]
    return found


def _told(archive: EvidenceStore, document: Document, lang: Language, as_json: bool) -> dict[str, object]:
    in_mandate = document.digest in archive.mandate(document.application_id)["evidence"]
    data = document_data(document, in_mandate, evidence_destruction.until(archive, document))
    return data if as_json else in_words(data, lang)


for _command in (
    evidence_requests.requests,
    evidence_requests.release,
    evidence_requests.refuse_file,
    evidence_center.request,
    evidence_center.open_,
    evidence_center.accept,
    evidence_center.question,
    evidence_draws.draw,
    evidence_draws.reveal,
):
    command.add_command(_command)
