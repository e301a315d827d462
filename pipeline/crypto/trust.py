"""Whom to believe: which party holds which key. Certificates are verified at first use and then remembered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cryptography import x509

from pipeline.crypto.certificates import ENCRYPT_USAGE, SIGN_USAGE, CertificateVerifier, TrustedCertificate, thumbprint
from pipeline.crypto.keys import PublicSealingKey, public_sealing_key
from pipeline.crypto.suite import point
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.records import TrustEntry


class Trust:
    """The parties registered with the exchange. One object a process; `update` follows `hedx.trust`."""

    def __init__(self, roots: Sequence[bytes], entries: Iterable[TrustEntry] = ()) -> None:
        """`roots`: the root certificate and the issuing CAs' (DER); only what signed itself is an anchor."""
        self._verifier = CertificateVerifier(list(roots))
        self._entries: dict[str, TrustEntry] = {}
        self._owners: dict[bytes, tuple[str, bytes]] = {}
        self._signers: dict[bytes, TrustedCertificate] = {}
        self._sealers: dict[bytes, tuple[TrustedCertificate, PublicSealingKey]] = {}
        for entry in entries:
            self.update(entry)

    def update(self, entry: TrustEntry) -> bool:
        """Take `entry` over unless one of its party with the same or a higher number is held; tell whether it was."""
        held = self._entries.get(entry["party"])
        if held is not None and held["number"] >= entry["number"]:
            return False
        self._entries[entry["party"]] = entry
        self._owners = {
            thumbprint(der): (held["party"], der)
            for held in self._entries.values()
            for der in held["signing_certificates"]
        }
        self._signers.clear()
        self._sealers.clear()
        return True

    def signer(self, x5t: bytes) -> TrustedCertificate:
        """The signing certificate with this thumbprint. InvalidMessage `certificate_unknown`, `certificate_invalid`."""
        known = self._signers.get(x5t)
        if known is None:
            if x5t not in self._owners:
                raise InvalidMessage("certificate_unknown")
            known = self._signers[x5t] = self._verify(*self._owners[x5t], SIGN_USAGE)
        return known

    def sealing_key(self, party: str, at: int | None = None) -> PublicSealingKey:
        """The newest sealing key of `party`, of those valid `at` (ms) when given.

        Raises InvalidMessage `party_unknown`, `certificate_unknown`, `certificate_invalid` or `certificate_expired`.
        """
        refusal = InvalidMessage("certificate_unknown", f"no sealing certificate of {party}")
        for der in self._entry(party)["sealing_certificates"]:
            certificate, key = self._sealer(party, der)
            if at is None or certificate.valid(at):
                return key
            refusal = InvalidMessage("certificate_expired", f"sealing certificate of {party}")
        raise refusal

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

    def _sealer(self, party: str, der: bytes) -> tuple[TrustedCertificate, PublicSealingKey]:
        if der not in self._sealers:
            certificate = self._verify(party, der, ENCRYPT_USAGE)
            self._sealers[der] = certificate, public_sealing_key(point(certificate.public_key))
        return self._sealers[der]

    def _verify(self, party: str, der: bytes, usage: x509.ObjectIdentifier) -> TrustedCertificate:
        return self._verifier.verify(der, party, self._entries[party]["role"], usage)
