"""One target under atheris, in a process of its own: `python -m tests.fuzz.engine TARGET SECONDS FOLDER SEED`.

It goes on after a finding (one of each kind is kept), so that one defect does not hide the next. libFuzzer ends the
process from inside, so the figures that it does not print are written to FOLDER/engine.json whenever they change.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
import traceback
from pathlib import Path
from random import Random
from typing import Any

import atheris

LIBRARIES = {"form-yaml": ["yaml"], "provider-file": ["yaml"], "topics-file": ["yaml"], "catalog-file": ["yaml"]}
"""Libraries in Python that are watched as the product is, for targets that are mostly theirs. It makes them five times
slower, so elsewhere, where they only load what a target needs, they are not."""

with atheris.instrument_imports(include=["pipeline", "tests.fuzz.planted", *LIBRARIES.get(sys.argv[1], [])]):
    from tests.fuzz import mutation, stored
    from tests.fuzz.harness import SECONDS_AN_INPUT, Target
    from tests.fuzz.targets import find

SLOWDOWN = 5
"""What atheris' counters make of a second of Python, generously."""
MEMORY_MIB = 1536
HANG_SECONDS = 30
CROSSING = 8
"""One mutation in so many mixes in a piece of another input of the corpus."""


class Session:
    """What one run keeps: findings by kind, the slowest input."""

    def __init__(self, target: Target, folder: Path) -> None:
        self.target = target
        self.folder = folder
        self.slowest = 0.0
        self.kinds: set[str] = set()

    def one(self, data: bytes) -> None:
        """Try one input."""
        before = time.thread_time()
        try:
            self.target.run(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            self._keep(_kind(error), data, "".join(traceback.format_exception(error)))
        spent = time.thread_time() - before
        if spent > SLOWDOWN * SECONDS_AN_INPUT:
            self._keep("slow", data, f"{spent:.1f} s of processor time")
        if spent > self.slowest:
            self.slowest = spent
            self._note()

    def _keep(self, kind: str, data: bytes, words: str) -> None:
        if kind not in self.kinds:
            self.kinds.add(kind)
            name = f"{self.target.name}-{kind}"
            (self.folder / f"{name}.bin").write_bytes(data)
            (self.folder / f"{name}.txt").write_text(words, encoding="utf-8")
            self._note()

    def _note(self) -> None:
        said = {"slowest_seconds": round(self.slowest, 4), "findings": sorted(self.kinds)}
        (self.folder / "engine.json").write_text(json.dumps(said), encoding="utf-8")


def _kind(error: Exception) -> str:
    """One name for one place in the code: exception, file and line where it left the product or broke the promise."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if "/tests/fuzz/harness" not in frame.filename
    ]
    ours = [frame for frame in frames if "/pipeline/" in frame.filename or "/tests/fuzz/" in frame.filename]
    place = ours[-1]
    digest = hashlib.sha256(str(error).encode()).hexdigest()[:4] if type(error).__name__ == "Defect" else "0"
    return f"{type(error).__name__}-{Path(place.filename).stem}-{place.lineno}-{digest}"


def mutator(target: Target, seeds: list[bytes]) -> Any:
    """libFuzzer's custom mutator: structure first, its own mutations for the bytes inside."""

    def native(data: bytes, rng: Random) -> bytes:
        if rng.randrange(4) == 0:
            return mutation.shuffle_bytes(data, rng)
        return bytes(atheris.Mutate(data or b"\0", len(data) + 64))

    def mutate(data: bytes, largest: int, seed: int) -> bytes:
        rng = Random(seed)
        if seeds and rng.randrange(CROSSING) == 0:
            changed = mutation.crossed(data, rng.choice(seeds), rng)
        else:
            changed = mutation.mutate(data, rng, native, mutation.DEEPEST if target.structured else 0)
        return changed[:largest]

    return mutate


def main() -> None:
    """Fuzz until the time is over."""
    name, seconds, folder, seed = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    target = find(name)
    inputs = folder / "corpus"
    inputs.mkdir()
    seeds = list(stored.everything(name).values()) or [b""]
    for data in seeds:
        (inputs / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    arguments = [
        sys.argv[0],
        str(inputs),
        f"-max_total_time={seconds}",
        f"-max_len={max([target.max_size, *map(len, seeds)])}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-timeout={HANG_SECONDS}",
        f"-artifact_prefix={folder}/{name}-",
        f"-seed={seed}",
        "-len_control=0",
        "-print_final_stats=1",
    ]
    session = Session(target, folder)
    session.one(seeds[0])  # what the first input has to load is not its own time
    session.slowest = 0.0
    atheris.Setup(arguments, session.one, custom_mutator=mutator(target, seeds), internal_libfuzzer=True)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
