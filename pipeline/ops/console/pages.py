"""What is only looked at: the page and its files, the stream of events, applications, a dead letter's facts."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from pipeline.domain.lifecycle_words import STATES
from pipeline.domain.parties import is_provider
from pipeline.ops.console.acts import described
from pipeline.ops.console.gate import Caller, Refusal
from pipeline.ops.console.guard import CALLER, HEADERS, Guard
from pipeline.ops.console.letter_reading import LetterReading
from pipeline.ops.console.roles import may
from pipeline.ops.console.shapes import alerts
from pipeline.ops.console.sight import seen, seen_application, without_names
from pipeline.ops.console.sources import SeveralParties, Source, SourceAway
from pipeline.ops.console.stream import Hub, frame
from pipeline.ops.console.words import page_words

STATIC: Final = Path(__file__).parent / "static"
KINDS: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
BEAT: Final = 2.0
"""Seconds without news after which the stream says that it still lives."""
STREAMS: Final = 8
"""Streams of one certificate."""
PAGE: Final = 50
"""Applications of one answer."""


class Pages:
    """The handlers. `desk_here`: whether decisions can be made on this machine."""

    def __init__(self, guard: Guard, hub: Hub, watch: Source, letters: LetterReading, *, desk_here: bool) -> None:
        self._guard = guard
        self._hub = hub
        self._watch = watch
        self._letters = letters
        self._desk_here = desk_here
        self._streams: Counter[str] = Counter()

    def routes(self) -> list[web.RouteDef]:
        """For the application."""
        return [
            web.get("/", self.page),
            web.get("/sign-in", self.sign_in),
            web.get("/static/{name}", self.file),
            web.get("/healthz", self.healthz),
            web.get("/api/session", self.session),
            web.get("/api/words", self.words),
            web.get("/api/stream", self.stream),
            web.get("/api/applications", self.applications),
            web.get("/api/applications/{id:[0-9a-zA-Z-]{1,64}}", self.application),
            web.get(r"/api/dead-letters/{partition:\d{1,6}}/{offset:\d{1,18}}", self.letter),
        ]

    async def page(self, request: web.Request) -> web.Response:
        """The console, or the way to the sign-in page."""
        try:
            self._guard.session(request, used=True)
        except Refusal:
            language = request.query.get("lang")
            where = "/sign-in" + (f"?lang={language}" if language in ("zh", "en") else "")
            return web.Response(status=303, headers={"Location": where})
        return _file("index.html")

    async def sign_in(self, _: web.Request) -> web.Response:
        """Where a person gives their name."""
        return _file("sign-in.html")

    async def file(self, request: web.Request) -> web.Response:
        """A script, a style, an icon."""
        return _file(request.match_info["name"])

    async def healthz(self, _: web.Request) -> web.Response:
        """Say that this process answers."""
        return web.Response(text="ok\n")

    async def session(self, request: web.Request) -> web.Response:
        """Who is signed in; without a session, as whom one would."""
        caller = request[CALLER]
        try:
            session = self._guard.session(request)
        except Refusal:
            return web.json_response({"error": "signed_out", "principal": caller.principal, "role": caller.role})
        return web.json_response(described(session, caller, self._desk_here))

    async def words(self, request: web.Request) -> web.Response:
        """The exchange's words in both languages."""
        self._guard.session(request)
        return web.json_response(page_words())

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events until the page, the session or the certificate is gone."""
        self._guard.session(request)
        caller = request[CALLER]
        if self._streams[caller.fingerprint] >= STREAMS:
            raise Refusal(429, "too_many_streams", 10_000)
        answer = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream; charset=utf-8"})
        answer.headers["X-Accel-Buffering"] = "no"
        await answer.prepare(request)
        self._streams[caller.fingerprint] += 1
        try:
            await self._tell(request, answer)
        except ConnectionError:  # the page was closed
            return answer
        finally:
            self._streams[caller.fingerprint] -= 1
        return answer

    async def _tell(self, request: web.Request, answer: web.StreamResponse) -> None:
        number = self._hub.resumed(request.headers.get("Last-Event-ID", ""))
        await answer.write(b"retry: 1000\n\n")
        while True:
            try:
                caller = self._guard.caller(request)
                session = self._guard.session(request)
            except Refusal as refusal:
                await answer.write(frame("ended", {"error": refusal.code}))
                return
            parts = []
            for told in self._hub.since(number):
                number = told.number
                value = seen(told.kind, told.value, caller)
                if value is not None:
                    parts.append(frame(told.kind, value, self._hub.identifier(number)))
            parts.append(frame("beat", {"now": self._guard.now(), "ends_at": session.ends()}))
            if len(parts) > 1:
                parts.append(frame("alerts", alerts(self._view(caller))))
            await answer.write(b"".join(parts))
            await self._hub.wait(number, BEAT)

    def _view(self, caller: Caller) -> dict[str, Any]:
        kinds = ("sources", "lag", "risks", "dead_letters", "desk", "findings")
        return {kind: seen(kind, self._hub.value(kind), caller) for kind in kinds}

    async def applications(self, request: web.Request) -> web.Response:
        """A page of applications by state and requester, newest first, as the watch knows them."""
        self._guard.session(request)
        caller = request[CALLER]
        query = request.query
        state, party, before = query.get("state", ""), caller.party or query.get("party", ""), query.get("before", "")
        known = (not state or state in STATES) and (not party or is_provider(party))
        if not known or not (before == "" or (before.isascii() and before.isdecimal() and len(before) < 16)):
            raise Refusal(400, "filter_wrong")
        asked = {"state": state, "party": party, "before": before, "limit": str(PAGE)}
        found = await self._ask("/api/watch/applications", {key: value for key, value in asked.items() if value})
        rows = [row for row in found["applications"] if seen_application(row, caller)]
        return web.json_response({"applications": rows, "more": found["more"]})

    async def application(self, request: web.Request) -> web.Response:
        """One application with its history: its requester's, where several have one of that id, 409 with whose they are.

        Of another's a province hears no more than that it is unknown.
        """
        self._guard.session(request)
        caller = request[CALLER]
        party = caller.party or request.query.get("party", "")
        if party and not is_provider(party):
            raise Refusal(400, "filter_wrong")
        path = f"/api/watch/applications/{request.match_info['id']}"
        try:
            found = await self._ask(path, {"party": party} if party else None)
        except SeveralParties as several:
            return web.json_response({"error": "several_parties", "parties": several.parties}, status=409)
        if not seen_application(found, caller) or party not in ("", found["party"]):
            raise Refusal(404, "unknown")
        return web.json_response(without_names(found))

    async def letter(self, request: web.Request) -> web.Response:
        """A dead letter's facts; of its bytes only how many, and their digest."""
        session, caller = self._guard.session(request), request[CALLER]
        if caller.party is not None or not may(caller.role, "viewer"):
            raise Refusal(404, "unknown")
        place = f"{int(request.match_info['partition'])}/{int(request.match_info['offset'])}"
        found = await self._letters.facts(place, session=session.id, fingerprint=caller.fingerprint)
        return web.json_response(found)

    async def _ask(self, path: str, parameters: dict[str, str] | None = None) -> Any:
        try:
            return await self._watch.get(path, parameters)
        except SourceAway as error:
            raise Refusal(503, "watch_away") from error


@cache
def _content(name: str) -> tuple[bytes, str] | None:
    """A file of the page; only those that are there when it is asked for first, and no path."""
    known = {path.name: path for path in STATIC.iterdir() if path.suffix in KINDS}
    path = known.get(name)
    return None if path is None else (path.read_bytes(), KINDS[path.suffix])


def _file(name: str) -> web.Response:
    found = _content(name)
    if found is None:
        raise Refusal(404, "unknown")
    return web.Response(body=found[0], content_type=found[1], charset="utf-8")
