"""An adapter's own hops of answers: one for each request, read from clear headers in one pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from pipeline.province.hops import of_answers


@dataclass
class Counting:
    """A bundle's header that counts how often it is looked at."""

    section: int
    application_id: str
    members: bytes
    kind: str = "answer"
    provider: str | None = "32"
    requester: str = "37"
    code: str | None = None


@dataclass
class Post:
    """What an outbox is given, as far as hops look at it."""

    header: Counting
    looks: list[int] = field(default_factory=list)

    @property
    def bundle(self) -> Any:
        """Looked at once more."""
        self.looks.append(1)
        return SimpleNamespace(header=self.header)


def posts(requests: int, members: tuple[bytes, ...] = (b"\x03", b"\xff")) -> list[Any]:
    """Answers to so many requests of one section each, a bundle for each of `members`."""
    ids = [f"8a86f311-0a8b-46c5-9b1f-{number:012d}" for number in range(requests)]
    return [Post(Counting(1, one, persons)) for one in ids for persons in members]


def test_each_post_is_looked_at_once_however_many_there_are() -> None:
    """The work grows as the batch does: 4,000 posts are looked at 4,000 times."""
    for requests in (10, 2000):
        given = posts(requests)
        assert len(list(of_answers(given, 5))) == requests
        assert {len(post.looks) for post in given} == {1}


def test_a_request_is_one_hop_with_the_most_persons_that_any_of_its_bundles_has() -> None:
    """In the order in which the first answers stand; acts about it are counted in but make no hop."""
    one, two = posts(2, (b"\x01", b"\x0f", b"\x03"))[::2], posts(1, (b"\xff",))
    two[0].header.kind = "act"
    [first, second] = of_answers([*two, *one], 5)
    assert (first.application_id, first.count) == (one[0].header.application_id, 8)
    assert (second.application_id, second.count) == (one[-1].header.application_id, 4)
    assert (first.at, first.stage, first.kind, first.section, first.party, first.provider) == (
        5, "answer", "answered", 1, "37", "32",
    )  # fmt: skip
