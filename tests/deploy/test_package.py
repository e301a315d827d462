"""The wheel holds everything the commands need: it works outside the repository, and from the production lock alone."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.deployed import ROOT

COMMANDS = (
    ("--version",),
    ("topics", "validate"),
    ("calendar", "check"),
    ("rules", "show"),
    ("party", "request", "--party", "37"),
)
"""Commands that read what is shipped beside the code (topics.yaml, calendar, rules, schemas), or make something of their own."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as the image builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    [found] = folder.glob("*.whl")
    return found


def tried(python: str, home: Path, arguments: tuple[str, ...], **extra: str) -> str:
    """What `hedx <arguments>` says on stdout, run far from the repository; it must succeed."""
    environment = {"PATH": os.environ["PATH"], "HEDX_HOME": str(home), "LANG": "C.UTF-8", **extra}
    done = subprocess.run(
        [python, "-m", "pipeline.cli.main", *arguments],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"hedx {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout


def test_commands_work_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    """Unpacked outside the repository, in front of everything else on the path, it finds all its files in itself."""
    package, home = tmp_path / "site", tmp_path / "home"
    home.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(package)
    found = subprocess.run(
        [sys.executable, "-c", "import pipeline.kafka.topology as t; print(t.__file__, t.TOPICS_FILE)"],
        cwd=home,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(Path(each).is_relative_to(package) for each in found.stdout.split())
    for arguments in (*COMMANDS, ("schemas", "check")):  # the checker of schemas is in the dev extra
        tried(sys.executable, home, arguments, PYTHONPATH=str(package))


def test_everything_beside_the_code_is_in_the_wheel(wheel: Path) -> None:
    """Schemas, calendar, rules, retention, topics.yaml, and every file under pipeline/ that is no Python and not ignored."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "pipeline", "avro", "deploy", "topics.yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    wanted = {name for name in listed if name.startswith("pipeline/") and (ROOT / name).exists()}
    wanted |= {f"pipeline/{name}" for name in listed if name.startswith("avro/") or name == "topics.yaml"}
    for folder in ("calendar", "rules", "evidence"):
        wanted |= {name.replace("deploy/", "pipeline/") for name in listed if name.startswith(f"deploy/{folder}/")}
    assert {"pipeline/topics.yaml", "pipeline/rules/base.yaml", "pipeline/avro/released.json"} <= wanted
    assert wanted - names == set()


@pytest.mark.package
def test_the_production_lock_is_enough(wheel: Path, tmp_path: Path) -> None:
    """What the image's build stage does, for real: a fresh environment, the lock with hashes, wheels only; commands work."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    python, home = str(tmp_path / "env" / "bin" / "python"), tmp_path / "home"
    home.mkdir()
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    lock = str(ROOT / "requirements-prod.lock")
    subprocess.run([*pip, "--require-hashes", "--only-binary", ":all:", "-r", lock], cwd=home, check=True)
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], cwd=home, check=True)
    for arguments in COMMANDS:
        tried(python, home, arguments)
    subprocess.run([python, "-m", "pip", "check"], cwd=home, check=True)
