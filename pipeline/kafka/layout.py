"""Where a stage's state may live."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.domain.errors import ConfigError
from pipeline.stages.effects import Stage


def check_layout(stage: Stage, partitions: Callable[[str], int]) -> None:
    """Raises ConfigError unless the state of `stage` can follow its input.

    State belongs to a partition number. Cooperative-sticky assignment does not give the same numbers of two topics to
    one worker, so a stage with state reads one topic, and its changelog has as many partitions.
    """
    if stage.changelog is None:
        return
    if len(stage.inputs) != 1:
        raise ConfigError(f"stage {stage.name} keeps state, so it must read one topic, not {len(stage.inputs)}")
    inputs, changelog = partitions(stage.inputs[0]), partitions(stage.changelog)
    if inputs != changelog:
        raise ConfigError(
            f"{stage.changelog} has {changelog} partitions, {stage.inputs[0]} has {inputs}: must be equal"
        )
