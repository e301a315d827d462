"""`hedx review`: the officer's desk (Art. 9, 10): what waits, what it is, and what is decided about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, Final, Literal

import click

from pipeline.center import desk
from pipeline.center.desk import HeldCase, Outcome, Waiting
from pipeline.center.installation import Installation
from pipeline.center.opening import ACCESS_LOG
from pipeline.cli import cluster, options
from pipeline.cli.exits import Exit
from pipeline.cli.history import history_rows
from pipeline.cli.output import emit, remark, table
from pipeline.cli.review_words import case_words, outcome_words, stage_words
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER
from pipeline.domain.records import Application, Person
from pipeline.domain.wording import Language, explain, provider_words
from pipeline.kafka.clock import wall_clock
from pipeline.province.access import user
from pipeline.province.database import access_log
from pipeline.settings import data_dir
from pipeline.signer.client import open_identity
from pipeline.stages.clock import local_time
from pipeline.stages.deciding import SECOND_OFFICER

Decision = Literal["approve", "reject", "hold", "delay"]
_WAIT: Final = 15.0
"""How long a decision waits for its answer (s): the stage gives it at once, unless it is being restarted."""


@click.group()
def command() -> None:
    """The officer's desk: applications that wait for a decision of the center (Art. 9, 10)."""


@command.command("list")
@cluster.bootstrap
@options.lang
@options.as_json
def list_(bootstrap: str, lang: Language, as_json: bool) -> None:
    """List what waits for an officer, the most pressing first."""
    found = desk.read_desk(bootstrap, cluster.security("center"))
    if as_json:
        emit(
            [{"requester": one.requester, **one.item, "subject": None, "digest": _hex(one.digest)} for one in found],
            as_json,
        )
    elif not found:
        remark("没有待审查的申请" if lang == "zh" else "nothing waits for an officer")
    else:
        heads = ("申请", "省份", "人数", "受理起点", "期限", "状态", "已同意", "事由")
        english = ("application", "province", "persons", "since", "due", "stage", "approved by", "because")
        table(english if lang == "en" else heads, [_row(one, lang) for one in found])


@command.command()
@click.argument("application")
@click.option("--roster", is_flag=True, help="Show the persons, too.")
@cluster.bootstrap
@options.lang
@options.as_json
def show(application: str, roster: bool, bootstrap: str, lang: Language, as_json: bool) -> None:
    """Show APPLICATION (an id on the desk, or PROVINCE/ID): form, schedule, counts, reasons, history.

    Whoever looks is in the center's access log before anything of the form or the roster is shown.
    """
    from pipeline.app import reference_for

    installation, extra = Installation(data_dir()), cluster.security("center")
    requester, application_id = desk.place_of(application, desk.read_desk(bootstrap, extra))
    case = desk.read_case(bootstrap, requester, application_id, extra)
    form: Application | None = None
    persons: list[Person] = []
    if case.sections:
        with (
            open_identity(installation.identity_folder(CENTER)) as identity,
            closing(access_log(installation.party(CENTER) / ACCESS_LOG)) as log,
            reference_for(installation, bootstrap, extra) as reference,
        ):
            form, persons = desk.open_logged(case, identity, reference.trust, log, roster=roster, now=wall_clock())
    elif roster:
        raise ConfigError(f"the center does not keep the roster of {application_id} any more")
    if as_json:
        emit(_data(case, form, persons if roster else None), as_json)
    else:
        _print(case, form, persons, lang)


def _deciding(run: Callable[..., Exit]) -> Callable[..., Exit]:
    """The argument and options of every decision."""
    options_of_all = (
        click.argument("application"),
        click.option(
            "--reason", required=True, callback=options.free_text, help="Why. Name nobody: give roster numbers instead."
        ),
        click.option("--officer", help="Who decides; by default the account this runs as."),
        click.option(
            "--digest",
            metavar="HEX",
            help="What `show` printed, or how it begins: another application is not decided on.",
        ),
        click.option("--wait", type=float, default=_WAIT, show_default=True, help="Seconds to wait for the answer."),
        cluster.bootstrap,
        options.lang,
        options.as_json,
    )
    for option in reversed(options_of_all):
        run = option(run)
    return run


@command.command()
@_deciding
def approve(**given: Any) -> Exit:
    """Let APPLICATION pass: it is accepted and started at once.

    Where the rules ask for two officers, the first approval is noted, and the second one starts it.
    """
    return _decide("approve", **given)


@command.command()
@_deciding
def reject(**given: Any) -> Exit:
    """Refuse APPLICATION (Art. 9: 对于有疑问的查询申请可以拒绝): the requester gets a signed rejection with the reason."""
    return _decide("reject", **given)


@command.command()
@_deciding
def hold(**given: Any) -> Exit:
    """Keep APPLICATION on the desk for another reason, which the requester is told."""
    return _decide("hold", **given)


@command.command()
@click.option(
    "--until", required=True, callback=options.instant, metavar="YYYY-MM-DD[ HH:MM]",
    help="When the center expects to be able to start; a day means its end.",
)  # fmt: skip
@_deciding
def delay(**given: Any) -> Exit:
    """Tell the requester, signed, that the center cannot start APPLICATION in time (Art. 10).

    The requester agrees, shortens or closes; until it replies the limit stands.
    """
    return _decide("delay", **given)


def _decide(
    decision: Decision,
    application: str,
    reason: str,
    officer: str | None,
    digest: str | None,
    wait: float,
    bootstrap: str,
    lang: Language,
    as_json: bool,
    until: int | None = None,
) -> Exit:
    extra = cluster.security("center")
    on_desk = desk.read_desk(bootstrap, extra)
    requester, application_id = desk.place_of(application, on_desk)
    mandate_digest = desk.seen(on_desk, requester, application_id, digest)
    name = (officer or user().removeprefix("user:")).strip()
    if not 1 <= len(name) <= _LONGEST_NAME:
        raise click.BadParameter(f"a name has 1 to {_LONGEST_NAME} characters", param_hint="--officer")
    record = desk.decision_about(
        requester,
        application_id,
        decision,
        officer=name,
        account=user(),
        reason=reason,
        now=wall_clock(),
        until=until,
        mandate_digest=mandate_digest,
    )
    outcome = desk.decide(bootstrap, record, wait, extra)
    done = outcome is not None and outcome.applied and outcome.code in _MEANT[decision]
    if as_json:
        emit(
            {
                "requester": requester,
                "application_id": application_id,
                "decision": decision,
                "officer": name,
                "applied": None if outcome is None else outcome.applied,
                "code": None if outcome is None else outcome.code,
            },
            as_json,
        )
    else:
        emit(outcome_words(decision, outcome or Outcome(False, "no_answer"), lang), as_json)
    return Exit.FINE if done else Exit.FAILED


def _hex(digest: bytes | None) -> str | None:
    return None if digest is None else digest.hex()


_LONGEST_NAME = 64
_MEANT: Final[Mapping[Decision, frozenset[str]]] = {
    "approve": frozenset({"started", SECOND_OFFICER}),
    "reject": frozenset({"rejected"}),
    "hold": frozenset({"held"}),
    "delay": frozenset({"held"}),
}
"""What becomes of an application when a decision was carried out as it was meant."""


def _row(one: Waiting, lang: Language) -> tuple[object, ...]:
    item = one.item
    due = "" if item["due"] is None else local_time(item["due"])
    officers = ", ".join(approval["officer"] for approval in item["approvals"])
    why = ("；" if lang == "zh" else "; ").join(explain(fault, lang) for fault in item["faults"])
    province = provider_words(one.requester, lang)
    since = local_time(item["since"])
    return one.name, province, item["persons"], since, due, stage_words(item["stage"], lang), officers, why


def _data(case: HeldCase, form: Application | None, roster: list[Person] | None) -> dict[str, Any]:
    state = case.state
    kept = ("application_id", "requester", "state", "sections", "person_count", "received_at", "start_due", "approvals")
    found: dict[str, Any] = {key: state[key] for key in kept}  # type: ignore[literal-required]
    found["digest"] = state["mandate_digest"].hex() or None
    found["escalated"] = state["pressing"]
    found["reasons"] = case.item["faults"] if case.item else []
    found["counts"] = _counts(case)
    found["delays"] = [{**delay, "digest": delay["digest"].hex()} for delay in state["delays"]]
    found["history"] = state["history"]
    found["form"] = form
    if roster is not None:
        found["roster"] = roster
    return found


def _counts(case: HeldCase) -> dict[str, int]:
    """Persons; and what the sections say of them, as long as the center keeps these."""
    sections = case.sections.values()
    counts = {"persons": case.state["person_count"]}
    if len(sections) < case.state["sections"]:
        return counts
    return {
        **counts,
        "guarded": sum(section["guarded_count"] for section in sections),
        "undocumented": sum(section["undocumented_count"] for section in sections),
    }


def _print(case: HeldCase, form: Application | None, roster: list[Person], lang: Language) -> None:
    emit(case_words(case, form, _counts(case), lang), as_json=False)
    emit(history_rows(case.state["history"], lang), as_json=False)
    if roster:
        columns = ("number", "household", "name", "document_number", "relation", "consent_by", "guardian_name")
        emit([{column: person[column] for column in columns} for person in roster], as_json=False)  # type: ignore[literal-required]
