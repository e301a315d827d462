"""Privilege: somebody known, under his own name, does what is not his to do."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.center.registry import Registry
from pipeline.codec import framing
from pipeline.crypto import bundles, cose, envelopes, signed, suite
from pipeline.crypto.authority import ROOT_NAME, Authority, certify, certify_transport
from pipeline.crypto.bundles import Bundle, SealedBundle, parse_bundle
from pipeline.crypto.certificates import ENCRYPT_USAGE, SIGN_USAGE, CertificateVerifier
from pipeline.crypto.enrolment import install, prepare
from pipeline.crypto.keys import LocalSigner
from pipeline.crypto.requests import (
    USAGES,
    alternative_names,
    certificate_request,
    extended_usage,
    name,
    read_request,
    subject,
)
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER, PROVINCES
from pipeline.domain.records import Person
from pipeline.kafka import acls
from pipeline.kafka.acls import Acl
from pipeline.kafka.topic_rules import validate
from pipeline.kafka.topology import TOPICS_FILE, Topology, load
from pipeline.province import rechecking
from pipeline.province.catalog_files import load_release
from pipeline.province.filing import Filing, file_application
from pipeline.province.rechecking import Dispute, Prepared
from pipeline.signer import policy
from pipeline.stages import topics
from pipeline.stages.clock import local_date
from pipeline.stages.effects import Output
from pipeline.stages.membership import trust_entry
from pipeline.stages.notices import Notice, post, sign_record
from pipeline.stages.reference import cosign, publish_catalog, publish_trust
from pipeline.stages.trust_tables import HEAD
from tests.attacks.stand import BYSTANDER, PROVIDER, REVOKED, SUSPENDED, Case, Stand, Table
from tests.forgery import Opened, send, take_apart, with_header, withhold
from tests.scenario import REQUESTER

CASES = Table()


# -- what a province signs in the center's place ---------------------------------------------------------------------------


def promised(stand: Stand, typ: str, record_name: str, record: Any, kind: Any, by: str = BYSTANDER) -> None:
    """Something of the center's kind, signed by a party and handed on to 53 by the center."""
    now = stand.network.clock()
    raw = sign_record(typ, record_name, record, stand.network.identities[by].signer, REQUESTER, now)
    stand.deliver(post(Notice(kind, REQUESTER, REQUESTER, record["application_id"]), [raw], CENTER))


@CASES.row("deliver", "role_not_allowed")
def an_acceptance_by_a_province(stand: Stand) -> None:
    """Whoever accepts says what is asked of whom."""
    promised(stand, "acceptance", "Acceptance", stand.request().acceptance, "acceptance")


@CASES.row("deliver", "role_not_allowed")
def a_rejection_by_a_province(stand: Stand) -> None:
    """32 would put an end to 53's application."""
    done = stand.finished()
    record: dict[str, object] = {
        "application_id": done.application["application_id"],
        "mandate_digest": done.mandate_digest,
        "envelope_id": None,
        "faults": [],
        "at": stand.network.clock(),
    }
    promised(stand, "rejection", "Rejection", record, "rejection")


@CASES.row("deliver", "role_not_allowed")
def a_certificate_of_completeness_by_the_provider(stand: Stand) -> None:
    """37 certifies that nobody has found anything."""
    certificate = stand.network.case(stand.finished().application).certificate()
    assert certificate is not None
    promised(stand, "certificate", "ApplicationResult", {**certificate.result, "version": 9}, "certificate", PROVIDER)


@CASES.row("deliver", "role_not_allowed")
def a_section_certificate_by_the_requester_itself(stand: Stand) -> None:
    """53 closes its own sections."""
    certificate = stand.network.case(stand.finished().application).certificate()
    assert certificate is not None
    record, now = certificate.sections[1], stand.network.clock()
    signer = stand.network.identities[REQUESTER].signer
    raw = sign_record("section-certificate", "SectionCertificate", record, signer, REQUESTER, now)
    notice = post(Notice("certificate", REQUESTER, REQUESTER, record["application_id"]), [raw], CENTER)
    header = replace(notice.header, bundle_id=b"\1" * 16, section=1, sections=1)
    stand.deliver(bundles.clear_bundle(header, [raw]))


@CASES.row("reader", "role_not_allowed")
def a_party_that_registers_a_party(stand: Stand) -> None:
    """00 belongs to the center, and is not the center."""
    entry = {**stand.network.entries["00"], "number": 9}
    signer, now = stand.network.identities["00"].signer, stand.network.clock()
    raw = signed.sign("trust", framing.encode("TrustEntry", entry), signer, audience="all", now=now).raw
    stand.read(Output(topics.TRUST, b"00", raw))


@CASES.row("reader", "role_not_allowed")
def a_catalog_report_for_another_provider(stand: Stand) -> None:
    """32 would change what 37 offers; what any province reports, the center signs."""
    assert stand.network.reference.current is not None
    entry = stand.network.reference.current.entry(PROVIDER, "vehicles")
    signer = stand.network.identities[BYSTANDER].signer
    stand.read(*publish_catalog(9, [{**entry, "feedback_seconds": 1}], signer, stand.network.clock())[:1])


@CASES.row("reader", "issuer_mismatch")
def a_head_of_the_trust_log_by_a_province(stand: Stand) -> None:
    """It may sign heads, as a witness; in the center's place it decides which certificates there are."""
    network = stand.network
    newcomer = trust_entry(stand.newcomer("11"), 1)
    signer = network.identities[BYSTANDER].signer
    outputs = publish_trust([], stand.leaves_with(newcomer), network.crl, signer, network.clock())
    stand.read(next(output for output in outputs if output.key == HEAD))


@CASES.row("reader", "role_not_allowed")
def a_revocation_list_published_by_a_province(stand: Stand) -> None:
    """Even a genuine one: which is the newest is for the center to say."""
    network = stand.network
    crl = network.new_crl(network.crl["number"] + 1)
    stand.read(publish_trust((), (), crl, network.identities[BYSTANDER].signer, network.clock())[1])


@CASES.row("reader", "key_contradicts_entry")
def a_witness_in_the_centers_place(stand: Stand) -> None:
    """32's own cosignature under the center's key: compaction, or a reader, would take it for the center's."""
    output = cosign(stand.head(), stand.network.identities[BYSTANDER].signer, stand.network.clock())
    stand.read(replace(output, key=CENTER.encode()))


@CASES.row("catalog", "config_error", "named after party 32, reports for party 37")
def a_catalog_file_that_speaks_for_another_provider(stand: Stand) -> object:
    """32 hands in its yearly report, with 37's code in it."""
    folder = stand.folder / "catalog"
    folder.mkdir()
    (folder / f"{BYSTANDER}.yaml").write_bytes((stand.sample.catalog / f"{PROVIDER}.yaml").read_bytes())
    return load_release([folder])


# -- what is not its business -------------------------------------------------------------------------------------------------


@CASES.row("intake", "mandate_invalid", also=("application_unknown", "deliver"))
def the_centers_resources_file_an_application(stand: Stand) -> None:
    """00 answers, it never asks: it may sign no mandate."""
    section = stand.section()
    section.sign_mandate(stand.network.identities["00"], stand.network.clock(), requester="00")
    section.header = replace(section.header, sender="00", requester="00")
    section.follow_mandate()
    stand.submit(section, "00")


@CASES.row("intake", "kind_unexpected")
def an_application_filed_for_another_province(stand: Stand) -> None:
    """32 sends, 53 would be who asked."""
    section = stand.section()
    section.header = replace(section.header, sender=BYSTANDER)
    stand.submit(section, BYSTANDER)


@CASES.row("intake", "kind_unexpected")
def a_province_that_sends_the_center_a_request(stand: Stand) -> None:
    """Only the center asks providers."""
    stand_in = post(Notice("receipt", CENTER, REQUESTER, "a"), [b"r" * 40], BYSTANDER).header
    header = replace(stand_in, kind="rejection", bundle_id=b"\2" * 16)
    send(stand.network, BYSTANDER, CENTER, "requests", bundles.clear_bundle(header, [b"r" * 40]))


@CASES.row("intake", "sender_mismatch")
def a_province_that_sends_in_the_centers_name(stand: Stand) -> None:
    """From: center, inside an envelope of 32's."""
    send(stand.network, BYSTANDER, CENTER, "requests", post(Notice("receipt", CENTER, CENTER, "a"), [b"r"], CENTER))


def delivery_receipt(stand: Stand, by: str) -> None:
    """A receipt for what 37 has delivered to 53, by somebody else in his own name."""
    record = {
        "kind": "delivered",
        "application_id": stand.finished_once(),
        "provider": PROVIDER,
        "envelope_id": None,
        "envelope_digest": None,
        "bundles": [bytes(32)],
        "at": stand.network.clock(),
    }
    raw = sign_record("receipt", "Receipt", record, stand.network.identities[by].signer, CENTER, stand.network.clock())
    send(stand.network, by, CENTER, "requests", post(Notice("receipt", CENTER, by, "a"), [raw], by))


@CASES.row("applications", "application_unknown")
def a_receipt_for_what_another_province_asked(stand: Stand) -> None:
    """37 would stop sending what 53 has not got yet."""
    delivery_receipt(stand, BYSTANDER)


@CASES.row("intake", "role_not_allowed")
def a_receipt_by_who_never_asks(stand: Stand) -> None:
    """00 gets no answers, so it receipts none."""
    delivery_receipt(stand, "00")


@CASES.row("collect", "kind_unexpected")
def a_province_that_relays(stand: Stand) -> None:
    """Relays are the center's to make."""
    answer, _ = stand.relayed()
    header = replace(answer.header, kind="relay", bundle_id=b"\3" * 16, padded=0, outcome=None, members=b"")
    send(stand.network, PROVIDER, CENTER, "responses", bundles.clear_bundle(header, [b"r" * 40]))


@CASES.row("collect", "usage_not_allowed")
def an_answer_signed_with_the_key_to_unseal(stand: Stand) -> None:
    """That key is used all day by what reads the inbox: it signs nothing."""
    answer, _ = stand.relayed()
    held, now = stand.network.identities[PROVIDER], stand.network.clock()
    signer = LocalSigner(PROVIDER, held.sealing.private_key, held.sealing_certificate)
    sealed = with_header(answer)
    stand.produce(envelopes.build([sealed], signer, audience=CENTER, now=now).value, kind="responses")


@CASES.row("collect", "party_suspended")
def a_suspended_party_that_answers(stand: Stand) -> None:
    """Suspended parties have no business at all."""
    send(
        stand.network,
        SUSPENDED,
        CENTER,
        "responses",
        post(Notice("receipt", CENTER, SUSPENDED, "a"), [b"r"], SUSPENDED),
    )


@CASES.row("collect", "certificate_revoked")
def an_official_who_was_dismissed(stand: Stand) -> None:
    """The certificate of his office is revoked, the key is still in his hands."""
    send(stand.network, REVOKED, CENTER, "responses", post(Notice("receipt", CENTER, REVOKED, "a"), [b"r"], REVOKED))


@CASES.row("join", "answer_out_of_scope")
def a_province_that_answers_what_another_was_asked(stand: Stand) -> None:
    """32 was asked about social insurance, and speaks of vehicles."""
    filing = stand.file()
    stand.network.run(without=(BYSTANDER,))
    [(bundle, _)] = stand.bundles(BYSTANDER, "requests", "request", filing)
    send(stand.network, BYSTANDER, CENTER, "responses", unable(bundle, BYSTANDER, rows=(2,)))


@CASES.row("join", "answer_out_of_scope")
def a_province_that_was_not_asked_at_all(stand: Stand) -> None:
    """53's own provider side answers for vehicles, with a section that it knows since it filed it."""
    filing = stand.file()
    stand.network.run(without=(PROVIDER,))
    [(bundle, _)] = stand.bundles(PROVIDER, "requests", "request", filing)
    send(stand.network, REQUESTER, CENTER, "responses", unable(bundle, REQUESTER, rows=(2,)))


def unable(request: Bundle, by: str, **changes: Any) -> SealedBundle:
    """A provider's answer without records: it cannot say anything about the rows given."""
    asked = request.header
    header = replace(
        asked, kind="answer", bundle_id=b"\4" * 16, sender=by, to=asked.requester, provider=by,
        outcome="unavailable", padded=0, answers=request.leaf, **changes,
    )  # fmt: skip
    return bundles.clear_bundle(header, [])


# -- the center beyond the mandate --------------------------------------------------------------------------------------------


def extended(stand: Stand, change: Callable[[Opened], dict[str, Any]]) -> None:
    """The center asks the provider under an acceptance that says more than the mandate."""
    request = stand.request()
    changes = change(request)
    request.sign_acceptance(stand.network.identities[CENTER], stand.network.clock(), **changes)
    stand.ask(request)


@CASES.row("answer", "acceptance_mismatch", also=("answer_out_of_scope", "join"))
def a_row_that_nobody_signed_for(stand: Stand) -> None:
    """A third row, for a third category."""

    def change(request: Opened) -> dict[str, Any]:
        query = request.acceptance["sub_queries"][0]
        request.header = replace(request.header, rows=(*request.header.rows, 3))
        return {"sub_queries": [*request.acceptance["sub_queries"], {**query, "row": 3, "provider": PROVIDER}]}

    extended(stand, change)


@CASES.row("answer", "acceptance_mismatch")
def a_period_that_nobody_signed_for(stand: Stand) -> None:
    """All that ever was, in place of what stands there today."""

    def change(request: Opened) -> dict[str, Any]:
        period = {"kind": "range", "start": "1949-10-01", "end": "2026-11-20"}
        return {"sub_queries": [{**query, "period": period} for query in request.acceptance["sub_queries"]]}

    extended(stand, change)


@CASES.row("answer", "acceptance_mismatch")
def another_mandates_acceptance(stand: Stand) -> None:
    """The center stretches what it accepted once over what it did not."""
    other = stand.request().acceptance["mandate_digest"]
    extended(stand, lambda _: {"mandate_digest": other})


@CASES.row("answer", "acceptance_mismatch")
def an_acceptance_under_another_release_of_the_catalog(stand: Stand) -> None:
    """One in which the resource has more items than the requester knew of."""
    extended(stand, lambda _: {"catalog_release": 2})


@CASES.row("answer", "acceptance_mismatch", also=("answer_out_of_scope", "join"))
def a_provider_that_nobody_signed_for(stand: Stand) -> None:
    """Vehicles were to be asked of 37: the center asks 32 as well."""
    filing = stand.file()
    stand.network.run(without=(BYSTANDER,))
    [(bundle, _)] = stand.bundles(BYSTANDER, "requests", "request", filing)
    withhold(stand.network, BYSTANDER, "requests")
    request = take_apart(bundle, stand.network.identities[BYSTANDER])
    [vehicles] = [query for query in request.acceptance["sub_queries"] if query["category"] == "vehicles"]
    center, now = stand.network.identities[CENTER], stand.network.clock()
    request.header = replace(request.header, rows=(vehicles["row"],))
    request.sign_acceptance(center, now, sub_queries=[{**vehicles, "provider": BYSTANDER}])
    with stand.ciphers.looking_away():
        sealed = request.seal(center, stand.network)
    send(stand.network, CENTER, BYSTANDER, "requests", sealed)


# -- a re-check beyond its original -----------------------------------------------------------------------------------------


def disputed(stand: Stand) -> tuple[Filing, Prepared]:
    """A finished application, and a genuine re-check of one person's vehicles in it, not filed yet."""
    done = stand.finished()
    dispute = Dispute(frozenset({1}), frozenset({2}), None, "登记有误")
    today = local_date(stand.network.clock())
    case = stand.network.case(done.application)
    return done, rechecking.prepare(case, dispute, application_id=str(uuid.uuid4()), today=today)


def rechecked(stand: Stand, prepared: Prepared, by: str, persons: Sequence[Person]) -> Filing:
    """Filed by a party that leaves its own checks out."""
    network = stand.network
    application: Any = {**prepared.application, "requester": by}
    with stand.ciphers.looking_away():
        return file_application(
            application,
            persons,
            identity=network.identities[by],
            trust=network.reference.trust,
            release=1,
            now=network.clock(),
            origin=prepared.origin,
        )


@CASES.row("intake", "recheck_beyond_original", also=("application_unknown", "deliver"))
def a_re_check_of_what_another_province_asked(stand: Stand) -> None:
    """32 has every byte of 53's application, and disputes its result."""
    _, prepared = disputed(stand)
    filing = rechecked(stand, prepared, BYSTANDER, prepared.persons)
    send(stand.network, BYSTANDER, CENTER, "requests", *filing.bundles)


@CASES.row("answer", "recheck_beyond_original", also=("section_unknown", "join"))
def a_re_check_of_somebody_whom_nobody_asked_about(stand: Stand) -> None:
    """53 and the center together: another person under the number of one who was asked about."""
    done, prepared = disputed(stand)
    stranger = {**done.sections[-1][-1], "number": 1}
    [sealed] = rechecked(stand, prepared, REQUESTER, [stranger]).bundles  # type: ignore[list-item]
    center, network = stand.network.identities[CENTER], stand.network
    request = take_apart(parse_bundle(sealed.raw), center)
    promised = network.case(done.application).acceptance()
    assert promised is not None
    about = {"application_id": prepared.application["application_id"], "mandate_digest": request.header.mandate_digest}
    queries = [query for query in promised["sub_queries"] if query["row"] == 2]
    record = {**promised, **about, "sub_queries": queries}
    request.warrant["acceptance"] = sign_record(
        "acceptance", "Acceptance", record, center.signer, REQUESTER, network.clock()
    )
    request.head["application"] = None
    request.header = replace(request.header, kind="request", sender=CENTER, to=PROVIDER, provider=PROVIDER, rows=(2,))
    stand.ask(request)


@CASES.row("answer", "acceptance_missing")
def a_request_without_an_acceptance(stand: Stand) -> None:
    """Passed on before anybody at the center has reviewed it."""
    request = stand.request()
    request.warrant["acceptance"] = None
    stand.ask(request)


@CASES.row("answer", "mandate_invalid", also=("mandate_mismatch", "join"))
def a_mandate_by_the_center(stand: Stand) -> None:
    """The center asks for itself, in 53's name."""
    request = stand.request()
    request.sign_mandate(stand.network.identities[CENTER], stand.network.clock())
    request.follow_mandate()
    stand.ask(request)


@CASES.row("answer", "mandate_expired", also=("mandate_mismatch", "join"))
def a_mandate_used_beyond_its_end(stand: Stand) -> None:
    """Signed by 53, over since."""
    request = stand.request()
    request.sign_mandate(stand.network.identities[REQUESTER], stand.network.clock(), not_after=1)
    request.follow_mandate()
    digest = cose.decode(request.warrant["mandate"]).digest
    request.sign_acceptance(stand.network.identities[CENTER], stand.network.clock(), mandate_digest=digest)
    stand.ask(request)


@CASES.row("answer", "header_contradicts_mandate")
def a_request_under_the_header_of_a_larger_one(stand: Stand) -> None:
    """Two sections, where the mandate has one."""
    request = stand.request()
    request.header = replace(request.header, sections=2)
    stand.ask(request)


# -- signers -------------------------------------------------------------------------------------------------------------------


def asked(
    stand: Stand, typ: str, *, party: str = PROVIDER, lifetime: int = 86_400_000, outer: str | None = None
) -> None:
    """A worker that was taken over has its signer sign."""
    now = stand.network.clock() // 1000 * 1000
    claims = cose.Claims(party, CENTER, now, now + lifetime, bytes(16))
    signer = stand.network.identities[party].signer
    protected = cose.protected_header(typ, signer.thumbprint, claims)
    policy.check(cose.sig_structure(outer or typ, protected, b"payload"), party, signer.thumbprint)


@CASES.row("signer", "role_not_allowed")
def a_provinces_signer_asked_for_a_certificate(stand: Stand) -> None:
    """The center's kind of statement."""
    asked(stand, "certificate")


@CASES.row("signer", "role_not_allowed")
def the_centers_signer_asked_for_a_mandate(stand: Stand) -> None:
    """The center never asks in a province's place."""
    asked(stand, "mandate", party=CENTER)


@CASES.row("signer", "role_not_allowed")
def a_signer_asked_for_a_seal_key(stand: Stand) -> None:
    """Statements about seal keys it makes itself, over keys that it made."""
    asked(stand, "seal-key")


@CASES.row("signer", "type_mismatch")
def a_signer_asked_for_one_thing_under_the_name_of_another(stand: Stand) -> None:
    """An acceptance outside, an envelope inside."""
    asked(stand, "envelope", outer="acceptance")


@CASES.row("signer", "lifetime_too_long")
def a_signer_asked_for_a_statement_without_end(stand: Stand) -> None:
    """Good for ten years, to be used when the worker is long found out."""
    asked(stand, "envelope", lifetime=3650 * 86_400_000)


# -- the authority ---------------------------------------------------------------------------------------------------------------


def request_for(
    principal: str = f"P{PROVIDER}",
    *,
    unit: str | None = None,
    names: list[x509.GeneralName] | None = None,
    usage: x509.ExtendedKeyUsage | None = None,
    more: x509.ExtensionType | None = None,
) -> bytes:
    """A request that a party's own program would not make."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        subject(principal) if unit is None else name(principal, unit)
    )
    held = alternative_names(principal, ()) if names is None else x509.SubjectAlternativeName(names)
    builder = builder.add_extension(held, critical=False)
    builder = builder.add_extension(usage or extended_usage("sign"), critical=False)
    if more is not None:
        builder = builder.add_extension(more, critical=True)
    return builder.sign(suite.generate_key(), hashes.SHA256()).public_bytes(Encoding.DER)


@CASES.row("CA", "config_error", "other extensions")
def a_request_to_be_an_authority(_: Stand) -> object:
    """CA:TRUE."""
    return read_request(request_for(more=x509.BasicConstraints(ca=True, path_length=0)))


@CASES.row("CA", "config_error", "subject is not")
def a_request_for_another_role(_: Stand) -> object:
    """A province that would be the center."""
    return read_request(request_for(unit="center"))


@CASES.row("CA", "config_error", "name is not")
def a_request_with_another_partys_name_in_it(_: Stand) -> object:
    """P37 outside, 53 in the URI."""
    return read_request(request_for(names=[x509.UniformResourceIdentifier(f"urn:hedx:province:{REQUESTER}")]))


@CASES.row("CA", "config_error", "second name")
def a_request_with_another_partys_name_beside_ones_own(_: Stand) -> object:
    """37 and 53."""
    uris = [x509.UniformResourceIdentifier(f"urn:hedx:province:{party}") for party in (PROVIDER, REQUESTER)]
    return read_request(request_for(names=list(uris)))


@CASES.row("CA", "config_error", "serverAuth is for broker and monitor only")
def a_request_of_a_party_to_be_a_server(_: Stand) -> object:
    """Whoever connects to it would take it for a broker."""
    return read_request(request_for(usage=extended_usage("tls", server=True)))


@CASES.row("CA", "config_error", "or several")
def a_request_for_two_uses_at_once(_: Stand) -> object:
    """To sign and to encrypt with one key."""
    usages = [*extended_usage("sign"), *extended_usage("encrypt")]
    return read_request(request_for(usage=x509.ExtendedKeyUsage(usages)))


@CASES.row("CA", "config_error", "is no party")
def a_request_of_the_watch_to_sign(_: Stand) -> object:
    """ops looks on; it says nothing."""
    return read_request(certificate_request("ops", suite.generate_key(), "sign"))


@CASES.row("registry", "config_error", "is not registered here")
def a_certificate_for_a_party_that_nobody_has_registered(stand: Stand) -> object:
    """The request is right, the party is not there."""
    request = read_request(certificate_request("P11", suite.generate_key(), "sign"))
    with Registry(stand.folder / "registry.db") as registry:
        return registry.issue(stand.network.authority, request, stand.network.clock())


@CASES.row("registry", "config_error", "nothing is issued to it")
def a_certificate_for_a_party_that_is_suspended(stand: Stand) -> object:
    """A new key would be a way around its suspension."""
    request, now = read_request(certificate_request("P12", suite.generate_key(), "sign")), stand.network.clock()
    with Registry(stand.folder / "registry.db") as registry:
        registry.register("12", now)
        registry.suspend("12", "suspected", now)
        return registry.issue(stand.network.authority, request, now)


@CASES.row("registry", "config_error", "renew it")
def a_second_certificate_in_a_registered_partys_name(stand: Stand) -> object:
    """Whoever else hands in a request for 13 does not become 13 beside it."""
    now = stand.network.clock()
    with Registry(stand.folder / "registry.db") as registry:
        registry.register("13", now)
        for _ in range(2):
            request = read_request(certificate_request("P13", suite.generate_key(), "sign"))
            made = registry.issue(stand.network.authority, request, now)
    return made


@CASES.row("registry", "config_error", "every certificate is for a new key")
def one_key_for_two_uses(stand: Stand) -> object:
    """To sign, and to be sealed to: what opens post would sign mandates."""
    key, now = suite.generate_key(), stand.network.clock()
    with Registry(stand.folder / "registry.db") as registry:
        registry.register("14", now)
        for usage in USAGES[:2]:
            made = registry.issue(stand.network.authority, read_request(certificate_request("P14", key, usage)), now)
    return made


@CASES.row("registry", "config_error", "is revoked: ask with a new key")
def the_request_of_a_revoked_certificate_once_more(stand: Stand) -> object:
    """The key is in somebody else's hands, and so is the request."""
    request, now = read_request(certificate_request("P15", suite.generate_key(), "sign")), stand.network.clock()
    with Registry(stand.folder / "registry.db") as registry:
        registry.register("15", now)
        registry.revoke(registry.issue(stand.network.authority, request, now).serial, "key_compromise", now)
        return registry.issue(stand.network.authority, request, now)


@CASES.row("registry", "config_error", "the center cannot suspend itself")
def a_suspension_of_the_center(stand: Stand) -> object:
    """It would shut out everybody."""
    with Registry(stand.folder / "registry.db") as registry:
        return registry.suspend(CENTER, "why not", stand.network.clock())


@CASES.row("verifier", "certificate_invalid")
def the_issuing_authority_makes_another(stand: Stand) -> object:
    """Path length 0: what an authority under it has issued leads nowhere."""
    network, now = stand.network, stand.network.clock()
    key = suite.generate_key()
    made = x509.load_der_x509_certificate(certify(network.authority, PROVIDER, key.public_key(), SIGN_USAGE, now))
    builder = x509.CertificateBuilder(
        issuer_name=network.authority.issuing.subject,
        subject_name=name("HEDX another", "authority"),
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=made.not_valid_before_utc,
        not_valid_after=made.not_valid_after_utc,
    )
    for extension in network.authority.issuing.extensions:
        if not isinstance(extension.value, x509.SubjectKeyIdentifier):
            builder = builder.add_extension(extension.value, extension.critical)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    rogue = builder.sign(network.authority.issuing_key, hashes.SHA256())
    under = Authority(network.authority.root, key, rogue)
    der = certify(under, PROVIDER, suite.generate_key().public_key(), SIGN_USAGE, now)
    known = [*network.authority.certificates, rogue.public_bytes(Encoding.DER)]
    assert network.authority.root.subject == ROOT_NAME
    return CertificateVerifier(known).verify(der, PROVIDER, "province", SIGN_USAGE)


@CASES.row("verifier", "certificate_invalid")
def a_province_that_makes_certificates(stand: Stand) -> object:
    """Signed with its own key, its own certificate in the chain."""
    network, now = stand.network, stand.network.clock()
    held = network.identities[PROVIDER].signer
    under = Authority(network.authority.root, held.key, x509.load_der_x509_certificate(held.certificate))
    der = certify(under, CENTER, suite.generate_key().public_key(), SIGN_USAGE, now)
    return CertificateVerifier([*network.authority.certificates, held.certificate]).verify(
        der, CENTER, "center", SIGN_USAGE
    )


@CASES.row("enrolment", "config_error", "is not made out to center")
def a_provinces_tls_certificate_for_the_center(stand: Stand) -> object:
    """Over the center's own new key, in the name of a province: it would connect as somebody else."""
    folder = stand.folder / "enrolment"
    asked_for = read_request(prepare(folder, CENTER, ["tls"])["tls"].read_bytes())
    key, now = asked_for.public_key, stand.network.clock()
    der = certify_transport(stand.network.authority, f"P{PROVIDER}", key, now)
    return install(folder, folder / "transport", CENTER, [der], stand.network.authority.certificates)


@CASES.row("enrolment", "config_error", "is for no key that waits")
def a_certificate_over_somebody_elses_key(stand: Stand) -> object:
    """The center hands a party a certificate whose private key it has kept."""
    folder = stand.folder / "enrolment-other"
    prepare(folder, "P11", ["sign"])
    der = certify(stand.network.authority, "11", suite.generate_key().public_key(), SIGN_USAGE, stand.network.clock())
    return install(folder, folder / "transport", "P11", [der], stand.network.authority.certificates)


@CASES.row("enrolment", "config_error", "certificate for sign")
def a_certificate_of_another_use_than_was_asked_for(stand: Stand) -> object:
    """Over the key to sign, good for being sealed to."""
    folder, network = stand.folder / "enrolment-use", stand.network
    asked_for = read_request(prepare(folder, "P11", ["sign"])["sign"].read_bytes())
    der = certify(network.authority, "11", asked_for.public_key, ENCRYPT_USAGE, network.clock())
    return install(folder, folder / "transport", "P11", [der], network.authority.certificates)


# -- rights on the cluster ----------------------------------------------------------------------------------------------------


WHOLE = TOPICS_FILE.read_text(encoding="utf-8")
PARTYS = "    group: hedx.{party}.\n"
WRITES = "    produces:\n      - hedx.center.requests\n"
WATCH = "    group: hedx.ops.\n    describes: true\n    produces: []\n    consumes:\n"


def granted(stand: Stand, old: str, new: str) -> None:
    """Somebody gives a right in topics.yaml."""
    assert old in WHOLE
    path = stand.folder / "topics.yaml"
    path.write_text(WHOLE.replace(old, new, 1), encoding="utf-8")
    if problems := validate(load(path)):
        raise ConfigError("\n".join(map(str, problems)))


GRANTS = {
    "rule 9 a topic that nobody declares": ("      - hedx.events\n      - hedx.deadletters\n      - hedx.catalog\n      - hedx.trust\n", "      - kafka-cluster\n", "which no topic declares"),
    "rule 9 a group outside the cluster": (WATCH, WATCH.replace("hedx.ops.", "ops."), "needs a group that starts with"),
    "rule 10 a group that covers longer names": (PARTYS, "    group: hedx.{party}\n", "must end in a dot"),
    "rule 10 a group that covers everybodys": (WATCH, WATCH.replace("hedx.ops.", "hedx."), "covers that of P37"),
    "rule 11 all inboxes": ("      - hedx.{party}.requests\n      - hedx.{party}.responses\n      - hedx.catalog\n      - hedx.trust\n      - hedx.checkpoints\n      - hedx.bulletin\n\n  - name: ops",
                            "      - hedx.32.requests\n      - hedx.catalog\n\n  - name: ops", "a party reads its own inboxes"),
    "rule 11 the centers inside": (WRITES, WRITES + "      - hedx.center.applications\n", "a party writes to"),
    "rule 11 watermarks": (WRITES, WRITES + "      - hedx.center.join\n", "a party writes to"),
    "rule 11 the dead letters": (WRITES, WRITES + "      - hedx.deadletters\n", "a party writes to"),
    "rule 11 anothers group": (PARTYS, "    group: hedx.32.\n", "group must be"),
    "rule 12 the inboxes to the watch": (WATCH, WATCH + "      - hedx.37.responses\n", "the inbox of P37"),
    "rule 12 the trust to a party": (WRITES, WRITES + "      - hedx.trust\n", "which the center alone writes"),
    "rule 12 the catalog to the watch": (WATCH, WATCH.replace("produces: []", "produces: [hedx.catalog]"), "which the center alone writes"),
    "rule 12 another partys inbox to a party": (WRITES, WRITES + "      - hedx.53.requests\n", "which the center alone writes"),
    "rule 13 ones own inbox": (WRITES, WRITES + "      - hedx.{party}.requests\n", "both consumes and produces"),
    "rule 14 a super user": ("name: ops\n", "name: broker\n", "is a super user"),
    "rule 17 a look at everybody": (PARTYS, PARTYS + "    describes: true\n", "may not describe everything"),
    "rule 15 no quota": ("      producer_byte_rate: 4194304\n      consumer_byte_rate: 16777216\n      request_percentage: 100\n    produces", "    produces", "quota"),
}  # fmt: skip


def _grant(title: str, old: str, new: str, says: str) -> Case:
    return Case(title, lambda stand: granted(stand, old, new), "topics.yaml", "config_error", says)


CASES.extend(_grant(title, *row) for title, row in GRANTS.items())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_privilege(stand: Stand, case: Case, caplog: pytest.LogCaptureFixture) -> None:
    """Refused by its code, written down where it was tried, and the exchange goes on as if nothing had been."""
    stand.strike(case, caplog)


def test_no_file_holds_anything_personal_or_a_key(stand: Stand) -> None:
    """After all attacks, in every store with its write-ahead log."""
    assert stand.leaks_in_files() == []


# -- for every party, by the rules that the broker gets ----------------------------------------------------------------------


@cache
def topology() -> Topology:
    """The shipped file, for all parties."""
    return load(TOPICS_FILE)


@cache
def rules() -> frozenset[Acl]:
    """Kafka's rules for all of them, each party at an address of its own."""
    addresses = {party: [f"10.0.0.{number}"] for number, party in enumerate(topology().parties, 1)}
    return acls.wanted(topology(), addresses, ())


def allowed(principal: str, operation: str, resource: str, wanted: str) -> bool:
    """Whether the rules let a principal do this, as the broker's authorizer reads them."""
    implied = {"describe": ("describe", "read", "write", "delete", "alter"), "read": ("read",), "write": ("write",)}
    return any(
        acl.principal in (principal, "*")
        and acl.resource == resource
        and acl.operation in (*implied.get(operation, (operation,)), "all")
        and (acl.name in (wanted, "*") or (acl.pattern == "prefixed" and wanted.startswith(acl.name)))
        for acl in rules()
    )


EVERY_OPERATION = ("read", "write", "create", "delete", "alter", "describe", "alter_configs", "describe_configs")


def foreign(party: str) -> Iterator[tuple[str, str]]:
    """(resource, name) of all that is not `party`'s: other parties', the center's own, the cluster."""
    for other in (*topology().parties, CENTER):
        if other != party:
            yield "topic", f"hedx.{other}.responses"
            yield "group", f"hedx.{other}.answer"
            yield "group", f"hedx.{other}."
            yield "transactional_id", f"hedx.{other}.deliver.0"
            if other != CENTER:
                yield "topic", f"hedx.{other}.requests"
    for spec in topology().topics:
        if spec.name.startswith("hedx.center.") and spec.name.count(".") + ("requests" in spec.name) > 1:
            yield "topic", spec.name
    for inside in ("hedx.events", "hedx.deadletters", "__consumer_offsets", "__transaction_state", "elsewhere"):
        yield "topic", inside
    yield "group", "hedx.ops.watch"
    yield "group", "hedx"
    yield "broker", "kafka-cluster"


PARTIES = ("00", *PROVINCES)


@pytest.mark.parametrize("party", PARTIES)
def test_a_party_has_no_right_on_what_is_not_its_own(party: str) -> None:
    """None of 33 parties may do anything with anybody else's topics, groups and transactions, or with the cluster."""
    may: set[tuple[str, str, str]] = set()
    for resource, wanted in foreign(party):
        may |= {(each, resource, wanted) for each in EVERY_OPERATION if allowed(f"P{party}", each, resource, wanted)}
    to_the_center = {
        (each, "topic", f"hedx.center.{kind}") for each in ("write", "describe") for kind in ("requests", "responses")
    }
    assert may == to_the_center


@pytest.mark.parametrize("party", PARTIES)
def test_a_suspended_party_has_no_right_at_all(party: str) -> None:
    """Whatever the file grants it: denied everything, which wins, and nobody else is touched."""
    addresses = {each: [f"10.0.0.{number}"] for number, each in enumerate(topology().parties, 1)}
    suspended = acls.wanted(topology(), addresses, {party})
    mine = {acl for acl in suspended if acl.principal == f"P{party}"}
    assert {(acl.permission, acl.operation, acl.name, acl.host) for acl in mine} == {("deny", "all", "*", "*")}
    assert suspended - mine == {acl for acl in rules() if acl.principal != f"P{party}"}


def test_a_party_comes_from_its_own_address_only() -> None:
    """No rule of a party is for every address, and no two parties share one."""
    hosts = {principal: {acl.host for acl in rules() if acl.principal == principal} for principal in principals()}
    of_parties = [hosts[f"P{party}"] for party in PARTIES]
    assert all(len(held) == 1 and "*" not in held for held in of_parties)
    assert len(set.union(*of_parties)) == len(PARTIES)


def principals() -> set[str]:
    """Everybody with a right: the center, the watch, 33 parties."""
    return {acl.principal for acl in rules()}


def test_there_is_nobody_else_with_a_right() -> None:
    """35 principals, none of them a super user, and no rule for everybody."""
    assert principals() == {CENTER, "ops", *(f"P{party}" for party in PARTIES)}


def test_nobody_may_change_anything_of_the_cluster() -> None:
    """No rule on the cluster, none to create, delete or alter, and no prefix for topics but for operations to look at."""
    assert {acl.resource for acl in rules()} <= {"topic", "group", "transactional_id"}
    assert {acl.operation for acl in rules()} == {"read", "write", "describe", "describe_configs"}
    wide = {(acl.principal, acl.operation) for acl in rules() if acl.resource == "topic" and acl.pattern != "literal"}
    assert wide == {("ops", "describe"), ("ops", "describe_configs")}


def test_no_party_writes_in_transactions() -> None:
    """One left open would hold up everybody who reads the center's inboxes: the right is the center's alone."""
    assert {acl.principal for acl in rules() if acl.resource == "transactional_id"} == {CENTER}


def test_no_prefix_of_one_covers_a_name_of_another() -> None:
    """Groups and transactional ids: 3 is no prefix of 37's, the center's is none of anybody's; a look changes nothing."""
    used = {acl for acl in rules() if acl.operation in ("read", "write")}
    prefixed = {(acl.principal, acl.resource, acl.name) for acl in used if acl.pattern == "prefixed"}
    for one, resource, wide in prefixed:
        assert wide.endswith(".")
        for other, same, name_ in prefixed:
            assert one == other or resource != same or not name_.startswith(wide)
        for spec in topology().principals:
            assert spec.name == one or not spec.group.startswith(wide)


def test_each_inbox_has_one_reader_and_its_writers() -> None:
    """Parties' inboxes: written by the center alone. The center's: by the parties. Nobody writes what it reads."""
    for owner in (*PARTIES, CENTER):
        for kind in ("requests", "responses"):
            name_ = f"hedx.{owner}.{kind}"
            may = {each: {p for p in principals() if allowed(p, each, "topic", name_)} for each in ("read", "write")}
            assert may["read"] == {CENTER if owner == CENTER else f"P{owner}"}
            assert may["write"] == ({f"P{party}" for party in PARTIES} if owner == CENTER else {CENTER})


def test_the_watch_reads_facts_and_writes_nothing() -> None:
    """No inbox, nothing inside the center, no transaction."""
    assert {acl.name for acl in rules() if acl.principal == "ops" and acl.operation == "write"} == set()
    read = {acl.name for acl in rules() if (acl.principal, acl.operation, acl.resource) == ("ops", "read", "topic")}
    assert read == {"hedx.events", "hedx.deadletters", "hedx.catalog", "hedx.trust", "hedx.bulletin"}
