"""A party's entry in the trust topic, made from its certificates."""

from __future__ import annotations

from pipeline.crypto.keys import Identity
from pipeline.domain.parties import CENTER, MINISTRY, provider_name
from pipeline.domain.records import TrustEntry


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
