"""`hedx topics validate | plan | apply | import | export`: topics.yaml as code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import click

from pipeline.center.installation import Installation
from pipeline.cli import cluster, options
from pipeline.cli.exits import Exit
from pipeline.cli.output import emit
from pipeline.cli.topics_files import take_over, translate
from pipeline.domain.errors import ConfigError
from pipeline.kafka import access, admin
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.security import is_plaintext
from pipeline.kafka.topic_rules import validate
from pipeline.kafka.topology import TOPICS_FILE, Topology, load
from pipeline.settings import data_dir

KINDS = {
    admin.Create: "create",
    admin.AddPartitions: "add_partitions",
    admin.AlterConfig: "alter_config",
    admin.Delete: "delete",
}
"""What `--json` calls a change."""


def _codes(_: click.Context, __: click.Parameter, text: str | None) -> list[str] | None:
    return [party.strip() for party in text.split(",") if party.strip()] if text else None


_file = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    default=TOPICS_FILE,
    help="What declares the topics; by default the topics.yaml of this installation.",
)
_parties = click.option(
    "--parties",
    envvar="HEDX_PARTIES",
    callback=_codes,
    metavar="CODES",
    help="Only these of the file's parties, e.g. 00,32,37,53; by default HEDX_PARTIES, else all.",
)
_allow_delete = click.option(
    "--allow-delete", multiple=True, metavar="NAME", help="An undeclared topic that may be deleted (repeatable)."
)
_drained = click.option(
    "--drained",
    multiple=True,
    metavar="NAME",
    help="A keyed topic without open work, so that it may grow (repeatable).",
)


@click.group()
def command() -> None:
    """Topics, rights and quotas as code: check the file, see what differs, bring the cluster in step."""


@command.command("validate")
@_file
@_parties
@click.option(
    "--longest-feedback",
    type=click.IntRange(min=1),
    metavar="DAYS",
    help="Longest feedback limit of the catalog: requests must be kept for it and 30 days more.",
)
@options.as_json
def check(path: Path, parties: list[str] | None, longest_feedback: int | None, as_json: bool) -> Exit:
    """Check the file, without a cluster; exits 1 when it has problems."""
    topology = load(path, parties)
    problems = validate(topology, timedelta(days=longest_feedback) if longest_feedback else None)
    counts = {"topics": len(topology.topics), "principals": len(topology.principals)}
    if as_json:
        emit({**counts, "problems": [asdict(problem) for problem in problems]}, as_json)
    else:
        emit([str(problem) for problem in problems], as_json)
        emit({**counts, "problems": len(problems)}, as_json)
    return Exit.FAILED if problems else Exit.FINE


@command.command("plan")
@_file
@_parties
@cluster.bootstrap
@_allow_delete
@_drained
@options.as_json
def preview(
    path: Path,
    parties: list[str] | None,
    bootstrap: str,
    allow_delete: Sequence[str],
    drained: Sequence[str],
    as_json: bool,
) -> Exit:
    """Show what differs: + new, ~ changed, - deleted, ! left alone. Exits 0 in step, 2 on drift, 1 on error."""
    topology = _sound(path, parties)
    plan, rights = _plan(topology, bootstrap, allow_delete, drained), _rights(topology, bootstrap)
    _show(plan, rights, as_json)
    return Exit.FINE if plan.in_step and rights.in_step else Exit.DRIFT


@command.command("apply")
@_file
@_parties
@cluster.bootstrap
@_allow_delete
@_drained
@options.as_json
def change(
    path: Path,
    parties: list[str] | None,
    bootstrap: str,
    allow_delete: Sequence[str],
    drained: Sequence[str],
    as_json: bool,
) -> Exit:
    """Bring the cluster in step; exits 2 when differences are left alone (!) that an operator must settle."""
    topology = _sound(path, parties)
    plan = _plan(topology, bootstrap, allow_delete, drained)
    admin.apply(bootstrap, plan, cluster.security(cluster.OPERATOR))
    rights = _rights(topology, bootstrap)
    access.apply(bootstrap, rights, cluster.transport(cluster.OPERATOR))
    _show(plan, rights, as_json)
    return Exit.DRIFT if plan.findings else Exit.FINE


def _sound(path: Path, parties: list[str] | None) -> Topology:
    """The topology, when nothing is wrong with it: a wrong file is never compared with a cluster."""
    topology = load(path, parties)
    problems = validate(topology)
    if problems:
        raise ConfigError("\n".join([f"{path.name} has problems", *map(str, problems)]))
    return topology


def _plan(topology: Topology, bootstrap: str, allow_delete: Sequence[str], drained: Sequence[str]) -> admin.Plan:
    operator = cluster.security(cluster.OPERATOR)
    observed = admin.observe(bootstrap, topology.cluster.prefix, operator)
    brokers = admin.observe_brokers(bootstrap, operator)
    return admin.plan(topology, observed, brokers=brokers, allow_delete=allow_delete, drained=drained)


def _rights(topology: Topology, bootstrap: str) -> access.AccessPlan:
    """What differs in rights and quotas."""
    if is_plaintext():
        return access.NOTHING
    with Installation(data_dir()).registry() as registry:
        addresses, suspended = registry.addresses(wall_clock()), registry.suspended()
    return access.plan(bootstrap, topology, addresses, suspended, cluster.transport(cluster.OPERATOR))


def _show(plan: admin.Plan, rights: access.AccessPlan, as_json: bool) -> None:
    in_step = plan.in_step and rights.in_step
    if as_json:
        changes = [_public(step) for step in plan.changes]
        findings = [asdict(finding) for finding in plan.findings]
        acls = {"added": [asdict(a) for a in rights.acls.added], "removed": [asdict(a) for a in rights.acls.removed]}
        quotas = [asdict(change) for change in rights.quotas]
        emit({"in_step": in_step, "changes": changes, "findings": findings, "acls": acls, "quotas": quotas}, as_json)
        return
    emit([*map(str, (*plan.changes, *plan.findings)), *rights.lines()], as_json)
    count = len(plan.changes) + len(rights.lines())
    emit("in step" if in_step else f"{count} changes, {len(plan.findings)} left alone", as_json)


def _public(step: admin.Change) -> dict[str, object]:
    """A change as a flat JSON object; of a creation what Kafka is told."""
    kind = {"change": KINDS[type(step)], "topic": step.topic}
    if isinstance(step, admin.Create):
        spec = step.spec
        return {**kind, "partitions": spec.partitions, "replicas": spec.replicas, "config": dict(spec.config)}
    return {**kind, **asdict(step)}


command.add_command(take_over)
command.add_command(translate)
