"""What a caller may see of each kind of event. Filtered here, on the server: what is not theirs never leaves it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from pipeline.ops.console.gate import Caller
from pipeline.ops.console.roles import may
from pipeline.ops.console.words import own_code

CERTIFICATES: Final = 24
"""Rows of the table of certificates that a caller is shown: those that end first."""
_GROUP: Final = re.compile(r"hedx\.([0-9]{2})\..+")


def seen(kind: str, value: Any, caller: Caller) -> Any:
    """The value of an event as `caller` sees it; None: nothing of it."""
    if value is None:
        return None
    if caller.party is None:
        allowed = None if kind == "desk" and not may(caller.role, "officer") else value
    else:
        show = _OWN.get(kind)
        allowed = None if show is None else show(value, caller.party)
    return _first_certificates(allowed) if kind == "certificates" else allowed


def seen_application(document: Mapping[str, Any], caller: Caller) -> bool:
    """Whether the caller may see an application: a province sees what it filed itself."""
    return caller.party is None or document["party"] == caller.party


def without_names(document: Mapping[str, Any]) -> dict[str, Any]:
    """An application without the names of officers, who stand in `by` behind what they are, and without providers' own codes."""
    history = [
        {**each, "by": each["by"] and each["by"].partition(":")[0], "code": own_code(each["code"])}
        for each in document["history"]
    ]
    return {**document, "history": history}


def _lag(value: Any, party: str) -> Any:
    def own(group: str) -> bool:
        match = _GROUP.fullmatch(group)
        return match is not None and match[1] == party

    rows = [row for row in value["rows"] if own(row["group"])]
    absent = [group for group in value["absent"] if own(group)]
    return {
        **value,
        "rows": rows,
        "absent": absent,
        "healthy": not absent and all(row["status"] == "ok" for row in rows),
    }


def _rates(value: Any, party: str) -> Any:
    """Of the sums only its own part; minutes and categories are of all parties together."""
    own = {name: [row for row in value.get(f"by_{name}", []) if row[name] == party] for name in ("party", "provider")}
    return {"minutes": [], "by_party": own["party"], "by_provider": own["provider"], "by_category": []}


def _punctuality(value: Any, party: str) -> Any:
    return [row for row in value if row["provider"] == party]


def _risks(value: Any, party: str) -> Any:
    """What of its own is stuck; and where it is itself the provider that is waited for."""
    return {
        "stuck": [one for one in value["stuck"] if one["party"] == party],
        "deadlines": [one for one in value["deadlines"] if one["provider"] == party],
    }


def _certificates(value: Any, party: str) -> Any:
    rows = [row for row in value["rows"] if row["party"] == party]
    return {**value, "rows": rows, "count": len(rows)}


def _first_certificates(value: Any) -> Any:
    """Cut last: what is left out is what may be seen, too, and ends later."""
    return {**value, "rows": value["rows"][:CERTIFICATES]}


def _findings(value: Any, party: str) -> Any:
    return [one for one in value if one["party"] == party]


_OWN: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    "lag": _lag,
    "rates": _rates,
    "punctuality": _punctuality,
    "risks": _risks,
    "certificates": _certificates,
    "findings": _findings,
    "catalog": lambda value, _: value,
    "sources": lambda value, _: value,
    "applications": lambda value, _: value,
}
"""Kind → what a province sees of it. What is not here is of all parties together, or the center's alone: nothing."""
