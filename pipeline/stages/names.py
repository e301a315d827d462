"""The center's stages by name: known to the command line without importing what they are made of."""

from __future__ import annotations

from typing import Final

STAGES: Final = ("intake", "applications", "collect", "join")
"""In the order in which an application meets them."""
