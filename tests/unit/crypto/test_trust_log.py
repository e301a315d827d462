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
    assert all(log.has(each["digest"]) for each in leaves(size))
    assert not log.has(leaf(size)["digest"])


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
    assert not log.has(leaf(0)["digest"])
    short = a_log(leaves(2), point(leaves(3)))
    assert not short.advance()
    assert not short.is_whole
    assert refusal(lambda: short.check([leaf(0)["digest"]])) == "certificate_not_logged"


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
    """Of the parties with a certificate under what is believed; the center is none of them, nor is the broker."""
    held = leaves(6, ("center", "broker", *PROVINCES[:count]))
    log = a_log(held, point(held))
    log.advance()
    assert log.parties() == set(PROVINCES[:count])
    grown = [*held, leaf(6, "65")]
    read(log, grown)
    log.offer(log_head(grown, NOW))
    for party in ("center", "broker", "65"):
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
    assert log.accepted == point(whole[: max(start, counted[needed - 1] if needed else 20)])


@given(st.integers(1, 20))
def test_a_witness_of_another_log_is_found_at_any_size(size: int) -> None:
    """Its head need not be the newest; one from before it was registered counts as little as its good word."""
    whole = leaves(20, ("center", *PROVINCES))
    log = a_log(whole, point(whole[:10]))
    log.offer(log_head(whole, NOW))
    log.cosign("37", LogHead(log="trust", size=size, root=bytes(32), at=NOW))
    assert refusal(log.advance) == "log_forked"
    assert log.accepted.size == 10
    assert not log.advance({"37"}), "without it, two others must still sign"
    for party in ("53", "32"):
        log.cosign(party, log_head(whole, NOW))
    assert log.advance({"37"})


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
    log.check([each["digest"] for each in held])
    log.check([])
    assert refusal(lambda: log.check([held[0]["digest"], leaf(4)["digest"]])) == "head_not_witnessed"
    assert refusal(lambda: log.check([leaf(4)["digest"], leaf(5)["digest"]])) == "certificate_not_logged"
    revoked: LogLeaf = {**leaf(5), "kind": "revocation"}
    read(log, [*held, leaf(4), revoked])
    assert refusal(lambda: log.check([revoked["digest"]])) == "certificate_not_logged"


def test_a_leaf_that_no_head_covers_may_be_written_again() -> None:
    """What is not signed for yet is not history yet."""
    log = a_log([*leaves(3), leaf(3, salt=1), leaf(4)])
    log.offer(log_head(leaves(5), NOW))
    assert refusal(log.advance) == "log_forked"
    log.append(3, framed([leaf(3)])[0])
    assert log.advance()
    assert log.has(leaf(3)["digest"])
    assert not log.has(leaf(3, salt=1)["digest"])
