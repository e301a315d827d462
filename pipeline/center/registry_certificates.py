"""The registry's certificates: issued from requests, renewed with overlap, revoked for good; each in the trust log."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipeline.center.registry_file import transaction
from pipeline.center.registry_parties import Parties
from pipeline.center.registry_rows import Certificate, Reason, certificate_of, owner_of
from pipeline.crypto.authority import Authority, certify_request
from pipeline.crypto.certificates import instant
from pipeline.crypto.requests import Request
from pipeline.crypto.suite import H
from pipeline.domain.errors import ConfigError


class Certificates(Parties):
    """What was issued to whom."""

    def issue(self, authority: Authority, request: Request, now: int) -> Certificate:
        """The certificate that `request` asks for; the same one again when it was issued already.

        Raises ConfigError when the party is unknown or suspended, holds a valid one for this usage (then it is a
        renewal), when the key has had a certificate, or when the request's own was revoked.
        """
        with transaction(self._db):
            known = self._known(request)
            if known is not None:
                return known
            current = self._current(request, now)
            if current is not None and request.party is not None:
                raise ConfigError(
                    f"{request.principal} has a valid certificate for {request.usage}, {current.serial}: renew it"
                )
            return self._certify(authority, request, now, "issued")

    def renew(self, authority: Authority, request: Request, now: int) -> Certificate:
        """A certificate for a new key beside the one in force, which stays valid to its end. Raises ConfigError."""
        with transaction(self._db):
            known = self._known(request)
            if known is not None:
                return known
            if self._current(request, now) is None:
                raise ConfigError(f"{request.principal} has no valid certificate for {request.usage}: issue one")
            return self._certify(authority, request, now, "renewed")

    def revoke(self, which: str, reason: Reason, now: int) -> Certificate:
        """Revoke a certificate, for good; one revoked already stays as it is.

        `which`: serial number or SHA-256 of the certificate, in hex. Raises ConfigError for an unknown one.
        """
        with transaction(self._db):
            found = self.certificate(which)
            if found.revoked_at is None:
                change = "UPDATE certificate SET revoked_at = ?, reason = ? WHERE serial = ?"
                self._db.execute(change, (now, reason, found.serial))
                self._leaf("revocation", found.owner, found.digest, None, now)
                self._note(now, found.owner, "certificate revoked", f"{found.usage} {found.serial}, {reason}")
            return self.certificate(found.serial)

    def certificate(self, which: str) -> Certificate:
        """A certificate by serial number or SHA-256, in hex. Raises ConfigError for an unknown one."""
        wanted = which.replace(":", "").lower()
        query = "SELECT * FROM certificate WHERE ltrim(serial, '0') = ltrim(?, '0') OR lower(hex(digest)) = ?"
        row = self._row(query, wanted, wanted)
        if row is None:
            raise ConfigError(f"no certificate {which} was issued here")
        return certificate_of(row)

    def status(self, principal: str | None = None) -> list[Certificate]:
        """All certificates, by principal and usage, the newest first; or one principal's."""
        rows = self._db.execute(
            "SELECT * FROM certificate WHERE ?1 IS NULL OR principal = ?1"
            " ORDER BY principal <> 'center', principal, instr('sign encrypt tls', usage), number DESC",
            (principal,),
        )
        return [certificate_of(row) for row in rows]

    def _known(self, request: Request) -> Certificate | None:
        row = self._row("SELECT * FROM certificate WHERE request = ?", request.digest)
        if row is None:
            return None
        known = certificate_of(row)
        if known.revoked_at is not None:
            raise ConfigError(f"the certificate of this request, {known.serial}, is revoked: ask with a new key")
        return known

    def _current(self, request: Request, now: int) -> Certificate | None:
        of = [each for each in self.status(request.principal) if each.usage == request.usage]
        return next((each for each in of if each.state(now) == "valid"), None)

    def _certify(self, authority: Authority, request: Request, now: int, kind: str) -> Certificate:
        if request.party is not None and self.member(request.party).suspended:
            raise ConfigError(f"party {request.party} is suspended: nothing is issued to it")
        point = H(request.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        if self._row("SELECT 1 FROM certificate WHERE key = ?", point) is not None:
            raise ConfigError("this key has had a certificate before: every certificate is for a new key")
        der = certify_request(authority, request, now)
        made = x509.load_der_x509_certificate(der)
        digest, serial = H(der), f"{made.serial_number:040x}"
        bounds = [instant(moment) for moment in (made.not_valid_before_utc, made.not_valid_after_utc)]
        self._db.execute(
            "INSERT INTO certificate SELECT ?, ?, ?, ?, ?, ?, ?, count(*) + 1, ?, ?, ?, NULL, NULL FROM certificate",
            (serial, request.principal, request.usage, der, digest, request.digest, point, now, *bounds),
        )
        if request.party is not None:
            self._change(request.party)
        self._leaf("certificate", owner_of(request.principal), digest, request.digest, now)
        self._note(now, owner_of(request.principal), f"certificate {kind}", f"{request.usage} {serial}")
        return self.certificate(serial)

    def _leaf(self, kind: str, owner: str, digest: bytes, request: bytes | None, now: int) -> None:
        row = (kind, owner, digest, request, now)
        self._db.execute("INSERT INTO leaf SELECT count(*), ?, ?, ?, ?, ? FROM leaf", row)
