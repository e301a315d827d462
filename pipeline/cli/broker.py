"""`hedx broker`: the embedded Kafka, detached until it is stopped."""

from __future__ import annotations

import os

import click

from pipeline.center.installation import Installation, set_up
from pipeline.cli import options
from pipeline.cli.exits import Exit
from pipeline.cli.output import emit, remark
from pipeline.domain.errors import ConfigError
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.embedded import EmbeddedBroker
from pipeline.kafka.security import STORE, is_plaintext, write_client_properties
from pipeline.settings import broker_dir, data_dir


@click.group()
def command() -> None:
    """Start, stop and look at the embedded Kafka (one KRaft node over HEDX_HOME/broker, .hedx/broker by default)."""


def describe(broker: EmbeddedBroker) -> dict[str, object]:
    """What there is to say of a broker: running, bootstrap, security, pid, directory."""
    running = broker.is_running()
    return {
        "running": running,
        "bootstrap": broker.bootstrap if running else None,
        "security": broker.security,
        "pid": broker.pid,
        "directory": str(broker.directory),
    }


@command.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Clients' port; by default the last one, or a free one.")
@click.option("--plaintext", is_flag=True, help="Throw-away: no TLS, and everyone may do anything.")
@options.as_json
def start(port: int | None, plaintext: bool, as_json: bool) -> None:
    """Start Kafka and leave it running; does nothing when it runs already.

    It takes TLS connections with a certificate of this installation's authority only. An empty HEDX_HOME is set up for
    the center, without parties.
    """
    if os.environ.get("HEDX_BOOTSTRAP"):
        raise ConfigError("HEDX_BOOTSTRAP names a cluster of yours, so there is no broker to start; unset it first")
    plaintext = plaintext or is_plaintext()
    installation = Installation(data_dir())
    principals = None if plaintext else installation.transport("")
    broker = EmbeddedBroker(broker_dir(), principals=principals, port=port, detached=True)
    if broker.is_running():
        remark("the broker runs already")
    else:
        if not plaintext:
            _provide_certificate(installation)
        broker.start()
        if plaintext and not is_plaintext():
            remark("no TLS: the other commands want HEDX_SECURITY=plaintext to use it")
    emit(describe(broker), as_json)


def _provide_certificate(installation: Installation) -> None:
    """See to it that the broker has its TLS files. Raises ConfigError where an authority would have to issue them."""
    if installation.transport("broker").is_dir():
        return
    if installation.authority.exists() or installation.transport("").exists():
        raise ConfigError("the broker has no certificate: `hedx party request --service broker --host 127.0.0.1`")
    set_up(installation, (), wall_clock())


@command.command()
@click.argument("principal")
@options.as_json
def keystore(principal: str, as_json: bool) -> None:
    """Write PRINCIPAL's key and certificate as Java takes them: tls.p12, and client.properties for Kafka's own tools.

    `broker` for a broker's machine, `admin` for kafka-configs and its like. The passphrase stays in its file.
    """
    path = write_client_properties(Installation(data_dir()).transport(principal).resolve())
    emit({"keystore": str(path.parent / STORE), "properties": str(path)}, as_json)


@command.command()
@options.as_json
def stop(as_json: bool) -> None:
    """Stop Kafka cleanly and keep its data; does nothing when it does not run."""
    broker = EmbeddedBroker(broker_dir())
    broker.stop()
    emit(describe(broker), as_json)


@command.command()
@options.as_json
def status(as_json: bool) -> Exit:
    """Say whether Kafka runs, and where; exits 10 when it does not."""
    state = describe(EmbeddedBroker(broker_dir()))
    emit(state, as_json)
    return Exit.FINE if state["running"] else Exit.UNHEALTHY
