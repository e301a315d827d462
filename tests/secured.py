"""A Kafka as the demo runs it, mutual TLS and rights included, for two provinces; and Kafka's own tools as clients of it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.app import publish
from pipeline.center.installation import Installation, set_up
from pipeline.demo.preparation import declare
from pipeline.domain.parties import CENTER
from pipeline.kafka import acls
from pipeline.kafka.clients import Config
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.embedded import EmbeddedBroker
from pipeline.kafka.java import classpath, find_java
from pipeline.kafka.security import client_security, write_client_properties
from pipeline.kafka.topology import TOPICS_FILE, Topology, load
from pipeline.signer.client import open_identity

PARTIES = ("32", "37")
CONSOLE_CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
ACLS = "org.apache.kafka.tools.AclCommand"
TOPICS = "org.apache.kafka.tools.TopicCommand"
CONFIGS = "kafka.admin.ConfigCommand"


@dataclass(frozen=True, slots=True)
class Secured:
    """A running cluster with topics, rights and quotas of topics.yaml, all parties registered under 127.0.0.1."""

    installation: Installation
    bootstrap: str
    controller: str

    @property
    def topology(self) -> Topology:
        """What topics.yaml says for its parties."""
        return load(TOPICS_FILE, PARTIES)

    def client(self, principal: str, **settings: str | int | bool) -> Config:
        """What a stock client of `principal` would configure; keywords with `_` for `.`."""
        return {
            "bootstrap.servers": self.bootstrap,
            "log_level": 0,  # each refusal is asserted; the library would print it, too
            **client_security(self.installation.transport(principal)),
            **{key.replace("_", "."): value for key, value in settings.items()},
        }

    def admit(self, addresses: Collection[str] = ("127.0.0.1",), suspended: Collection[str] = ()) -> None:
        """Bring the rights in step with other addresses of 37, or with suspensions."""
        registered = {"32": ["127.0.0.1"], "37": list(addresses)}
        operator = client_security(self.installation.transport("admin"))
        acls.apply_for(self.bootstrap, self.topology, registered, suspended, operator)

    def publish_trust(self) -> None:
        """Publish hedx.trust as the registry has it."""
        with open_identity(self.installation.identity_folder(CENTER)) as center:
            outputs = self.installation.publication(center.signer, wall_clock())
        security = client_security(self.installation.transport(CENTER))
        publish(self.bootstrap, outputs, "hedx.center.trust", extra=security)

    def tool(self, main: str, principal: str, *arguments: str) -> str:
        """What one of Kafka's own programs, run as `principal`, says on stdout and stderr."""
        properties = write_client_properties(self.installation.transport(principal))
        command = [str(find_java()), "-XX:TieredStopAtLevel=1", "-cp", classpath(), main]
        connection = ["--bootstrap-server", self.bootstrap, "--command-config", str(properties)]
        done = subprocess.run(
            [*command, *connection, *arguments], capture_output=True, text=True, check=False, timeout=60
        )
        return done.stdout + done.stderr


@contextmanager
def secured(folder: Path) -> Iterator[Secured]:
    """Such a cluster in `folder`, for as long as the block."""
    installation = Installation(folder)
    set_up(installation, PARTIES, time.time_ns() // 1_000_000)
    with EmbeddedBroker(folder / "broker", principals=installation.transport("")) as broker:
        declare(broker.bootstrap, installation, PARTIES)
        settings = (folder / "broker" / "server.properties").read_text().split("\n")
        [listeners] = [line for line in settings if line.startswith("listeners=")]
        yield Secured(installation, broker.bootstrap, listeners.rpartition("CONTROLLER://")[2])
