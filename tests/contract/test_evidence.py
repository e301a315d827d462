"""Documents on the wire (Art. 9): only what was asked for, only by who holds it, whole or not at all, and never readable."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.center.evidence_opening import OpenedRequest, RequestFile, open_documents, open_into
from pipeline.codec import framing, schemas
from pipeline.crypto import bundles, cose, sealing
from pipeline.crypto.bundles import SealedBundle, parse_bundle
from pipeline.crypto.headers import Header
from pipeline.demo.application import Sample
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.domain.records import EvidenceHead, EvidenceReply, EvidenceRequest
from pipeline.province import access
from pipeline.province.database import access_log
from pipeline.province.evidence_release import PART
from pipeline.province.evidence_requests import requests
from pipeline.stages import topics
from pipeline.stages.acts import post_act
from pipeline.stages.evidence_casework import mark
from pipeline.stages.notices import sign_record
from tests.archive import PLANTED, Archive, archived
from tests.byte_search import files_under, find, pattern_of
from tests.forgery import send
from tests.network import Network
from tests.scenario import REQUESTER, bundles_in, codes, local_codes, network_for

OTHER = "37"
LARGE = 3 * PART
"""Bytes of one document: four parts."""


@pytest.fixture
def archive(sample: Sample, tmp_path: Path) -> Archive:
    """An application that was filed with its documents and is done."""
    network = network_for(sample, tmp_path / "net")
    found = archived(network, sample, tmp_path / "office", large=LARGE)
    network.run()
    return found


@pytest.fixture
def released(archive: Archive) -> RequestFile:
    """The request of one person's documents, all of it released."""
    request_id = archive.ask((1,))
    assert archive.release_all(request_id)
    return archive.file(request_id)


def opened(archive: Archive, file: RequestFile) -> OpenedRequest:
    """What the center opens of a request."""
    return open_documents(file, archive.network.identities[CENTER])


# -- whole or not at all ---------------------------------------------------------------------------------------------


def test_a_large_document_travels_in_parts_and_is_put_together(archive: Archive, released: RequestFile) -> None:
    """Each in an envelope of its own; in whatever order they come."""
    assert len(released.parts) == 3 + 3
    released.parts.reverse()
    found = opened(archive, released)
    assert found.is_whole
    assert {d.head["digest"] for d in found.documents} == {d.digest for d in archive.documents(number=1)}


def identity_part(archive: Archive, file: RequestFile, number: int) -> bytes:
    """A part of the large document."""
    return next(
        raw for raw in file.parts if bundles.header_of(raw).parts == 4 and bundles.header_of(raw).part == number
    )


def part_missing(archive: Archive, file: RequestFile) -> None:
    file.parts.remove(identity_part(archive, file, 2))


def part_altered(archive: Archive, file: RequestFile) -> None:
    raw = identity_part(archive, file, 2)
    file.parts[file.parts.index(raw)] = raw[:-100] + bytes((raw[-100] ^ 1,)) + raw[-99:]


def all_parts_absent(archive: Archive, file: RequestFile) -> None:
    for number in (1, 2, 3, 4):
        file.parts.remove(identity_part(archive, file, number))


def another_content(archive: Archive, file: RequestFile) -> None:
    """The same head, other bytes, well sealed by the province itself."""
    raw = identity_part(archive, file, 2)
    head, _ = take_apart(archive, raw)
    file.parts[file.parts.index(raw)] = seal(archive.network, head, b"other bytes").raw


def contradicting_part(archive: Archive, file: RequestFile) -> None:
    head, piece = take_apart(archive, identity_part(archive, file, 2))
    file.parts.append(seal(archive.network, head, piece[:-1] + b"x").raw)


def contradicting_head(archive: Archive, file: RequestFile) -> None:
    raw = identity_part(archive, file, 2)
    head, piece = take_apart(archive, raw)
    file.parts[file.parts.index(raw)] = seal(archive.network, {**head, "kind": "consent"}, piece).raw


def unnamed_in_reply(archive: Archive, file: RequestFile) -> None:
    head, _ = take_apart(archive, identity_part(archive, file, 2))
    assert file.reply is not None
    file.reply["released"].remove(head["digest"])


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (part_missing, "part_missing"),
        (part_altered, "part_altered"),
        (all_parts_absent, "named_but_absent"),
        (another_content, "digest_mismatch"),
        (contradicting_part, "parts_contradict"),
        (contradicting_head, "parts_contradict"),
        (unnamed_in_reply, "not_named_in_reply"),
    ],
)
def test_what_is_lost_altered_or_added_on_the_way_is_noticed(
    archive: Archive, released: RequestFile, harm: Callable[[Archive, RequestFile], None], fault: str
) -> None:
    """The document is not given out; the others are, none the worse."""
    large = max(archive.documents(number=1), key=lambda document: document.size)
    harm(archive, released)
    found = opened(archive, released)
    assert fault in found.faults.values()
    assert large.digest not in {document.head["digest"] for document in found.documents}
    assert len(found.documents) == 2


def test_a_part_that_comes_twice_changes_nothing(archive: Archive, released: RequestFile) -> None:
    """The outbox sends again what was not receipted."""
    released.parts += released.parts
    assert opened(archive, released).is_whole


def test_documents_do_not_open_before_the_province_has_said_what_they_are(archive: Archive) -> None:
    """Parts may come before the signed reply; without it they are nobody's word."""
    request_id = archive.ask((1,))
    archive.officer.release(request_id, archive.documents("consent", 1), now=archive.now)
    archive.network.run()
    assert len(archive.file(request_id).parts) == 1
    with pytest.raises(ConfigError, match="has not replied"):
        opened(archive, archive.file(request_id))


# -- only what was asked for -----------------------------------------------------------------------------------------


def test_nothing_leaves_that_was_not_asked_for(archive: Archive) -> None:
    """Neither another person's document, nor another kind, nor one a second time; and nothing of it is in the outbox."""
    request_id = archive.ask((1,), ("consent",))
    for document in (*archive.documents("consent", 2), *archive.documents("identity", 1)):
        with pytest.raises(ConfigError, match="not what request"):
            archive.officer.release(request_id, [document], now=archive.now)
    assert bundles_in(archive.network, CENTER, "requests", "evidence") == []
    archive.release_all(request_id)
    with pytest.raises(ConfigError, match="replied to already"):
        archive.officer.release(request_id, archive.documents("consent", 1), now=archive.now)


def test_an_officer_releases_each_document(archive: Archive) -> None:
    """Asking alone moves nothing; each release is in the access log with who did it, and the reply comes with the last."""
    request_id = archive.ask((1,))
    archive.network.run()
    assert bundles_in(archive.network, CENTER, "requests", "evidence") == []
    documents = archive.documents(number=1)
    for number, document in enumerate(documents, start=1):
        assert archive.officer.release(request_id, [document], now=archive.now) == (number == len(documents))
    log = access.entries(archive.store.connection, archive.application_id)
    said = [entry for entry in log if entry.act == "evidence_released"]
    assert {(entry.actor, entry.detail["request"]) for entry in said} == {("user:王", request_id)}
    assert [entry.detail["document"] for entry in said] == [document.digest.hex() for document in documents]


def test_a_damaged_document_is_not_released(archive: Archive) -> None:
    """It is noticed before anything of it leaves."""
    request_id = archive.ask((1,), ("consent",))
    [document] = archive.documents("consent", 1)
    path = archive.store._files.folder / document.id
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InvalidMessage):
        archive.officer.release(request_id, [document], now=archive.now)
    archive.network.run()
    assert archive.file(request_id).parts == []
    assert archive.officer.open(request_id) == [(1, "consent")]


def test_a_request_is_made_once_however_often_it_comes(archive: Archive) -> None:
    """A repeated record neither asks again nor begins the clock anew."""
    archive.ask((1,))
    [message] = [m for m in archive.network.broker.messages(topics.APPLICATIONS) if is_record(m.value, "EvidenceAsked")]
    archive.network.clock.advance(3 * 24 * 3600)
    archive.network.broker.produce(message.topic, message.key, message.value)
    archive.network.run()
    assert len(archive.told()) == 1


def is_record(value: bytes | None, name: str) -> bool:
    """Whether a message holds a record of this name."""
    return framing.decode(value or b"")[0] == name


# -- forged ----------------------------------------------------------------------------------------------------------


def request_of(archive: Archive, **changes: object) -> EvidenceRequest:
    """A request that nobody at the center made."""
    request = EvidenceRequest(
        request_id="forged",
        application_id=archive.application_id,
        requester=REQUESTER,
        numbers=[1],
        kinds=[],
        draw=None,
        reason="",
        due=archive.now,
        reminder=0,
        at=archive.now,
    )
    return {**request, **changes}  # type: ignore[typeddict-item]


@pytest.mark.parametrize(("signer", "audience"), [(OTHER, REQUESTER), (REQUESTER, REQUESTER), (CENTER, OTHER)])
def test_a_request_that_the_center_did_not_sign_for_us_asks_for_nothing(
    archive: Archive, signer: str, audience: str
) -> None:
    """Signed by another province, by ourselves, or for another reader: put aside, and no request."""
    network = archive.network
    by = network.identities[signer].signer
    raw = sign_record("evidence-request", "EvidenceRequest", request_of(archive), by, audience, network.clock())
    bundle = post_act(raw, CENTER, REQUESTER, REQUESTER, archive.application_id)
    send(network, CENTER, REQUESTER, "responses", bundle)
    network.run()
    assert archive.asked() == []
    assert local_codes(network, REQUESTER) == ["audience_mismatch" if signer == CENTER else "role_not_allowed"]


def test_a_request_put_into_the_store_by_hand_does_not_verify(archive: Archive) -> None:
    """Whoever can write the database makes no request of the center's."""
    network = archive.network
    by = network.identities[REQUESTER].signer
    raw = sign_record("evidence-request", "EvidenceRequest", request_of(archive), by, REQUESTER, network.clock())
    archive.store.connection.execute(
        "INSERT INTO act VALUES (?, 'evidence-request', 'center', ?, ?, ?, ?)",
        (cose.decode(raw).digest, REQUESTER, archive.application_id, network.clock(), raw),
    )
    with pytest.raises(InvalidMessage) as caught:
        requests(archive.store.connection, network.reference.trust, REQUESTER)
    assert caught.value.code == "role_not_allowed"


def test_a_province_releases_nothing_in_anothers_name(archive: Archive) -> None:
    """Neither a document nor a reply, whoever it says it is from; the request stays open."""
    network = archive.network
    request_id = archive.ask((1,))
    [document] = archive.documents("consent", 1)
    head = EvidenceHead(
        request_id=request_id,
        application_id=archive.application_id,
        number=1,
        kind="consent",
        digest=document.digest,
        size=5,
        media_type="application/pdf",
        part=1,
        parts=1,
    )
    send(network, OTHER, CENTER, "requests", seal(network, head, b"%PDF-", sender=OTHER, requester=REQUESTER))
    send(network, OTHER, CENTER, "requests", seal(network, head, b"%PDF-", sender=OTHER, requester=OTHER))
    for requester in (REQUESTER, OTHER):
        reply = EvidenceReply(
            request_id=request_id,
            application_id=archive.application_id,
            requester=requester,
            released=[document.digest],
            missing=[],
            at=archive.now,
        )
        raw = sign_record(
            "evidence-reply", "EvidenceReply", reply, network.identities[OTHER].signer, CENTER, archive.now
        )
        send(network, OTHER, CENTER, "requests", post_act(raw, OTHER, CENTER, requester, archive.application_id))
    network.run()
    assert sorted(codes(network)) == ["act_invalid", "evidence_unknown", "evidence_unknown", "kind_unexpected"]
    assert (archive.file(request_id).parts, archive.file(request_id).reply) == ([], None)


def test_a_document_that_nobody_asked_for_is_put_aside(archive: Archive, released: RequestFile) -> None:
    """Well sealed and well signed by the province: for no request, or for one that is over."""
    archive.judge(released.id)
    head, piece = take_apart(archive, released.parts[-1])
    send(archive.network, REQUESTER, CENTER, "requests", seal(archive.network, head, piece))
    send(archive.network, REQUESTER, CENTER, "requests", seal(archive.network, head, piece, answers=None))
    archive.network.run()
    assert codes(archive.network) == ["evidence_unknown", "evidence_unknown"]


# -- never readable --------------------------------------------------------------------------------------------------


def test_no_content_of_a_document_is_on_any_topic_in_any_log_or_at_the_province(
    archive: Archive, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Through asking, releasing, opening and judging; only the folder it is opened into has it, under no one's name."""
    caplog.set_level(logging.DEBUG)
    request_id = archive.ask((1, 2))
    archive.release_all(request_id)
    log = access_log(tmp_path / "center" / "access.db")
    open_into(
        archive.file(request_id),
        archive.network.identities[CENTER],
        tmp_path / "out",
        log,
        now=archive.now,
        by="user:张",
    )
    archive.judge(request_id)
    pattern = pattern_of([PLANTED[-12:], "某人".encode()])
    broker = archive.network.broker
    everything = [(name, message) for name in broker._topics for message in broker.messages(name)]
    assert len(everything) > 50
    for name, message in everything:
        headers = b"".join(value for _, value in message.headers)
        assert not pattern.search((message.key or b"") + (message.value or b"") + headers), name
    assert [path for path in files_under(tmp_path / "net") if find(pattern, path)] == []
    assert [path for path in files_under(tmp_path / "center") if find(pattern, path)] == []
    assert not pattern.search(caplog.text.encode())
    written = files_under(tmp_path / "out")
    assert len([path for path in written if find(pattern, path)]) == 5
    assert {path.stat().st_mode & 0o777 for path in written} == {0o600}
    assert not pattern.search("".join(path.name for path in written).encode())


# -- made by hand ----------------------------------------------------------------------------------------------------


def take_apart(archive: Archive, raw: bytes) -> tuple[EvidenceHead, bytes]:
    """Head and piece of a part, opened with the center's key."""
    bundle = parse_bundle(raw)
    assert bundle.seal is not None
    secret = sealing.unseal(bundle.seal, bundle.header.sender, archive.network.identities[CENTER].sealing)
    head, piece = bundles.open_records(bundle, secret)
    return framing.decode_as("EvidenceHead", head), piece  # type: ignore[return-value]


def seal(
    network: Network,
    head: EvidenceHead,
    piece: bytes,
    *,
    sender: str = REQUESTER,
    requester: str = REQUESTER,
    **changes: object,
) -> SealedBundle:
    """A part as a province could make it."""
    center = network.reference.trust.sealing_key(CENTER, network.clock())
    secret, sealed = sealing.new_seal(sender, [center])
    header = Header(
        kind="evidence",
        bundle_id=bytes(15) + bytes((len(piece) % 251,)),
        sender=sender,
        to=CENTER,
        requester=requester,
        application_id=head["application_id"],
        answers=mark(head["request_id"]),
        version=1,
        schema=schemas.schema_id("EvidenceHead"),
        part=head["part"],
        parts=head["parts"],
    )
    heads = [framing.encode("EvidenceHead", head)]
    return bundles.seal_bundle(replace(header, **changes), [piece], secret, sealed, heads=heads)  # type: ignore[arg-type]


# -- within bounds ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"missing": [{"number": n, "kind": "other", "reason": "长" * 30} for n in range(3900)]},
        {"missing": [{"number": 1, "kind": "other", "reason": "长" * 501}]},
        {"released": [bytes(32)] * 4001},
    ],
)
def test_a_reply_that_no_record_would_hold_is_put_aside(archive: Archive, changes: dict[str, object]) -> None:
    """Well signed by the province: a state or a desk that outgrows its topic would stop the stage for everybody."""
    request_id = archive.ask((1,))
    network = archive.network
    reply = {
        "request_id": request_id,
        "application_id": archive.application_id,
        "requester": REQUESTER,
        "at": archive.now,
    }
    record = {**reply, "released": [], "missing": [], **changes}
    raw = sign_record(
        "evidence-reply", "EvidenceReply", record, network.identities[REQUESTER].signer, CENTER, archive.now
    )
    assert len(raw) < 900 * 1024
    send(network, REQUESTER, CENTER, "requests", post_act(raw, REQUESTER, CENTER, REQUESTER, archive.application_id))
    network.run()
    assert codes(network) == ["record_out_of_bounds"]
    assert archive.release_all(request_id), "the request is as open as before"
    assert archive.file(request_id).reply is not None


def test_a_mandate_names_no_more_documents_than_travel_well(sample: Sample, tmp_path: Path) -> None:
    """It goes to every provider with every section."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons, evidence=[n.to_bytes(32, "big") for n in range(2001)])
    network.run()
    rejection = network.case(sample.application).rejection()
    assert rejection is not None
    assert {fault["code"] for fault in rejection["faults"]} == {"evidence_too_many"}
