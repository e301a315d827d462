"""From request files to certificate files: all or none, and an error that names the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.center.registry import Registry
from pipeline.center.registry_rows import Certificate
from pipeline.crypto.authority import Authority
from pipeline.crypto.requests import read_request
from pipeline.domain.errors import ConfigError


def issue_all(
    registry: Registry, authority: Authority, paths: tuple[Path, ...], now: int, *, renewal: bool
) -> dict[Path, Certificate]:
    """The certificates that the requests at `paths` ask for, all or none. Raises ConfigError naming the file."""
    made: dict[Path, Certificate] = {}
    with registry.together():
        for path in paths:
            with naming(path):
                request = read_request(path.read_bytes())
                made[path] = (registry.renew if renewal else registry.issue)(authority, request, now)
    return made


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Of what is wrong in the block, says that it is so of `path`."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def write_certificates(made: dict[Path, Certificate], out: Path | None) -> list[Path]:
    """Each certificate as PEM, named as its request; the paths."""
    files = []
    for path, certificate in made.items():
        folder = path.parent if out is None else out
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{path.stem}.pem"
        file.write_bytes(x509.load_der_x509_certificate(certificate.der).public_bytes(Encoding.PEM))
        files.append(file)
    return files
