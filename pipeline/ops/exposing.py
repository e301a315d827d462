"""Turning the figures of a process on, where `HEDX_METRICS=HOST:PORT` says so; without it nothing is imported or started."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from pipeline.center.installation import Installation
from pipeline.ops.targets import address_wanted, announced, targets_folder

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

MONITOR = "monitor"


@contextmanager
def exposed(
    process: str,
    installation: Installation,
    *,
    party: str | None = None,
    principals: Sequence[str] = (),
    newest_list: Callable[[], bytes | None] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Iterator[CollectorRegistry | None]:
    """A registry for this process's own figures, served and announced while the block runs; None: not wanted.

    `party`: whose certificates to sign and encrypt are in use here; `principals`: whose TLS certificates are, beside
    `monitor`'s. Raises ConfigError when the address cannot be had, or `monitor`'s certificate is not in the installation.
    """
    address = address_wanted()
    if address is None:
        yield None
        return
    from prometheus_client import CollectorRegistry

    from pipeline.ops.health_facts import in_use
    from pipeline.ops.metrics_process import process_metrics
    from pipeline.ops.serving import Serving, metrics_route

    registry = CollectorRegistry()
    certificates = partial(in_use, installation, party, [*principals, MONITOR])
    known_list = newest_list or installation.newest_crl
    process_metrics(registry, certificates, known_list)
    folder = targets_folder(installation.folder)
    routes, monitor = {"/metrics": metrics_route(registry)}, installation.transport(MONITOR)
    with (
        Serving(address, routes, monitor, newest_list=known_list) as serving,
        announced(folder, process, serving.address, labels),
    ):
        yield registry
