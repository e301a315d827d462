"""One adapter a store."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pipeline.domain.errors import ConfigError
from pipeline.province.adapter import sole_owner


def test_a_second_adapter_is_refused_while_the_first_one_works(tmp_path: Path) -> None:
    """Two adapters on one store would answer everything twice."""
    stop = threading.Event()
    store = tmp_path / "store.db"
    refused = pytest.raises(ConfigError, match="another adapter")
    with sole_owner(store, stop), refused, sole_owner(store, stop, patience=0.1):
        pass


def test_the_next_adapter_takes_over_when_the_first_one_ends(tmp_path: Path) -> None:
    """What ends lets go; what waited works on."""
    stop = threading.Event()
    with sole_owner(tmp_path / "store.db", stop):
        pass
    with sole_owner(tmp_path / "store.db", stop, patience=0.1):
        assert (tmp_path / "store.lock").exists()
