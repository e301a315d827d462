"""The `hedx` command: finds the group's module, runs it, and turns what happened into one line and an exit code."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import NoReturn

import click

from pipeline.cli.exits import Exit
from pipeline.domain.errors import HedxError
from pipeline.domain.printing import visible

COMMANDS = {
    "demo": "Start Kafka, a center and three provinces; file the sample application; print the result.",
    "broker": "Start, stop and look at the embedded Kafka.",
    "topics": "Topics as code: check topics.yaml, show and make the difference.",
    "schemas": "Check that the Avro schemas stay compatible with the released ones.",
    "center": "Run the center's processors.",
    "review": "The officer's desk: applications that wait for a decision (审核).",
    "province": "Run a province's adapter: outbox, provider, delivery.",
    "apply": "Applications (查询申请), from the requester's side.",
    "evidence": "Documents a query rests on (查询依据性文件): archive, requests, spot checks.",
    "access": "The access log: who opened, read or exported what, for whom.",
    "unit": "An entrusting unit (委托单位) that opens its results itself.",
    "catalog": "The resource catalog (资源目录).",
    "rules": "What each business may ask for, and what an officer decides (Art. 14).",
    "calendar": "Working days (工作日): which years are known, and when a limit ends.",
    "signer": "A party's private keys in a process of their own.",
    "ca": "The certificate authority: issue, renew, revoke, publish.",
    "party": "Parties: keys and requests, joining, addresses, suspension.",
    "metrics": "Figures of every process: their names, and a Prometheus that collects them.",
    "doctor": "What is about to expire, or wrong, and what to do about it.",
    "backup": "Copies of this installation that can be carried away: make, check, restore.",
    "console": "The operators' web page, over mutual TLS.",
    "trace": "One application or message through all hops, with the waits between.",
    "dlq": "Dead letters: list, show, replay, discard.",
    "lag": "How far behind every consumer group is, and which is not all right.",
    "watch": "Rates, latencies, punctuality, what is stuck or at risk; live, or over HTTP.",
    "bench": "Benchmarks; each prints its ratio to the limit measured in the same run.",
}
"""Group -> its line in `hedx --help`. Module `pipeline.cli.<group>` has the click command as `command`."""


class Commands(click.Group):
    """Imports a group's module when it is asked for: `hedx --help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The groups in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The group's command, or None for an unknown word."""
        if cmd_name not in COMMANDS:
            return None
        found = import_module(f"pipeline.cli.{cmd_name}").command
        if not isinstance(found, click.Command):
            raise TypeError(f"pipeline.cli.{cmd_name}.command is no click command")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of groups, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="hedx", message="%(prog)s %(version)s")
def hedx() -> None:
    """HEDX: the household economic data exchange (居民家庭经济状况信息部省联网查询) on Apache Kafka.

    Data goes to stdout, progress and logs to stderr; --json gives one JSON document. Exit codes: 0 fine, 1 failed,
    2 drift or incomplete, 10 unhealthy, 64 usage.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (None: the process's) and return its exit code.

    What the operator or a sender did wrong is one line on stderr; anything else is a defect and keeps its traceback.
    """
    try:
        result = hedx.main(args=None if arguments is None else list(arguments), prog_name="hedx", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        return Exit.USAGE
    except click.ClickException as error:
        error.show()
        return Exit.FAILED
    except (click.Abort, KeyboardInterrupt):
        click.echo("hedx: interrupted", err=True)
        return Exit.INTERRUPTED
    except HedxError as error:
        click.echo(visible(f"hedx: {error}", keep="\n"), err=True)
        return Exit.FAILED
    return result if isinstance(result, int) else Exit.FINE


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """SIGTERM ends a command as Ctrl-C does: everything it started is stopped on the way out."""
    raise SystemExit(Exit.ENDED)


def main() -> NoReturn:
    """Entry point of the `hedx` script."""
    signal.signal(signal.SIGTERM, _end)
    sys.exit(run())


if __name__ == "__main__":
    main()
