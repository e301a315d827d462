"""Disclosure: somebody reads, or is handed, what is not for him; and what leaks beside the messages."""

from __future__ import annotations

import csv
import logging
import traceback
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.center.installation import Installation
from pipeline.center.opening import gather, open_logged
from pipeline.cli.dossier_table import show_dossiers, show_statuses
from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.cli.output import emit
from pipeline.codec import framing
from pipeline.crypto import bundles, cbor, cose, sealing
from pipeline.crypto.authority import create_authority
from pipeline.crypto.bundles import Bundle, SealedBundle
from pipeline.crypto.keys import Identity, SealingKey, SealingKeys, public_sealing_key
from pipeline.crypto.keystore import load_identity, write_identity
from pipeline.crypto.suite import hmac
from pipeline.demo.providers import PROVIDERS
from pipeline.domain.dossiers import Dossier
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.parties import CENTER, inbox
from pipeline.domain.printing import harmless
from pipeline.logs import Lines
from pipeline.ops.health import file_modes
from pipeline.ops.health_facts import gather as gather_facts
from pipeline.province.case_keys import CaseKeyFolder
from pipeline.province.exports import as_csv, as_json
from pipeline.province.filing import Filing
from pipeline.province.form_writing import write_form_yaml
from pipeline.province.handover import hand_over, hand_over_sealed
from pipeline.province.roster_files import write_roster_csv
from pipeline.province.sealed_packs import open_pack
from pipeline.province.shredding import shred
from pipeline.province.sources import open_sources
from pipeline.signer.keyring import Keyring
from pipeline.signer.protocol import SignerRefused
from pipeline.signer.server import Server
from pipeline.stages import topics
from pipeline.stages.effects import Output
from pipeline.stages.keys import application_key
from tests.attacks.stand import BYSTANDER, PROVIDER, Case, Stand, Table
from tests.forgery import relay_of, send, sign_as, with_header, withhold
from tests.scenario import REQUESTER, with_form

CASES = Table()


# -- the center, and other provinces ----------------------------------------------------------------------------------------


def opened_at_the_center(stand: Stand, by: Identity) -> object:
    """The center's command to open a result, with the keys given."""
    done, network = stand.finished(), stand.network
    key = application_key(REQUESTER, done.application["application_id"])
    newest = [message.value or b"" for message in network.broker.messages(topics.RESULTS) if message.key == key][-1]
    material = gather(key, newest, network.broker.messages(topics.APPLICATIONS), network.broker.messages(topics.JOIN))
    return open_logged(material, by, network.reference, stand.center_log, now=network.clock(), by="user:official")


@CASES.row("opening", "not_a_recipient")
def the_center_reads_what_it_relays(stand: Stand) -> object:
    """Without seal_to_center in the mandate: it has all but a key."""
    return opened_at_the_center(stand, stand.network.identities[CENTER])


@CASES.row("opening", "not_a_recipient")
def a_province_reads_what_the_center_holds(stand: Stand) -> object:
    """32 got hold of the center's topics."""
    return opened_at_the_center(stand, stand.network.identities[BYSTANDER])


@CASES.row("deliver", "audience_mismatch")
def anothers_results_copied_into_ones_own_inbox(stand: Stand) -> None:
    """32 has the broker's operator copy 53's post."""
    stand.relayed()
    message = stand.network.broker.messages(inbox(REQUESTER, "responses"))[-1]
    stand.produce(message.value or b"", BYSTANDER, "responses")


@CASES.row("deliver", "application_unknown")
def anothers_results_sent_by_the_center_itself(stand: Stand) -> None:
    """The center makes 32 the reader."""
    _, outer = stand.relayed()
    moved = with_header(outer, to=BYSTANDER, requester=BYSTANDER)
    send(stand.network, CENTER, BYSTANDER, "responses", bundles.clear_bundle(moved.header, outer.records))


@CASES.row("deliver", "header_contradicts_envelope")
def anothers_bundle_among_ones_own(stand: Stand) -> None:
    """In an envelope for 32, a bundle for 53."""
    _, outer = stand.relayed()
    sealed = bundles.clear_bundle(with_header(outer).header, outer.records)
    send(stand.network, CENTER, BYSTANDER, "responses", sealed)


def from_provider(stand: Stand, change: Callable[[Bundle], SealedBundle]) -> None:
    """The provider signs a changed answer, and the center relays it."""
    answer, outer = stand.relayed()
    stand.deliver(relay_of(stand.network, PROVIDER, change(answer), outer.header))


@CASES.row("deliver", "relay_misdirected")
def an_answer_that_was_meant_for_another(stand: Stand) -> None:
    """To 32, in 53's inbox."""
    from_provider(stand, lambda answer: with_header(answer, to=BYSTANDER, requester=BYSTANDER))


def resealed(stand: Stand, answer: Bundle, reader: bytes, shift: int = 0) -> SealedBundle:
    """No records found, about the persons `shift` lines on, sealed to `reader`."""
    with stand.ciphers.looking_away():
        secret, seal = sealing.new_seal(PROVIDER, [public_sealing_key(reader)])
        results: list[dict[str, object]] = [
            {
                "row": row,
                "status": "no_record",
                "as_of": "",
                "coverage": "",
                "entries": [],
                "region_codes": None,
                "levels": None,
            }
            for row in answer.header.rows
        ]
        records = [
            framing.write("Answer", {"index": index + shift, "results": results})
            for index in range(answer.header.count)
        ]
        return bundles.seal_bundle(with_header(answer, padded=0).header, records, secret, seal)


@CASES.row("deliver", "not_a_recipient")
def an_answer_sealed_to_the_centers_key(stand: Stand) -> None:
    """By a provider that obeyed the center and not the mandate."""
    key = stand.network.reference.trust.sealing_key(CENTER).point
    from_provider(stand, lambda answer: resealed(stand, answer, key))


@CASES.row("deliver", "answer_out_of_scope")
def answers_about_persons_who_were_not_asked_about(stand: Stand) -> None:
    """Sealed to the right key, about the next line of the roster."""

    def change(answer: Bundle) -> SealedBundle:
        filing = next(f for f in stand.filed if f.application["application_id"] == answer.header.application_id)
        return resealed(stand, answer, filing.keys.reply_key.point, shift=1)

    from_provider(stand, change)


# -- requests ---------------------------------------------------------------------------------------------------------------


@CASES.row("answer", "kind_unexpected")
def one_providers_request_given_to_another(stand: Stand) -> None:
    """As it is: it names 37."""
    bundle, _ = stand.raw_request()
    send(stand.network, CENTER, BYSTANDER, "requests", with_header(bundle))


@CASES.row("answer", "not_a_recipient", also=("answer_out_of_scope", "join"))
def one_providers_request_readdressed_to_another(stand: Stand) -> None:
    """32 in its header, before 32 has its own: it is sealed to 37."""
    filing = stand.file()
    stand.network.run(without=(PROVIDER, BYSTANDER))
    [(bundle, _)] = stand.bundles(PROVIDER, "requests", "request", filing)
    moved = with_header(bundle, to=BYSTANDER, provider=BYSTANDER, version=2)
    send(stand.network, CENTER, BYSTANDER, "requests", moved)


@CASES.row("answer", "acceptance_mismatch")
def more_asked_than_the_requester_signed_for(stand: Stand) -> None:
    """Another category, in the center's own acceptance."""
    request = stand.request()
    queries = [{**query, "category": "medical"} for query in request.acceptance["sub_queries"]]
    request.sign_acceptance(stand.network.identities[CENTER], stand.network.clock(), sub_queries=queries)
    stand.ask(request)


@CASES.row("answer", "key_off_curve", also=("mandate_mismatch", "join"))
def a_reply_key_off_the_curve(stand: Stand) -> None:
    """Signed by the requester: what is sealed to it might be read by many."""
    request = stand.request()
    request.sign_mandate(stand.network.identities[REQUESTER], stand.network.clock(), reply_key=b"\4" + b"\1" * 64)
    request.follow_mandate()
    digest = cose.decode(request.warrant["mandate"]).digest
    request.sign_acceptance(stand.network.identities[CENTER], stand.network.clock(), mandate_digest=digest)
    stand.ask(request)


# -- exports ---------------------------------------------------------------------------------------------------------------


def exported(stand: Stand, filing: Filing, unit: str | None = None, purpose: str | None = None) -> object:
    """An official of the province exports."""
    named = unit or filing.application["approving_authority"]
    path = stand.folder / "export.json"
    try:
        return hand_over(stand.network.case(filing.application), path, "json", unit=named, purpose=purpose)
    finally:
        assert not path.exists()


@CASES.row("export", "unit_mismatch")
def an_export_for_another_unit(stand: Stand) -> object:
    """A bank."""
    return exported(stand, stand.finished(), unit="某银行")


@CASES.row("export", "purpose_mismatch")
def an_export_for_another_purpose(stand: Stand) -> object:
    """A loan."""
    return exported(stand, stand.finished(), purpose="贷款审批")


@CASES.row("export", "incomplete")
def an_export_before_it_is_complete(stand: Stand) -> object:
    """In part it would say what is not so."""
    return exported(stand, stand.file())


@CASES.row("export", "shredded")
def an_export_after_it_was_shredded(stand: Stand) -> object:
    """Its keys are destroyed."""
    done = stand.finished()
    shred(stand.network.case(done.application), stand.network.clock())
    return exported(stand, done)


@CASES.row("export", "application_rejected")
def an_export_of_what_was_rejected(stand: Stand) -> object:
    """There is no ground for it any more."""
    filing = stand.file(contact_phone="12")
    stand.network.run()
    return exported(stand, filing)


@CASES.row("export", "not_held_by_unit")
def a_sealed_pack_of_what_the_province_opens(stand: Stand) -> object:
    """There is no key of the unit's to seal to."""
    done = stand.finished()
    unit = done.application["approving_authority"]
    return hand_over_sealed(stand.network.case(done.application), stand.folder / "p.pack", unit=unit)


@CASES.row("export", "party_suspended")
def an_export_by_a_suspended_party(stand: Stand) -> object:
    """As far as its adapter has heard."""
    done, store = stand.finished(), stand.network.parties[REQUESTER].store
    store.note_suspension(True)
    try:
        return exported(stand, done)
    finally:
        store.note_suspension(False)


def held_by_unit(stand: Stand) -> tuple[Filing, SealingKey]:
    """An application whose reply key its unit holds, done."""
    key = SealingKey.generate()
    application = with_form(stand.sample, application_id=str(uuid.uuid4())).application
    filing = stand.network.file(application, stand.sample.persons, reply_key=key.public)
    stand.filed.append(filing)
    stand.network.run()
    return filing, key


@CASES.row("export", "held_by_unit")
def an_export_in_clear_of_what_only_the_unit_opens(stand: Stand) -> object:
    """The province has no key to it."""
    return exported(stand, held_by_unit(stand)[0])


def packed(stand: Stand) -> bytes:
    return packed_with_key(stand)[0]


def packed_with_key(stand: Stand) -> tuple[bytes, SealingKey]:
    filing, key = held_by_unit(stand)
    path = stand.folder / "unit.pack"
    hand_over_sealed(stand.network.case(filing.application), path, unit=filing.application["approving_authority"])
    return path.read_bytes(), key


@CASES.row("pack", "not_a_recipient")
def a_sealed_pack_opened_by_another_unit(stand: Stand) -> object:
    """With its own reply key."""
    return open_pack(packed(stand), SealingKey.generate(), stand.network.authority.certificates)


@CASES.row("pack", "pack_invalid")
def a_sealed_pack_with_something_added(stand: Stand) -> object:
    """A channel beside what was signed."""
    parts = cbor.loads(packed(stand), 4)
    return open_pack(cbor.dumps({**parts, "z": b""}), SealingKey.generate(), stand.network.authority.certificates)


@CASES.row("pack", "decrypt_failed")
def the_persons_of_one_pack_in_another(stand: Stand) -> object:
    """Both of one unit's, which has both keys."""
    one, two = packed_with_key(stand), packed_with_key(stand)
    parts = {**cbor.loads(one[0], 4), **{name: cbor.loads(two[0], 4)[name] for name in ("seal", "roster")}}
    return open_pack(cbor.dumps(parts), SealingKeys([one[1], two[1]]), stand.network.authority.certificates)


@CASES.row("pack", "certificate_invalid")
def a_pack_of_another_exchange(stand: Stand) -> object:
    """The unit was given its root on another way; what signs itself true is not believed."""
    raw, key = packed_with_key(stand)
    return open_pack(raw, key, create_authority(stand.network.clock()).certificates)


# -- keys -------------------------------------------------------------------------------------------------------------------


@CASES.row("vault", "not_a_recipient")
def an_applications_key_file_taken_to_another_party(stand: Stand) -> object:
    """32 has 53's folder, and no key that opens it."""
    return stand.network.identities[BYSTANDER].vault.open(stand.finished().locked_keys)


@CASES.row("vault", "decrypt_failed")
def one_applications_keys_behind_anothers_seal(stand: Stand) -> object:
    """Cut together from two key files."""
    one, two = (cbor.loads(stand.finished().locked_keys, 1) for _ in range(2))
    return stand.network.identities[REQUESTER].vault.open(cbor.dumps([one[0], two[1]]))


@CASES.row("vault", "seal_invalid")
def a_key_file_that_is_none(stand: Stand) -> object:
    """Three parts."""
    one = cbor.loads(stand.finished().locked_keys, 1)
    return stand.network.identities[REQUESTER].vault.open(cbor.dumps([*one, b""]))


@CASES.row("vault", "unseal_failed")
def a_seal_from_the_wire_passed_off_as_a_key_file(stand: Stand) -> object:
    """37's worker would be made to open what was sent to it as if it were its own keys."""
    bundle, _ = stand.raw_request()
    ciphertext = cbor.loads(stand.finished().locked_keys, 1)[1]
    return stand.network.identities[PROVIDER].vault.open(cbor.dumps([bundle.seal, ciphertext]))


@CASES.row("seal", "unseal_failed")
def a_seal_opened_as_another_senders(stand: Stand) -> object:
    """By the right key: whose answer it is is bound into it."""
    answer, _ = stand.relayed()
    return sealing.unseal(answer.seal or b"", BYSTANDER, stand.filed[-1].keys.unsealer)


@CASES.row("seal", "not_a_recipient")
def an_answer_opened_with_the_requesters_own_key(stand: Stand) -> object:
    """Not even that of 53's certificate: answers are for the reply key, and can be destroyed with it."""
    answer, _ = stand.relayed()
    return sealing.unseal(answer.seal or b"", PROVIDER, stand.network.identities[REQUESTER].sealing)


def moved(stand: Stand, statement: str, *values: object) -> Filing:
    """A finished application after somebody with the database's file has changed it."""
    done = stand.finished()
    stand.network.parties[REQUESTER].store.connection.execute(statement, (*values, done.application["application_id"]))
    return done


@CASES.row("store", "decrypt_failed")
def two_persons_exchanged_in_the_store(stand: Stand) -> object:
    """Each would get the other's answers."""
    done = moved(stand, "UPDATE person SET idx = -idx - 1 WHERE application_id = ?")
    stand.network.parties[REQUESTER].store.connection.execute(
        "UPDATE person SET idx = (-idx) % (SELECT count(*) FROM person AS p WHERE p.application_id = person.application_id)"
        " WHERE application_id = ?",
        (done.application["application_id"],),
    )
    return stand.network.case(done.application).roster()


@CASES.row("store", "decrypt_failed")
def one_persons_answers_under_anothers_line(stand: Stand) -> object:
    """In the same bundle, the numbers exchanged."""
    of_it = "digest IN (SELECT digest FROM bundle WHERE application_id = ?)"
    done = moved(stand, f"UPDATE answer SET idx = -idx - 1 WHERE {of_it}")  # noqa: S608
    stand.network.parties[REQUESTER].store.connection.execute(
        f"UPDATE answer SET idx = (-idx) % 4 WHERE {of_it}",  # noqa: S608
        (done.application["application_id"],),
    )
    return stand.network.case(done.application).dossiers()


@CASES.row("store", "decrypt_failed")
def the_persons_of_another_application(stand: Stand) -> object:
    """Of the same persons, even: rows are bound to their application."""
    other = stand.finished().application["application_id"]
    done = moved(stand, "DELETE FROM person WHERE application_id = ?")
    stand.network.parties[REQUESTER].store.connection.execute(
        "INSERT INTO person SELECT ?, section, idx, record FROM person WHERE application_id = ?",
        (done.application["application_id"], other),
    )
    return stand.network.case(done.application).roster()


@CASES.row("export", "mandate_mismatch")
def another_mandate_put_into_the_store(stand: Stand) -> object:
    """Its unit would be the one to export for."""
    other = stand.finished()
    done = moved(stand, "UPDATE application SET mandate = ? WHERE application_id = ?", other.mandate_raw)
    return exported(stand, done)


@CASES.row("store", "decrypt_failed")
def one_applications_key_file_in_anothers_place(stand: Stand) -> object:
    """Put there by who owns the folder."""
    one, two = stand.finished(), stand.finished()
    keys = CaseKeyFolder.beside(stand.network.parties[REQUESTER].store.connection)
    keys.write(one.application["application_id"], two.locked_keys)
    return stand.network.case(one.application).roster()


@CASES.row("store", "config_error", "letters, digits")
def a_key_file_outside_its_folder(stand: Stand) -> object:
    """An application whose id is a path."""
    return CaseKeyFolder.beside(stand.network.parties[REQUESTER].store.connection).read("../identity/sign.key")


@CASES.row("keystore", "config_error", "not under this passphrase")
def a_stolen_identity_without_its_passphrase(stand: Stand) -> object:
    """Keys are encrypted; the passphrase lies elsewhere."""
    folder = stand.folder / "stolen"
    write_identity(folder, stand.network.identities[BYSTANDER])
    (folder / "passphrase").write_bytes(b"guessed")
    return load_identity(folder)


@CASES.row("keystore", "config_error", "others may read or change it (mode 640)")
def an_identity_that_others_may_read(stand: Stand) -> object:
    """A worker that went on with it would go on with keys that somebody else may have."""
    folder = stand.folder / "open"
    write_identity(folder, stand.network.identities[BYSTANDER])
    (folder / "encrypt.key").chmod(0o640)
    return load_identity(folder)


@CASES.row("keystore", "config_error", "not belong together")
def another_partys_certificate_beside_ones_own_key(stand: Stand) -> object:
    """What is sealed to it nobody here could open, or what was signed would be another's."""
    folder = stand.folder / "mixed"
    write_identity(folder, stand.network.identities[BYSTANDER])
    (folder / "encrypt.der").write_bytes(stand.network.identities[PROVIDER].sealing_certificate)
    return load_identity(folder)


def asked_of_signer(stand: Stand, *request: object) -> None:
    """What a worker that was taken over asks its signer for."""
    folder = stand.folder / "signer"
    if not folder.exists():
        write_identity(folder, stand.network.identities[PROVIDER])
    done, code, *_ = Server(Keyring(folder, stand.network.clock), locked=False).answer(cbor.dumps(list(request)))
    if not done:
        raise SignerRefused(str(code))


@CASES.row("signer", "request_unknown")
def a_signer_asked_for_its_key(stand: Stand) -> None:
    """There is no such request."""
    asked_of_signer(stand, "export", "sign")


@CASES.row("signer", "key_off_curve")
def a_signer_asked_to_agree_with_a_point_off_the_curve(stand: Stand) -> None:
    """Answers to many such would give its key away."""
    kid = stand.network.identities[PROVIDER].sealing.kid
    asked_of_signer(stand, "agree", kid, b"\4" + b"\1" * 64)


@CASES.row("signer", "not_a_recipient")
def a_signer_asked_to_agree_with_a_key_that_it_has_not(stand: Stand) -> None:
    """The center's."""
    asked_of_signer(stand, "agree", stand.network.identities[CENTER].sealing.kid, SealingKey.generate().public_bytes)


@CASES.row("signer", "not_a_recipient")
def a_signer_asked_to_open_another_partys_applications(stand: Stand) -> None:
    """53's key file, shown to 37's signer."""
    asked_of_signer(stand, "open_case", stand.finished().locked_keys)


@CASES.row("signer", "unseal_failed")
def a_signer_asked_to_open_post_as_if_it_were_a_key_file(stand: Stand) -> None:
    """It would hand out what is in it as a data key."""
    bundle, _ = stand.raw_request()
    asked_of_signer(stand, "open_case", cbor.dumps([bundle.seal, bytes(96)]))


@CASES.row("proof", "key_commitment_mismatch")
def the_key_shown_of_one_record_tried_on_another(stand: Stand) -> object:
    """A proof pack shows E of one person."""
    [(bundle, _)] = stand.bundles(PROVIDER, "requests", "request", stand.finished())
    secret = sealing.unseal(bundle.seal or b"", CENTER, stand.network.identities[PROVIDER].sealing)
    shown = hmac(bundles.bundle_key(secret, bundle.header_digest), b"record" + bytes(3) + b"\2")
    assert bundles.open_record(bundle.records[2], 2, shown, bundle.header_digest, bundle.header.padded)
    return bundles.open_record(bundle.records[3], 3, shown, bundle.header_digest, bundle.header.padded)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_disclosure(stand: Stand, case: Case, caplog: pytest.LogCaptureFixture) -> None:
    """Refused by its code, written down where it was tried, and the exchange goes on as if nothing had been."""
    stand.strike(case, caplog)


def test_no_file_holds_anything_personal_or_a_key(stand: Stand) -> None:
    """After all attacks, in every store with its write-ahead log."""
    assert stand.leaks_in_files() == []


# -- the search itself ---------------------------------------------------------------------------------------------------------


def planted(stand: Stand) -> list[bytes]:
    """A name in both encodings, a number, a private key, a data key in hex."""
    person = stand.sample.persons[0]
    number = next(p["document_number"] for p in stand.sample.persons if p["document_number"])
    data_key = stand.filed[-1].keys.data_key
    name = person["name"]
    return [name.encode(), name.encode("gb18030"), number.encode(), stand.private[0], data_key.hex().encode()]


def test_the_search_finds_what_is_planted_in_messages(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    """In a header, a key, a value, an event: so that finding nothing means something."""
    assert stand.leaks(caplog) == []
    for secret in planted(stand):
        for key, value, headers in ((secret, b"", ()), (b"", b"x" + secret, ()), (b"", b"", (("detail", secret),))):
            stand.network.broker.produce(topics.EVENTS, key, value, headers, partition=0)
            found = stand.leaks(caplog)
            assert len(found) == 1 or (len(secret) < 6 and value)
            for logs in stand.network.broker._topics[topics.EVENTS]:
                if logs and secret in (logs[-1].key or b"") + (logs[-1].value or b"") + repr(logs[-1].headers).encode():
                    stand._scanned[topics.EVENTS, 0] -= 1
                    logs.pop()


def test_the_search_finds_what_is_planted_in_a_log_or_a_file(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    """A name in a log line, and in a file beside the stores."""
    caplog.set_level(logging.INFO)
    name = next(p["document_number"] for p in stand.sample.persons if p["document_number"])
    logging.getLogger("pipeline.planted").info("about %s", name)
    assert stand.leaks(caplog) == ["log of pipeline.planted"]
    plant = stand.folder / "planted.txt"
    for secret in planted(stand)[::2]:
        if len(secret) >= 6:
            plant.write_bytes(b"..." + secret)
            assert stand.leaks_in_files() == ["planted.txt"]
    plant.unlink()


# -- what a person sees ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|'/c calc'!A0", "＝1+1"])
def test_no_cell_of_an_export_starts_a_formula(text: str) -> None:
    """Whatever a provider's database, or a roster, says: a spreadsheet runs nothing."""
    person: Any = {
        "number": 1, "name": text, "document_number": text, "relation": text,
        "results": [
            {"row": 1, "category": "vehicles", "provider": "37", "status": "found", "code": None, "until": None,
             "as_of": text, "coverage": text, "accepted_coverage": text, "coverage_differs": [], "note": text,
             "entries": [{text: text}]},
        ],
    }  # fmt: skip
    dossier: Dossier = {"household": text, "persons": [person]}
    content = as_csv([dossier], {"注意": text + "\n=1+1"}).decode("utf-8-sig")
    for row in csv.reader(content.splitlines()):
        for cell in row:
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"))


SPOOF = "x\nrejected nothing hedx.center.requests/0/0 issuer=53\u202e"
"""A line break, something that looks like a line of ours, and a character that turns the rest around."""


def test_nothing_that_a_stranger_chose_makes_a_second_line_in_a_workers_log(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    """In the application id of a relay, which the refusal names."""
    _, outer = stand.relayed()

    def attack(_: Stand) -> None:
        moved = with_header(outer, application_id=SPOOF)
        stand.deliver(bundles.clear_bundle(moved.header, outer.records))

    traces = stand.traces_of(attack, caplog)
    assert traces.lines == {("application_unknown", "deliver")}
    [line] = [record.getMessage() for record in caplog.records if record.getMessage().startswith("rejected ")]
    assert "\\u000arejected" in line
    assert "\\u202e" in line


def test_nor_in_a_readers(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    """Every party writes to hedx.checkpoints what all others read, audience and all."""
    signer, now = stand.network.identities[BYSTANDER].signer, stand.network.clock()
    raw = sign_as(signer, "checkpoint", b"", audience=SPOOF, issued_at=now)
    traces = stand.traces_of(lambda _: stand.read(Output(topics.CHECKPOINTS, BYSTANDER.encode(), raw)), caplog)
    assert traces.lines == {("audience_mismatch", "reader")}


def test_an_id_number_that_a_stranger_writes_where_it_does_not_belong_is_masked(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    """A person's number as an application's id: neither log nor dead letter repeats it."""
    number = next(p["document_number"] for p in stand.sample.persons if len(p["document_number"]) == 18)
    caplog.set_level(logging.DEBUG)
    before = len(stand.network.broker.messages(topics.DEAD_LETTERS))
    caplog.clear()
    _, outer = stand.relayed()
    moved = with_header(outer, application_id=number)
    stand.deliver(bundles.clear_bundle(moved.header, outer.records))
    stand.network.run()
    lines = "\n".join(entry.getMessage() for entry in caplog.records)
    assert "application_unknown" in lines
    assert number not in lines
    details = stand.network.parties[REQUESTER].store.connection.execute("SELECT detail FROM dead_letter").fetchall()
    assert all(number not in detail for (detail,) in details)
    assert len(stand.network.broker.messages(topics.DEAD_LETTERS)) == before


def test_an_error_that_quotes_a_person_is_told_without_its_words(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    """A driver quotes the row it stumbled over: name, telephone, a number with spaces. The log has class and place."""
    person = next(p for p in stand.sample.persons if len(p["document_number"]) == 18)
    number = person["document_number"]
    spaced = f"{number[:6]} {number[6:14]} {number[14:]}"
    assert spaced[:6] in harmless(spaced), "masking long digits does not find it"
    try:
        raise RuntimeError(f"row ({person['name']}, {spaced}, 13800138000)")
    except RuntimeError as error:
        failed = (type(error), error, error.__traceback__)
    record = logging.makeLogRecord(
        {"name": "pipeline.x", "levelno": logging.ERROR, "msg": "failed", "exc_info": failed}
    )
    for structured in (True, False):
        line = Lines("attacked", as_json=structured).format(record)
        assert "RuntimeError in test_an_error_that_quotes_a_person" in line
        for word in (person["name"], number[6:14], "13800138000"):
            assert word not in line


@pytest.mark.parametrize("name", ["王\u202e小明", "王\n小明", "王\u200b小明", "王\x1b[31m小明"])
def test_names_that_would_turn_a_screen_around_are_not_admitted(
    stand: Stand, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """Bidi overrides, line breaks, invisible and control characters: a reason for the requester, and in no log."""
    persons = [{**stand.sample.persons[0], "name": name}, *stand.sample.persons[1:]]
    application: Any = {**stand.sample.application, "application_id": str(uuid.uuid4())}

    def attack(_: Stand) -> None:
        stand.filed.append(stand.network.file(application, persons))  # type: ignore[arg-type]

    traces = stand.traces_of(attack, caplog)
    assert "name_characters" in traces.told or "control_characters" in traces.told
    rejection = stand.network.case(application).rejection()
    assert rejection is not None
    assert name not in repr(rejection)
    assert all(name not in record.getMessage() for record in caplog.records)


def test_keys_that_others_may_read_are_an_alarm(stand: Stand) -> None:
    """What the doctor and the metric say of a key file with loose permissions; as we write it, it has none."""
    installation = Installation(stand.folder / "loose")
    folder = installation.identity_folder(BYSTANDER)
    installation.folder.mkdir(mode=0o700)
    write_identity(folder, stand.network.identities[BYSTANDER])
    assert list(file_modes(gather_facts(installation, stand.network.clock()))) == []
    (folder / "sign.key").chmod(0o640)
    [finding] = file_modes(gather_facts(installation, stand.network.clock()))
    assert (finding.code, finding.severity) == ("file_open", "alarm")
    assert finding.subject.endswith("sign.key")


PATHS = [
    "../../identity/sign.key",
    "/etc/hedx",
    "a/b",
    "..",
    ".hidden",
    "",
    "a\0b",
    "a" * 65,
    "\u202ea",
    "a b",
    "a\nb",
    "C:\\x",
]


@pytest.mark.parametrize("application_id", PATHS, ids=ascii)
def test_an_application_whose_id_is_a_path_is_not_filed(stand: Stand, application_id: str) -> None:
    """Its keys would lie elsewhere: refused before anything is on the disk or in the store."""
    store = stand.network.parties[REQUESTER].store.connection
    before = sorted(stand.folder.rglob("*")), store.execute("SELECT count(*) FROM application").fetchone()
    application: Any = {**stand.sample.application, "application_id": application_id}
    with pytest.raises((ConfigError, InvalidMessage), match=r"letters, digits, - and _|header_invalid") as caught:
        stand.network.file(application, stand.sample.persons)
    assert len(application_id) < 3 or application_id not in str(caught.value)
    assert (sorted(stand.folder.rglob("*")), store.execute("SELECT count(*) FROM application").fetchone()) == before


@pytest.mark.parametrize("application_id", ["../../x", "/etc/hedx", "a/1", "53/a", "a\0b"], ids=ascii)
def test_nor_does_the_center_take_one(stand: Stand, caplog: pytest.LogCaptureFixture, application_id: str) -> None:
    """From a province whose program files it all the same: a fault of the form, and nothing accepted."""

    def attack(_: Stand) -> None:
        section = stand.section()
        form = {**section.head["application"], "application_id": application_id}
        section.head = {**section.head, "application": form}
        section.header = replace(section.header, application_id=application_id)
        identity = stand.network.identities[REQUESTER]
        section.sign_mandate(identity, stand.network.clock(), application_id=application_id)
        section.follow_mandate()
        stand.submit(section)

    before = set(stand.folder.rglob("*"))
    traces = stand.traces_of(attack, caplog)
    assert traces.told == {"application_id", "application_unknown"}
    [made] = set(stand.folder.rglob("*")) - before
    assert made.parent.name == "keys", "of the genuine application that the attack was made from"
    assert uuid.UUID(made.name)
    stand.prove_alive()


@pytest.mark.parametrize(
    "command", [["apply", "status"], ["apply", "shred", "--yes", "a"], ["access", "list"], ["signer", "status"]]
)
@pytest.mark.parametrize("party", ["../53", "/var", "53/../37", "53\0", "P53", ""])
def test_a_party_whose_code_is_a_path_is_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str], party: str
) -> None:
    """A usage error, and nothing is made or looked for anywhere."""
    monkeypatch.setenv("HEDX_HOME", str(tmp_path / "home"))
    assert run([*command, f"--party={party}"]) == Exit.USAGE
    assert "Traceback" not in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_application_that_is_not_there_opens_no_file(stand: Stand) -> None:
    """Ids that were never filed, paths among them, are looked for in the store and nowhere else."""
    for application_id in PATHS:
        with pytest.raises(ConfigError, match="in this store"):
            stand.network.case(with_form(stand.sample, application_id=application_id).application)


def test_a_roster_of_bad_persons_is_told_by_line_and_by_nothing_else(
    stand: Stand, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Wrong digits, missing consents, names of control characters: neither report, stderr nor log names a person."""
    caplog.set_level(logging.DEBUG)
    sample = stand.sample
    release = stand.network.reference.current
    assert release is not None
    number = "370102198005061230"
    spoilt: list[Any] = [
        {
            **person,
            "document_number": number,
            "name": f"王\u202e小明{i}",
            "consent_reference": "",
            "relation": f"@SUM({number})",
        }
        for i, person in enumerate(sample.persons)
    ]
    write_form_yaml(tmp_path / "form.yaml", sample.application, release)
    form = sample.application
    write_roster_csv(tmp_path / "roster.csv", spoilt, form["roster_date"], form["roster_dataset"])
    files = [str(tmp_path / "form.yaml"), "--roster", str(tmp_path / "roster.csv"), "--catalog", str(sample.catalog)]
    for lang in ("zh", "en"):
        for more in ([], ["--json"]):
            assert run(["apply", "check", *files, "--party", REQUESTER, "--lang", lang, *more]) == Exit.FAILED
    told = capsys.readouterr()
    lines = "\n".join(record.getMessage() for record in caplog.records)
    assert told.out.count("\n") > 10
    for text in (told.out, told.err, lines):
        assert not any(secret in text for secret in (number, "小明", "\u202e", "@SUM"))


def test_a_providers_code_does_nothing_to_an_officials_terminal(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    """Providers choose their codes: one that sets a terminal's title is shown as what it is, in tables and as JSON."""
    filing = stand.file()
    stand.network.run(without=(PROVIDER,))
    [(bundle, _)] = stand.bundles(PROVIDER, "requests", "request", filing)
    withhold(stand.network, PROVIDER, "requests")
    asked, code = bundle.header, "\x1b]0;owned\x07\x9b2J\u202e"
    header = replace(
        asked, kind="answer", bundle_id=b"\7" * 16, sender=PROVIDER, to=asked.requester, outcome="refused", code=code,
        padded=0, answers=bundle.leaf,
    )  # fmt: skip
    send(stand.network, PROVIDER, CENTER, "responses", bundles.clear_bundle(header, []))
    stand.network.run()
    case = stand.network.case(filing.application)
    dossiers = case.dossiers()
    assert any(result["code"] == code for result in dossiers[0]["persons"][0]["results"])
    show_dossiers(dossiers, {}, "en")
    show_statuses(dossiers, {}, "en")
    emit(dossiers, as_json=True)
    emit(dossiers, as_json=False)
    exports = as_csv(dossiers, {}).decode() + as_json(dossiers, {}).decode()
    for text in (capsys.readouterr().out, exports):
        assert r"\u001b]0;owned\u0007\u009b2J\u202e" in text
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & {*text}


def test_a_wrong_database_url_shows_no_password(tmp_path: Path) -> None:
    """It is the one secret that a provider's office writes into a file by hand."""
    for url in ("postgresql://u:hunter2@h:hunter2/db", "hunter2", "nothing://u:hunter2@h/db", "sqlite:////no/hunter2"):
        with pytest.raises(ConfigError) as caught:
            open_sources(PROVIDERS / "37.yaml", url)
        assert "hunter2" not in "".join(traceback.format_exception(caught.value))
