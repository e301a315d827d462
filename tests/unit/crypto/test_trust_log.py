"""The trust log: growth is followed, forks are found, and nothing counts that too few have seen."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.codec import framing
from pipeline.crypto import merkle
from pipeline.crypto.suite import H
from pipeline.crypto.trust_log import EMPTY, NODE, Point, TrustLog, leaf_hash, log_head, log_root
from pipeline.domain.records import LogHead, LogLeaf
from tests.unit.crypto.exchange import NOW, refusal

PROVINCES = ("37", "53", "32", "11")


def leaf(index: int, party: str = "center", salt: int = 0) -> LogLeaf:
    digest = H(b"%d/%d" % (index, salt))
    return LogLeaf(index=index, kind="certificate", party=party, digest=digest, request=None, at=NOW)


def leaves(size: int, parties: Sequence[str] = ("center",)) -> list[LogLeaf]:
    return [leaf(index, parties[index % len(parties)]) for index in range(size)]


def framed(made: Sequence[LogLeaf]) -> list[bytes]:
    return [framing.encode("LogLeaf", each) for each in made]


def point(made: Sequence[LogLeaf]) -> Point:
    return Point(len(made), log_root(framed(made)))


def read(log: TrustLog, made: Sequence[LogLeaf]) -> None:
    for each, raw in zip(made, framed(made), strict=True):
        log.append(each["index"], raw)


def a_log(made: Sequence[LogLeaf], start: Point = EMPTY) -> TrustLog:
    log = TrustLog(start)
    read(log, made)
    return log


def holds(log: TrustLog, made: LogLeaf) -> bool:
    """Whether the certificate of a leaf counts as that of the leaf's party."""
    return log.has(made["party"], made["digest"])


def follow(log: TrustLog, made: Sequence[LogLeaf]) -> None:
    """The center publishes, the reader reads."""
    read(log, made)
    log.offer(log_head(made, NOW))
    log.advance()


def test_the_tree_is_rfc_6962s_with_prefixes_of_its_own() -> None:
    """Written out for three leaves; no hash of it can stand in a bundle's tree."""
    a, b, c = (leaf_hash(raw) for raw in framed(leaves(3)))
    assert leaf_hash(b"x") == H(b"\x07x")
    assert log_root(framed(leaves(3))) == H(b"\x08" + H(b"\x08" + a + b) + c)
    assert log_root([]) == merkle.EMPTY
    assert {NODE, merkle.RECORD_NODE, merkle.BUNDLE_NODE} == {b"\x08", b"\x01", b"\x03"}


@given(st.lists(st.integers(0, 12), min_size=1, max_size=8))
def test_growth_in_any_steps_is_followed(steps: list[int]) -> None:
    """However the log is cut into publications, its reader ends where the center is."""
    log, size = TrustLog(), 0
    for step in steps:
        size += step
        follow(log, leaves(size))
        assert log.accepted == point(leaves(size))
    assert all(holds(log, each) for each in leaves(size))
    assert not holds(log, leaf(size))


@given(st.permutations(range(9)), st.integers(0, 9))
def test_leaves_in_any_order_make_the_same_log(order: list[int], start: int) -> None:
    """A compacted topic keeps no order among its keys; the head counts when the last leaf is there."""
    log = TrustLog(point(leaves(start)))
    log.offer(log_head(leaves(9), NOW))
    for index in order[:-1]:
        log.append(index, framed([leaf(index)])[0])
        log.advance()
    assert log.accepted.size <= max(start, 8)
    log.append(order[-1], framed([leaf(order[-1])])[0])
    log.advance()
    assert log.accepted == point(leaves(9))


@given(st.integers(1, 12).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1), st.integers(0, 6))))
def test_a_fork_at_any_size_is_found(case: tuple[int, int, int]) -> None:
    """Another leaf anywhere below what is believed, in a head of the same size, a smaller or a larger one."""
    size, place, more = case
    other = leaves(size + more)
    other[place] = leaf(place, salt=1)
    log = a_log(leaves(size))
    follow(log, leaves(size))
    for length in range(place + 1, size + 1):
        assert refusal(lambda length=length: log.offer(log_head(other[:length], NOW))) == "log_forked"  # type: ignore[misc]
    log = a_log(leaves(size))
    follow(log, leaves(size))
    assert refusal(lambda: read(log, other)) == "log_forked"
    if more:
        read(log, other[size:])
        assert log.offer(log_head(other, NOW))
        assert refusal(log.advance) == "log_forked"
    assert log.accepted == point(leaves(size))


@pytest.mark.parametrize("size", [0, 1, 3, 4])
def test_after_a_fork_nothing_newer_is_believed(size: int) -> None:
    """Also not what would extend what is believed: which of the two logs the center keeps is not known."""
    log = a_log(leaves(4))
    follow(log, leaves(4))
    assert refusal(lambda: log.offer(LogHead(log="trust", size=size, root=bytes(32), at=NOW))) == "log_forked"
    read(log, leaves(6))
    log.offer(log_head(leaves(6), NOW))
    assert refusal(log.advance) == "log_forked"
    assert log.accepted.size == 4
    assert log.newest() is None


def test_what_was_given_must_be_what_is_there() -> None:
    """The leaves of another log than the anchor's are not taken for it."""
    log = a_log(leaves(3), Point(3, bytes(32)))
    assert refusal(log.advance) == "log_forked"
    assert not holds(log, leaf(0))
    short = a_log(leaves(2), point(leaves(3)))
    assert not short.advance()
    assert not short.is_whole
    assert refusal(lambda: short.check("center", [leaf(0)["digest"]])) == "certificate_not_logged"


def test_an_older_head_and_another_logs_are_refused() -> None:
    """The one is a replay, the other a mistake."""
    log = a_log(leaves(5))
    follow(log, leaves(5))
    assert refusal(lambda: log.offer(log_head(leaves(3), NOW))) == "log_rollback"
    assert not log.offer(log_head(leaves(5), NOW + 1))
    assert refusal(lambda: TrustLog(point(leaves(5))).offer(log_head(leaves(3), NOW))) == "log_rollback"
    for bad in ({"log": "evidence"}, {"size": -1}):
        head: LogHead = {**log_head(leaves(6), NOW), **bad}  # type: ignore[typeddict-item]
        assert refusal(lambda head=head: log.offer(head)) == "log_invalid"  # type: ignore[misc]
        assert refusal(lambda head=head: log.cosign("37", head)) == "log_invalid"  # type: ignore[misc]
    assert refusal(lambda: log.append(7, framed([leaf(8)])[0])) == "log_invalid"


@pytest.mark.parametrize("count", range(5))
def test_the_quorum_is_two_or_all_there_are(count: int) -> None:
    """Of the provinces with a certificate under what is believed; neither the center nor its own 00 is one of them."""
    held = leaves(7, ("center", "broker", "00", *PROVINCES[:count]))
    log = a_log(held, point(held))
    log.advance()
    assert log.parties() == set(PROVINCES[:count])
    grown = [*held, leaf(7, "65")]
    read(log, grown)
    log.offer(log_head(grown, NOW))
    for party in ("center", "broker", "00", "65"):
        log.cosign(party, log_head(grown, NOW))
    for signed, party in enumerate(PROVINCES[:count]):
        assert log.advance() == (signed == min(2, count) and signed > 0)
        log.cosign(party, log_head(grown, NOW))
    log.advance()
    assert log.accepted == point(grown)
    assert log.parties() == {*PROVINCES[:count], "65"}


@given(
    st.lists(st.tuples(st.sampled_from(PROVINCES), st.integers(0, 20)), max_size=12),
    st.sets(st.sampled_from(PROVINCES)),
)
def test_what_is_believed_is_what_two_have_seen(cosigned: list[tuple[str, int]], suspended: set[str]) -> None:
    """Against the definition: the second largest of what the parties that count have seen, never less than before."""
    whole, start = leaves(20, ("center", *PROVINCES)), 10
    log = a_log(whole, point(whole[:start]))
    log.offer(log_head(whole, NOW))
    for party, size in cosigned:
        log.cosign(party, log_head(whole[:size], NOW))
    log.advance(suspended)
    seen = {party: max([size for who, size in cosigned if who == party], default=0) for party in PROVINCES}
    counted = sorted((seen[party] for party in PROVINCES if party not in suspended), reverse=True)
    needed = min(2, len(counted))
    assert log.accepted == point(whole[: max(start, counted[needed - 1] if needed else 0)])


LIE = LogHead(log="trust", size=1, root=bytes(32), at=NOW)


@given(st.integers(1, 20))
def test_one_witness_of_another_log_is_found_at_any_size_and_costs_one_more(size: int) -> None:
    """Its head need not be the newest. It does not count, three others must have seen the head, and they are enough."""
    whole = leaves(20, ("center", *PROVINCES))
    log = a_log(whole, point(whole[:10]))
    log.offer(log_head(whole, NOW))
    log.cosign("37", LogHead(log="trust", size=size, root=bytes(32), at=NOW))
    for party in ("37", "53", "32"):
        log.cosign(party, log_head(whole, NOW))
        assert not log.advance()
    assert log.contradictors() == {"37"}
    assert log.accepted.size == 10
    log.cosign("11", log_head(whole, NOW))
    assert log.advance()
    assert log.accepted == point(whole)


@pytest.mark.parametrize(("count", "enough"), [(1, None), (2, None), (3, 2), (4, 3)])
def test_where_there_is_no_one_more_all_others_must_have_seen_it(count: int, enough: int | None) -> None:
    """But never fewer than two: of two provinces one alone decides nothing, whatever the other says."""
    held = leaves(6, ("center", *PROVINCES[:count]))
    log = a_log(held, point(held))
    grown = [*held, leaf(6)]
    follow(log, grown)
    log.cosign(PROVINCES[0], LIE)
    for signed, party in enumerate(PROVINCES[1:count], start=1):
        log.cosign(party, log_head(grown, NOW))
        assert log.advance() == (signed == enough)
    assert (log.accepted == point(grown)) == (enough is not None)


def test_two_witnesses_of_another_log_are_believed() -> None:
    """Nothing newer counts, however many others have seen it; unless one is suspended or its certificate does not hold."""
    whole = leaves(20, ("center", *PROVINCES, "31", "33"))

    def forked() -> TrustLog:
        log = a_log(whole, point(whole[:10]))
        log.offer(log_head(whole, NOW))
        for party in ("37", "53"):
            log.cosign(party, LIE, b"stolen")
        for party in ("11", "32", "31", "33"):
            log.cosign(party, log_head(whole, NOW))
        assert refusal(log.advance) == "log_forked"
        assert log.accepted.size == 10
        return log

    assert forked().advance({"37"})
    assert forked().advance(holds=lambda party, thumbprint: (party, thumbprint) != ("53", b"stolen"))
    log = forked()
    log.cosign("37", LIE, b"another")
    log.advance(holds=lambda party, thumbprint: thumbprint != b"stolen")
    assert log.accepted == point(whole)


def test_two_that_are_no_witnesses_stop_nobody() -> None:
    """What the center or 00 signs of another log is told, and takes nothing from anybody."""
    whole = leaves(20, ("center", "00", *PROVINCES))
    log = a_log(whole, point(whole[:10]))
    log.offer(log_head(whole, NOW))
    for party in ("center", "00"):
        log.cosign(party, LIE)
    for party in ("53", "32"):
        log.cosign(party, log_head(whole, NOW))
    assert log.advance()
    assert log.contradictors() == {"center", "00"}


def test_what_was_signed_under_a_certificate_that_does_not_hold_does_not_count() -> None:
    """Also when it was noted before: a thief's word is worth nothing from then on; the party's new one is."""
    whole = leaves(8, ("center", "37", "53", "32"))
    log = a_log(whole[:7], point(whole[:7]))
    follow(log, whole[:7])
    for party in ("37", "53"):
        log.cosign(party, log_head(whole, NOW), b"old")
    read(log, whole)
    log.offer(log_head(whole, NOW))
    assert not log.advance(holds=lambda party, thumbprint: (party, thumbprint) != ("37", b"old"))
    log.cosign("37", log_head(whole, NOW), b"new")
    assert log.advance(holds=lambda party, thumbprint: (party, thumbprint) != ("37", b"old"))


def test_the_center_alone_is_never_enough_once_there_are_provinces() -> None:
    """It could suspend all of them for a moment, let a certificate of its own making count, and let them go on."""
    held = leaves(6, ("center", "37", "53"))
    log = a_log(held, point(held))
    follow(log, [*held, leaf(6)])
    assert not log.advance({"37", "53"})
    assert log.accepted == point(held)


@pytest.mark.parametrize("party", ["00", "broker", "53", ""])
def test_a_certificate_counts_only_as_that_of_the_party_in_its_leaf(party: str) -> None:
    """Whose name it is in is what the party watches; under another's leaf nobody would look."""
    held = leaves(4, ("center", "37"))
    rogue = leaf(4, party)
    log = a_log([*held, rogue], point([*held, rogue]))
    log.advance()
    assert log.has(party, rogue["digest"])
    assert not log.has("37", rogue["digest"])
    assert refusal(lambda: log.check("37", [rogue["digest"]])) == "certificate_not_logged"


def test_a_cosignature_waits_for_the_log_to_grow_to_it() -> None:
    """Somebody may be ahead of this reader, who then learns two things at once."""
    whole = leaves(8, ("center", "37"))
    log = a_log(whole[:4], point(whole[:4]))
    log.cosign("37", log_head(whole, NOW))
    assert not log.advance()
    assert log.cosigned_by("37") == 8
    follow(log, whole)
    assert log.accepted.size == 8


def test_certificates_that_wait_are_told_apart() -> None:
    """Not in the log at all, or in it and not witnessed."""
    held = leaves(4, ("center", "37"))
    log = a_log(held, point(held))
    follow(log, [*held, leaf(4)])
    log.check("center", [each["digest"] for each in held if each["party"] == "center"])
    log.check("37", [held[1]["digest"]])
    log.check("53", [])
    assert refusal(lambda: log.check("center", [held[0]["digest"], leaf(4)["digest"]])) == "head_not_witnessed"
    assert refusal(lambda: log.check("center", [leaf(4)["digest"], leaf(5)["digest"]])) == "certificate_not_logged"
    revoked: LogLeaf = {**leaf(5), "kind": "revocation"}
    read(log, [*held, leaf(4), revoked])
    assert refusal(lambda: log.check("center", [revoked["digest"]])) == "certificate_not_logged"


def test_a_leaf_that_no_head_covers_may_be_written_again() -> None:
    """What is not signed for yet is not history yet."""
    log = a_log([*leaves(3), leaf(3, salt=1), leaf(4)])
    log.offer(log_head(leaves(5), NOW))
    assert refusal(log.advance) == "log_forked"
    log.append(3, framed([leaf(3)])[0])
    assert log.advance()
    assert holds(log, leaf(3))
    assert not holds(log, leaf(3, salt=1))
