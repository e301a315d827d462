"""Every way in, a little, at each run of the tests: arbitrary bytes, a corpus gone wrong, structure, and past findings.

`make fuzz` goes on for ten minutes with coverage to guide it; this goes on for seconds, on every machine.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from pipeline.codec import framing, schemas
from pipeline.crypto import cbor
from pipeline.domain.errors import InvalidMessage
from tests.fuzz import mutation, past, report, run, stored
from tests.fuzz.harness import SECONDS_AN_INPUT, Defect, Target, check_refusal, timed
from tests.fuzz.targets import TARGETS
from tests.unit.codec.generation import records

ALL = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
FEW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)

CBOR = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=64) | st.text(max_size=32),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.integers(-3, 40) | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=12,
)


def run_within_time(target: Target, data: bytes) -> None:
    """Run the target; what takes longer than it may is a defect as well. The first run may have much to set up."""
    if timed(target.run, data) > SECONDS_AN_INPUT:
        assert timed(target.run, data) <= SECONDS_AN_INPUT, "an input takes too long"


@ALL
def test_the_corpus_breaks_no_promise(target: Target) -> None:
    """Genuine inputs and past findings, each as it is; there is at least one of them for every target."""
    inputs = stored.everything(target.name)
    assert inputs
    for data in inputs.values():
        run_within_time(target, data)


@ALL
@seed(20271)
@FEW
@given(data=st.binary(max_size=512))
def test_arbitrary_bytes(target: Target, data: bytes) -> None:
    """Whatever bytes come, a decoder says yes or no."""
    run_within_time(target, data)


@ALL
@FEW
@given(number=st.integers(0, 2**32 - 1))
def test_a_corpus_gone_wrong(target: Target, number: int) -> None:
    """Flipped, inserted, deleted, repeated, truncated, spliced: in the bytes, and inside the structure."""
    rng = Random(number)
    seeds = list(stored.everything(target.name).values())
    data = rng.choice(seeds)
    for _ in range(rng.randrange(1, 6)):
        if rng.randrange(8):
            data = mutation.mutate(data, rng, depth=mutation.DEEPEST if target.structured else 0)
        else:
            data = mutation.crossed(data, rng.choice(seeds), rng)
    run_within_time(target, data[: max(target.max_size, 4096)])


@pytest.mark.parametrize("target", [t for t in TARGETS.values() if t.structured], ids=lambda target: target.name)
@FEW
@given(value=CBOR)
def test_well_formed_cbor_of_any_shape(target: Target, value: Any) -> None:
    """What is CBOR but not the profile is refused by shape, not by accident."""
    run_within_time(target, cbor.dumps(value))


@pytest.mark.parametrize("name", ["applications", "join", "avro-framed"])
@FEW
@given(data=st.data())
def test_records_of_any_content(name: str, data: st.DataObject) -> None:
    """Any record that the codec can write, to whoever reads records: numbers and texts at their limits included."""
    record = data.draw(st.sampled_from(schemas.current().records))
    content = data.draw(records(record))
    run_within_time(TARGETS[name], framing.encode(record, content))


def test_past_findings_are_in_the_corpus() -> None:
    """The files in corpus/past hold what `python -m tests.fuzz.past` makes, by name: signatures and seals differ each time."""
    for part in past.PARTS:
        for target, inputs in part().items():
            assert stored.load(target, stored.PAST).keys() == inputs.keys()


def test_a_mutated_structure_is_still_one() -> None:
    """The mutator writes lengths anew: most of what it makes of an envelope is still CBOR, and much of it not the same."""
    rng = Random(1)
    value = stored.load("envelope-signed")["request"]
    made = [mutation.mutate(value, rng) for _ in range(200)]
    whole = 0
    for changed in made:
        try:
            cbor.loads(changed)
        except InvalidMessage:
            continue
        whole += 1
    assert whole > 120
    assert len({*made}) > 100


def test_a_refusal_without_a_stable_code_is_a_defect() -> None:
    """The harness itself can fail: on a code with blanks, and on a detail as long as a message."""
    for error in (InvalidMessage("No code"), InvalidMessage("code", "x" * 1000)):
        with pytest.raises(Defect):
            check_refusal(error)


def test_the_page_lists_every_target() -> None:
    """docs/fuzzing.md has the table that `python -m tests.fuzz.report` makes."""
    assert report.targets(TARGETS.values()) in report.PAGE.read_text(encoding="utf-8")


def test_time_is_shared_by_weight() -> None:
    """Two processes side by side end in about the time asked for, and every target gets some of it."""
    given_seconds = run.shares(list(TARGETS), 600)
    assert set(given_seconds) == set(TARGETS)
    assert 0.75 * 600 * run.PROCESSES < sum(given_seconds.values()) <= 600 * run.PROCESSES
    assert given_seconds["applications"] >= 3 * given_seconds["point"]


if find_spec("atheris"):  # there are no wheels for some machines

    def test_the_engine_finds_what_is_planted(tmp_path: Path) -> None:
        """Atheris, on a target that breaks on three bytes in a row: coverage leads it there, and it keeps the input."""
        command = [sys.executable, "-m", "tests.fuzz.engine", "planted", "2", str(tmp_path), "7"]
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)
        [found] = tmp_path.glob("planted-*.bin")
        assert found.read_bytes()[:3] == b"HED", done.stderr[-2000:]
        assert b"DONE" in done.stderr
