"""The same broker in a container, for machines with a Docker engine (`HEDX_BROKER=docker`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.domain.errors import ConfigError
from pipeline.kafka.brokers import Running
from pipeline.kafka.properties import as_environment, broker_properties
from pipeline.kafka.readiness import answers, free_ports

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

IMAGE = "apache/kafka:4.3.1"
CONTROLLER = "localhost:9093"
LOG_DIRS = "/tmp/kraft-combined-logs"  # noqa: S108 - inside the container, where the image's user may write
START_LIMIT = 120.0


def container_environment(host: str, port: int) -> dict[str, str]:
    """The container's environment when clients reach it at `host:port`; the port is the same inside."""
    return as_environment(
        broker_properties(
            log_dirs=LOG_DIRS,
            listeners={"PLAINTEXT": f"0.0.0.0:{port}"},
            advertised={"PLAINTEXT": f"{host}:{port}"},
            controller_address=CONTROLLER,
            static_voters=True,
        )
    )


class DockerBroker(Running):
    """One Kafka node in a container that ends, data included, with this process (testcontainers' reaper sees to it).

    Clients are told the address they connect to, so the port is chosen before the start and is the same inside and
    outside.
    """

    def __init__(self) -> None:
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
            container.with_envs(**container_environment(host, port)).start()
        except DockerException as error:
            raise ConfigError(f"HEDX_BROKER=docker needs a Docker engine: {error}") from error
        self._container, self._bootstrap = container, f"{host}:{port}"
        if not answers(self._bootstrap, START_LIMIT):
            self.stop()
            raise ConfigError(f"Kafka in {IMAGE} did not answer at {self._bootstrap} within {START_LIMIT:.0f} s")

    def stop(self) -> None:
        """Remove the container and its data."""
        if self._container is not None:
            self._container.stop()
            self._container = None

    def is_running(self) -> bool:
        """Whether Kafka in the container answers."""
        return self._container is not None and answers(self._bootstrap, timeout=5)
