"""What the handlers of the `applications` stage share for as long as the process lives."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.crypto.keys import Identity
from pipeline.domain.calendar import Calendar
from pipeline.domain.rules import RuleBook
from pipeline.stages.dispatch import Dispatcher
from pipeline.stages.notices import Entropy
from pipeline.stages.reference import Reference


@dataclass(frozen=True, slots=True)
class Office:
    """The center at work: its keys, what it looks up, working days, the provinces' rules, and the splitter."""

    center: Identity
    reference: Reference
    calendar: Calendar
    rules: RuleBook
    entropy: Entropy
    dispatcher: Dispatcher
