"""The anchor as files: what is handed over is what is read, and what openssl reads."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pipeline.center.anchor_files import AUTHORITIES, CRL, ENTRY, HEAD, read_anchor, write_anchor
from pipeline.domain.errors import ConfigError
from pipeline.stages.reference import ReferenceTables
from tests.unit.stages.trust_world import World, fill


def test_an_anchor_survives_its_files(tmp_path: Path) -> None:
    """Whoever reads them believes what the center publishes."""
    world = World()
    write_anchor(tmp_path, world.anchor())
    anchor = read_anchor(tmp_path)
    assert (anchor.roots, anchor.center, anchor.crl) == (
        world.anchor().roots,
        world.entries["center"],
        world.crl["crl"],
    )
    view = ReferenceTables(anchor)
    assert fill(view, world.publication()) == []
    assert view.trust.parties() == ["37", "53", "center"]


def test_openssl_reads_what_is_handed_over(tmp_path: Path) -> None:
    """Two officers compare the root's fingerprint, and the list is under the authority's key."""
    write_anchor(tmp_path, World().anchor())
    made = subprocess.run(
        [
            *("openssl", "crl", "-inform", "DER", "-in", str(tmp_path / CRL), "-noout", "-crlnumber"),
            *("-CAfile", str(tmp_path / AUTHORITIES)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "verify OK" in made.stderr
    assert int(made.stdout.partition("=")[2], 16) == 1


@pytest.mark.parametrize("name", [AUTHORITIES, ENTRY, HEAD, CRL])
def test_a_file_that_is_missing_is_the_operators_error(tmp_path: Path, name: str) -> None:
    """Which one, is said."""
    write_anchor(tmp_path, World().anchor())
    (tmp_path / name).unlink()
    with pytest.raises(ConfigError, match=name):
        read_anchor(tmp_path)


@pytest.mark.parametrize("name", [AUTHORITIES, ENTRY])
def test_a_file_that_is_none_is_the_operators_error(tmp_path: Path, name: str) -> None:
    """Not a traceback."""
    write_anchor(tmp_path, World().anchor())
    (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="not an anchor"):
        read_anchor(tmp_path)
