"""Kafka's client quotas from topics.yaml: what one principal may take of each broker, set and read back.

confluent-kafka has no call for quotas, so two requests of Kafka's protocol (48 and 49, version 0, KIP-546) are sent here
over one connection of our own, in aiokafka's building blocks. A principal above its quota is not refused: the broker
answers it later, and reads nothing more from its connection meanwhile.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any

from aiokafka.protocol.admin import DescribeClientQuotasRequest_v0
from aiokafka.protocol.api import RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Float64, Int16, Int32, Schema, String

from pipeline.domain.errors import ConfigError
from pipeline.kafka.security import ssl_context
from pipeline.kafka.topology import Topology

TIMEOUT = 30.0
KEYS = ("consumer_byte_rate", "producer_byte_rate", "request_percentage")
"""Kafka's quotas that topics.yaml has; an operator's others are left alone."""
_WITH_NAME = 2
"""`match_type` of DescribeClientQuotas: any entity that has a name."""
_ENTITY = ("entity", Array(("type", String()), ("name", String())))

Quotas = dict[str, dict[str, float]]
"""Principal -> key of `KEYS` -> limit."""


class _AlterResponse(Response):  # type: ignore[misc]
    API_KEY = 49
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("entries", Array(("error_code", Int16), ("error_message", String()), _ENTITY)),
    )


class _AlterRequest(RequestStruct):  # type: ignore[misc]
    API_KEY = 49
    API_VERSION = 0
    RESPONSE_TYPE = _AlterResponse
    SCHEMA = Schema(
        ("entries", Array(_ENTITY, ("ops", Array(("key", String()), ("value", Float64), ("remove", Boolean))))),
        ("validate_only", Boolean),
    )


@dataclass(frozen=True, slots=True)
class QuotaChange:
    """One limit to set; `after` None removes it."""

    principal: str
    key: str
    before: float | None
    after: float | None

    def __str__(self) -> str:
        sign = "+" if self.before is None else "-" if self.after is None else "~"
        return f"{sign} quota {self.principal}  {self.key}: {_number(self.before)} -> {_number(self.after)}"


def plan(topology: Topology, observed: Mapping[str, Mapping[str, float]]) -> list[QuotaChange]:
    """How to bring `observed` to what the topology's principals shall have. Pure; other principals are left alone."""
    return [
        QuotaChange(spec.name, key, there.get(key), spec.quota.get(key))
        for spec in topology.principals
        for there in [observed.get(spec.name, {})]
        for key in KEYS
        if there.get(key) != spec.quota.get(key)
    ]


def observe(bootstrap: str, principal: Path | None) -> Quotas:
    """The quotas of all principals. `principal`: the folder of TLS files to connect with; None: without TLS.

    Raises ConfigError when no cluster answers, or when it refuses.
    """
    answer = _ask(bootstrap, principal, DescribeClientQuotasRequest_v0([("user", _WITH_NAME, None)], True))
    if answer.error_code:
        raise ConfigError(f"the cluster does not tell its quotas: {_said(answer.error_code, answer.error_message)}")
    return {
        entity[0][1]: {key: value for key, value in values if key in KEYS} for entity, values in answer.entries or ()
    }


def apply(bootstrap: str, changes: Sequence[QuotaChange], principal: Path | None) -> None:
    """Set and remove what `changes` say. Raises ConfigError listing each principal whose change was refused."""
    if not changes:
        return
    operations: dict[str, list[tuple[str, float, bool]]] = {}
    for change in changes:
        operation = (change.key, change.after or 0.0, change.after is None)
        operations.setdefault(change.principal, []).append(operation)
    entries = [([("user", name)], wanted) for name, wanted in operations.items()]
    answer = _ask(bootstrap, principal, _AlterRequest(entries, False))
    refused = [
        f"quota of {entity[0][1]}: {_said(code, message)}" for code, message, entity in answer.entries if code != 0
    ]
    if refused:
        raise ConfigError("\n".join(refused))


def _ask(bootstrap: str, principal: Path | None, request: RequestStruct) -> Any:
    """The answer of the first broker of `bootstrap` that gives one; any broker hands a change on to the controller."""
    context = ssl_context(principal) if principal else None
    failures = []
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            with socket.create_connection((host, int(port)), TIMEOUT) as plain:
                if context is None:
                    return _exchange(plain, request)
                with context.wrap_socket(plain, server_hostname=host) as sealed:
                    return _exchange(sealed, request)
        except OSError as error:
            failures.append(f"no Kafka answers at {address}: {error}")
    raise ConfigError("\n".join(failures))


def _exchange(connection: socket.socket, request: RequestStruct) -> Any:
    header = request.build_request_header(correlation_id=1, client_id="hedx")
    message: bytes = header.encode() + request.encode()
    connection.sendall(len(message).to_bytes(4) + message)
    with connection.makefile("rb") as stream:
        size = int.from_bytes(_read(stream, 4))
        answer = BytesIO(_read(stream, size))
    request.parse_response_header(answer)
    return request.RESPONSE_TYPE.decode(answer)


def _read(stream: BufferedReader, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise ConnectionResetError("the connection was closed")
    return data


def _said(code: int, message: str | None) -> str:
    return f"{message or 'refused'} (Kafka's error {code})"


def _number(limit: float | None) -> str:
    return "(none)" if limit is None else f"{limit:g}" if limit < 1_000_000 else f"{limit:.0f}"
