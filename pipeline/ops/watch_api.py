"""The watch's HTTP API (docs/watch.md): who may read, which parameters there are, and the documents of `watch_views`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from pipeline.domain.parties import is_party
from pipeline.domain.records import LifecycleState
from pipeline.ops.listening import may_read
from pipeline.ops.watch_views import LATENCY_MINUTES, MOST_MINUTES, SeveralRequesters, Views

PAGE, LARGEST_PAGE = 50, 200
"""Applications of a page, unless `limit` says otherwise, and at most."""
STUCK_SECONDS: Final = 300.0
"""So far behind the end of hedx.events the watch is not well."""
STATES: Final = frozenset(get_args(LifecycleState))
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Server": "hedx",
    "X-Content-Type-Options": "nosniff",
}
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUMBER: Final = re.compile(r"[0-9]{1,15}")

Check = Callable[[str], Any]
"""The value of a parameter. Raises ValueError with a sentence."""


def number(least: int, most: int) -> Check:
    """A whole number within these, in plain digits."""

    def check(text: str) -> int:
        if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return check


def state(text: str) -> str:
    """A state of an application."""
    if text not in STATES:
        raise ValueError("must be a state of docs/lifecycle.md")
    return text


def party(text: str) -> str:
    """A party's code."""
    if not is_party(text):
        raise ValueError("must be a party's code, for instance 37")
    return text


MINUTES: Final[Mapping[str, Check]] = {"minutes": number(1, MOST_MINUTES)}
WHOSE: Final[Mapping[str, Check]] = {"party": party}
PAGING: Final[Mapping[str, Check]] = {
    "state": state,
    "party": party,
    "limit": number(1, LARGEST_PAGE),
    "before": number(0, 10**15 - 1),
}


class WatchApi:
    """The routes. `rebuilt`: whether all that was there at the start is read; `behind`: seconds behind the topic's end.

    `newest_list`: gives the revocation list (DER) to hold readers against.
    """

    def __init__(
        self,
        views: Views,
        registry: CollectorRegistry,
        rebuilt: Callable[[], bool],
        behind: Callable[[], float],
        newest_list: Callable[[], bytes | None],
    ) -> None:
        self._newest_list = newest_list
        self._views = views
        self._registry = registry
        self._rebuilt = rebuilt
        self._behind = behind

    def application(self) -> web.Application:
        """The web application, behind its guard."""
        app = web.Application(middlewares=[self._guard], client_max_size=0)
        app.on_response_prepare.append(_add_headers)
        views = self._views
        app.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/healthz", self._health),
                web.get("/api/watch/summary", _route(lambda asked: views.summary())),
                web.get("/api/watch/rates", _route(lambda asked: views.rates(asked.get("minutes", 60)), MINUTES)),
                web.get(
                    "/api/watch/latency",
                    _route(lambda asked: views.latency(asked.get("minutes", LATENCY_MINUTES)), MINUTES),
                ),
                web.get("/api/watch/punctuality", _route(lambda asked: views.punctuality())),
                web.get("/api/watch/flow", _route(lambda asked: views.flow())),
                web.get("/api/watch/risks", _route(lambda asked: views.risks())),
                web.get("/api/watch/applications", _route(self._applications, PAGING)),
                web.get("/api/watch/applications/{id}", self._application),
            ]
        )
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        """Only readers of figures get in, and each connection has one request."""
        tls = None if request.transport is None else request.transport.get_extra_info("ssl_object")
        try:
            if tls is not None and not may_read(tls.getpeercert(binary_form=True), self._newest_list()):
                response: web.StreamResponse = refused(403, "this principal may not read figures")
            else:
                response = await handler(request)
        except web.HTTPException as error:
            response = refused(error.status, error.reason.lower())
        response.force_close()
        return response

    def _applications(self, asked: Mapping[str, Any]) -> object:
        return self._views.applications(
            asked.get("state"), asked.get("party"), asked.get("before"), asked.get("limit", PAGE)
        )

    async def _application(self, request: web.Request) -> web.Response:
        asked = parameters(request, WHOSE)
        name = request.match_info["id"]
        try:
            found = self._views.application(name, asked.get("party")) if _UUID.fullmatch(name) else None
        except SeveralRequesters as several:
            return refused(409, f"{several}; name one with ?party=", parties=several.parties)
        return refused(404, "no such application is known") if found is None else web.json_response(found)

    async def _metrics(self, request: web.Request) -> web.Response:
        body = generate_latest(self._registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def _health(self, request: web.Request) -> web.Response:
        """503 while it is rebuilt, and when it does not keep up: what it says is not how things are."""
        behind = self._behind()
        status = "rebuilding" if not self._rebuilt() else "behind" if behind > STUCK_SECONDS else "ok"
        document = {"status": status, "behind_seconds": behind}
        return web.json_response(document, status=200 if status == "ok" else 503)


def parameters(request: web.Request, known: Mapping[str, Check]) -> dict[str, Any]:
    """The parameters of a request, checked. Raises HTTPBadRequest for one that is unknown, given twice or wrong."""
    asked: dict[str, Any] = {}
    for name, text in request.query.items():
        if name not in known:
            raise web.HTTPBadRequest(reason=f"there is no such parameter here, only: {', '.join(known) or 'none'}")
        if name in asked:
            raise web.HTTPBadRequest(reason=f"{name} is given twice")
        try:
            asked[name] = known[name](text)
        except ValueError as error:
            raise web.HTTPBadRequest(reason=f"{name} {error}") from error
    return asked


def refused(status: int, sentence: str, **more: object) -> web.Response:
    """An answer that says in a sentence why it is none, and `more`."""
    return web.json_response({"error": sentence, **more}, status=status)


def _route(
    answer: Callable[[Mapping[str, Any]], object], known: Mapping[str, Check] | None = None
) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.Response:
        return web.json_response(answer(parameters(request, known or {})))

    return handle


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
