"""Doors that nobody can stand in: bounds on connections, on those of one address and on their time, over mutual TLS."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from pipeline.center.installation import Installation, set_up
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.security import ssl_context
from pipeline.ops import doors
from pipeline.ops.console.server import LIMITS
from pipeline.ops.doors import Limits, caller_of, listening, places
from pipeline.ops.listening import Address
from tests.processes import wait_until

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
FILES = 240
"""That the process may have open in a test of that; the console asks for more connections."""
GONE = (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Everything of one machine."""
    made = Installation(tmp_path_factory.mktemp("home") / "hedx")
    set_up(made, ["37"], wall_clock())
    return made


class Served:
    """A server at `port` whose `/slow` answers once `free` is set."""

    def __init__(self, folder: Path, context: ssl.SSLContext) -> None:
        self.folder = folder
        self.context = context
        self.free = asyncio.Event()
        self.port = 0

    def silent(self, host: str = "127.0.0.1") -> socket.socket:
        """A client that never begins the handshake, calling from `host`."""
        client = socket.create_connection(("127.0.0.1", self.port), source_address=(host, 0))
        client.setblocking(False)
        return client

    async def open(self, host: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A client that has shaken hands."""
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.context, local_addr=(host, 0))

    async def answer(self, _: web.Request) -> web.Response:
        """At once."""
        return web.Response(text="ok")

    async def slow(self, _: web.Request) -> web.Response:
        """Like a stream: when it is over, it is over."""
        await self.free.wait()
        return web.Response(text="ok")


def served(installation: Installation, check: Callable[[Served], Awaitable[None]], limits: Limits) -> None:
    """Run `check` against a server."""

    async def main() -> None:
        folder, context = installation.transport("monitor"), ssl_context(installation.transport("ops"))
        assert context is not None
        server = Served(folder, context)
        app = web.Application()
        app.add_routes([web.get("/", server.answer), web.get("/slow", server.slow)])
        async with listening(app, Address("127.0.0.1", 0), folder, limits) as address:
            server.port = address.port
            await asyncio.wait_for(check(server), 30)

    asyncio.run(main())


async def answered(client: tuple[asyncio.StreamReader, asyncio.StreamWriter], request: bytes = GET) -> None:
    """Ask on this connection, and read the answer."""
    client[1].write(request)
    head = await client[0].readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert await client[0].readexactly(2) == b"ok"


def open_files() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def is_closed(client: socket.socket) -> bool:
    """Whether the server has closed a connection on which nothing was said."""
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 1), 5) == b""


def test_one_address_does_not_take_all_places(installation: Installation) -> None:
    """One more from it is closed at once; another address gets in."""

    async def check(server: Served) -> None:
        silent = [server.silent("127.0.0.9") for _ in range(3)]
        await asyncio.sleep(0)
        surplus = server.silent("127.0.0.9")
        assert await is_closed(surplus)
        other = await server.open("127.0.0.8")
        await answered(other)
        other[1].close()
        for client in [*silent, surplus]:
            client.close()

    served(installation, check, Limits(most=8, each=3, handshake=60.0, longest=60.0))


def test_what_is_gone_leaves_its_place(installation: Installation) -> None:
    """However many have come before."""

    async def check(server: Served) -> None:
        for _ in range(3):
            client = await server.open()
            await answered(client)
            client[1].close()
            await client[1].wait_closed()
            await asyncio.sleep(0)

    served(installation, check, Limits(most=2, each=1, whole=False))


def test_an_answer_may_last_where_connections_are_kept(installation: Installation) -> None:
    """The limit is the handshake's and the first request's: a stream of events goes on, and the connection is used again."""

    async def check(server: Served) -> None:
        asked, silent = await server.open(), await server.open()
        asked[1].write(SLOW)
        silent[1].write(GET[:-2])
        with pytest.raises(GONE):
            await silent[0].readexactly(1)
        server.free.set()
        await answered(asked, b"")
        await answered(asked)
        asked[1].close()
        silent[1].close()

    served(installation, check, Limits(longest=0.3, whole=False))


def test_the_next_request_has_a_limit_too(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that was answered and then sends a byte now and then is cut off."""
    monkeypatch.setattr(doors, "KEPT_ALIVE", 0.1)

    async def check(server: Served) -> None:
        client = await server.open()
        await answered(client)
        client[1].write(GET[:-2])
        with pytest.raises(GONE):
            await client[0].readexactly(1)
        client[1].close()

    served(installation, check, Limits(longest=0.2, whole=False))


FLOOD = """
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
held = []
for number in range(400):
    held.append(client := socket.socket())
    client.bind((f"127.0.0.{2 + number % 9}", 0))
    client.setblocking(False)
    client.connect_ex(("127.0.0.1", int(sys.argv[1])))
print("flooded", flush=True)
sys.stdin.read()
"""


def test_the_consoles_doors_leave_files_for_its_log(installation: Installation, tmp_path: Path) -> None:
    """More silent clients than this process may have files: a file can be opened meanwhile, and who comes later is answered."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def check(server: Served) -> None:
        pipe = asyncio.subprocess.PIPE
        flood = await asyncio.create_subprocess_exec(
            sys.executable, "-c", FLOOD, str(server.port), stdin=pipe, stdout=pipe
        )
        assert flood.stdout is not None
        assert flood.stdin is not None
        assert await flood.stdout.readline() == b"flooded\n"
        most = places(LIMITS.most, FILES)
        await asyncio.to_thread(wait_until, "all are in that the doors let in", lambda: open_files() >= most, 20)
        assert open_files() < FILES - 20
        assert (tmp_path / "access.db").write_text("a row")
        flood.stdin.close()
        await flood.wait()
        client = await server.open()
        await answered(client)
        client[1].close()

    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))
    try:
        served(installation, check, LIMITS)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_half_of_the_files_are_no_connections() -> None:
    """Whatever is asked for."""
    assert places(256, 1024) == 256
    assert places(256, 100) == 50
    assert places(256, -1) == 256


@pytest.mark.parametrize(
    ("host", "caller"),
    [
        ("10.9.0.1", "10.9.0.1"),
        ("::ffff:10.9.0.1", "10.9.0.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_who_an_address_counts_for(host: str, caller: str) -> None:
    """One machine has a whole network of IPv6 addresses, and the same IPv4 address in two spellings."""
    assert caller_of(host) == caller
