"""`hedx demo --story` as a user runs it: real Kafka, real processes, a simulated calendar, the whole procedure in order."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.cli.exits import Exit
from pipeline.domain.calendar import CHINA
from pipeline.province.calendar_files import load_calendar

HEDX = [sys.executable, "-m", "pipeline.cli.main"]
LIMIT = 170
"""Seconds: under three minutes in all."""
ORDER = [
    ("joined", "joined and filed"),
    ("catalog", "catalog release 1"),
    ("received", "application received"),
    ("held", "held"),
    ("approved", "approved by officer"),
    ("started", "started within 2 working days"),
    ("extended", "provider extended"),
    ("withdrawn", "withdrawn"),
    ("rechecked", "re-check found a changed property record"),
    ("certificate", "certificate v1 incomplete"),
    ("supplement", "supplement v2 complete"),
]
"""Steps that the story must have, in this order, and how their lines begin."""


def environment(home: Path) -> dict[str, str]:
    """That of a fresh machine: no cluster named, data under `home`."""
    variables = {**os.environ, "HEDX_HOME": str(home), "PYTHONUNBUFFERED": "1"}
    variables.pop("HEDX_BOOTSTRAP", None)
    return variables


def running(home: Path) -> dict[int, str]:
    """Every process that has data under `home`."""
    found = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get("HEDX_HOME", "").startswith(str(home)):
                found[process.pid] = " ".join(process.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


class Told:
    """What the story said: its lines, and its steps by name."""

    def __init__(self, ended: subprocess.CompletedProcess[str], left: dict[int, str]) -> None:
        self.code = ended.returncode
        self.lines = ended.stderr.splitlines()
        self.left = left
        self.document: dict[str, Any] = json.loads(ended.stdout) if ended.stdout else {"steps": []}
        self.steps = {step["step"]: step for step in self.document["steps"]}

    def facts(self, step: str) -> dict[str, Any]:
        """The facts of one step."""
        facts: dict[str, Any] = self.steps[step]["facts"]
        return facts


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """One run of the story for all tests below."""
    home = tmp_path_factory.mktemp("story")
    command = [*HEDX, "demo", "--story", "--json", "--lang", "en"]
    ended = subprocess.run(command, env=environment(home), capture_output=True, text=True, timeout=LIMIT, check=False)
    return Told(ended, running(home))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder whose processes are ended even when the test fails before it could."""
    yield tmp_path
    for pid in running(tmp_path):
        os.kill(pid, signal.SIGKILL)


def test_the_whole_procedure_comes_out_in_order_and_in_time(told: Told) -> None:
    """Every step of the issue's list, one after the other, in words and in JSON; exit 0; nothing is left running."""
    assert told.code == Exit.FINE, "\n".join(told.lines[-5:])
    names = [step["step"] for step in told.document["steps"]]
    assert [name for name in names if name in dict(ORDER)] == [name for name, _ in ORDER]
    said = [line for line in told.lines if line[:2] == "20"]
    assert len(said) == len(names)
    for name, beginning in ORDER:
        assert beginning in said[names.index(name)], said[names.index(name)]
    instants = [step["at"] for step in told.document["steps"]]
    assert instants == sorted(instants)
    assert told.document["seconds"] < LIMIT
    assert told.left == {}


def test_the_query_is_started_within_two_working_days_of_receipt(told: Told) -> None:
    """Receipt is day 0, whatever days off follow; the start is before the end of working day 2 of the shipped calendar."""
    facts = told.facts("started")
    received = dt.date.fromisoformat(told.facts("received")["received"][:10])
    assert facts["day0"] == received.isoformat()
    calendar = load_calendar(Path("no such folder"))
    if {received.year, told_on(told, "supplement").year} <= calendar.years.keys():
        assert facts["due"] == f"{calendar.after(received, 2)} 23:59"
        assert calendar.is_working_day(told_on(told, "started"))
    assert received < told_on(told, "started")
    assert facts["started"] <= facts["due"]
    assert [reason["code"] for reason in told.facts("held")["reasons"]] == ["hold_unit_level"]
    assert told.facts("approved")["officers"]
    inspected = told.facts("inspected")
    assert inspected["parties"] == told.facts("joined")["parties"] == ["32", "37", "53"]
    assert inspected["checks"] >= 3 * 5


def told_on(told: Told, step: str) -> dt.date:
    """The simulated day of a step in China."""
    return dt.datetime.fromtimestamp(told.steps[step]["at"] / 1000, CHINA).date()


def test_documents_of_a_drawn_person_came_in_time_and_the_draw_is_drawn_again(told: Told) -> None:
    """A person of a closed application was drawn, every document asked for was named in the mandate and accepted."""
    drawn, answered, verified = (told.facts(step) for step in ("drawn", "answered", "verified"))
    assert drawn["application_id"] == told.facts("completed")["application_id"]
    assert answered["request"] == drawn["request"]
    assert answered["documents"] == answered["in_mandate"] >= 3  # mandate, identity, consent
    assert told.steps["answered"]["local"] <= answered["due"]
    assert answered["verdict"] == "accepted"
    assert (verified["draw"], verified["persons"], verified["holds"]) == (drawn["draw"], drawn["persons"], True)


def test_an_extension_a_withdrawal_and_a_recheck_are_what_they_should_be(told: Told) -> None:
    """Agreed until when; who acknowledged and what was called off; which field changed, as an attempt of the same query."""
    extended, withdrawn, rechecked = (told.facts(step) for step in ("extended", "withdrawn", "rechecked"))
    assert extended["application_id"] == told.facts("received")["application_id"]
    assert (extended["provider"], extended["standing"]) == ("37", "extended")
    assert withdrawn["state"] == "withdrawn"
    assert (withdrawn["acknowledged"], withdrawn["not_acknowledged"]) == (["00"], ["32"])
    assert set(withdrawn["by_status"]) == {"done", "withdrawn"}
    assert rechecked["original"] == told.facts("completed")["application_id"]
    assert rechecked["attempt"] == 2
    [change] = rechecked["changes"]
    assert (change["provider"], change["item"]) == ("37", "mortgaged")
    assert {change["before"], change["after"]} == {"true", "false"}


def test_what_was_missing_at_the_deadline_is_supplemented(told: Told) -> None:
    """Version 1 names the silent province, version 2 has every answer, and no sub-query is lost between them."""
    first, second = told.facts("certificate"), told.facts("supplement")
    persons = told.facts("received")["persons"]
    assert first["missing"] == [
        {"provider": "32", "category": "real_estate", "status": "expired", "count": persons},
    ]
    assert (first["version"], first["state"], second["version"], second["state"]) == (
        1,
        "incomplete",
        2,
        "supplemented",
    )
    assert first["certificate"] != second["certificate"]
    assert first["by_status"] == {"done": 2 * persons, "expired": persons}
    assert second["by_status"] == {"done": 3 * persons}
    assert second["acknowledged"] == ["00", "32"], "the late provider knows of the withdrawal, too"


def test_ctrl_c_in_the_middle_leaves_nothing_running(home: Path) -> None:
    """Ctrl-C reaches the whole group, here while a command of the story is at work."""
    command = [*HEDX, "demo", "--story", "--lang", "en"]
    demo = subprocess.Popen(
        command,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert demo.stdout is not None
    assert any("joined and filed" in line for line in demo.stdout)
    os.killpg(demo.pid, signal.SIGINT)
    _, said = demo.communicate(timeout=60)
    assert demo.returncode == Exit.INTERRUPTED, said
    assert running(home) == {}
