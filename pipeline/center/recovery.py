"""What hedx.trust says, held against the registry: a registry that was restored from a backup may be behind.

The parties hold the trust log to growing only, so a registry that is behind must not publish: it would put other lines where
there were some already. `read_published` verifies what is there; `Registry.learn` takes it over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509

from pipeline.codec import framing
from pipeline.crypto import signed
from pipeline.crypto.revocation import Revocations, read_crl
from pipeline.crypto.trust import Trust
from pipeline.crypto.trust_log import log_root
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.parties import CENTER, is_party
from pipeline.domain.records import LogHead, LogLeaf, RevocationList, TrustEntry
from pipeline.stages.anchor import verified
from pipeline.stages.trust_tables import CRL, HEAD, framed_leaf, leaf_key


@dataclass(frozen=True, slots=True)
class Published:
    """The content of hedx.trust, verified: lines of the log under its head, entries by party, the revocation list."""

    leaves: list[LogLeaf]
    entries: list[TrustEntry]
    crl: RevocationList
    revocations: Revocations


def read_published(table: Mapping[bytes, bytes], authorities: Sequence[bytes]) -> Published | None:
    """What is on hedx.trust, newest value by key; None when nothing was published yet.

    Signatures must be the center's under one of `authorities` (DER), the log must be whole and have its head's root. Raises
    ConfigError when anything does not hold.
    """
    if HEAD not in table:
        return None
    try:
        trust = Trust(authorities, [_claimed(table[CENTER.encode()])])
        head: LogHead = verified(table[HEAD], "checkpoint", "LogHead", trust, CENTER)  # type: ignore[assignment]
        framed = [table[leaf_key(index)] for index in range(head["size"])]
        if log_root(framed) != head["root"]:
            raise ConfigError("the trust log on hedx.trust is not that of its head")
        crl: RevocationList = verified(table[CRL], "trust", "RevocationList", trust, CENTER)  # type: ignore[assignment]
        parties = sorted(key for key in table if is_party(key.decode("ascii", "replace")))
        entries = [verified(table[key], "trust", "TrustEntry", trust, CENTER) for key in parties]
        certificates = [x509.load_der_x509_certificate(der) for der in authorities]
        return Published(
            [framing.decode_as("LogLeaf", leaf) for leaf in framed],  # type: ignore[misc]
            entries,  # type: ignore[arg-type]
            crl,
            read_crl(crl["crl"], [each for each in certificates if each.subject != each.issuer]),
        )
    except KeyError as error:
        raise ConfigError(f"hedx.trust is incomplete: {error} is missing") from None
    except InvalidMessage as error:
        raise ConfigError(f"hedx.trust does not hold: {error}") from error


def behind(published: Published, leaves: Sequence[LogLeaf], numbers: Mapping[str, int], crl: int) -> bool:
    """Whether a registry of these lines, entry numbers and list number knows less than what is published.

    Raises ConfigError when the two contradict each other: then one of them is forged, or of another exchange.
    """
    for mine, theirs in zip(leaves, published.leaves, strict=False):
        if framed_leaf(mine) != framed_leaf(theirs):
            raise ConfigError(f"registry and hedx.trust contradict each other in line {mine['index']} of the trust log")
    return (
        len(published.leaves) > len(leaves)
        or published.crl["number"] > crl
        or any(entry["number"] > numbers.get(entry["party"], 0) for entry in published.entries)
    )


def _claimed(raw: bytes) -> TrustEntry:
    """The center's entry, not verified yet: its certificates are, against the root, before they verify anything."""
    return framing.decode_as("TrustEntry", signed.peek(raw).payload)  # type: ignore[return-value]
