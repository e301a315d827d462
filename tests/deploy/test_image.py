"""deploy/Dockerfile, which no test can build without an engine: what its text must say."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from collections.abc import Iterator

import pytest

from tests.deployed import DEPLOY, ROOT

PIN = re.compile(r"^([a-zA-Z0-9._-]+)==(\S+)", re.MULTILINE)


def instructions() -> list[tuple[str, str]]:
    """Keyword and arguments of each instruction, continued lines joined, comments gone."""
    text = (DEPLOY / "Dockerfile").read_text()
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    found = [line.split(None, 1) for line in lines.replace("\\\n", " ").splitlines() if line.strip()]
    return [(word.upper(), " ".join(rest.split())) for word, rest in found]


def final_stage() -> list[tuple[str, str]]:
    """What the image is made of: everything after the last FROM."""
    found = instructions()
    last = max(number for number, (word, _) in enumerate(found) if word == "FROM")
    return found[last + 1 :]


def test_every_base_is_pinned() -> None:
    """One base, by a tag with a minor version, which a build argument replaces by a digest."""
    words = instructions()
    arguments = dict(rest.split("=", 1) for word, rest in words if word == "ARG" and "=" in rest)
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", arguments["PYTHON_IMAGE"])
    bases = [rest.split()[0] for word, rest in words if word == "FROM"]
    assert len(bases) == 2
    assert set(bases) == {"${PYTHON_IMAGE}"}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert arguments["VERSION"] == version


def test_runs_as_a_user_without_rights() -> None:
    """The last USER is a number above 0, which compose.yaml and Kubernetes' runAsNonRoot can check."""
    users = [rest for word, rest in final_stage() if word == "USER"]
    assert users == ["10001:10001"]


def test_nothing_is_built_in_the_result() -> None:
    """The last stage installs no package and has no compiler, no pip, no network access."""
    commands = [rest for word, rest in final_stage() if word == "RUN"]
    for command in commands:
        assert not re.search(r"apt-get|pip install|curl|wget|gcc|build-essential", command), command
    assert any("site-packages/pip*" in command for command in commands)
    assert [rest for word, rest in final_stage() if word == "ADD"] == []


def test_packages_come_from_the_lock_with_their_hashes() -> None:
    """No install without --require-hashes but the project's own wheel; nothing is compiled."""
    installs = [
        part for word, rest in instructions() if word == "RUN" for part in rest.split("&&") if "pip install" in part
    ]
    assert len(installs) == 3
    for install in installs:
        if "*.whl" in install:
            assert "--no-deps --no-index" in install
        else:
            assert "--require-hashes --only-binary :all:" in install, install


def sources() -> Iterator[str]:
    """Every path that is copied from the repository."""
    for word, rest in instructions():
        if word == "COPY" and "--from=" not in rest:
            yield from rest.split()[:-1]


def test_everything_copied_exists_and_is_in_the_context() -> None:
    """.dockerignore lets through what is copied, and nothing more."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    allowed = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {source.rstrip("/") for source in sources()}
    assert copied == allowed
    for source in copied:
        assert (ROOT / source).exists(), source
    assert not any(fnmatch.fnmatch(".hedx", pattern) for pattern in allowed), "keys of a demo stay outside"


def test_what_the_wheel_takes_is_copied() -> None:
    """Each folder that pyproject.toml puts into the wheel is there when it is built, and so is what hatchling reads."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    wanted = {
        *wheel["packages"],
        *wheel["force-include"],
        project["project"]["readme"],
        *project["project"]["license-files"],
    }
    assert wanted <= {source.rstrip("/") for source in sources()}


def test_has_a_health_check_and_labels() -> None:
    """OCI's labels, and the check that compose.yaml repeats."""
    words = final_stage()
    assert any(word == "HEALTHCHECK" and "pipeline.ops.probe" in rest for word, rest in words)
    [labels] = [rest for word, rest in words if word == "LABEL"]
    for name in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{name}=" in labels
    assert ("ENTRYPOINT", '["hedx"]') in words
    assert ("VOLUME", "/var/lib/hedx") in words


@pytest.mark.parametrize("name", ["requirements-prod.lock", "requirements-build.lock"])
def test_the_production_lock_is_a_part_of_the_tested_one(name: str) -> None:
    """What the image installs is what the tests ran with, version for version."""
    tested = dict(PIN.findall((ROOT / "requirements.lock").read_text()))
    pinned = dict(PIN.findall((ROOT / name).read_text()))
    assert pinned.items() <= tested.items()
    assert pinned


def test_the_production_lock_has_what_runs_and_no_test_tool() -> None:
    """Every dependency of the project, and of its tracing extra; nothing of the dev extra's own."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    pinned = {name.lower().replace("_", "-") for name, _ in PIN.findall((ROOT / "requirements-prod.lock").read_text())}
    names = {re.split(r"[\[<>=;! ]", each)[0].lower() for each in [*project["dependencies"], *extras["tracing"]]}
    assert names <= pinned
    assert not {"pytest", "mypy", "ruff", "playwright", "hypothesis", "atheris", "testcontainers"} & pinned
