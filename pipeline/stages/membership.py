"""A party's entry in the trust topic, made from its certificates, and the log that lets them count."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.crypto.certificates import role_of
from pipeline.crypto.keys import Identity
from pipeline.crypto.trust_log import certificates_of
from pipeline.domain.parties import CENTER, MINISTRY, provider_name
from pipeline.domain.records import LogLeaf, TrustEntry


def trust_entry(identity: Identity, number: int, *, suspended: bool = False) -> TrustEntry:
    """The entry that tells all others who `identity` is; `number` grows with every change."""
    party = identity.party
    return TrustEntry(
        party=party,
        name="部收入认定中心" if party == CENTER else provider_name(party),
        role="center" if party == CENTER else "provider" if party == MINISTRY else "province",
        signing_certificates=[identity.signer.certificate],
        sealing_certificates=[identity.sealing_certificate],
        transport_certificates=[],
        addresses=[],
        minimum_suite=1,
        suspended=suspended,
        number=number,
    )


def signing_entry(party: str, certificates: list[bytes]) -> TrustEntry:
    """An entry that says no more than: a certificate of these (DER) that leads to the root is this party's, to sign with."""
    return TrustEntry(
        party=party,
        name="",
        role=role_of(party),
        signing_certificates=certificates,
        sealing_certificates=[],
        transport_certificates=[],
        addresses=[],
        minimum_suite=1,
        suspended=False,
        number=1,
    )


def log_leaves(entries: Iterable[TrustEntry], at: int, held: Iterable[LogLeaf] = ()) -> list[LogLeaf]:
    """`held` and, after it, a leaf for each certificate of `entries` that has none: issued `at` (ms), asked for nowhere."""
    leaves = list(held)
    known = {leaf["digest"] for leaf in leaves}
    for entry in entries:
        for digest in certificates_of(entry):
            if digest not in known:
                known.add(digest)
                leaves.append(
                    LogLeaf(
                        index=len(leaves), kind="certificate", party=entry["party"], digest=digest, request=None, at=at
                    )
                )
    return leaves
