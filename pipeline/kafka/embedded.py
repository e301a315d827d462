"""A real Apache Kafka (one KRaft node) as a child process, for the demo, the tests and the benchmarks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

import psutil

from pipeline.domain.errors import ConfigError
from pipeline.kafka import guard
from pipeline.kafka.brokers import Running
from pipeline.kafka.java import DEPLOYMENT, classpath, find_java
from pipeline.kafka.properties import as_file, broker_properties
from pipeline.kafka.readiness import accepts, answers, free_ports, is_free
from pipeline.kafka.security import client_security, is_plaintext, write_java_store

START_LIMIT = 90.0
STOP_LIMIT = 30.0
QUICK_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
"""For the short life of the format tool."""
BROKER_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.awt.headless=true")
"""Measured on two cores, 300,000 small and 4,000 large records in transactions: against the default compilers and G1 the
first-level compiler starts 20 % sooner, takes half the CPU and passes a third more; the broker mostly copies bytes."""

QUICK_TLS = {"ssl.cipher.suites": "TLS_CHACHA20_POLY1305_SHA256"}
"""Without the second-level compiler AES is slow in Java: 28 ms of CPU for a MiB, each way, where ChaCha20 takes 9. With that
compiler AES takes 4, but starting takes 2 s of CPU more; a production broker lives long enough for it."""


class Record(TypedDict):
    """What `broker.json` in the data directory says of the running broker."""

    pid: int
    created: float  # the process's start, seconds since 1970: tells it from a later process of the same number
    bootstrap: str
    security: str  # `tls` or `plaintext`


class EmbeddedBroker(Running):
    """One Kafka node over `directory`, which is made on first use and keeps its data between runs.

    With `detached` it outlives the process that starts it (until `stop`, from any process); otherwise it ends with
    that process, whatever ends it. `port`: the clients' port on 127.0.0.1; None: the last one, or a free one.
    `principals`: folder of TLS files by principal, of which it needs `broker` and `admin`; None: plaintext, for a
    throw-away broker that lets everyone do anything. `heap`: the JVM's, as `-Xmx` takes it. `extra`: broker settings
    that win over `broker_properties`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        principals: Path | None = None,
        port: int | None = None,
        heap: str = "512m",
        detached: bool = False,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self.principals = None if principals is None or is_plaintext() else principals.resolve()
        self.heap = heap
        self.detached = detached
        self.extra = dict(extra or {})
        self._port = port
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients. Raises ConfigError when the broker is not running."""
        record = self._record()
        if record is None:
            raise ConfigError(f"no broker runs over {self.directory}: `hedx broker start`")
        return record["bootstrap"]

    @property
    def security(self) -> str | None:
        """`tls` or `plaintext`, or None when the broker is not running."""
        record = self._record()
        return record["security"] if record else None

    @property
    def pid(self) -> int | None:
        """Process id of the JVM, or None when the broker is not running."""
        record = self._record()
        return record["pid"] if record else None

    def is_running(self) -> bool:
        """Whether the broker of this directory runs, whoever started it, and accepts connections."""
        record = self._record()
        return record is not None and accepts(record["bootstrap"])

    def start(self) -> None:
        """Format the directory if need be, start the JVM and wait until it answers.

        Raises ConfigError when Java, the jars or the TLS files are missing, when a broker runs over this directory
        already, or when this one does not come up (with the end of its log).
        """
        if self._record() is not None:
            raise ConfigError(f"a broker runs over {self.directory} already (`hedx broker stop` ends it)")
        self.directory.mkdir(parents=True, exist_ok=True)
        bootstrap, controller = self._addresses()
        principal = None if self.principals is None else self.principals / "broker"
        if principal is not None:
            write_java_store(principal)
        settings = broker_properties(
            log_dirs=str(self._data),
            listeners={"PLAINTEXT" if principal is None else "SSL": bootstrap},
            controller_address=controller,
            principal=principal,
            extra=self.extra if principal is None else {**QUICK_TLS, **self.extra},
        )
        properties = self.directory / "server.properties"
        properties.write_text(as_file(settings))
        if not (self._data / "meta.properties").exists():
            self._format(properties)
        self._launch(properties, bootstrap)

    def stop(self) -> None:
        """Ask the broker to end and wait for it, whoever started it; kill it after half a minute."""
        record = self._record()
        if record is not None:
            process = psutil.Process(record["pid"])
            process.terminate()
            try:
                process.wait(STOP_LIMIT)
            except psutil.TimeoutExpired:
                process.kill()
        if self._child is not None:
            self._child.wait()
            self._child = None
        self._pid_file.unlink(missing_ok=True)

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def _pid_file(self) -> Path:
        return self.directory / "broker.json"

    @property
    def _output(self) -> Path:
        return self.directory / "broker.out"

    def _record(self) -> Record | None:
        """The pid file, when the process it names is still that process and alive."""
        try:
            record: Record = json.loads(self._pid_file.read_text())
            process = psutil.Process(record["pid"])
            same = abs(process.create_time() - record["created"]) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except (FileNotFoundError, psutil.NoSuchProcess):
            return None
        return record if same else None

    def _addresses(self) -> tuple[str, str]:
        """The clients' and the controller's `host:port`: the last run's where they are still free."""
        last = self.directory / "ports.json"
        ports = json.loads(last.read_text()) if last.exists() else free_ports(2)
        fresh = free_ports(2)
        ports = [old if is_free(old) else new for old, new in zip(ports, fresh, strict=True)]
        if self._port is not None:
            if not is_free(self._port):
                raise ConfigError(f"port {self._port} is taken")
            ports[0] = self._port
        last.write_text(json.dumps(ports))
        return f"127.0.0.1:{ports[0]}", f"127.0.0.1:{ports[1]}"

    def _format(self, properties: Path) -> None:
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = [*self._java(*QUICK_JVM), "kafka.tools.StorageTool", "format", "--standalone"]
        done = subprocess.run(
            [*command, "-t", f"A{cluster[1:]}", "-c", str(properties)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ConfigError(f"could not format {self._data}: {(done.stderr or done.stdout).strip()}")

    def _java(self, *options: str) -> list[str]:
        return [str(find_java()), *options, *self._logging(), "-cp", classpath()]

    def _logging(self) -> tuple[str, str]:
        return (
            f"-Dlog4j2.configurationFile={DEPLOYMENT / 'log4j2.properties'}",
            f"-Dhedx.broker.logs={self.directory}",
        )

    def _launch(self, properties: Path, bootstrap: str) -> None:
        command = [*self._java(f"-Xms{self.heap}", f"-Xmx{self.heap}", *BROKER_JVM), "kafka.Kafka", str(properties)]
        guarded = [] if self.detached else [sys.executable, "-I", guard.__file__, str(os.getpid())]
        with self._output.open("wb") as output:
            # its own session: Ctrl-C reaches the starter only, which stops what uses the broker first
            self._child = subprocess.Popen(
                [*guarded, *command], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        try:
            self._await(bootstrap)
        except BaseException:
            self._child.terminate()
            self._child.wait()
            raise

    def _await(self, bootstrap: str) -> None:
        """Wait until the broker answers at `bootstrap`; record it before that, so that `stop` finds it."""
        admin = None if self.principals is None else client_security(self.principals / "admin")
        security = "plaintext" if admin is None else "tls"
        deadline = time.monotonic() + START_LIMIT
        while not accepts(bootstrap):
            self._still_starting(deadline)
            time.sleep(0.05)
        process = self._jvm()
        record = Record(pid=process.pid, created=process.create_time(), bootstrap=bootstrap, security=security)
        draft = self._pid_file.with_suffix(".new")
        draft.write_text(json.dumps(record))
        draft.replace(self._pid_file)
        if not answers(bootstrap, deadline - time.monotonic(), admin):
            self._still_starting(deadline=0)

    def _still_starting(self, deadline: float) -> None:
        assert self._child is not None
        if self._child.poll() is not None or time.monotonic() > deadline:
            end = self._output.read_text(errors="replace")[-2000:].strip()
            raise ConfigError(f"the broker did not come up; see {self.directory / 'broker.log'}\n{end}".rstrip())

    def _jvm(self) -> psutil.Process:
        """The JVM's process: the guard's only child, or the child itself when there is no guard."""
        assert self._child is not None
        process = psutil.Process(self._child.pid)
        return process if self.detached else process.children()[0]
