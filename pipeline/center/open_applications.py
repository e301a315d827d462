"""Which applications are open, and under which release of the catalog: from the changelog of `applications`.

No section is opened for it: what an application asks for stands in its acceptance, or before that in its mandate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any, Final

from pipeline.codec import framing
from pipeline.crypto import cose
from pipeline.domain.catalog import Release
from pipeline.domain.catalog_changes import Asked, OpenApplication
from pipeline.domain.dispatching import providers_of
from pipeline.domain.errors import Retryable
from pipeline.domain.records import Acceptance, ApplicationState, LifecycleState, Mandate
from pipeline.kafka.clients import Extra
from pipeline.kafka.readers import LiveTable
from pipeline.stages import topics
from pipeline.stages.effects import Message

OPEN: Final[frozenset[LifecycleState]] = frozenset(
    {"filed", "under_review", "held", "accepted", "started", "partly_answered"}
)
"""States in which answers are owed, or will be."""

ReleaseOf = Callable[[int], Release | None]
_STATE, _SECTION = b"a", b"s"
PATIENCE: Final = 30.0
_NUMBER: Final = 4
"""Bytes of a section's number at the end of its key."""


class OpenApplications:
    """Takes in the records of the changelog, in the order of their partitions."""

    def __init__(self) -> None:
        self._states: dict[bytes, ApplicationState] = {}
        self._mandates: dict[bytes, Mandate] = {}

    def take(self, messages: Iterable[Message]) -> None:
        """Records of the changelog; a value None is a deleted key."""
        for message in messages:
            kind, name = (message.key or b"")[:1], (message.key or b"")[1:]
            if kind == _STATE:
                self._state(name, message.value)
            elif kind == _SECTION and message.value is not None:
                section: Any = framing.decode_as("SectionReceived", message.value)
                if section["mandate"]:
                    self._mandates.setdefault(name[:-_NUMBER], _payload("Mandate", section["mandate"]))

    def _state(self, key: bytes, value: bytes | None) -> None:
        state: Any = None if value is None else framing.decode_as("ApplicationState", value)
        if state is not None and state["state"] in OPEN:
            self._states[key] = state
        else:
            self._states.pop(key, None)
            self._mandates.pop(key, None)

    def found(self, release_of: ReleaseOf) -> list[OpenApplication]:
        """Those that are open, by id. What waits for sections, or in none of the releases known, asks for nothing yet."""
        applications = [self._application(key, state, release_of) for key, state in self._states.items()]
        return sorted((one for one in applications if one is not None), key=lambda one: one.application_id)

    def _application(self, key: bytes, state: ApplicationState, release_of: ReleaseOf) -> OpenApplication | None:
        if state["acceptance"] is not None:
            acceptance: Acceptance = _payload("Acceptance", state["acceptance"])
            number = acceptance["catalog_release"]
            asked = [Asked(q["provider"], q["category"], q["row"], q["deadline"]) for q in acceptance["sub_queries"]]
        elif key in self._mandates:
            mandate = self._mandates[key]
            number, release = mandate["catalog_release"], release_of(mandate["catalog_release"])
            asked = [
                Asked(provider, row["category"], row["row"], None)
                for row in (mandate["schedule"] if release is not None else ())
                for provider in providers_of(row, release)  # type: ignore[arg-type]  # None asks for nothing
            ]
        else:
            return None
        return OpenApplication(state["application_id"], state["requester"], state["state"], number, asked)


def read_open_applications(bootstrap: str, release_of: ReleaseOf, extra: Extra | None = None) -> list[OpenApplication]:
    """Those that are open now. Raises ConfigError (no such topic) and Retryable (nothing more comes for half a minute)."""
    applications, topic = OpenApplications(), topics.changelog("applications")
    with LiveTable(bootstrap, topic, keep=False, extra=extra) as table:
        heard = monotonic()
        while not table.ready:
            messages = table.poll(0.1)
            applications.take(messages)
            heard = monotonic() if messages else heard
            if monotonic() - heard > PATIENCE:
                raise Retryable(f"{topic}: nothing more came for {PATIENCE:g} s before its end")
    return applications.found(release_of)


def _payload(name: str, raw: bytes) -> Any:
    """What the center itself signed, or verified at its front door, before it put it there."""
    return framing.decode_as(name, cose.decode(raw).payload)
