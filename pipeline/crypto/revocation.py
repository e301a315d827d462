"""Revocation lists (吊销列表): X.509 CRLs version 2 (RFC 5280, section 5), written by the issuing CA, read by everyone.

A certificate is revoked from an instant on; what was first received before it stays as good as it was. A list names
every certificate ever revoked, expired ones too, so that the newest one is enough to judge an old proof. A list that takes
a revocation back, or dates it later, is not followed in that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.crypto.certificates import UNREADABLE, instant
from pipeline.domain.errors import InvalidMessage

if TYPE_CHECKING:  # what reads lists needs none of what an authority needs
    from pipeline.crypto.authority import Authority

GRACE = 0
"""How long (ms) after its nextUpdate a list may still be relied on: it is published daily and good for a week."""

_KNOWN_EXTENSIONS = frozenset({x509.CRLNumber.oid, x509.AuthorityKeyIdentifier.oid})
_KNOWN_ENTRY_EXTENSIONS = frozenset({x509.CRLReason.oid, x509.InvalidityDate.oid})


@dataclass(frozen=True, slots=True)
class Revoked:
    """One line of a list. `at`: from when on (ms); `invalid_since`: since when its key may have been another's (ms)."""

    at: int
    reason: str = "unspecified"
    invalid_since: int | None = None


@dataclass(frozen=True, slots=True)
class Revocations:
    """A list whose signature holds. Times in ms; `by_serial`: serial number of the certificate -> its line.

    `signed` is what the signature covers: a list signed twice is one list.
    """

    number: int
    this_update: int
    next_update: int
    by_serial: Mapping[int, Revoked]
    signed: bytes
    der: bytes

    def is_stale(self, at: int) -> bool:
        """Whether something that came `at` (ms) is too late for this list to speak about."""
        return at > self.next_update + GRACE


def read_crl(der: bytes, issuing: Sequence[x509.Certificate]) -> Revocations:
    """The list, signed by one of the `issuing` CAs. Raises InvalidMessage `crl_invalid`.

    Refused are lists without number or next update, delta and indirect lists, critical extensions of others' (RFC 5280,
    section 5.2), and a serial number that stands twice.
    """
    try:
        crl = x509.load_der_x509_crl(der)
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        next_update = crl.next_update_utc
        if next_update is None or next_update < crl.last_update_utc:
            raise InvalidMessage("crl_invalid", "no next update")
        _no_foreign_extensions(crl.extensions, _KNOWN_EXTENSIONS)
        _check_signature(crl, issuing)
        lines = [(line.serial_number, _line(line)) for line in crl]
    except UNREADABLE as error:
        raise InvalidMessage("crl_invalid", type(error).__name__) from None
    by_serial = dict(lines)
    if len(by_serial) != len(lines):
        raise InvalidMessage("crl_invalid", "a serial number twice")
    return Revocations(
        number, instant(crl.last_update_utc), instant(next_update), by_serial, crl.tbs_certlist_bytes, der
    )


def with_earlier(newest: Revocations, earlier: Mapping[int, Revoked]) -> Revocations:
    """The list, with what `earlier` ones named: none revoked by them is free again, and none revoked later than by them."""
    lines = dict(newest.by_serial)
    for serial, line in earlier.items():
        said = lines.get(serial, line)
        lines[serial] = said if said.at <= line.at else replace(said, at=line.at)
    return replace(newest, by_serial=lines)


def build_crl(
    authority: Authority, revoked: Iterable[tuple[int, int, str | None]], *, number: int, now: int, lifetime: int
) -> bytes:
    """The DER of list `number`, good from `now` for `lifetime` (ms).

    `revoked`: serial number, since when (ms), and why: the name of a reason of RFC 5280, section 5.3.1, in snake_case,
    None for none.
    """
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.issuing.subject)
        .last_update(_moment(now))
        .next_update(_moment(now + lifetime))
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.issuing_key.public_key()), critical=False
        )
    )
    for serial, at, reason in revoked:
        line = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(_moment(at))
        if reason not in (None, "unspecified"):  # RFC 5280: leave it out rather than say so
            line = line.add_extension(x509.CRLReason(x509.ReasonFlags[reason or ""]), critical=False)
        builder = builder.add_revoked_certificate(line.build())
    return builder.sign(authority.issuing_key, hashes.SHA256()).public_bytes(Encoding.DER)


def _check_signature(crl: x509.CertificateRevocationList, issuing: Sequence[x509.Certificate]) -> None:
    """A renewed issuing CA goes on under its name with another key: any of its keys may have signed."""
    for certificate in issuing:
        key = certificate.public_key()
        if certificate.subject != crl.issuer or not isinstance(key, ec.EllipticCurvePublicKey):
            continue
        if crl.is_signature_valid(key):
            return
    raise InvalidMessage("crl_invalid", "not signed by an issuing CA")


def _line(line: x509.RevokedCertificate) -> Revoked:
    _no_foreign_extensions(line.extensions, _KNOWN_ENTRY_EXTENSIONS)
    reason, invalid_since = "unspecified", None
    for extension in line.extensions:
        if isinstance(extension.value, x509.CRLReason):
            reason = extension.value.reason.name
        elif isinstance(extension.value, x509.InvalidityDate):
            invalid_since = instant(extension.value.invalidity_date_utc)
    return Revoked(instant(line.revocation_date_utc), reason, invalid_since)


def _no_foreign_extensions(extensions: x509.Extensions, known: frozenset[x509.ObjectIdentifier]) -> None:
    for extension in extensions:
        if extension.critical and extension.oid not in known:
            raise InvalidMessage("crl_invalid", f"critical extension {extension.oid.dotted_string}")


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at // 1000, UTC)
