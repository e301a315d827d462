"""Whether a process of this machine is well, for a container's health check: `python -m pipeline.ops.probe [HOST:PORT]`.

It asks the process's own endpoint, by default that of HEDX_METRICS, as `monitor`: that it answers, and that its work goes round.
Exits 0 when it is well, and where there is no endpoint to ask; 10 when it is not, with the reason on stderr.
"""

from __future__ import annotations

import http.client
import ssl
import sys
from collections.abc import Iterator, Sequence

from prometheus_client.parser import text_string_to_metric_families

from pipeline.center.installation import Installation
from pipeline.domain.errors import ConfigError
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.security import ssl_context
from pipeline.ops.listening import Address, parse_address
from pipeline.ops.targets import address_wanted
from pipeline.settings import data_dir

TURNS = ("hedx_worker_turn_seconds", "hedx_adapter_turn_seconds", "hedx_lag_polled_seconds")
"""Metrics that tell when a process last got round to its work, Unix time."""
OLDEST = 120.0
"""Seconds after which a process that does not get round is stuck: a transaction takes ten at most."""
PATIENCE = 5.0
UNHEALTHY = 10


def stuck(metrics: str, now: float) -> Iterator[str]:
    """What has not got round to its work for `OLDEST` seconds before `now` (Unix time), in words."""
    for family in text_string_to_metric_families(metrics):
        if family.name in TURNS:
            for sample in family.samples:
                if now - sample.value > OLDEST:
                    what = " ".join(sample.labels.values())
                    yield f"{family.name} {what}: {now - sample.value:.0f} s ago"


def ask(address: Address, path: str, context: ssl.SSLContext | None) -> tuple[int, str]:
    """Status and body of `GET path`. Raises OSError or HTTPException when there is no answer."""
    if context is None:
        connection = http.client.HTTPConnection(address.host, address.port, timeout=PATIENCE)
    else:
        connection = http.client.HTTPSConnection(address.host, address.port, timeout=PATIENCE, context=context)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def faults(address: Address, context: ssl.SSLContext | None, now: float) -> list[str]:
    """What is wrong with the process at `address`, in words; nothing when it is well."""
    try:
        status, _ = ask(address, "/healthz", context)
        if status != http.HTTPStatus.OK:
            return [f"{address}/healthz answers {status}"]
        status, text = ask(address, "/metrics", context)
    except (OSError, http.client.HTTPException) as error:
        return [f"{address} does not answer: {type(error).__name__}: {error}"]
    if status == http.HTTPStatus.NOT_FOUND:
        return []  # a process without figures
    return list(stuck(text, now)) if status == http.HTTPStatus.OK else [f"{address}/metrics answers {status}"]


def main(arguments: Sequence[str]) -> int:
    """The exit code. Reads the environment and this machine's certificate of `monitor`."""
    try:
        address = parse_address(arguments[0]) if arguments else address_wanted()
        if address is None:
            return 0
        if address.is_any:
            address = Address("localhost", address.port)
        context = ssl_context(Installation(data_dir()).transport("monitor"))
    except ConfigError as error:
        found = [str(error)]
    else:
        found = faults(address, context, wall_clock() / 1000)
    sys.stderr.write("".join(f"{each}\n" for each in found))
    return UNHEALTHY if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
