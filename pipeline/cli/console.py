"""`hedx console`: the web page for operators."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from pipeline import logs
from pipeline.center.installation import Installation
from pipeline.cli import cluster, options
from pipeline.cli.output import emit, remark
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.security import client_security
from pipeline.ops.listening import Address, parse_address
from pipeline.settings import data_dir

if TYPE_CHECKING:
    from pipeline.ops.console.server import Setting


@click.command()
@click.option(
    "--listen", default="127.0.0.1:9443", show_default=True, metavar="HOST:PORT", help="Where; port 0 is any free one."
)
@click.option(
    "--lag-url", metavar="URL", help="The lag exporter; by default what it says of itself in HEDX_HOME/metrics."
)
@click.option("--watch-url", metavar="URL", help="The watch; by default what it says of itself in HEDX_HOME/metrics.")
@cluster.bootstrap
@options.as_json
def command(listen: str, lag_url: str | None, watch_url: str | None, bootstrap: str, as_json: bool) -> None:
    """Serve the operators' page over mutual TLS, until SIGTERM or Ctrl-C.

    Browsers need a certificate of the exchange's authority (`hedx broker keystore ops` writes one to import); who has which
    role stands in HEDX_HOME/console.yaml. See docs/console.md.
    """
    from pipeline.ops.console.server import Setting

    logs.configure("console")

    installation = Installation(data_dir())
    setting = Setting(
        installation,
        bootstrap,
        parse_address(listen),
        lambda principal: client_security(installation.transport(principal)),
        wall_clock,
        lag_url,
        watch_url,
    )

    def started(address: Address) -> None:
        url = f"https://{address}/"
        if as_json:
            emit({"url": url}, as_json)
        else:
            remark(f"console at {url}; Ctrl-C ends it")

    asyncio.run(_serve(setting, started))


async def _serve(setting: Setting, started: Callable[[Address], None]) -> None:
    """Until a signal says that it is enough."""
    from pipeline.ops.console.server import serving

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(setting) as address:
        started(address)
        await stop.wait()
