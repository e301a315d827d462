"""Probe: the brokers' names, ports and certificates, those we are given and those that the cluster itself names."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

from confluent_kafka import KafkaException
from cryptography import x509

from pipeline.crypto.certificates import instant
from pipeline.crypto.requests import BROKER, subject
from pipeline.kafka.brokers_named import addresses
from pipeline.ops.health_seen import BrokerSeen, ClusterSeen, Handshake
from pipeline.ops.health_site import ASK, Site, said

VERIFY_CODES: Final[dict[int, Handshake]] = {
    9: "not_yet_valid",
    10: "expired",
    18: "unknown_authority",
    19: "unknown_authority",
    20: "unknown_authority",
    21: "unknown_authority",
    62: "wrong_name",
    64: "wrong_name",
}
"""OpenSSL's X509_V_ERR_* → what is the matter."""
NAMES = ("center", "ops", "monitor")


def probe(site: Site) -> Mapping[str, Any]:
    """`cluster` and `brokers`."""
    if site.bootstrap is None:
        return {}
    given = [address.strip() for address in site.bootstrap.split(",") if address.strip()]
    context = site.tls(*NAMES)
    principal = site.folder(*NAMES).name
    with ThreadPoolExecutor(8) as pool:
        first = list(pool.map(lambda address: see(address, context, advertised=False), given))
        try:
            # a broker that was not to be reached just now need not be asked for its cluster
            named = _advertised(site) if any(each.connects for each in first) else []
            cluster = ClusterSeen(site.bootstrap, principal, answers=bool(named), said="" if named else first[0].said)
        except KafkaException as error:
            named, cluster = [], ClusterSeen(site.bootstrap, principal, answers=False, said=said(error))
        others = [address for address in named if address not in given]
        more = list(pool.map(lambda address: see(address, context, advertised=True), others))
    both = [replace(each, advertised=each.address in named) for each in first]
    return {"cluster": cluster, "brokers": (*both, *more)}


def _advertised(site: Site) -> list[str]:
    """What the cluster tells its clients to connect to."""
    return [f"{host}:{port}" for host, port in addresses(site.bootstrap or "", site.client(*NAMES), ASK)]


def see(address: str, context: ssl.SSLContext | None, *, advertised: bool, seconds: float = ASK) -> BrokerSeen:
    """Resolve `address`, connect, and shake hands: the chain, the name and the time of the certificate are checked as clients do."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        return BrokerSeen(address, advertised, resolves=False, connects=False, handshake=None, said=said(error))
    try:
        plain = socket.create_connection((host, int(port)), timeout=seconds)
    except OSError as error:
        return BrokerSeen(address, advertised, resolves=True, connects=False, handshake=None, said=said(error))
    reached = BrokerSeen(address, advertised, resolves=True, connects=True, handshake="plaintext")
    with plain:
        if context is None:
            return reached
        try:
            with context.wrap_socket(plain, server_hostname=host) as secured:
                der = secured.getpeercert(binary_form=True) or b""
        except ssl.SSLCertVerificationError as error:
            return replace(reached, handshake=VERIFY_CODES.get(error.verify_code, "failed"), said=error.verify_message)
        except OSError as error:
            return replace(reached, handshake="failed", said=said(error))
    certificate = x509.load_der_x509_certificate(der)
    if certificate.subject != subject(BROKER):  # Kafka's clients check chain and host name only
        return replace(reached, handshake="not_a_broker", said=certificate.subject.rfc4514_string())
    return replace(reached, handshake="ok", not_after=instant(certificate.not_valid_after_utc))
