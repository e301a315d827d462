"""Targets of trust: certificates, requests, revocation lists, the reference topics, what a signer is asked."""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.crypto import signed
from pipeline.crypto.certificates import ENCRYPT_USAGE, SIGN_USAGE, CertificateVerifier
from pipeline.crypto.requests import read_request
from pipeline.crypto.revocation import read_crl
from pipeline.crypto.seal_keys import read_seal_key
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.domain.records import RevocationList
from pipeline.signer import policy, protocol
from pipeline.stages import topics
from pipeline.stages.anchor import Anchor, Seen
from pipeline.stages.membership import log_leaves
from pipeline.stages.reference import ReferenceTables, make_anchor
from tests.fuzz import der, world
from tests.fuzz.harness import Target, check_refusal, loaded, misconfigured, must, refused
from tests.vectors import identities
from tests.vectors.identities import NOW, Draws, member, roots

TOPICS = (topics.TRUST, topics.CHECKPOINTS, topics.CATALOG)
PARTIES = ("center", "37", "53")
WEEK = 7 * 24 * 3600 * 1000


def read_certificate(data: bytes) -> None:
    """A party's certificate as it comes: the chain and the profile hold, or it is refused."""
    verifier = CertificateVerifier(roots())
    for party, usage in (("37", SIGN_USAGE), ("37", ENCRYPT_USAGE), ("center", SIGN_USAGE)):
        role = "center" if party == "center" else "province"
        found = refused(
            lambda party=party, role=role, usage=usage: verifier.verify(data, party, role, usage)  # type: ignore[misc]
        )
        if found is not None:
            again = x509.load_der_x509_certificate(data).public_bytes(Encoding.DER)
            must(again == data, "a certificate in two encodings")
            must(found.not_before <= found.not_after, "a certificate that is never valid")


def read_issued(data: bytes) -> None:
    """Input: what is signed of a certificate; the issuing CA signs it."""
    read_certificate(der.sign(data, authority()[2]))


def read_asked(data: bytes) -> None:
    """Input: what is signed of a request; its own key signs it. Then the bytes as they are."""
    for request in (data, der.sign(data, member("37").signer.key)):
        found = misconfigured(lambda request=request: read_request(request))  # type: ignore[misc]
        if found is not None:
            must(misconfigured(lambda found=found: read_request(found.der)) == found, "a request that changes")  # type: ignore[misc]


def read_listed(data: bytes) -> None:
    """Input: what is signed of a revocation list; the issuing CA signs it. Then the bytes as they are."""
    issuing = [authority()[1]]
    for crl in (data, der.sign(data, authority()[2])):
        found = refused(lambda crl=crl: read_crl(crl, issuing))  # type: ignore[misc]
        if found is not None:
            must(len(found.by_serial) <= len(data), "more lines than bytes")
            world.fresh_trust().revoke(RevocationList(number=found.number, crl=crl))


def read_reference(data: bytes) -> None:
    """Input: `[* [topic, key, value / [typ, party, payload]]]`; the harness signs what is taken apart."""
    match loaded(data, 4):
        case list() as records if len(records) <= 64:
            pass
        case _:
            return
    tables = ReferenceTables(anchor(), party="37")
    for record in records:
        _apply(tables, record)
    tables.missing()
    for alarm in tables.alarms():
        must(alarm.code, "an alarm without a code")
    tables.uncosigned()
    seen = tables.seen()
    must(Seen.from_json(seen.to_json()) == seen, "a memory that changes when it is written")
    must(set(tables.trust.parties()) <= {*PARTIES, *_known(tables)}, "a party from nowhere")


def read_seen(data: bytes) -> None:
    """The file of what was seen before: read, or ConfigError."""
    seen = misconfigured(lambda: Seen.from_json(data.decode("utf-8", "replace")))
    if seen is not None:
        must(Seen.from_json(seen.to_json()) == seen, "a memory that changes when it is written")


def read_statement(data: bytes) -> None:
    """Input: a framed record; signed as a seal key by 37's encrypt certificate. Then the bytes as they are."""
    certificate = member("37").sealing_certificate
    signer = identities.DeterministicSigner("37", member("37").sealing.private_key, certificate)
    cti = Draws("fuzz/seal-key")(16)
    raw = signed.sign("seal-key", data, signer, audience="all", now=NOW, cti=cti).raw
    for statement in (data, raw):
        stated = refused(lambda statement=statement: read_seal_key(statement, world.trust()))  # type: ignore[misc]
        must(stated is None or stated.not_before < stated.not_after, "a key that is never valid")


def ask_signer(data: bytes) -> None:
    """A frame's body, and a Sig_structure as the policy reads it."""
    items = refused(lambda: protocol.decode(data))
    if items is not None:
        must(protocol.frame(items)[4:] == data, "a request in two encodings")
    signer = member("37").signer

    def allowed() -> bool:
        policy.check(data, "37", signer.thumbprint)
        return True

    if refused(allowed):
        must(b"hedx/1/" in data and b"Signature1" in data, "a signature over something else")


def _apply(tables: ReferenceTables, record: Any) -> None:
    match record:
        case [int() as topic, bytes() as key, bytes() as value]:
            pass
        case [int() as topic, bytes() as key, [str() as typ, int() as party, bytes() as payload]] if (
            typ in signed.SIGNERS
        ):
            signer = member(PARTIES[party % len(PARTIES)]).signer
            cti = Draws(f"fuzz/{typ}")(16)
            value = signed.sign(typ, payload, signer, audience="all", now=NOW, cti=cti).raw
        case _:
            return
    try:
        tables.apply(TOPICS[topic % len(TOPICS)], key, value)
    except InvalidMessage as error:
        check_refusal(error)


def _known(tables: ReferenceTables) -> list[str]:
    return [party for party in tables.trust.parties() if party.isdigit() and len(party) == 2]


@cache
def authority() -> tuple[x509.Certificate, x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The vectors' root and issuing CA, and the issuing CA's key."""
    return identities._authority()


@cache
def first_crl() -> bytes:
    """The list that everybody starts with: nobody is revoked."""
    return crl(1)


def crl(number: int, *serials: int) -> bytes:
    """A list of the vectors' issuing CA, good for a week."""
    _, issuing, key = authority()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuing.subject)
        .last_update(_moment(NOW - 1000))
        .next_update(_moment(NOW + WEEK))
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    for serial in serials:
        line = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(_moment(NOW))
        builder = builder.add_revoked_certificate(line.build())
    return builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


@cache
def anchor() -> Anchor:
    """What a party is given by hand when it joins."""
    entry = member(CENTER).entry()
    record = RevocationList(number=1, crl=first_crl())
    return make_anchor(roots(), entry, log_leaves([entry], NOW), record, member(CENTER).signer, NOW)


def _moment(at: int) -> Any:
    return dt.datetime.fromtimestamp(at // 1000, dt.UTC)


TARGETS = [
    Target(
        "certificate", "crypto.certificates.CertificateVerifier.verify", read_certificate, 1, 4096, structured=False
    ),
    Target("certificate-signed", "the same behind the CA's signature", read_issued, 2, 2048, structured=False),
    Target("request", "crypto.requests.read_request, bare and signed", read_asked, 2, 2048, structured=False),
    Target("crl", "crypto.revocation.read_crl, bare and signed", read_listed, 2, 2048, structured=False),
    Target("reference", "stages.reference, trust_tables, trust_log", read_reference, 4, 16384),
    Target("seen-file", "stages.anchor.Seen.from_json", read_seen, 1, 4096, structured=False),
    Target("seal-key", "crypto.seal_keys.read_seal_key, bare and signed", read_statement, 1, 2048),
    Target("signer", "signer.protocol, signer.policy", ask_signer, 2, 4096),
]
