"""The officer's desk on a real Kafka: `hedx review` against the center's running stages, through death and return of one."""

from __future__ import annotations

import json
from contextlib import closing, redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

import pytest

from pipeline.center.opening import ACCESS_LOG
from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.domain.parties import CENTER
from pipeline.domain.records import Application, Person
from pipeline.province import access
from pipeline.province.database import access_log
from tests.exchange import LONG, Exchange
from tests.officer import DOUBTFUL
from tests.processes import wait_until
from tests.verdicts import assert_each_sub_query_once, assert_equals_oracle

pytestmark = pytest.mark.timeout(400)

REQUESTER = "53"


def hedx(exchange: Exchange, *words: str, expect: Exit = Exit.FINE) -> Any:
    """What a command says as JSON, run in this process for the exchange's installation; it must end with `expect`."""
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as environment, redirect_stdout(out), redirect_stderr(err):
        environment.setenv("HEDX_HOME", str(exchange.installation.folder))
        environment.setenv("HEDX_BOOTSTRAP", exchange.bootstrap)
        environment.setenv("HEDX_PARTY", REQUESTER)
        code = run([*words, "--json"])
    assert code == expect, f"hedx {' '.join(words)}: {err.getvalue()} {out.getvalue()}"
    return json.loads(out.getvalue())


def held(exchange: Exchange, first: int) -> tuple[Application, list[Person]]:
    """A doubtful application about ten persons of the roster, once its requester knows that it is held."""
    persons = [
        {**person, "number": number}
        for number, person in enumerate(exchange.sample.persons[first : first + 10], start=1)
    ]
    application: Application = {**exchange.application(persons), "purpose": DOUBTFUL}  # type: ignore[arg-type]
    exchange.file(application, persons, size=5)  # type: ignore[arg-type]
    wait_until("held", lambda: exchange.case(application).state == "held", LONG)
    return application, persons  # type: ignore[return-value]


def test_an_officer_lists_looks_and_approves(exchange: Exchange) -> None:
    """From the desk to the whole result; the access log knows who looked; the history says who approved."""
    application, persons = held(exchange, 0)
    identifier = application["application_id"]
    [waiting] = [item for item in hedx(exchange, "review", "list") if item["application_id"] == identifier]
    assert [fault["code"] for fault in waiting["faults"]] == ["hold_purpose"]
    assert waiting["stage"] in ("open", "warn")
    status = hedx(exchange, "apply", "status", identifier, expect=Exit.DRIFT)
    assert status["decided_by"] == waiting["due"]
    assert len(status["held_because"]) == 1
    shown = hedx(exchange, "review", "show", identifier)
    assert shown["form"] == application
    assert "roster" not in shown
    shown = hedx(exchange, "review", "show", identifier, "--roster")
    assert shown["roster"] == persons
    with closing(access_log(exchange.installation.party(CENTER) / ACCESS_LOG)) as log:
        rows = [(row.act, row.detail["what"]) for row in access.entries(log, identifier)]
    assert rows == [("read", "form"), ("read", "roster")]
    said = hedx(exchange, "review", "approve", identifier, "--reason", "已与申请单位核实", "--officer", "wang")
    assert (said["applied"], said["code"]) == (True, "started")
    case = exchange.wait_complete(application)
    assert_each_sub_query_once(case)
    assert_equals_oracle(exchange, application, persons)
    assert all(item["application_id"] != identifier for item in hedx(exchange, "review", "list"))
    history = hedx(exchange, "review", "show", f"{REQUESTER}/{identifier}")["history"]
    assert ("approve", "officer:wang") in [(change["event"], change["by"]) for change in history]
    again = hedx(exchange, "review", "reject", f"{REQUESTER}/{identifier}", "--reason", "晚了", expect=Exit.FAILED)
    assert (again["applied"], again["code"]) == (False, "application_not_held")


def test_a_decision_outlives_the_stage_that_is_to_carry_it_out(exchange: Exchange) -> None:
    """Nobody answers while the stage is dead, and the command says so; started again it rejects what it was told to."""
    application, _ = held(exchange, 100)
    identifier = application["application_id"]
    exchange.processes.kill("applications")
    said = hedx(exchange, "review", "reject", identifier, "--reason", "用途不符", "--wait", "1", expect=Exit.FAILED)
    assert said["applied"] is None
    exchange.run_all()
    wait_until("rejected", lambda: exchange.case(application).state == "rejected", LONG)
    rejection = exchange.case(application).rejection()
    assert rejection is not None
    assert [(fault["code"], fault["args"]["reason"]) for fault in rejection["faults"]] == [
        ("refused_by_officer", "用途不符")
    ]
    assert all(item["application_id"] != identifier for item in hedx(exchange, "review", "list"))
