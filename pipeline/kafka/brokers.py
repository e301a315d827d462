"""Which Kafka a command or a test talks to: its own embedded one, one in a container, or a cluster of yours."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from pipeline.domain.errors import ConfigError
from pipeline.kafka.readiness import answers
from pipeline.kafka.security import client_security


class Broker(Protocol):
    """A Kafka cluster that can be started and stopped (an existing one ignores both)."""

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients."""

    def start(self) -> None:
        """Bring it up; returns when clients can use it. Raises ConfigError when it cannot be started."""

    def stop(self) -> None:
        """Bring it down cleanly; does nothing when it is down."""

    def is_running(self) -> bool:
        """Whether clients can use it now."""

    def __enter__(self) -> Self:
        """Start it."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""


class Running(ABC):
    """Makes `with broker:` of `start` and `stop`."""

    @abstractmethod
    def start(self) -> None:
        """Bring the broker up."""

    @abstractmethod
    def stop(self) -> None:
        """Bring the broker down."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class ExternalBroker(Running):
    """A cluster that runs already; nothing is started or stopped."""

    def __init__(self, bootstrap: str, principals: Path | None = None) -> None:
        """`principals`: folder of TLS files by principal, of which it uses `admin`; None: a cluster without TLS."""
        self._bootstrap = bootstrap
        self._admin = None if principals is None else principals / "admin"

    @property
    def bootstrap(self) -> str:
        """`host:port[,host:port…]` for clients."""
        return self._bootstrap

    def start(self) -> None:
        """Check that the cluster answers. Raises ConfigError when it does not within ten seconds."""
        if not self.is_running():
            raise ConfigError(f"no Kafka answers at {self._bootstrap} (HEDX_BOOTSTRAP)")

    def stop(self) -> None:
        """Leave the cluster as it is."""

    def is_running(self) -> bool:
        """Whether the cluster answers within ten seconds."""
        return answers(self._bootstrap, 10, client_security(self._admin) if self._admin else None)


def broker_from_environment(directory: Path, principals: Path | None = None) -> Broker:
    """The broker that the environment names; `directory` is where an embedded one keeps its data.

    `principals`: folder of TLS files by principal, of which it needs `broker` and `admin`; None: without TLS.

    `HEDX_BOOTSTRAP=host:port` → that cluster; `HEDX_BROKER=docker` → `apache/kafka` in a container;
    `HEDX_BROKER=embedded` or nothing → an embedded broker. Raises ConfigError for another value.
    """
    bootstrap = os.environ.get("HEDX_BOOTSTRAP")
    if bootstrap:
        return ExternalBroker(bootstrap, principals)
    kind = os.environ.get("HEDX_BROKER") or "embedded"
    if kind == "embedded":
        from pipeline.kafka.embedded import EmbeddedBroker

        return EmbeddedBroker(directory, principals=principals)
    if kind == "docker":
        from pipeline.kafka.dockerised import DockerBroker

        return DockerBroker(principals)
    raise ConfigError(f"HEDX_BROKER={kind}: must be `embedded` or `docker`")


def bootstrap_from_environment(directory: Path) -> str:
    """Address of the Kafka that runs already: `HEDX_BOOTSTRAP`, else the embedded broker over `directory`.

    Raises ConfigError, saying how to start one, when neither runs.
    """
    from pipeline.kafka.embedded import EmbeddedBroker

    return os.environ.get("HEDX_BOOTSTRAP") or EmbeddedBroker(directory).bootstrap
