"""Who is calling: from the client certificate that TLS has verified to a caller with a role, or a refusal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256

from cryptography import x509

from pipeline.domain.errors import HedxError, InvalidMessage
from pipeline.kafka.security import peer_principal
from pipeline.ops.console.roles import Role, own_party


class Refusal(HedxError):
    """A request that is not carried out. `status`: of HTTP; `code`: stable, the page has words for it."""

    def __init__(self, status: int, code: str, retry_after: int | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a client certificate says is calling. `party`: whose figures alone they see; None: everything.

    `serial`: 40 hexadecimal digits; `fingerprint`: SHA-256 of the certificate, hexadecimal.
    """

    principal: str
    role: Role
    serial: str
    fingerprint: str
    party: str | None


class Gate:
    """Lets principals with a role in. `revoked`: serial numbers of the newest list known; `suspended`: the parties that are."""

    def __init__(
        self,
        roles: Mapping[str, Role],
        revoked: Callable[[], Collection[int]] = frozenset,
        suspended: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        self._roles = roles
        self._revoked = revoked
        self._suspended = suspended

    def caller(self, certificate: bytes | None) -> Caller:
        """Who holds `certificate` (DER). Raises Refusal (403) for nobody, no role, a revoked one, a suspended party."""
        if certificate is None:
            raise Refusal(403, "no_certificate")
        try:
            principal = peer_principal(certificate)
        except InvalidMessage as error:
            raise Refusal(403, error.code) from None
        serial = x509.load_der_x509_certificate(certificate).serial_number
        if serial in self._revoked():
            raise Refusal(403, "certificate_revoked")
        party = own_party(principal)
        if party is not None and party in self._suspended():
            raise Refusal(403, "party_suspended")
        role = self._roles.get(principal)
        if role is None:
            raise Refusal(403, "no_role")
        return Caller(principal, role, f"{serial:040x}", sha256(certificate).hexdigest(), party)


def known_as(certificate: bytes | None) -> tuple[str, str]:
    """(principal, serial) for the log, of a caller that was refused; `?` where the certificate does not say."""
    if certificate is None:
        return "?", "?"
    serial = f"{x509.load_der_x509_certificate(certificate).serial_number:040x}"
    try:
        return peer_principal(certificate), serial
    except InvalidMessage:
        return "?", serial
