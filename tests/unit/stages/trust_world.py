"""A center and its parties as readers of the trust topics see them: what is published, and what is given by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipeline.crypto.revocation import build_crl
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.records import LogHead, LogLeaf, RevocationList, TrustEntry
from pipeline.stages.anchor import Anchor
from pipeline.stages.effects import Output
from pipeline.stages.membership import log_leaves, trust_entry
from pipeline.stages.reference import ReferenceTables, cosign, make_anchor, publish_trust
from tests.unit.crypto.exchange import DAY, NOW, authority, identity

CENTER = identity("center")


class World:
    """Entries, log and revocations as the center has them; everything is published `at` the time given."""

    def __init__(self, parties: Iterable[str] = ("center", "37", "53"), at: int = NOW) -> None:
        self.at = at
        self.entries = {party: trust_entry(identity(party), 1) for party in parties}
        self.leaves: list[LogLeaf] = log_leaves(self.entries.values(), at)
        self.revoked: list[tuple[int, int, str | None]] = []
        self.crl = self.new_crl(1)

    def new_crl(self, number: int, lifetime: int = 7 * DAY) -> RevocationList:
        """A list of all that is revoked."""
        der = build_crl(authority(), self.revoked, number=number, now=self.at, lifetime=lifetime)
        return RevocationList(number=number, crl=der)

    def anchor(self, leaves: Sequence[LogLeaf] | None = None) -> Anchor:
        """What is given by hand; with `leaves` as of when the log was no longer than that."""
        held = self.leaves if leaves is None else leaves
        return make_anchor(authority().certificates, self.entries["center"], held, self.crl, CENTER.signer, self.at)

    def publication(self) -> list[Output]:
        """All of hedx.trust."""
        return publish_trust(self.entries.values(), self.leaves, self.crl, CENTER.signer, self.at)

    def log(self, entry: TrustEntry) -> None:
        """Let an entry be published, and its certificates be in the log."""
        self.entries[entry["party"]] = entry
        self.leaves = log_leaves([entry], self.at, self.leaves)


def fill(view: ReferenceTables, outputs: Iterable[Output]) -> list[str]:
    """Read records in order; the codes of those refused."""
    refused: list[str] = []
    for output in outputs:
        try:
            view.apply(output.topic, output.key or b"", output.value)
        except InvalidMessage as error:
            refused.append(error.code)
    return refused


def cosigned(view: ReferenceTables, party: str, head: LogHead | None = None) -> Output:
    """The party's signature under the head that `view` offers, or under another."""
    offered = head or view.uncosigned()
    assert offered is not None
    return cosign(offered, identity(party).signer, NOW)
