"""The table of all ways in. `docs/fuzzing.md` lists it; `tests/fuzz/test_decoders.py` holds that nothing is missing."""

from __future__ import annotations

from tests.fuzz import (
    catalog_targets,
    codec_targets,
    crypto_targets,
    evidence_targets,
    file_targets,
    pack_targets,
    stage_targets,
    trust_targets,
)
from tests.fuzz.harness import Target
from tests.fuzz.planted import PLANTED

TARGETS: dict[str, Target] = {
    target.name: target
    for module in (
        crypto_targets,
        codec_targets,
        trust_targets,
        stage_targets,
        pack_targets,
        catalog_targets,
        evidence_targets,
        file_targets,
    )
    for target in module.TARGETS
}


def find(name: str) -> Target:
    """A target by its name."""
    return PLANTED if name == PLANTED.name else TARGETS[name]
