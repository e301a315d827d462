"""The figures of the lag exporter and the watch, asked for over mutual TLS; which of them is away, and since when."""

from __future__ import annotations

import json
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiohttp

from pipeline.domain.errors import HedxError
from pipeline.domain.parties import is_provider
from pipeline.ops.console.gate import Refusal
from pipeline.ops.targets import targets_folder

log = logging.getLogger(__name__)

LARGEST: Final = 8 * 1024 * 1024
"""Bytes of an answer."""
PATIENCE: Final = 5.0
"""Seconds for an answer."""


class SourceAway(HedxError):
    """A source of figures does not answer, or not with what it should."""


class SeveralParties(HedxError):
    """Applications of several requesters have this id. `parties`: their codes."""

    def __init__(self, parties: list[str]) -> None:
        super().__init__(f"of {', '.join(parties)}")
        self.parties = parties


class Address:
    """Where a source is: the URL given, else what the process told of itself in HEDX_HOME/metrics."""

    def __init__(self, home: Path, process: str, url: str | None) -> None:
        self._file = targets_folder(home) / f"{process}.json"
        self._url = url.rstrip("/") if url else None

    def __call__(self) -> str:
        """The URL without a path. Raises SourceAway when nobody has told it."""
        if self._url:
            return self._url
        try:
            target = json.loads(self._file.read_text(encoding="utf-8"))[0]["targets"][0]
        except (OSError, ValueError, LookupError, TypeError):
            raise SourceAway(f"{self._file} tells of no such process") from None
        return f"https://{target}"


class Source:
    """One server of figures."""

    def __init__(self, address: Callable[[], str], context: ssl.SSLContext, session: aiohttp.ClientSession) -> None:
        self._address = address
        self._context = context
        self._session = session

    async def get(self, path: str, parameters: dict[str, str] | None = None) -> Any:
        """The JSON at `path`. Raises SourceAway; Refusal (404) where there is no such thing, SeveralParties where there are several."""
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        url = self._address() + path
        try:
            async with self._session.get(
                url, params=parameters, ssl=self._context, timeout=timeout, allow_redirects=False
            ) as answer:
                if answer.status == 404:
                    raise Refusal(404, "unknown")
                if answer.status not in (200, 409):
                    raise SourceAway(f"{url} answers {answer.status}")
                body = await answer.content.read(LARGEST + 1)
                while len(body) <= LARGEST and (more := await answer.content.read(LARGEST + 1 - len(body))):
                    body += more
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SourceAway(f"{url}: {type(error).__name__}") from error
        if len(body) > LARGEST:
            raise SourceAway(f"{url} answers more than {LARGEST} bytes")
        try:
            found = json.loads(body)
        except ValueError:
            raise SourceAway(f"{url} answers no JSON") from None
        if answer.status == 200:
            return found
        try:
            parties = [party for party in found["parties"] if is_provider(party)]
        except (KeyError, TypeError):
            raise SourceAway(f"{url} answers {answer.status}") from None
        raise SeveralParties(parties)


class Health:
    """Which sources answer. `changed` is told the newest state of all of them: name → {ok, at}; `at`: of the last answer."""

    def __init__(self, changed: Callable[[dict[str, Any]], None]) -> None:
        self._states: dict[str, dict[str, Any]] = {}
        self._changed = changed

    def answered(self, name: str, now: int) -> None:
        """The source answered."""
        self._states[name] = {"ok": True, "at": now}
        self._tell()

    def away(self, name: str, why: Exception) -> None:
        """It did not; what is shown stays what it said last. The log has the first of a row."""
        if self._states.get(name, {"ok": True})["ok"]:
            log.warning("%s is away: %s", name, why)
        self._states[name] = {"ok": False, "at": self._states.get(name, {}).get("at")}
        self._tell()

    def _tell(self) -> None:
        """The time of the last answer counts only once there are no more."""
        self._changed({k: {**v, "at": None if v["ok"] else v["at"]} for k, v in sorted(self._states.items())})
