"""What changes something: signing in and out, dead letters, the officer's desk. Each is in the access log before it is done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any, Final, Literal, cast

from aiohttp import web
from confluent_kafka import KafkaException

from pipeline.center import desk as officers_desk
from pipeline.center.deadletters import DeadLetters
from pipeline.domain.errors import ConfigError, HedxError
from pipeline.domain.free_text import free_text_fault
from pipeline.ops.console.gate import Caller, Refusal
from pipeline.ops.console.guard import CALLER, COOKIE, NAME, Guard, tell
from pipeline.ops.console.journal import ACTED, OUTCOME, SIGNED_IN, SIGNED_OUT
from pipeline.ops.console.registers import Desk
from pipeline.ops.console.sessions import LONGEST, Session, person_named
from pipeline.stages.acts import REASON_LIMIT

LARGEST: Final = 16 * 1024
"""Bytes of a request's body."""
BODY: Final = 10.0
"""Seconds for a request's body."""
WAIT: Final = 15.0
"""Seconds a decision waits for the stage's answer."""
THREADS: Final = 4
"""Acts at a time; more wait."""
Decision = Literal["approve", "reject", "hold"]


class Acts:
    """The handlers. `changed` is called when something became of a dead letter; `desk` None: the center's identity is not here."""

    def __init__(self, guard: Guard, letters: DeadLetters, desk: Desk | None, changed: Callable[[], None]) -> None:
        self._guard = guard
        self._letters = letters
        self._desk = desk
        self._changed = changed
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="acts")
        self._under_way: set[asyncio.Future[web.Response]] = set()

    async def finish(self) -> None:
        """Wait for what has begun, so that its outcome is on record."""
        await asyncio.gather(*self._under_way, return_exceptions=True)
        self._threads.shutdown()

    def routes(self) -> list[web.RouteDef]:
        """For the application."""
        return [
            web.post("/api/session", self.sign_in),
            web.post("/api/session/alive", self.alive),
            web.delete("/api/session", self.sign_out),
            web.post(r"/api/dead-letters/{partition:\d{1,6}}/{offset:\d{1,18}}/{act:replay|discard}", self.letter),
            web.post(
                r"/api/desk/{requester:[0-9]{2}}/{application:[0-9a-zA-Z-]{1,64}}/{decision:approve|reject|hold}",
                self.decide,
            ),
        ]

    async def sign_in(self, request: web.Request) -> web.Response:
        """Open a session for the name given; the certificate has said already for which principal."""
        caller = request[CALLER]
        self._guard.check_origin(request)
        name = person_named((await body_of(request, "name"))["name"])
        request[NAME] = name
        await self._guard.note(request, SIGNED_IN, detail={"role": caller.role})
        session = self._guard.sessions.open(caller, name, self._guard.now())
        answer = web.json_response(described(session, caller, self._desk is not None))
        answer.set_cookie(
            COOKIE, session.id, max_age=LONGEST // 1000, path="/", secure=True, httponly=True, samesite="Strict"
        )
        return answer

    async def sign_out(self, request: web.Request) -> web.Response:
        """End the session."""
        session = self._guard.acting(request, "viewer")
        await self._guard.note(request, SIGNED_OUT)
        self._guard.sessions.close(session)
        answer = web.json_response({})
        answer.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Strict")
        return answer

    async def alive(self, request: web.Request) -> web.Response:
        """The person did something at the page: no act, so no row in the log; the session goes on."""
        session = self._guard.acting(request, "viewer")
        return web.json_response({"ends_at": session.ends()})

    async def letter(self, request: web.Request) -> web.Response:
        """Put a dead letter back, or discard it."""
        session = self._guard.acting(request, "operator")
        given = await body_of(request, "reason", optional=("again",))
        reason, again = reason_in(given), given.get("again") is True
        act = request.match_info["act"]
        place = f"{int(request.match_info['partition'])}/{int(request.match_info['offset'])}"
        by, now = f"{session.name} ({request[CALLER].principal})", self._guard.now()

        def work() -> dict[str, Any]:
            if act == "replay":
                went = self._letters.replay(place, by=by, reason=reason, now=now, again=again)
                return {"state": "replayed", "went_to": f"{went.topic}/{went.partition}/{went.offset}"}
            return {"state": self._letters.discard(place, by=by, reason=reason, now=now).state}

        what = "replay again" if again else act
        return await self._do(request, f"dead_letter {what}", place, {"reason": reason}, work, self._changed)

    async def decide(self, request: web.Request) -> web.Response:
        """An officer's decision about what waits on the desk."""
        session = self._guard.acting(request, "officer")
        given = await body_of(request, "reason", "digest")
        reason, shown = reason_in(given), given["digest"]
        held = self._desk
        if held is None:
            raise Refusal(409, "desk_elsewhere")
        requester, application_id = request.match_info["requester"], request.match_info["application"]
        decision = cast("Decision", request.match_info["decision"])
        try:
            digest = officers_desk.seen(held.waiting(), requester, application_id, str(shown))
        except ConfigError:
            raise Refusal(409, "decision_outdated") from None
        record = officers_desk.decision_about(
            requester,
            application_id,
            decision,
            officer=session.name,
            account=f"console:{request[CALLER].serial}",
            reason=reason,
            now=self._guard.now(),
            mandate_digest=digest,
        )

        def work() -> dict[str, Any]:
            outcome = officers_desk.decide(held.bootstrap, record, WAIT, held.extra)
            if outcome is None:
                return {"applied": None, "code": "no_answer"}
            return {"applied": outcome.applied, "code": outcome.code}

        about = {"application_id": application_id, "requester": requester}
        detail = {"reason": reason, "decision_id": record["decision_id"]}
        return await self._do(request, f"desk {decision}", f"{requester}/{application_id}", detail, work, about=about)

    async def _do(
        self,
        request: web.Request,
        what: str,
        subject: str,
        detail: dict[str, Any],
        work: Callable[[], dict[str, Any]],
        after: Callable[[], None] = lambda: None,
        *,
        about: Mapping[str, str] = MappingProxyType({}),
    ) -> web.Response:
        """Note it, do it in a thread, note what came of it. A closed page stops nothing that has begun."""
        number = await self._guard.note(request, ACTED, what=what, subject=subject, detail=detail, **about)

        async def carry_out() -> web.Response:
            try:
                done, status = await asyncio.get_running_loop().run_in_executor(self._threads, work), 200
            except ConfigError as error:
                done, status = {"error": "not_done", "detail": str(error)}, 409
            except (HedxError, KafkaException) as error:
                done, status = {"error": "kafka_away", "detail": type(error).__name__}, 503
            except Exception as failure:  # noqa: BLE001 - whatever it was, the act's outcome is on record
                tell(failure)
                done, status = {"error": "failed"}, 500
            after()
            outcome = {"of": number, **{key: value for key, value in done.items() if key != "detail"}}
            await self._guard.note(request, OUTCOME, what=what, subject=subject, detail=outcome, **about)
            return web.json_response(done, status=status)

        carried = asyncio.ensure_future(carry_out())
        self._under_way.add(carried)
        carried.add_done_callback(self._under_way.discard)
        return await asyncio.shield(carried)


def described(session: Session, caller: Caller, decides: bool) -> dict[str, Any]:
    """What the page is told of its session. `decides`: whether decisions can be made on this machine."""
    return {
        "name": session.name,
        "principal": caller.principal,
        "role": caller.role,
        "party": caller.party,
        "serial": caller.serial,
        "csrf": session.csrf,
        "ends_at": session.ends(),
        "decides": decides,
    }


async def body_of(request: web.Request, *names: str, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """The request's JSON object, with these keys and no others. Raises Refusal (400, 413, 415)."""
    if request.content_type != "application/json":
        raise Refusal(415, "not_json")
    try:
        async with asyncio.timeout(BODY):
            given = json.loads(await request.read())
    except TimeoutError:
        raise Refusal(408, "too_slow") from None
    except web.HTTPRequestEntityTooLarge:
        raise Refusal(413, "too_large") from None
    except (ValueError, RecursionError):
        raise Refusal(400, "not_json") from None
    if not isinstance(given, dict) or not set(names) <= set(given) <= {*names, *optional}:
        raise Refusal(400, "keys_wrong")
    return given


def reason_in(given: dict[str, Any]) -> str:
    """The reason, as it may be kept. Raises Refusal (400) `reason_missing`, `reason_too_long`, and so on."""
    reason = given["reason"].strip() if isinstance(given["reason"], str) else ""
    if fault := free_text_fault(reason, REASON_LIMIT):
        raise Refusal(400, f"reason_{fault}")
    return reason
