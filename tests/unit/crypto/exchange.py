"""A small exchange of parties to test with: center, 00, 37 and 53, all under one authority."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache

import pytest

from pipeline.crypto.authority import Authority, create_authority, issue
from pipeline.crypto.bundles import SealedBundle, clear_bundle, seal_bundle
from pipeline.crypto.certificates import role_of
from pipeline.crypto.headers import Header
from pipeline.crypto.keys import LocalIdentity
from pipeline.crypto.sealing import new_seal
from pipeline.crypto.trust import Trust
from pipeline.domain.errors import InvalidMessage, NotReady
from pipeline.domain.records import TrustEntry

NOW = 1_800_000_000_000
DAY = 24 * 3600 * 1000
START = NOW - 30 * DAY
PARTIES = ("center", "00", "37", "53")


def stream(seed: str) -> Callable[[int], bytes]:
    """Reproducible bytes in place of os.urandom."""
    counter = 0

    def draw(n: int) -> bytes:
        nonlocal counter
        counter += 1
        return hashlib.shake_256(f"{seed}/{counter}".encode()).digest(n)

    return draw


@cache
def authority() -> Authority:
    return create_authority(START)


@cache
def identity(party: str) -> LocalIdentity:
    return issue(authority(), party, START)


def entry(party: str, *, number: int = 1, suspended: bool = False, minimum_suite: int = 1) -> TrustEntry:
    role = role_of(party)
    return TrustEntry(
        party=party,
        name=party,
        role=role,
        signing_certificates=[identity(party).signer.certificate],
        sealing_certificates=[identity(party).sealing_certificate],
        transport_certificates=[],
        addresses=[],
        minimum_suite=minimum_suite,
        suspended=suspended,
        number=number,
    )


def trust() -> Trust:
    return Trust(authority().certificates, [entry(party) for party in PARTIES])


def header(kind: str = "application", **fields: object) -> Header:
    values: dict[str, object] = {
        "kind": kind,
        "bundle_id": bytes(16),
        "sender": "37",
        "to": "center",
        "requester": "37",
        "application_id": "a7b9e030-8045-4e07-8e07-5e07a7b9e030",
        "section": 1,
        "sections": 1,
        "outcome": "done" if kind == "answer" else None,
    }
    return Header(**(values | fields))  # type: ignore[arg-type]


def sealed(records: list[bytes], *, heads: tuple[bytes, ...] = (), **fields: object) -> tuple[SealedBundle, bytes]:
    """A bundle from 37 to the center, and its secret."""
    secret, seal = new_seal("37", [identity("center").sealing.public])
    return seal_bundle(header(**fields), records, secret, seal, heads=heads), secret  # type: ignore[arg-type]


def receipt(bundle_id: bytes = bytes(16), record: bytes = b"receipt") -> SealedBundle:
    return clear_bundle(header("receipt", bundle_id=bundle_id), [record])


def refusal(call: Callable[[], object]) -> str:
    """The code with which `call` refuses; fails when it does not."""
    with pytest.raises((InvalidMessage, NotReady)) as caught:
        call()
    assert isinstance(caught.value, InvalidMessage | NotReady)
    return caught.value.code
