"""Three real brokers with the settings of deploy/compose.yaml: what their image would start, started here as JVMs.

The image's own start-up program makes `server.properties` out of each broker's environment and formats its storage. Only
addresses and folders are others: names of containers become ports of 127.0.0.1.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pipeline.kafka.compose_brokers import (
    CONTROLLER,
    INSIDE,
    NODES,
    OUTSIDE,
    PRINCIPAL,
    PUBLIC_HOST,
    compose_properties,
)
from pipeline.kafka.embedded import BROKER_JVM, QUICK_JVM
from pipeline.kafka.java import DEPLOYMENT, classpath, find_java
from pipeline.kafka.properties import as_environment
from pipeline.kafka.readiness import accepts, free_ports
from pipeline.kafka.security import write_java_store
from tests.processes import _die_with_parent, wait_until

CLUSTER_ID = "5L6g3nShT-eMCtK--X86sw"
LOG_DIRS = "/var/lib/kafka/data"
START = 120.0
"""Seconds that a broker gets: two of three are needed for the first to be up, on a machine that others use, too."""
TOOLS = {
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-metadata-quorum.sh": "org.apache.kafka.tools.MetadataQuorumCommand",
    "kafka-broker-api-versions.sh": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-consumer-groups.sh": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
}
"""Kafka's scripts, which come with its archive, and the programs behind them, which come with our jars."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Of one broker, on 127.0.0.1."""

    inside: int
    outside: int
    controller: int


class BrokerCluster:
    """Three nodes over `folder`/<node>; each may be started, stopped, killed and started again."""

    def __init__(self, folder: Path, principals: Path) -> None:
        self.folder = folder
        self.principals = principals
        numbers = iter(free_ports(3 * len(NODES)))
        self.ports = {node: Ports(next(numbers), next(numbers), next(numbers)) for node in NODES}
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        write_java_store(principals / "broker")

    @property
    def bootstrap(self) -> str:
        """All three brokers' addresses, as parties reach them."""
        return ",".join(f"127.0.0.1:{each.outside}" for each in self.ports.values())

    def data(self, node: int) -> Path:
        """What a container keeps in its volume."""
        return self.folder / str(node) / "data"

    def environment(self, node: int) -> dict[str, str]:
        """The container's environment with this machine's addresses and folders, and nothing else changed."""
        made = as_environment(compose_properties(node))
        return {name: self._here(node, value) for name, value in made.items()}

    def _here(self, node: int, value: str) -> str:
        own = self.ports[node]
        for each, ports in self.ports.items():
            value = value.replace(f"kafka{each}:{INSIDE}", f"127.0.0.1:{ports.inside}")
            value = value.replace(f"kafka{each}:{CONTROLLER}", f"127.0.0.1:{ports.controller}")
            value = value.replace(f"{PUBLIC_HOST}:{OUTSIDE + each - 1}", f"127.0.0.1:{ports.outside}")
        value = value.replace(f"0.0.0.0:{INSIDE}", f"127.0.0.1:{own.inside}")
        value = value.replace(f"0.0.0.0:{CONTROLLER}", f"127.0.0.1:{own.controller}")
        value = value.replace(f"0.0.0.0:{OUTSIDE + node - 1}", f"127.0.0.1:{own.outside}")
        return value.replace(str(PRINCIPAL), str(self.principals / "broker")).replace(LOG_DIRS, str(self.data(node)))

    def start(self, *nodes: int) -> None:
        """Start them as the image does, and wait until each takes connections."""
        for node in nodes:
            settings = self._configure(node)
            logs = self.folder / str(node)
            command = [
                *self._java(logs, "-Xms256m", "-Xmx256m", *BROKER_JVM),
                "kafka.Kafka",
                str(settings),
            ]
            with (logs / "broker.out").open("ab") as out:
                self._running[node] = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=_die_with_parent
                )
        for node in nodes:
            wait_until(f"broker {node} up: {self.folder}", lambda node=node: self._is_up(node), START)  # type: ignore[misc]

    def _is_up(self, node: int) -> bool:
        assert self._running[node].poll() is None, (self.folder / str(node) / "broker.out").read_text()[-3000:]
        return accepts(f"127.0.0.1:{self.ports[node].outside}")

    def _configure(self, node: int) -> Path:
        """The image's start-up: KafkaDockerWrapper writes the settings, and formats storage that is not formatted yet."""
        folders = {name: self.folder / str(node) / name for name in ("default", "mounted", "final")}
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
            (folders["default"] / name).touch()
        logs = self.folder / str(node)
        command = [*self._java(logs, *QUICK_JVM), "kafka.docker.KafkaDockerWrapper", "setup"]
        for option, folder in zip(("-D", "-M", "-F"), folders.values(), strict=True):
            command += [option, str(folder)]
        environment = {"PATH": os.environ["PATH"], "CLUSTER_ID": CLUSTER_ID, **self.environment(node)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        assert done.returncode == 0 or "already formatted" in said.lower(), said
        return folders["final"] / "server.properties"

    def stop(self, *nodes: int) -> None:
        """SIGTERM, as `docker compose stop` sends it: leaders move away first."""
        for node in nodes:
            self._running[node].terminate()
        for node in nodes:
            self._running.pop(node).wait(60)

    def kill(self, node: int) -> None:
        """SIGKILL: as when a machine loses power."""
        self._running[node].kill()
        self._running.pop(node).wait(60)

    def restart(self, node: int) -> None:
        """Stop one cleanly and start it again."""
        self.stop(node)
        self.start(node)

    def tools(self) -> Path:
        """A folder with Kafka's scripts, as its archive has them in bin/."""
        folder = self.folder / "bin"
        folder.mkdir(exist_ok=True)
        for name, main in TOOLS.items():
            script = folder / name
            java = f"{find_java()} -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp '{classpath()}'"
            script.write_text(f'#!/bin/sh\nexec {java} {main} "$@"\n')
            script.chmod(0o755)
        return folder

    def close(self) -> None:
        """Kill what still runs."""
        for process in self._running.values():
            if process.poll() is None:
                process.kill()
            process.wait()

    def _java(self, logs: Path, *options: str) -> list[str]:
        log4j = f"-Dlog4j2.configurationFile={DEPLOYMENT / 'log4j2.properties'}"
        return [str(find_java()), *options, log4j, f"-Dhedx.broker.logs={logs}", "-cp", classpath()]
