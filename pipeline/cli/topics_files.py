"""`hedx topics import` and `export`: topics.yaml from a cluster, and for other tools."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

import click
import yaml

from pipeline.cli import cluster, options
from pipeline.cli.exits import Exit
from pipeline.cli.output import emit, remark
from pipeline.domain.errors import ConfigError
from pipeline.kafka import acls, admin, quotas
from pipeline.kafka.exporting import asyncapi, plain_config, strimzi
from pipeline.kafka.importing import Imported, Observed, imported
from pipeline.kafka.security import is_plaintext
from pipeline.kafka.topology import TOPICS_FILE, Cluster, TopologyFile, expand, load, load_file

HEAD = """\
# Imported from a cluster by `hedx topics import`. What a cluster does not know (descriptions, owners) is to be written in;
# `hedx topics validate` says what is missing.

"""

_known = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    default=TOPICS_FILE,
    help="The file that gives topics of the same name their descriptions; by default the installation's topics.yaml.",
)
_out = click.option(
    "-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write here instead of stdout."
)


@click.command("import")
@_known
@_out
@click.option("--name", help="The cluster's name; by default that of --file.")
@click.option("--environment", default="imported", show_default=True, help="Which of its kind the cluster is.")
@click.option("--prefix", help="Only topics that begin so; by default the prefix of --file.")
@cluster.bootstrap
@options.as_json
def take_over(
    path: Path,
    out: Path | None,
    name: str | None,
    environment: str,
    prefix: str | None,
    bootstrap: str,
    as_json: bool,
) -> Exit:
    """Write a topics.yaml of what is on a cluster: topics, settings, rights, quotas.

    Exits 2 when something is there that the file's form does not say, such as a right of another kind; each is named on
    stderr. An existing file is not overwritten.
    """
    known = load(path)
    about = Cluster(
        name=name or known.cluster.name,
        environment=environment,
        prefix=known.cluster.prefix if prefix is None else prefix,
    )
    made = imported(about, _observed(bootstrap, about.prefix), known)
    if as_json:
        emit({"file": made.file.model_dump(exclude_defaults=True), "left_over": made.left_over}, as_json)
    else:
        _put(HEAD + as_yaml(made.file), out)
        _tell(made)
    return Exit.DRIFT if made.left_over else Exit.FINE


@click.command("export")
@_known
@click.option("--format", "form", type=click.Choice(["strimzi", "asyncapi"]), required=True, help="For which tool.")
@click.option("--parties", envvar="HEDX_PARTIES", metavar="CODES", help="Only these of the file's parties.")
@click.option("--strimzi-cluster", default="hedx", show_default=True, help="The `strimzi.io/cluster` label.")
@click.option("--host", default="kafka1.hedx.example:9092", show_default=True, help="A broker, for AsyncAPI.")
@_out
def translate(path: Path, form: str, parties: str | None, strimzi_cluster: str, host: str, out: Path | None) -> None:
    """Write topics.yaml as KafkaTopic resources of Strimzi (kafka.strimzi.io/v1) or as an AsyncAPI 3 document."""
    file = load_file(path)
    codes = [code.strip() for code in parties.split(",")] if parties else None
    topology = expand(file, codes, path.name)
    if form == "strimzi":
        _put(yaml.safe_dump_all(strimzi(topology, strimzi_cluster), sort_keys=False, allow_unicode=True), out)
        return
    document = asyncapi(file.model_copy(update={"parties": list(topology.parties)}), version("hedx"), host)
    _put(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120), out)


def as_yaml(file: TopologyFile) -> str:
    """The file's text, in the order of its form."""
    data = file.model_dump(exclude_defaults=True)
    for entry in (data["defaults"], *data["topics"]):
        if "config" in entry:
            entry["config"] = plain_config(entry["config"])
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)


def _observed(bootstrap: str, prefix: str) -> Observed:
    operator = cluster.security(cluster.OPERATOR)
    topics = admin.observe(bootstrap, prefix, operator)
    if is_plaintext():
        return Observed(topics)
    limits = quotas.observe(bootstrap, cluster.transport(cluster.OPERATOR))
    return Observed(topics, acls.observe(bootstrap, operator), limits)


def _put(text: str, out: Path | None) -> None:
    """On stdout, or into a file that is not there yet."""
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        with open(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"{out}: {error.strerror}") from error
    remark(f"written: {out}")


def _tell(made: Imported) -> None:
    for line in made.left_over:
        remark(f"not in the file: {line}")
