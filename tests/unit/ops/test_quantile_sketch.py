"""Percentiles in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.ops.quantile_sketch import ERROR, Sketch, merged
from tests.watch_oracle import nearest_rank

durations = st.lists(st.integers(0, 40_000_000_000), min_size=1)


def sketch_of(values: list[int]) -> Sketch:
    """A sketch of these."""
    sketch = Sketch()
    for value in values:
        sketch.add(value)
    return sketch


@given(durations, st.floats(0, 1))
def test_a_percentile_is_the_exact_one_within_its_error(values: list[int], share: float) -> None:
    """Against the nearest rank of the sorted values, for any share and any durations up to more than a year."""
    found, exact = sketch_of(values).quantile(share), nearest_rank(sorted(values), share) / 1000
    assert found is not None
    assert abs(found - exact) <= ERROR * exact * (1 + 1e-9)


@given(st.lists(durations, max_size=5))
def test_sketches_add_up_to_the_sketch_of_all(parts: list[list[int]]) -> None:
    """However durations are divided among sketches."""
    together = merged(sketch_of(part) for part in parts)
    whole = sketch_of([value for part in parts for value in part])
    assert [together.quantile(n / 10) for n in range(11)] == [whole.quantile(n / 10) for n in range(11)]
    assert together.count == whole.count


def test_clocks_that_differ_make_no_negative_duration() -> None:
    """What ends before it began took no time; nothing measured is no figure."""
    assert sketch_of([-5, -1]).quantile(0.5) == 0.0
    assert Sketch().quantile(0.5) is None
