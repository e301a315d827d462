"""The figures of every process: its build, its cryptography, the certificates it uses, and the library's own process_*."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version

from cryptography import x509
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.metrics_core import Metric as Family

from pipeline.crypto.certificates import instant
from pipeline.crypto.stopwatch import SPENT
from pipeline.ops.health import HeldCertificate
from pipeline.ops.metrics_building import Asked, family, gauge

Certificates = Callable[[], Iterable[HeldCertificate]]
"""Those in use, read anew: a certificate may be replaced while a process runs."""
NewestList = Callable[[], bytes | None]
"""The newest revocation list that is known (DER)."""


def process_metrics(registry: CollectorRegistry, certificates: Certificates, newest_list: NewestList) -> None:
    """Put them into `registry`; everything else is asked at each scrape."""
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    gauge(registry, "hedx_build_info").labels(version("hedx")).set(1)
    Asked(registry, _cryptography)
    Asked(registry, lambda: [certificate_family(certificates())])
    Asked(registry, lambda: _list(newest_list()))


def certificate_family(certificates: Iterable[HeldCertificate]) -> Family:
    """When each of these expires."""
    labelled = (({"party": c.party, "usage": c.usage, "serial": c.serial}, c.not_after / 1000) for c in certificates)
    return family("hedx_certificate_expiry_seconds", labelled)


def _cryptography() -> Iterator[Family]:
    yield family("hedx_crypto_seconds_total", (({"operation": name}, spent.seconds) for name, spent in SPENT.items()))
    numbers = (({"operation": name}, spent.operations) for name, spent in SPENT.items())
    yield family("hedx_crypto_operations_total", numbers)


def _list(der: bytes | None) -> Iterator[Family]:
    if der is not None:
        end = x509.load_der_x509_crl(der).next_update_utc
        if end is not None:
            yield family("hedx_crl_next_update_seconds", [({}, instant(end) / 1000)])
