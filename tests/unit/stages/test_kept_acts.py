"""Acts out of a party's own store, read away from the brokers: only the center's certificates are known there."""

from __future__ import annotations

import pytest

from pipeline.crypto.authority import create_authority, issue
from pipeline.crypto.trust import Trust
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.stages.acts import kept_act, open_act, sign_act
from pipeline.stages.membership import trust_entry
from pipeline.stages.notices import sign_record

NOW = 1_795_150_800_000
DAY = 24 * 3600 * 1000
AUTHORITY = create_authority(NOW)
CENTRAL, PROVIDER = issue(AUTHORITY, CENTER, NOW), issue(AUTHORITY, "37", NOW)
OFFLINE = Trust(AUTHORITY.certificates, [trust_entry(CENTRAL, 1)])
"""What `anchor.trust_of` gives: the center, and nobody else."""
ABOUT = {"application_id": "8a86f311-0a8b-46c5-9b1f-2a79d1f20f6d", "requester": "53", "mandate_digest": b"\1" * 32}
DELAY = {**ABOUT, "provider": "37", "rows": [2], "until": NOW + DAY, "reason": "供电中断", "at": NOW}
NOTICE = {**ABOUT, "kind": "held", "faults": [], "due": NOW + DAY, "at": NOW}


def test_another_partys_act_is_read_as_it_was_put_there() -> None:
    """Its signature cannot be verified offline; it was, when it came."""
    raw = sign_act("delay", DELAY, PROVIDER.signer, CENTER, NOW)
    with pytest.raises(InvalidMessage) as refused:
        open_act(raw, OFFLINE, at=NOW)
    assert refused.value.code == "certificate_unknown"
    act = kept_act(raw, OFFLINE, witness=NOW)
    assert (act.typ, act.issuer, act.at, dict(act.record)) == ("delay", "37", NOW, DELAY)


def test_the_centers_act_is_verified_again_even_after_its_end() -> None:
    """A notice that was there in time is judged as of then; one that the center did not sign is refused."""
    raw = sign_act("review", NOTICE, CENTRAL.signer, "53", NOW)
    assert kept_act(raw, OFFLINE, witness=NOW + 100 * DAY).record["kind"] == "held"
    impostor = issue(create_authority(NOW), CENTER, NOW)
    forged = sign_act("review", NOTICE, impostor.signer, "53", NOW)
    with pytest.raises(InvalidMessage) as refused:
        kept_act(forged, OFFLINE, witness=NOW)
    assert refused.value.code == "certificate_unknown"


def test_what_is_no_act_is_none_from_the_store_either() -> None:
    """Another signed object among the acts is an error, not an act."""
    receipt: dict[str, object] = {
        "kind": "delivered", "application_id": None, "provider": None, "envelope_id": None, "envelope_digest": None,
        "bundles": [], "at": NOW,
    }  # fmt: skip
    raw = sign_record("receipt", "Receipt", receipt, PROVIDER.signer, CENTER, NOW)
    with pytest.raises(InvalidMessage) as refused:
        kept_act(raw, OFFLINE, witness=NOW)
    assert refused.value.code == "act_unknown"
