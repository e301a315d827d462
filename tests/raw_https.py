"""Requests to the console as a program makes them: a principal's certificate, a cookie, and the bytes that come back."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.kafka.security import ssl_context
from pipeline.ops.console.guard import COOKIE, TOKEN


class Caller:
    """One certificate (`principal`: its folder; None: none at all) and one session at `origin`."""

    def __init__(self, origin: str, principal: Path | None) -> None:
        self._origin = origin
        self._address = urlsplit(origin).netloc
        if principal is None:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        else:
            known = ssl_context(principal)
            assert known is not None
            context = known
        self._context = context
        self._cookie = ""

    def body(self, path: str) -> bytes:
        """The body of a GET."""
        return self._ask("GET", path)[1]

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON of a GET."""
        status, body, _ = self._ask("GET", path)
        return status, json.loads(body)

    def act(self, method: str, path: str, body: object, token: str = "") -> tuple[int, Any]:
        """Status and JSON of what the page would do."""
        status, answer, _ = self._ask(method, path, json.dumps(body), {TOKEN: token})
        return status, json.loads(answer)

    def sign_in(self, name: str) -> str:
        """Sign in; gives the session's token."""
        status, body, cookie = self._ask("POST", "/api/session", json.dumps({"name": name}))
        assert status == 200, body
        assert cookie is not None
        self._cookie = cookie.split(";")[0]
        assert self._cookie.startswith(COOKIE)
        token: str = json.loads(body)["csrf"]
        return token

    def stream(self, kinds: set[str]) -> dict[str, Any]:
        """Kind → newest value, from the stream, until these kinds have come."""
        connection = http.client.HTTPSConnection(self._address, context=self._context, timeout=20)
        found: dict[str, Any] = {}
        try:
            connection.request("GET", "/api/stream", headers={"Cookie": self._cookie})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            kind = ""
            while not kinds <= set(found):
                name, _, value = answer.readline().decode().rstrip("\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    found[kind] = json.loads(value)
        finally:
            connection.close()
        return found

    def _ask(
        self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, str | None]:
        connection = http.client.HTTPSConnection(self._address, context=self._context, timeout=20)
        own = {"Origin": self._origin, "Content-Type": "application/json", "Cookie": self._cookie}
        try:
            connection.request(method, path, body, {**own, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.getheader("Set-Cookie")
        finally:
            connection.close()
