"""Every request passes here: who is calling, under which session, may it, how often; what is refused is in the log."""

from __future__ import annotations

import asyncio
import hmac
import logging
import ssl
import traceback
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from pipeline.ops.console.figures import Tally
from pipeline.ops.console.gate import Caller, Gate, Refusal, known_as
from pipeline.ops.console.journal import REFUSED, Journal, JournalClosed, Noted
from pipeline.ops.console.roles import Role, may
from pipeline.ops.console.sessions import Session, Sessions
from pipeline.ops.console.throttle import Throttle

COOKIE: Final = "__Host-hedx"
TOKEN: Final = "X-HEDX-Token"  # noqa: S105 - the header's name
CALLER: Final = web.RequestKey("caller", Caller)
"""Who is calling, of every request that a handler sees."""
NAME: Final = web.RequestKey("name", str)
"""The person's name, once it is known."""
SAFE: Final = frozenset({"GET", "HEAD"})
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
    "Server": "hedx",
}
"""Of every answer."""

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Guard:
    """`hosts`: the names under which this server may be called. `now`: ms. `certificate`: the DER of a request's client."""

    def __init__(
        self,
        gate: Gate,
        sessions: Sessions,
        journal: Journal,
        now: Callable[[], int],
        hosts: Collection[str],
        certificate: Callable[[web.Request], bytes | None] | None = None,
        tally: Tally | None = None,
    ) -> None:
        self._gate = gate
        self.sessions = sessions
        self._journal = journal
        self.now = now
        self._hosts = frozenset(hosts)
        self._tally = tally or Tally()
        self._certificate = certificate or client_certificate
        self._acts = Throttle(20, 3_000)
        self._sign_ins = Throttle(5, 12_000)
        self._knocks = Throttle(3, 60_000)
        self._waiting: set[str] = set()
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="journal")  # nothing else keeps the log waiting

    @property
    def middlewares(self) -> list[Middleware]:
        """For the application, outermost first."""

        @web.middleware
        async def dress(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._dress(request, handler)

        @web.middleware
        async def receive(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._receive(request, handler)

        return [dress, receive]

    # ---- for handlers ----------------------------------------------------------------------------------------------------

    def caller(self, request: web.Request) -> Caller:
        """Who is calling; revocations of this moment count. Raises Refusal."""
        return self._gate.caller(self._certificate(request))

    def session(self, request: web.Request, *, used: bool = False) -> Session:
        """The session behind the request's cookie. Raises Refusal (401) `signed_out`."""
        caller: Caller = request[CALLER]
        found = self.sessions.find(request.cookies.get(COOKIE, ""), caller, self.now(), used=used)
        if found is None:
            raise Refusal(401, "signed_out")
        return found

    def check_origin(self, request: web.Request) -> None:
        """An unsafe request comes from a page of ours, as browsers tell. Raises Refusal (403) `cross_site`."""
        fetched = request.headers.get("Sec-Fetch-Site", "same-origin")
        if request.headers.get("Origin") != f"https://{request.host}" or fetched != "same-origin":
            raise Refusal(403, "cross_site")

    def acting(self, request: web.Request, needed: Role) -> Session:
        """The session of somebody who may act now: origin, session, token, role, in this order. Raises Refusal."""
        self.check_origin(request)
        session = self.session(request, used=True)
        if not hmac.compare_digest(
            request.headers.get(TOKEN, "").encode("utf-8", "surrogateescape"), session.csrf.encode()
        ):
            raise Refusal(403, "token_wrong")
        request[NAME] = session.name
        if not may(request[CALLER].role, needed):
            raise Refusal(403, "role_missing")
        return session

    async def note(self, request: web.Request, act: str, **told: object) -> int:
        """A row of the log about this request. Raises Refusal (503) `log_closed`: then nothing is done."""
        caller: Caller = request[CALLER]
        noted = Noted(act, caller.principal, caller.serial, request.get(NAME, ""), **told)  # type: ignore[arg-type]
        return await self._write(noted)

    def close(self) -> None:
        """Write what waits to be written, and no more."""
        self._writing.shutdown()

    # ---- around handlers -------------------------------------------------------------------------------------------------

    async def _dress(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Security headers; refusals and failures as JSON."""
        try:
            answer = await handler(request)
        except Refusal as refusal:
            answer = web.json_response({"error": refusal.code}, status=refusal.status)
            if refusal.retry_after is not None:
                answer.headers["Retry-After"] = str(-(-refusal.retry_after // 1000))
        except web.HTTPException as error:
            answer = web.json_response({"error": error.reason}, status=error.status)
        except ConnectionError:  # the client is gone
            raise
        except Exception as failure:
            if request.writer.output_size:  # it has begun to be answered
                raise
            tell(failure)
            answer = web.json_response({"error": "failed"}, status=500)
        if not answer.prepared:
            answer.headers.update(HEADERS)
        return answer

    async def _receive(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Who it is; then, where something is to be changed, how often, and a row for what is refused."""
        try:
            if request.host.rpartition(":")[0].strip("[]") not in self._hosts and request.host not in self._hosts:
                raise Refusal(421, "host_unknown")
            caller = self.caller(request)
        except Refusal as refusal:
            await self._note_knock(request, refusal)
            raise
        request[CALLER] = caller
        if request.method in SAFE:
            return await handler(request)
        try:
            await self._pace(request, caller)
            return await handler(request)
        except Refusal as refusal:
            if refusal.status != 503 and refusal.code != "too_often":
                await self._note_refused(request, refusal.code)
            raise
        except web.HTTPException as error:  # no such path, another method
            await self._note_refused(request, f"http_{error.status}")
            raise
        except ConnectionError:
            raise
        except Exception:
            await self._note_refused(request, "failed")
            raise

    async def _pace(self, request: web.Request, caller: Caller) -> None:
        signing_in = request.method == "POST" and request.path == "/api/session"
        key = f"{request.method} sign-in {caller.fingerprint}" if signing_in else caller.fingerprint
        wait = (self._sign_ins if signing_in else self._acts).wait(key, self.now())
        if not wait:
            self._waiting.discard(key)
            return
        if key not in self._waiting:  # the first of a streak is told, the rest would only fill the log
            self._waiting.add(key)
            await self._note_refused(request, "too_often")
        raise Refusal(429, "too_often", wait)

    async def _note_refused(self, request: web.Request, code: str) -> None:
        subject = request.path if request.path.isprintable() else ""
        await self.note(request, REFUSED, what=request.method, subject=subject[:200], detail={"code": code})

    async def _note_knock(self, request: web.Request, refusal: Refusal) -> None:
        principal, serial = known_as(self._certificate(request))
        if not self._knocks.wait(f"{serial} {refusal.code}", self.now()):
            await self._write(Noted(REFUSED, principal, serial, what="connect", detail={"code": refusal.code}))

    async def _write(self, noted: Noted) -> int:
        try:
            loop = asyncio.get_running_loop()
            number = await loop.run_in_executor(self._writing, self._journal.note, noted, self.now())
        except JournalClosed as error:
            raise Refusal(503, "log_closed") from error
        self._tally.noted(noted.act, noted.what, noted.detail)
        return number


def tell(failure: Exception) -> None:
    """Where something went wrong, in this process's own log; none of its text, which may be a client's."""
    place = traceback.extract_tb(failure.__traceback__)[-1]
    log.error("%s in %s, line %s", type(failure).__name__, place.name, place.lineno)


def client_certificate(request: web.Request) -> bytes | None:
    """The certificate (DER) with which the client of this connection passed TLS."""
    connection = None if request.transport is None else request.transport.get_extra_info("ssl_object")
    return connection.getpeercert(binary_form=True) if isinstance(connection, ssl.SSLObject) else None
