"""The console put together: routes, guards and the tasks that keep its figures fresh, on one address over mutual TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web
from confluent_kafka import KafkaException
from cryptography import x509

from pipeline.center.deadletters import OPERATOR, DeadLetters
from pipeline.center.installation import Installation
from pipeline.center.opening import ACCESS_LOG
from pipeline.domain.errors import ConfigError, Retryable
from pipeline.domain.parties import CENTER
from pipeline.kafka.clients import Extra
from pipeline.kafka.security import is_plaintext, ssl_context
from pipeline.ops.console.acts import LARGEST, Acts
from pipeline.ops.console.figures import Tally, console_metrics
from pipeline.ops.console.following import Following
from pipeline.ops.console.gate import Gate
from pipeline.ops.console.guard import Guard
from pipeline.ops.console.journal import Journal
from pipeline.ops.console.letter_reading import LetterReading
from pipeline.ops.console.pages import Pages
from pipeline.ops.console.registers import Desk, Registers
from pipeline.ops.console.roles import load_roles
from pipeline.ops.console.sessions import Sessions
from pipeline.ops.console.sources import Address, Source
from pipeline.ops.console.stream import Hub
from pipeline.ops.doors import Limits, listening
from pipeline.ops.exposing import exposed
from pipeline.ops.listening import Address as Listening
from pipeline.ops.listening import security_of

LIMITS: Final = Limits(most=256, each=96, whole=False)
"""Connections of people's browsers, which open six each and keep them; a stream of events lasts."""
ASKING: Final = 16
"""Connections to the lag exporter, and to the watch, at a time: they have other callers, too."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a console is started with. `security`: client settings of a principal by name; URLs None: found in HEDX_HOME/metrics."""

    installation: Installation
    bootstrap: str
    listen: Listening
    security: Callable[[str], Extra]
    now: Callable[[], int]
    lag_url: str | None = None
    watch_url: str | None = None


def application(guard: Guard, pages: Pages, acts: Acts) -> web.Application:
    """The routes behind the guard."""
    app = web.Application(middlewares=guard.middlewares, client_max_size=LARGEST)
    app.add_routes([*pages.routes(), *acts.routes()])
    return app


@asynccontextmanager
async def serving(setting: Setting) -> AsyncIterator[Listening]:
    """A running console; the block gets the address to call.

    Raises ConfigError without TLS, for files that are wrong or missing, and for an address that cannot be had; Retryable
    when no Kafka answers.
    """
    if is_plaintext():
        raise ConfigError(
            "the console knows people by their certificates: it does not run with HEDX_SECURITY=plaintext"
        )
    installation = setting.installation
    monitor = installation.transport("monitor")
    security_of(setting.listen, monitor)  # whatever is wrong with it is told before Kafka is asked
    roles = load_roles(installation.folder)
    reader = next((name for name in ("ops", CENTER) if installation.transport(name).is_dir()), "ops")
    caller = next((name for name in ("ops", "monitor") if installation.transport(name).is_dir()), "monitor")
    client = ssl_context(installation.transport(caller))
    assert client is not None, "there is TLS"
    officers = installation.transport(CENTER).is_dir() and installation.identity_folder(CENTER).is_dir()
    log = installation.party(CENTER) / ACCESS_LOG
    letters = DeadLetters(setting.bootstrap, setting.security(reader), security=setting.security, log=log)
    desk = Desk(setting.bootstrap, setting.security(CENTER)) if officers else None
    connector = aiohttp.TCPConnector(limit_per_host=ASKING)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        lag = Source(Address(installation.folder, "lag", setting.lag_url), client, session)
        watch = Source(Address(installation.folder, "watch", setting.watch_url), client, session)
        hub = Hub()
        registers = Registers(setting.bootstrap, installation, setting.security(reader))
        following = Following(
            hub,
            installation,
            setting.now,
            lag=lag,
            watch=watch,
            registers=registers,
            letters=letters,
            desk=desk,
        )
        gate = Gate(roles, lambda: following.revoked, lambda: following.suspended)
        sessions, tally = Sessions(), Tally()
        guard = Guard(gate, sessions, Journal(log), setting.now, hosts_of(monitor), tally=tally)
        reading = LetterReading(letters, setting.now, held_of(setting.security))

        def changed() -> None:
            reading.forget()
            following.look_at_letters_now()

        acts = Acts(guard, letters, desk, changed)
        pages = Pages(guard, hub, watch, reading, desk_here=desk is not None)
        try:
            await following.start()
        except KafkaException as error:
            raise Retryable(f"no Kafka answers at {setting.bootstrap}: {error}") from error
        try:
            async with listening(application(guard, pages, acts), setting.listen, monitor, LIMITS) as bound:
                with exposed("console", installation, principals=[caller]) as registry:
                    if registry is not None:
                        console_metrics(registry, tally, lambda: sessions.by_role(setting.now()))
                    yield bound
        finally:
            await acts.finish()
            reading.close()
            guard.close()
            await following.stop()


def held_of(security: Callable[[str], Extra]) -> Collection[str]:
    """Those principals that act on dead letters whose certificate and key can be read here, now."""

    def is_held(principal: str) -> bool:
        try:
            security(principal)
        except (ConfigError, OSError):
            return False
        return True

    return frozenset(filter(is_held, (OPERATOR, CENTER)))


def hosts_of(monitor: Path) -> Collection[str]:
    """The names and addresses in the server's certificate: under no other it is called."""
    [certificate, *_] = x509.load_pem_x509_certificates((monitor / "tls.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
