"""What a worker counts about itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """Since the worker was made. `restored`: changelog records read; `transactions` includes those of ticks."""

    messages: int = 0
    ticks: int = 0
    transactions: int = 0
    outputs: int = 0
    dead: int = 0
    aborts: int = 0
    restored: int = 0
