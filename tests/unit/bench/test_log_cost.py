"""The measurement of what lines of the log cost: of an application as the center's stages note one."""

from __future__ import annotations

import logging

from pipeline.bench.log_cost import PROVIDERS, household, measure
from pipeline.kafka.hoplog import NAME
from pipeline.kafka.hops import hops_of

NOW = 1_795_150_800_000


def test_an_application_has_the_hops_of_the_center() -> None:
    """From the section's receipt to the certificate, asked of and answered by each provider."""
    kinds = [hop.kind for work in household(NOW) for hop in hops_of(work)]
    assert kinds.count("dispatched") == kinds.count("answer_accepted") == len(PROVIDERS)
    assert (kinds[0], kinds[-1]) == ("section_received", "certified")


def test_lines_are_written_at_info_and_none_above() -> None:
    """DEBUG has more of them; the process's own logging is as it was afterwards."""
    logger = logging.getLogger(NAME)
    before = logger.level, logger.propagate, logger.handlers[:]
    found = measure(20, NOW)
    assert found["bytes_debug"] > found["bytes_info"] > found["bytes_warning"] == 0
    assert found["hops_per_application"] == 12
    assert found["signatures"] > 0
    assert (logger.level, logger.propagate, logger.handlers) == before
