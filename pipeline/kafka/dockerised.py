"""The same broker in a container, for machines with a Docker engine (`HEDX_BROKER=docker`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.domain.errors import ConfigError
from pipeline.kafka.brokers import Running
from pipeline.kafka.clients import Extra
from pipeline.kafka.properties import as_environment, broker_properties
from pipeline.kafka.readiness import answers, free_ports
from pipeline.kafka.security import client_security, is_plaintext, write_java_store

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

IMAGE = "apache/kafka:4.3.1"
CONTROLLER = "localhost:9093"
LOG_DIRS = "/tmp/kraft-combined-logs"  # noqa: S108 - inside the container, where the image's user may write
PRINCIPAL = Path("/mnt/hedx/broker")
"""Where the broker's folder of TLS files is mounted in the container."""
START_LIMIT = 120.0


def container_environment(host: str, port: int, principal: Path | None = None) -> dict[str, str]:
    """The container's environment when clients reach it at `host:port`; the port is the same inside.

    `principal`: the broker's TLS files inside the container, which the environment names but does not contain. The
    listener is not called SSL, since the image's start-up script wants TLS described in its own way then.
    """
    listener = "PLAINTEXT" if principal is None else "TLS"
    return as_environment(
        broker_properties(
            log_dirs=LOG_DIRS,
            listeners={listener: f"0.0.0.0:{port}"},
            advertised={listener: f"{host}:{port}"},
            controller_address=CONTROLLER,
            principal=principal,
            static_voters=True,
        )
    )


class DockerBroker(Running):
    """One Kafka node in a container that ends, data included, with this process (testcontainers' reaper sees to it).

    Clients are told the address they connect to, so the port is chosen before the start and is the same inside and
    outside. `principals` as for `EmbeddedBroker`; the engine must be this machine's, since the broker's certificate
    names it, and so that the folder can be mounted.
    """

    def __init__(self, principals: Path | None = None) -> None:
        self._principals = None if principals is None or is_plaintext() else principals.resolve()
        self._container: DockerContainer | None = None
        self._bootstrap = ""

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients. Raises ConfigError when the container is not running."""
        if self._container is None:
            raise ConfigError("the Kafka container is not running")
        return self._bootstrap

    def start(self) -> None:
        """Start the container and wait until Kafka answers. Raises ConfigError without an engine or package."""
        try:
            from docker.errors import DockerException
            from testcontainers.core.container import DockerContainer
        except ImportError as error:
            raise ConfigError(f"HEDX_BROKER=docker needs the Python package testcontainers ({error})") from error
        [port] = free_ports(1)
        try:
            container = DockerContainer(IMAGE).with_bind_ports(port, port)
            host = container.get_docker_client().host()
            inside = None
            if self._principals is not None:
                write_java_store(self._principals / "broker")
                # as root, since the files are their owner's alone, whoever that is on this machine
                container.with_volume_mapping(str(self._principals / "broker"), str(PRINCIPAL), "ro")
                container.with_kwargs(user="root")
                inside = PRINCIPAL
            container.with_envs(**container_environment(host, port, inside)).start()
        except DockerException as error:
            raise ConfigError(f"HEDX_BROKER=docker needs a Docker engine: {error}") from error
        self._container, self._bootstrap = container, f"{host}:{port}"
        if not answers(self._bootstrap, START_LIMIT, self._admin()):
            self.stop()
            raise ConfigError(f"Kafka in {IMAGE} did not answer at {self._bootstrap} within {START_LIMIT:.0f} s")

    def stop(self) -> None:
        """Remove the container and its data."""
        if self._container is not None:
            self._container.stop()
            self._container = None

    def is_running(self) -> bool:
        """Whether Kafka in the container answers."""
        return self._container is not None and answers(self._bootstrap, 5, self._admin())

    def _admin(self) -> Extra | None:
        return None if self._principals is None else client_security(self._principals / "admin")
