"""What the handlers of the `applications` stage share for as long as the process lives."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.crypto.keys import Identity
from pipeline.domain.calendar import Calendar
from pipeline.stages.dispatch import Dispatcher
from pipeline.stages.notices import Entropy
from pipeline.stages.reference import Reference


@dataclass(frozen=True, slots=True)
class Office:
    """The center at work: its keys, what it looks up, the splitter, and the working days that limits are counted in."""

    center: Identity
    reference: Reference
    calendar: Calendar
    entropy: Entropy
    dispatcher: Dispatcher
