"""deploy/systemd: systemd itself takes the units, they are shut in, and what they run is a command of the CLI."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from pipeline.domain.parties import CENTER
from pipeline.stages.names import STAGES
from tests.deployed import DEPLOY, command_faults, unread

UNITS = DEPLOY / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
TIMERS = sorted(UNITS.glob("*.timer"))
BIN = "/opt/hedx/bin/"
INSTANCES = {"hedx-province@.service": ("37", "00"), "hedx-center@.service": STAGES}
WORST = 20
"""In tenths, of systemd's exposure from 0 to 10: what is above 2 has an opening that nobody meant."""


def settings(unit: Path) -> dict[str, list[str]]:
    """Key -> its values, in order; sections and comments left out."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """All units as systemd would find them: instances of the templates, and programs where they are looked for."""
    folder = tmp_path_factory.mktemp("units")
    (folder / "bin").mkdir()
    for program in ("hedx", "python"):
        (folder / "bin" / program).write_text("#!/bin/sh\n")
        (folder / "bin" / program).chmod(0o755)
    made = []
    for unit in [*SERVICES, *TIMERS]:
        text = unit.read_text().replace(BIN, f"{folder}/bin/")
        (folder / unit.name).write_text(text)
        for instance in INSTANCES.get(unit.name, [""]):
            path = folder / unit.name.replace("@.", f"@{instance}.")
            path.write_text(text)
            made.append(path)
    return made


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What systemd-analyze says; it looks at files and needs no systemd that runs."""
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_systemd_takes_every_unit(installed: list[Path]) -> None:
    """No unknown key, no missing program, no word on stderr."""
    done = analyze("verify", "--man=no", "--recursive-errors=no", *map(str, installed))
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_refuses_a_wrong_unit(tmp_path: Path) -> None:
    """The check above can fail: a misspelt key is told."""
    wrong = tmp_path / "hedx-wrong.service"
    wrong.write_text("[Service]\nExecStart=/bin/true\nProtectSytem=strict\n")
    assert "ProtectSytem" in analyze("verify", "--man=no", str(wrong)).stderr


def test_every_service_is_shut_in(installed: list[Path]) -> None:
    """systemd's own measure of exposure is low for each of them."""
    services = [path for path in installed if path.suffix == ".service"]
    done = analyze("security", "--offline=true", f"--threshold={WORST}", "--no-pager", *map(str, services))
    assert done.returncode == 0, [line for line in done.stdout.splitlines() if line.startswith("→")]
    assert done.stdout.count("Overall exposure level") == len(services)


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_what_a_unit_runs_exists(unit: Path) -> None:
    """Words and options are those of the click tree, or the module is one of ours; variables are read by the code."""
    found = settings(unit)
    [line] = found["ExecStart"]
    assert line.startswith(BIN)
    for instance in INSTANCES.get(unit.name, [""]):
        program, *arguments = shlex.split(line.removeprefix(BIN).replace("%i", instance))
        if program == "hedx":
            assert list(command_faults(arguments)) == []
        else:
            assert arguments[0] == "-m"
            assert importlib.util.find_spec(arguments[1]) is not None
    names = {word.partition("=")[0] for value in found["Environment"] for word in value.split()}
    assert unread(names) == set()


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_a_unit_runs_as_hedx_and_keeps_its_keys_in_memory(unit: Path) -> None:
    """Its own user; memory that a signer may lock; no core file with keys in it; a bound on what it may take."""
    found = settings(unit)
    assert found["User"] == ["hedx"]
    assert found["LimitCORE"] == ["0"]
    assert found["MemoryMax"]
    assert found["EnvironmentFile"] == ["/etc/hedx/hedx.env"]
    if unit.name != "hedx-backup.service":
        assert found["LimitMEMLOCK"] == ["infinity"]
    if found["Type"] == ["exec"]:
        assert found["Restart"] == ["always"]
        assert found["StartLimitIntervalSec"] == ["0"]
        assert int(found["TimeoutStopSec"][0]) >= 30, "a transaction, a signer and a store must have time to end"


def test_every_timer_starts_a_unit_at_a_time_that_comes() -> None:
    """Each timer has its service, and systemd can tell when it elapses next; what is done once has a timer."""
    for timer in TIMERS:
        service = timer.with_suffix(".service")
        assert service in SERVICES
        [when] = settings(timer)["OnCalendar"]
        done = analyze("calendar", when)
        assert done.returncode == 0, done.stderr
        assert "Next elapse: n/a" not in done.stdout
    once = {unit.name for unit in SERVICES if settings(unit)["Type"] == ["oneshot"]}
    assert once == {timer.with_suffix(".service").name for timer in TIMERS}


def test_the_daily_duties_have_their_timers() -> None:
    """What the pages want done from a timer is done: lists daily, seal keys twice a day, doctor every few minutes."""
    commands = {timer.stem: settings(timer.with_suffix(".service"))["ExecStart"][0] for timer in TIMERS}
    assert commands["hedx-ca-publish"].endswith("hedx ca publish")
    assert commands["hedx-seal-keys"].endswith(f"hedx party keys --party {CENTER} --publish")
    assert "hedx doctor --metrics /var/lib/node_exporter/" in commands["hedx-doctor"]
    assert settings(UNITS / "hedx-doctor.service")["SuccessExitStatus"] == ["10"]


def test_folders_that_units_write_to_are_made() -> None:
    """Every path a unit may write outside its state folder is in the tmpfiles, and the user in the sysusers."""
    made = {line.split()[1] for line in (UNITS / "hedx.tmpfiles").read_text().splitlines() if line.startswith("d ")}
    wanted = {path for unit in SERVICES for value in settings(unit).get("ReadWritePaths", []) for path in value.split()}
    assert wanted | {"/etc/hedx", "/var/lib/hedx"} == made
    assert re.search(r"^u hedx ", (UNITS / "hedx.sysusers").read_text(), re.MULTILINE)


def test_systemd_takes_the_user_and_the_folders(tmp_path: Path) -> None:
    """systemd-sysusers and systemd-tmpfiles, in a root of their own, make what the files say."""
    (tmp_path / "etc").mkdir()
    users = subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", str(UNITS / "hedx.sysusers")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert users.returncode == 0, users.stderr
    assert re.search(r"^hedx:", (tmp_path / "etc" / "passwd").read_text(), re.MULTILINE)
    folders = subprocess.run(
        ["systemd-tmpfiles", f"--root={tmp_path}", "--create", str(UNITS / "hedx.tmpfiles")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert folders.returncode == 0, folders.stderr
    assert (tmp_path / "var" / "lib" / "hedx").stat().st_mode & 0o777 == 0o700


def test_the_environment_file_sets_what_is_read() -> None:
    """Names that the code reads, and no secret."""
    lines = (UNITS / "hedx.env.example").read_text().splitlines()
    names = {line.partition("=")[0] for line in lines if line and not line.startswith("#")}
    assert "HEDX_BOOTSTRAP" in names
    assert unread(names) == set()
