"""Where inputs are kept: `corpus/<target>.txt` as made, `corpus/past/<target>.txt` what was once a finding; `name hex` a line."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"
PAST = FOLDER / "past"


def load(target: str, folder: Path = FOLDER) -> dict[str, bytes]:
    """The inputs of one target by name; none when it has no file."""
    path = folder / f"{target}.txt"
    if not path.exists():
        return {}
    lines = [line.split(" ") for line in path.read_text(encoding="ascii").splitlines()]
    return {name: bytes.fromhex(content) for name, content in lines}


def save(target: str, inputs: dict[str, bytes], folder: Path = FOLDER) -> None:
    """Write the inputs of one target."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{name} {content.hex()}\n" for name, content in sorted(inputs.items())]
    (folder / f"{target}.txt").write_text("".join(lines), encoding="ascii")


def everything(target: str) -> dict[str, bytes]:
    """Made inputs and past findings."""
    return {**load(target), **load(target, PAST)}
