"""Outgoing post of a step: gathered by inbox, packed, signed."""

from __future__ import annotations

from pipeline.crypto import envelopes
from pipeline.crypto.bundles import SealedBundle, clear_bundle
from pipeline.crypto.envelopes import SOFT_LIMIT
from pipeline.stages.mailbag import Mailbag
from tests.unit.crypto.exchange import NOW, header, identity, trust


def bundle(n: int, size: int = 10) -> SealedBundle:
    """A receipt of the center, told apart by `n`."""
    fields = {"sender": "center", "to": "37", "bundle_id": n.to_bytes(16, "big")}
    return clear_bundle(header("receipt", **fields), [b"r" * size])


def bag() -> Mailbag:
    """The center's."""
    return Mailbag(identity("center").signer, NOW)


def test_post_for_one_inbox_is_one_envelope_to_its_owner() -> None:
    """Signed by the sender for the party, under its id as Kafka key, bundles in order of posting."""
    mailbag = bag()
    for n in range(3):
        mailbag.add("37", "responses", bundle(n))
    [output] = mailbag.outputs()
    opened = envelopes.open_envelope(output.value or b"", trust(), audience="37", now=NOW)
    assert (output.topic, output.key, output.partition) == ("hedx.37.responses", opened.id, None)
    assert [b.header.bundle_id[-1] for b in opened.bundles] == [0, 1, 2]


def test_inboxes_parties_and_partitions_are_kept_apart() -> None:
    """What must stay in order stays in its partition; what is for another is in another envelope."""
    mailbag = bag()
    mailbag.add("37", "responses", bundle(1), 0)
    mailbag.add("37", "responses", bundle(2), 2)
    mailbag.add("37", "responses", bundle(3))
    mailbag.add("37", "requests", bundle(4))
    mailbag.add("53", "responses", bundle(5))
    mailbag.add("37", "responses", bundle(6), 0)
    places = [(output.topic, output.partition) for output in mailbag.outputs()]
    assert places == [
        ("hedx.37.responses", 0),
        ("hedx.37.responses", 2),
        ("hedx.37.responses", None),
        ("hedx.37.requests", None),
        ("hedx.53.responses", None),
    ]


def test_post_over_the_soft_limit_goes_in_several_envelopes() -> None:
    """As few as the limit allows, none over it."""
    mailbag = bag()
    for n in range(5):
        mailbag.add("37", "responses", bundle(n, 200 * 1024))
    sizes = [len(output.value or b"") for output in mailbag.outputs()]
    assert len(sizes) == 3
    assert max(sizes) <= SOFT_LIMIT


def test_a_fork_is_posted_only_when_merged() -> None:
    """What a failed message would have sent is never sent."""
    mailbag = bag()
    mailbag.add("37", "responses", bundle(1))
    lost, kept = mailbag.fork(), mailbag.fork()
    lost.add("53", "responses", bundle(2))
    kept.add("37", "responses", bundle(3))
    mailbag.merge(kept)
    [output] = mailbag.outputs()
    opened = envelopes.open_envelope(output.value or b"", trust(), audience="37", now=NOW)
    assert [b.header.bundle_id[-1] for b in opened.bundles] == [1, 3]


def test_an_empty_bag_sends_nothing() -> None:
    """No envelope without a bundle."""
    assert bag().outputs() == []
