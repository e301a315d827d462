"""Whom to believe: which party holds which key. Certificates are verified at first use and then remembered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cryptography import x509

from pipeline.crypto.certificates import ENCRYPT_USAGE, SIGN_USAGE, CertificateVerifier, TrustedCertificate, thumbprint
from pipeline.crypto.keys import PublicSealingKey, public_sealing_key
from pipeline.crypto.revocation import Revocations, Revoked, read_crl, with_earlier
from pipeline.crypto.seal_keys import StatedKey, read_seal_key, series_of
from pipeline.crypto.suite import point
from pipeline.domain.errors import InvalidMessage, NotReady
from pipeline.domain.records import RevocationList, TrustEntry

_KEPT = 4
"""Seal keys under a certificate that are remembered: the one in use, one ahead, and those before, for reading back."""

_Owned = tuple[str, bytes, x509.ObjectIdentifier]
"""A party, a certificate (DER) that its entry lists, and what for."""


class Trust:
    """The parties registered with the exchange. One object a process; `update` and `revoke` follow `hedx.trust`."""

    def __init__(
        self, roots: Sequence[bytes], entries: Iterable[TrustEntry] = (), crl: RevocationList | None = None
    ) -> None:
        """`roots`: the root certificate and the issuing CAs' (DER); only what signed itself is an anchor.

        Without a `crl` nothing is held against any: what was never published cannot be looked at.
        """
        self._verifier = CertificateVerifier(list(roots))
        self._entries: dict[str, TrustEntry] = {}
        self._owners: dict[bytes, _Owned] = {}
        self._verified: dict[_Owned, TrustedCertificate] = {}
        self._sealing: dict[bytes, PublicSealingKey] = {}  # thumbprint -> the certificate's key
        self._stated: dict[str, dict[int, StatedKey]] = {}  # series -> number -> statement
        self._revocations: Revocations | None = None
        for entry in entries:
            self.update(entry)
        if crl is not None:
            self.revoke(crl)

    def update(self, entry: TrustEntry, *, grown: bool = False) -> bool:
        """Take `entry` over unless one of its party with the same or a higher number is held; tell whether it was.

        `grown`: it may be the one held, with certificates that did not count before.
        """
        held = self._entries.get(entry["party"])
        if held is not None and held["number"] >= entry["number"] + grown:
            return False
        self._entries[entry["party"]] = entry
        self._owners = {
            thumbprint(der): (held["party"], der, usage)
            for held in self._entries.values()
            for usage, certificates in (
                (ENCRYPT_USAGE, held["sealing_certificates"]),
                (SIGN_USAGE, held["signing_certificates"]),
            )
            for der in certificates
        }
        self._verified.clear()
        self._sealing.clear()
        return True

    def revoke(self, crl: RevocationList) -> bool:
        """Take a revocation list over unless it is the one held; tell whether it was.

        A certificate once revoked stays so, whatever a later list leaves out, and from the earliest date that any list
        has named. Raises InvalidMessage `crl_invalid`, and `crl_rollback` for a list numbered lower than the one held.
        """
        read = read_crl(crl["crl"], self._verifier.issuing)
        if read.number != crl["number"]:
            raise InvalidMessage("crl_invalid", "not of the number stated")
        held = self._revocations
        if held is not None:
            if read.number < held.number:
                raise InvalidMessage("crl_rollback", f"{read.number} after {held.number}")
            if read.number == held.number:
                if read.signed != held.signed:
                    raise InvalidMessage("crl_invalid", f"two lists of number {read.number}")
                return False
        self._revocations = read if held is None else with_earlier(read, held.by_serial)
        return True

    def remember_revoked(self, since: Mapping[int, int]) -> None:
        """Hold certificates revoked that an earlier list named: serial number -> since when (ms). Takes a list held."""
        if self._revocations is not None:
            earlier = {serial: Revoked(at) for serial, at in since.items()}
            self._revocations = with_earlier(self._revocations, earlier)

    def revoked_since(self) -> dict[int, int]:
        """All certificates revoked, by any list: serial number -> since when (ms)."""
        held = self._revocations
        return {} if held is None else {serial: line.at for serial, line in held.by_serial.items()}

    @property
    def issuing(self) -> list[x509.Certificate]:
        """The issuing CAs' certificates."""
        return self._verifier.issuing

    @property
    def revocation_list(self) -> RevocationList | None:
        """The newest list held."""
        held = self._revocations
        return None if held is None else RevocationList(number=held.number, crl=held.der)

    def is_stale(self, at: int) -> bool:
        """Whether a list is held, and is not good for what comes `at` (ms)."""
        return self._revocations is not None and self._revocations.is_stale(at)

    def revoked(self, certificate: TrustedCertificate) -> Revoked | None:
        """The line of the list about a certificate, None when there is none."""
        return None if self._revocations is None else self._revocations.by_serial.get(certificate.serial)

    def check_revocation(self, certificate: TrustedCertificate, at: int, *, published: bool = False) -> None:
        """Refuse a certificate that was revoked `at` (ms), the time at which what it signed was first received.

        Raises InvalidMessage `certificate_revoked`, and NotReady `crl_stale` when the list held is not good for `at`: the
        reader lacks a list, whatever the message. What is `published` until it is replaced does not get old with the list. A Trust without any list refuses nothing.
        """
        revoked = self.revoked(certificate)
        if revoked is not None and revoked.at <= at:
            raise InvalidMessage("certificate_revoked", f"certificate of {certificate.party}, {revoked.reason}")
        if self._revocations is not None and not published and self.is_stale(at):
            raise NotReady("crl_stale", f"list {self._revocations.number}")

    def signer(self, x5t: bytes) -> TrustedCertificate:
        """The certificate with this thumbprint, of either usage.

        Raises InvalidMessage `certificate_unknown` or `certificate_invalid`.
        """
        try:
            owned = self._owners[x5t]
        except KeyError:
            raise InvalidMessage("certificate_unknown") from None
        return self._verify(owned)

    def seal_key(self, raw: bytes, at_least: int = 0) -> bool:
        """Take the statement of a seal key over unless it is held; tell whether it was.

        Raises InvalidMessage: those of `read_seal_key`; `certificate_revoked` when its certificate is by now, whatever
        time it states; `seal_key_rollback` when its number is below `at_least` or the highest held under the same
        certificate, and `seal_key_invalid` when another key is held under its number.
        """
        stated = read_seal_key(raw, self)
        if self.revoked(self.signer(stated.thumbprint)) is not None:
            raise InvalidMessage("certificate_revoked", f"certificate of {stated.party}")
        held = self._stated.get(stated.series, {})
        newest = max(at_least, max(held, default=0))
        if stated.number < newest:
            raise InvalidMessage("seal_key_rollback", f"{stated.number} after {newest}")
        if newest in held and stated.number == newest:
            if stated.key.point != held[newest].key.point:
                raise InvalidMessage("seal_key_invalid", f"two keys of number {newest}")
            return False
        kept = sorted(held)[-(_KEPT - 1) :]
        self._stated[stated.series] = {number: held[number] for number in kept} | {stated.number: stated}
        return True

    def seal_key_numbers(self) -> dict[str, int]:
        """Of every series of seal keys (`StatedKey.series`) the highest number held."""
        return {series: max(held) for series, held in self._stated.items()}

    def seal_key_until(self, party: str) -> int | None:
        """The latest end (ms) of the seal keys that a party has stated, whatever they are worth; None: it stated none."""
        ends = [key.not_after for held in self._stated.values() for key in held.values() if key.party == party]
        return max(ends, default=None)

    def sealing_key(self, party: str, at: int | None = None) -> PublicSealingKey:
        """The key to seal to for `party`: its newest seal key, else its newest encrypt certificate's.

        The newest is that of the newest certificate with any, and of those the one with the highest number. Of each only
        those count that are valid `at` (ms), when given. Raises InvalidMessage `party_unknown`, `certificate_unknown`,
        `certificate_invalid`, `certificate_expired` or `certificate_revoked`.
        """
        refusal = InvalidMessage("certificate_unknown", f"no sealing certificate of {party}")
        usable: dict[bytes, TrustedCertificate] = {}
        for der in self._entry(party)["sealing_certificates"]:
            certificate = self._verify((party, der, ENCRYPT_USAGE))
            revoked = self.revoked(certificate)
            if revoked is not None and (at is None or revoked.at <= at):
                refusal = InvalidMessage("certificate_revoked", f"sealing certificate of {party}")
            elif at is not None and not certificate.valid(at):
                refusal = InvalidMessage("certificate_expired", f"sealing certificate of {party}")
            else:
                usable[thumbprint(der)] = certificate
        if not usable:
            raise refusal
        for x5t in usable:
            for _, stated in sorted(self._stated.get(series_of(party, x5t), {}).items(), reverse=True):
                if at is None or stated.valid(at):
                    return stated.key
        x5t, certificate = next(iter(usable.items()))
        key = self._sealing.get(x5t)
        if key is None:
            key = self._sealing[x5t] = public_sealing_key(point(certificate.public_key))
        return key

    def listed(self, x5t: bytes) -> tuple[str, bytes]:
        """Party and DER of the listed certificate with this thumbprint. Raises InvalidMessage `certificate_unknown`."""
        try:
            party, der, _ = self._owners[x5t]
        except KeyError:
            raise InvalidMessage("certificate_unknown") from None
        return party, der

    def reaches(self, party: str, at: int) -> bool:
        """Whether `party` may be written to `at` (ms): registered, not suspended, with a key in force to seal to."""
        try:
            return not self.suspended(party) and bool(self.sealing_key(party, at).kid)
        except InvalidMessage:
            return False

    def suspended(self, party: str) -> bool:
        """Whether the party is suspended. InvalidMessage `party_unknown`."""
        return self._entry(party)["suspended"]

    def minimum_suite(self, party: str) -> int:
        """The lowest suite taken from the party. InvalidMessage `party_unknown`."""
        return self._entry(party)["minimum_suite"]

    def parties(self) -> list[str]:
        """All registered parties, sorted."""
        return sorted(self._entries)

    def _entry(self, party: str) -> TrustEntry:
        try:
            return self._entries[party]
        except KeyError:
            raise InvalidMessage("party_unknown", party) from None

    def _verify(self, owned: _Owned) -> TrustedCertificate:
        known = self._verified.get(owned)
        if known is None:
            party, der, usage = owned
            known = self._verifier.verify(der, party, self._entries[party]["role"], usage)
            self._verified[owned] = known
        return known
