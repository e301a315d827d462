"""The probes that need no Kafka: real handshakes with wrong and expired certificates, clocks, rights, years, versions, patience."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.center.installation import Installation, set_up
from pipeline.crypto import suite
from pipeline.crypto.authority import Authority, create_issuing, create_root
from pipeline.crypto.keystore import Transport, write_transport
from pipeline.crypto.requests import certificate_request, read_request
from pipeline.domain.errors import ConfigError
from pipeline.kafka.clock import real_clock
from pipeline.kafka.security import server_context, ssl_context
from pipeline.kafka.topology import PrincipalSpec
from pipeline.ops import health_clocks, health_versions, health_years
from pipeline.ops.health_brokers import see
from pipeline.ops.health_checks import DAY
from pipeline.ops.health_probes import PROBES, look_around
from pipeline.ops.health_rights import judge
from pipeline.ops.health_schemas import is_known
from pipeline.ops.health_seen import RightsSeen, Unlooked, YearsSeen
from pipeline.ops.health_site import Site, look

NOW = real_clock()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The center's folder, with the principals of the demo."""
    made = Installation(tmp_path_factory.mktemp("doctor") / "home")
    set_up(made, ["37"], NOW)
    return made


def broker(installation: Installation, folder: Path, host: str, at: int, authority: Authority | None = None) -> Path:
    """TLS files of a broker for `host`, its certificate issued at `at` (ms), by this authority or another."""
    key, issuing = suite.generate_key(), authority or installation.issuing()
    request = read_request(certificate_request("broker", key, "tls", [host]))
    with installation.registry() as registry, registry.together():
        der = registry.issue(issuing, request, at).der
    write_transport(folder, Transport("broker", key, der), issuing.certificates)
    return folder


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A server with these TLS files on 127.0.0.1, which shakes hands and hangs up; its address."""
    context = server_context(folder)
    context.verify_mode = ssl.CERT_NONE
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.mark.parametrize(
    ("host", "issued", "handshake"),
    [
        ("127.0.0.1", NOW, "ok"),
        ("kafka1.hedx.example", NOW, "wrong_name"),
        ("127.0.0.1", NOW - 500 * DAY, "expired"),
        ("127.0.0.1", NOW + 2 * DAY, "not_yet_valid"),
    ],
    ids=["ok", "wrong_name", "expired", "not_yet_valid"],
)
def test_a_brokers_certificate_is_checked_as_clients_check_it(
    installation: Installation, tmp_path: Path, host: str, issued: int, handshake: str
) -> None:
    """By a real handshake: the right one says until when it is good, the others what is wrong with them."""
    with serving(broker(installation, tmp_path / "broker", host, issued)) as address:
        seen = see(address, ssl_context(installation.transport("center")), advertised=True)
    assert (seen.resolves, seen.connects, seen.handshake) == (True, True, handshake)
    assert (seen.not_after is not None) == (handshake == "ok")
    assert seen.not_after is None or seen.not_after > NOW


def test_a_broker_of_another_authority_is_told(installation: Installation, tmp_path: Path) -> None:
    """Whoever answers there is none of the exchange's."""
    strange = create_issuing(create_root(NOW), NOW)
    with serving(broker(installation, tmp_path / "broker", "127.0.0.1", NOW, strange)) as address:
        seen = see(address, ssl_context(installation.transport("center")), advertised=True)
    assert seen.handshake == "unknown_authority"


def test_a_server_of_the_exchange_that_is_no_broker_is_told(installation: Installation) -> None:
    """Monitor's certificate has the name, the authority and the use: clients of Kafka would take it for a broker."""
    with serving(installation.transport("monitor")) as address:
        seen = see(address, ssl_context(installation.transport("center")), advertised=True)
    assert (seen.handshake, seen.not_after) == ("not_a_broker", None)
    assert "CN=monitor" in seen.said


def test_addresses_that_lead_nowhere(installation: Installation) -> None:
    """A name that does not resolve, a port that nobody listens on, a port that is none."""
    context = ssl_context(installation.transport("center"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert see("nowhere.invalid:9092", context, advertised=False).resolves is False
    closed = see(f"127.0.0.1:{port}", context, advertised=False)
    assert (closed.resolves, closed.connects, closed.handshake) == (True, False, None)
    assert see("127.0.0.1:kafka", context, advertised=False).resolves is False


def test_who_speaks_no_tls_fails_the_handshake(installation: Installation) -> None:
    """A plaintext listener, or anything else that is not Kafka with TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: listener.accept()[0].sendall(b"HTTP/1.1 400 no\r\n\r\n"), daemon=True).start()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        seen = see(address, ssl_context(installation.transport("center")), advertised=False)
    assert seen.handshake == "failed"


def test_rights_are_judged_against_what_is_declared() -> None:
    """Missing, beyond, and a topic that only who writes there may see; a principal that is not declared may do nothing."""
    spec = PrincipalSpec("P37", "", "hedx.37.", produces=("in", "both"), consumes=("out", "both"))
    sound = {"in": {"write"}, "out": {"read"}, "both": {"read", "write"}, "other": set[str]()}
    assert judge("P37", spec, sound) == RightsSeen("P37", 4)
    wrong = {"in": {"read"}, "out": {"read", "delete"}, "both": {"write"}, "other": {"write"}}
    seen = judge("P37", spec, wrong)
    assert seen.missing == ("read both", "write in")
    assert seen.beyond == ("read in", "write other", "delete out")
    assert judge("monitor", None, {"out": {"read"}}).beyond == ("read out",)


def test_the_calendar_is_looked_up_for_today_in_china(installation: Installation) -> None:
    """2026 is shipped as published; in the last hours of its year in UTC it is the next year in China."""
    november, last_evening = 1_795_150_800_000, 1_798_736_400_000  # 2026-11-20 05:00 and 2026-12-31 17:00 UTC
    seen: YearsSeen = health_years.probe(Site(installation, lambda: november))["years"]
    assert (seen.year, seen.month, seen.this) == (2026, 11, "published")
    later: YearsSeen = health_years.probe(Site(installation, lambda: last_evening))["years"]
    assert (later.year, later.month, later.this) == (2027, 1, seen.following)


def test_a_package_off_the_lock_is_named_with_both_versions() -> None:
    """What is not installed is not compared."""
    from importlib.metadata import version

    here = version("click")
    assert health_versions.differing(f"click=={here} \\\n    --hash=sha256:00\nno-such-package==1 \\\n") == {}
    assert health_versions.differing("click==0.1 ; python_version < '4' \\\n") == {"click": ("0.1", here)}


def test_a_record_of_an_unknown_schema_is_told_from_one_that_is_only_damaged() -> None:
    """Eight bytes that no version has are another program's; a known id with a broken body is not."""
    from pipeline.codec import framing

    known = framing.encode("DeadLetterAct", dict(zip(
        ("act", "partition", "offset", "letter", "by", "reason", "at", "to_topic", "to_partition", "to_offset"),
        ("replayed", 0, 0, b"", "", "", 0, None, None, None),
        strict=True,
    )))  # fmt: skip
    assert is_known(known)
    assert is_known(known[:-1])
    assert not is_known(b"\0" * 8 + known[8:])


def test_the_kernels_word_on_its_clock_is_read() -> None:
    """Yes, no, or it does not say; asking changes nothing."""
    before = health_clocks.is_disciplined()
    assert before in (True, False, None)
    assert health_clocks.is_disciplined() == before


def test_a_probe_that_fails_or_is_too_slow_keeps_no_other_from_being_told(installation: Installation) -> None:
    """Three at once: the slow one is given up after the time for all, the failing one says why, the third is told."""
    hold = threading.Event()

    def slow(_: Site) -> Mapping[str, Any]:
        hold.wait(30)
        return {}

    def failing(_: Site) -> Mapping[str, Any]:
        raise ConfigError("no authorizer\nand more")

    probes = {"slow": slow, "failing": failing, "fine": lambda _: {"memory_lockable": True}}
    seen = look(Site(installation, lambda: NOW), probes, seconds=0.3)
    hold.set()
    assert seen.memory_lockable is True
    assert seen.looked == ("fine",)
    assert set(seen.unlooked) == {Unlooked("slow", "too_slow"), Unlooked("failing", "failed", "no authorizer")}


def test_a_defect_of_a_probe_is_raised(installation: Installation) -> None:
    """What no fault of the world explains is not taken for one."""

    def broken(_: Site) -> Mapping[str, Any]:
        raise KeyError("x")

    with pytest.raises(KeyError):
        look(Site(installation, lambda: NOW), {"broken": broken}, seconds=5)


def test_without_a_cluster_only_this_machine_is_looked_at(installation: Installation) -> None:
    """Nothing of Kafka's is reported as looked at."""
    site = Site(installation, lambda: NOW)
    assert set(look_around(site).looked) == {"schemas", "clock", "disks", "versions", "calendar", "memory"}
    assert look_around(site, ["disks"]).looked == ("disks",)


def test_where_no_kafka_answers_the_rest_is_still_looked_at(installation: Installation) -> None:
    """One finding for the cluster, one for the address, and no probe that fails for the same reason."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    seen = look_around(replace(Site(installation, lambda: NOW), bootstrap=f"127.0.0.1:{port}"))
    assert seen.cluster is not None
    assert not seen.cluster.answers
    assert seen.unlooked == ()
    assert set(seen.looked) == {"brokers", "schemas", "clock", "disks", "versions", "calendar", "memory"}
    assert set(seen.looked) < set(PROBES)
