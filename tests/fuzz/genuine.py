"""A genuine application on its way through every stage, from which the corpus is cut. The persons do not exist."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.codec import framing, schemas
from pipeline.crypto import cbor
from pipeline.crypto.headers import Header
from pipeline.domain import members
from pipeline.domain.identity import make_resident_id
from pipeline.domain.parties import CENTER, inbox
from pipeline.domain.records import Acceptance, Application, Mandate, Person
from pipeline.domain.review import ADDRESSEE, LEGAL_BASIS
from pipeline.kafka.stores import DictStore
from pipeline.stages import topics
from pipeline.stages.answer import Answerer, Found
from pipeline.stages.effects import Batch, Output, Progress, Stage
from tests.fuzz import stage_targets, world
from tests.fuzz.world import NOW, MemoryView
from tests.vectors import scenario

REPAIR_ALL = 3


def persons() -> list[Person]:
    """Two adults and a child."""
    adult = make_resident_id("370102", dt.date(1980, 5, 6), 123)
    people = (
        ("测试甲", "户主", adult, None),
        ("测试乙", "配偶", make_resident_id("530103", dt.date(1979, 1, 2), 44), None),
        ("测试丙", "女", make_resident_id("370102", dt.date(2018, 3, 1), 56), adult),
    )
    return [
        Person(
            number=number,
            household="H1",
            name=name,
            document_type="resident_id",
            document_number=document,
            relation=relation,
            birth_date=None,
            guardian_name="测试甲" if guardian else None,
            guardian_document_number=guardian,
            consent_reference=f"C-{number}",
            consent_by="guardian" if guardian else "self",
            consent_scope="nationwide",
            consent_date="2027-01-04",
        )
        for number, (name, relation, document, guardian) in enumerate(people, 1)
    ]


def application() -> Application:
    """The form for them."""
    form = scenario.application()
    form["person_count"] = len(persons())
    form["addressee"], form["legal_basis"] = ADDRESSEE, LEGAL_BASIS
    form["schedule"] = [
        {
            "row": 1,
            "provider": "53",
            "category": "household_registration",
            "period": {"kind": "latest", "start": None, "end": None},
        },
        {
            "row": 2,
            "provider": "all",
            "category": "social_insurance",
            "period": {"kind": "range", "start": "2026-01-01", "end": "2026-12-31"},
        },
    ]
    return form


def mandate() -> Mandate:
    """Its mandate, sections still to be named by the harness."""
    form = application()
    record = scenario.mandate_record()
    record["schedule"] = form["schedule"]
    record["sections"] = [{"root": bytes(32), "count": len(persons())}]
    return record


def acceptance() -> Acceptance:
    """What the center grants of it."""
    record = scenario.acceptance_record()
    for query, row in zip(record["sub_queries"], application()["schedule"], strict=True):
        query["category"], query["period"] = row["category"], row["period"]
    return record


def section(kind: str) -> bytes:
    """An input of the targets behind the seal."""
    to_center = kind == "application"
    sender, to = ("37", CENTER) if to_center else (CENTER, "53")
    header = scenario.header(
        kind,
        sender,
        to,
        f"fuzz/{kind}",
        section=1,
        sections=1,
        members=members.to_bytes(members.full(len(persons()))),
        release=scenario.RELEASE,
        schema=schemas.schema_id("Person"),
        **({} if to_center else {"provider": "53", "rows": (1, 2)}),
    )
    head = {
        "salt": scenario.salt(1),
        "roster_date": "2027-01-14",
        "roster_dataset": "测试名单",
        "application": application() if to_center else None,
        "origin": None,
    }
    roster = [framing.write("Person", person) for person in persons()]
    granted: bytes | int = 0 if to_center else framing.encode("Acceptance", acceptance())
    encoded = framing.encode("SectionHead", head)
    return cbor.dumps([_encoded(header), framing.encode("Mandate", mandate()), granted, encoded, roster, REPAIR_ALL])


@dataclass
class Journey:
    """Every message on the way, by topic, in order."""

    messages: dict[str, list[bytes]] = field(default_factory=dict)

    def add(self, outputs: Sequence[Output]) -> None:
        """Keep what a step wrote."""
        for output in outputs:
            self.messages.setdefault(output.topic, []).append(output.value or b"")


def journey() -> Journey:
    """The application from intake to its certificate; 53 answers, everybody else stays silent."""
    made = Journey()
    requests: list[bytes] = []
    stage_targets.section("application", requests.append)(section("application"))
    made.messages[inbox(CENTER, "requests")] = requests
    stores: dict[str, DictStore] = {}
    _run(stage_targets.intake(), made, stores)
    _run(stage_targets.applications(), made, stores)
    made.messages.setdefault(inbox(CENTER, "responses"), []).extend(_answers(made.messages[inbox("53", "requests")]))
    _run(stage_targets.collect(), made, stores)
    expected = [value for value in made.messages[topics.JOIN] if framing.decode(value)[0] != "Watermark"]
    watermarks = [
        framing.encode("Watermark", {"source": n, "sources": 3, "time": NOW + stage_targets.YEAR // 2})
        for n in range(3)
    ]
    made.messages[topics.JOIN] = [*expected, *watermarks]
    _run(stage_targets.join(), made, stores)
    _run(stage_targets.applications(), made, stores)
    return made


def _run(stage: Stage, made: Journey, stores: dict[str, DictStore]) -> None:
    store = stores.setdefault(stage.name, DictStore())
    topic = stage.inputs[0]
    messages = [world.message(topic, value, offset) for offset, value in enumerate(made.messages[topic])]
    for batch in (Batch(messages, NOW), Batch([], NOW + 1000, [Progress(topic, 0, NOW)])):
        effects = stage.step(store, batch)
        store.apply(effects.changes)
        made.add(effects.outputs)
        if effects.dead:
            raise AssertionError(f"{stage.name} refuses a genuine message: {effects.dead[0][1]}")


def _answers(requests: Sequence[bytes]) -> list[bytes]:
    stage: Answerer = stage_targets.answerer()
    view = MemoryView("53")
    batch = Batch([world.message(inbox("53", "requests"), value, n) for n, value in enumerate(requests)], NOW)
    questions, _ = stage.open(view, batch)
    found = {
        need: Found({subject: [] for subject in subjects}, {}, None, None, "2027-01-01", "云南省")
        for need, subjects in stage.needs(questions).items()
    }
    return [stage_targets.envelope_of([post.bundle], "53", CENTER) for post in stage.reply(questions, found)]


def _encoded(header: Header) -> bytes:
    return header.encode()
