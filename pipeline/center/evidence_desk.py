"""The center's side of asking for documents (Art. 9): what is asked, what is due, what is judged.

What waits is on hedx.center.desk under `evidence/<request>`; questions and judgements go to the stage that owns the
application, which signs them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Literal, cast

from confluent_kafka.admin import AdminClient

from pipeline.codec import framing
from pipeline.crypto import cose
from pipeline.domain.errors import ConfigError
from pipeline.domain.records import DeskItem, EvidenceAsked, EvidenceJudged, EvidenceKind
from pipeline.kafka.clients import Extra, admin_config, murmur2_partition
from pipeline.kafka.posting import Poster
from pipeline.kafka.readers import LiveTable, read_table
from pipeline.kafka.tailing import CommittedLog, partitions_of
from pipeline.stages import topics
from pipeline.stages.effects import Message, Output
from pipeline.stages.evidence import MOST_NUMBERS
from pipeline.stages.evidence_casework import desk_key
from pipeline.stages.keys import application_key

_PREFIX = desk_key("")


@dataclass(frozen=True, slots=True)
class Pending:
    """A request on the desk. `replied`: the province has said what it released, and an officer is to judge it."""

    request_id: str
    item: DeskItem

    @property
    def replied(self) -> bool:
        """Whether the signed object on the desk is the province's."""
        subject = self.item["subject"]
        return subject is not None and cose.decode(subject).typ == "evidence-reply"


def pending(table: Mapping[bytes, bytes]) -> list[Pending]:
    """The requests on the desk, the most pressing first; `table` is that of hedx.center.desk."""
    found = [
        Pending(key.removeprefix(_PREFIX).decode(), cast("DeskItem", framing.decode_as("DeskItem", value)))
        for key, value in table.items()
        if key.startswith(_PREFIX)
    ]
    return sorted(found, key=lambda one: (one.item["due"] or 0, one.request_id))


def find(found: Sequence[Pending], request_id: str) -> Pending:
    """The request with this id, or whose id begins so. Raises ConfigError for none or several."""
    fits = [one for one in found if request_id and one.request_id.startswith(request_id)]
    if len(fits) != 1:
        raise ConfigError(f"{len(fits)} requests on the desk have an id that begins with {request_id}")
    return fits[0]


def question(
    requester: str,
    application_id: str,
    *,
    numbers: Sequence[int],
    kinds: Sequence[EvidenceKind],
    officer: str,
    reason: str,
    now: int,
    draw: str | None = None,
    request_id: str | None = None,
) -> EvidenceAsked:
    """The record that asks; `request_id`: of a request that may have been made already, else a new one.

    Raises ConfigError for more numbers than a request takes.
    """
    if len(set(numbers)) not in MOST_NUMBERS:
        raise ConfigError(f"a request is about {MOST_NUMBERS.stop - 1} roster numbers at most")
    return EvidenceAsked(
        request_id=request_id or str(uuid.uuid4()),
        application_id=application_id,
        requester=requester,
        numbers=sorted(set(numbers)),
        kinds=list(dict.fromkeys(kinds)),
        draw=draw,
        officer=officer,
        reason=reason,
        at=now,
    )


def judgement(
    one: Pending, verdict: Literal["accepted", "questioned"], *, officer: str, reason: str, now: int
) -> EvidenceJudged:
    """The record that ends a request. Raises ConfigError before the province has replied."""
    if not one.replied:
        raise ConfigError(f"{one.item['party']} has not replied to {one.request_id} yet")
    return EvidenceJudged(
        request_id=one.request_id,
        application_id=one.item["application_id"] or "",
        requester=one.item["party"],
        verdict=verdict,
        officer=officer,
        reason=reason,
        at=now,
    )


def as_output(record: EvidenceAsked | EvidenceJudged) -> Output:
    """The record on its way to the stage that owns the application."""
    name = "EvidenceJudged" if "verdict" in record else "EvidenceAsked"
    key = application_key(record["requester"], record["application_id"])
    return Output(topics.APPLICATIONS, key, framing.encode(name, record))


def read_desk(bootstrap: str, extra: Extra | None = None) -> list[Pending]:
    """`pending`, from Kafka as of now."""
    return pending(read_table(bootstrap, topics.DESK, extra=extra))


def read_messages(bootstrap: str, requester: str, application_id: str, extra: Extra | None = None) -> Iterator[Message]:
    """The records of hedx.center.applications about one application, as far back as the topic keeps them."""
    key = application_key(requester, application_id)
    partition = murmur2_partition(key, partitions_of(AdminClient(admin_config(bootstrap, extra)), topics.APPLICATIONS))
    log = CommittedLog(bootstrap, topics.APPLICATIONS, [partition], extra)
    try:
        while not log.reached_end:
            yield from (message for message in log.poll(0.1) if message.key == key)
    finally:
        log.close()


def send(
    bootstrap: str, records: Sequence[EvidenceAsked | EvidenceJudged], seconds: float, extra: Extra | None = None
) -> list[str]:
    """Send records and wait until the desk shows what came of them; returns ids that it does not show within `seconds`.

    These are still on their way: the stage carries them out as soon as it runs. Raises Retryable when the brokers do not
    take them.
    """
    open_ids = {record["request_id"] for record in records if "verdict" not in record}
    over_ids = {record["request_id"] for record in records if "verdict" in record}
    poster = Poster(bootstrap, extra=extra)
    try:
        poster.send([as_output(record) for record in records])
    finally:
        poster.close()
    deadline = monotonic() + seconds
    with LiveTable(bootstrap, topics.DESK, extra=extra) as table:
        while True:
            table.poll(0.1)
            missing = {one for one in open_ids if desk_key(one) not in table.rows}
            still = {one for one in over_ids if desk_key(one) in table.rows} if table.ready else over_ids
            if not missing | still or monotonic() > deadline:
                return sorted(missing | still)
