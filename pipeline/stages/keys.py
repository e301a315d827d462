"""Kafka and state keys of the center's own topics. The requester is part of each: no party can touch another's."""

from __future__ import annotations


def application_key(requester: str, application_id: str) -> bytes:
    """Key of an application on hedx.center.applications."""
    return f"{requester}/{application_id}".encode()


def section_key(requester: str, application_id: str, section: int) -> bytes:
    """Key of a section on hedx.center.join."""
    return f"{requester}/{application_id}/{section}".encode()
