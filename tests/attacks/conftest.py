"""Fixtures of the attack suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.attacks.stand import Stand, stand_in


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """One exchange that has to survive all attacks of a family, one after the other."""
    yield from stand_in(tmp_path_factory.mktemp("stand"))
