"""The attacker of the flood benchmark: what it sends is refused for its signature and for nothing else."""

from __future__ import annotations

import os

import pytest

from pipeline.bench.flood import halves, template
from pipeline.crypto.authority import create_authority, issue
from pipeline.crypto.envelopes import claimed_issuer, open_envelope
from pipeline.crypto.trust import Trust
from pipeline.domain.errors import InvalidMessage
from pipeline.kafka.clock import wall_clock
from pipeline.stages.membership import trust_entry


def test_spoilt_envelopes_are_bad_signatures_in_the_attackers_name() -> None:
    """The template itself holds; with other bytes at its signature's end it does not, and is another each time."""
    authority = create_authority(wall_clock())
    identity = issue(authority, "37", wall_clock())
    trust = Trust(authority.certificates, [trust_entry(identity, 1)])
    envelope = template(identity.signer)
    assert open_envelope(envelope, trust, audience="center", now=wall_clock()).issuer == "37"
    before, after = halves(envelope)
    spoilt = {before + os.urandom(60) + after for _ in range(10)}
    assert len(spoilt) == 10
    for value in spoilt:
        assert claimed_issuer(value) == "37"
        with pytest.raises(InvalidMessage, match="signature_invalid"):
            open_envelope(value, trust, audience="center", now=wall_clock())
