"""Bounds of the center's own records: what a stage will count with, store in eight bytes, make a list of, put in a header.

Avro's `long` and `string` reach further than any of it, and one record out of bounds must not stop a stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pipeline.domain.errors import InvalidMessage
from pipeline.domain.sections import MOST_SECTIONS

SECTIONS: Final = range(1, MOST_SECTIONS + 1)
PERSONS: Final = range(1 << 16)
DIGEST: Final = range(32, 33)
PARTITIONS: Final = range(1 << 10)
VERSIONS: Final = range(1, 1 << 31)
TIMES: Final = range(4_102_444_800_000)
"""Milliseconds, until the year 2100: every one of them is a day that can be written."""
WORDS: Final = range(1, 65)
"""Characters of an application's id or a party's code, as in a header."""


def within(record: Mapping[str, Any], **limits: range) -> None:
    """Hold fields of `record`, numbers or the lengths of texts and bytes, against their `limits`.

    Raises InvalidMessage `record_out_of_bounds` naming the field.
    """
    for name, limit in limits.items():
        value = record[name]
        if (value if isinstance(value, int) else len(value)) not in limit:
            raise InvalidMessage("record_out_of_bounds", name)
