"""What a Prometheus beside an installation needs: its configuration, and `monitor`'s certificate with a key it can read.

Prometheus reads no encrypted keys, so the one it gets lies in clear, mode 0600. It can fetch figures from this exchange's processes
and serve them; on Kafka its principal has no right at all. But Kafka's clients ask a broker for a certificate of the authority with
the right host name, and no more: where brokers share a name with monitor, its key could answer in a broker's place.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline.center.installation import Installation
from pipeline.crypto.keystore import load_key, read_passphrase, write_durably
from pipeline.domain.errors import ConfigError
from pipeline.kafka.security import FILES, is_plaintext
from pipeline.ops.exposing import MONITOR
from pipeline.ops.targets import JOB, targets_folder

CONFIGURATION = "prometheus.yml"
CERTIFICATE, KEY, AUTHORITIES = "monitor.pem", "monitor.key", "authorities.pem"


def write(installation: Installation, folder: Path, rules: Sequence[Path] = (), interval: int = 15) -> list[Path]:
    """Write all of it into `folder`, closed to others; returns what was written. `interval`: seconds between scrapes.

    `rules`: files of rules, or folders of such. Without TLS (`HEDX_SECURITY=plaintext`) neither key nor certificate is
    needed. Raises ConfigError for rules that are not there, and a certificate that is missing or open to others.
    """
    patterns = [_pattern(path) for path in rules]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    written = [] if is_plaintext() else _credentials(installation.transport(MONITOR), folder)
    text = yaml.safe_dump(_configuration(installation, folder, patterns, interval), sort_keys=False, allow_unicode=True)
    path = folder / CONFIGURATION
    path.write_text(f"# Written by `hedx metrics prometheus`, which writes it anew.\n{text}", encoding="utf-8")
    return [path, *written]


def _configuration(installation: Installation, folder: Path, rules: Sequence[str], interval: int) -> dict[str, object]:
    here = folder.resolve()
    tls = {
        "ca_file": str(here / AUTHORITIES),
        "cert_file": str(here / CERTIFICATE),
        "key_file": str(here / KEY),
        "min_version": "TLS13",
    }
    files = str(targets_folder(installation.folder.resolve()) / "*.json")
    job = {
        "job_name": JOB,
        "honor_labels": True,  # a metric's own label `process` or `party` counts, not that of the process which tells of it
        "scheme": "http" if is_plaintext() else "https",
        **({} if is_plaintext() else {"tls_config": tls}),
        "file_sd_configs": [{"files": [files], "refresh_interval": f"{interval}s"}],
    }
    return {
        "global": {
            "scrape_interval": f"{interval}s",
            "evaluation_interval": f"{interval}s",
            "external_labels": {"exchange": "hedx"},
        },
        "rule_files": list(rules),
        "scrape_configs": [job],
    }


def _credentials(monitor: Path, folder: Path) -> list[Path]:
    missing = [name for name in FILES if not (monitor / name).is_file()]
    if missing:
        raise ConfigError(f"{monitor} has no {', '.join(missing)}: Prometheus needs the certificate of `{MONITOR}`")
    key = load_key(monitor / "tls.key", read_passphrase(monitor))
    clear = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    written = [folder / CERTIFICATE, folder / KEY, folder / AUTHORITIES]
    for path, data in zip(
        written, ((monitor / "tls.pem").read_bytes(), clear, (monitor / "authorities.pem").read_bytes()), strict=True
    ):
        write_durably(path, data)
    return written


def _pattern(path: Path) -> str:
    if not path.exists():
        raise ConfigError(f"{path} is not there: no rules to evaluate")
    return str(path.resolve() / "*.yml") if path.is_dir() else str(path.resolve())
