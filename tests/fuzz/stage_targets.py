"""Targets that are stages: any bytes as a message are a dead letter or an effect, and the stage lives on.

`-signed` variants take the bundles and sign them as the party that may send them; `-sealed` variants take what is
under the seal, sign mandate and acceptance, seal and sign: a party's own keys in an attacker's hands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

from pipeline.codec import framing
from pipeline.crypto import bundles, cbor, envelopes, headers, relay, roster, signed
from pipeline.crypto.bundles import SealedBundle
from pipeline.domain import members
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import CENTER, inbox
from pipeline.kafka.stores import DictStore
from pipeline.stages import topics
from pipeline.stages.answer import Answerer, Found
from pipeline.stages.applications import Applications
from pipeline.stages.collect import Collect
from pipeline.stages.deliver import Deliver
from pipeline.stages.effects import Batch, Effects, Output, Progress, Stage
from pipeline.stages.intake import Intake
from pipeline.stages.join import Join
from pipeline.stages.local import LocalEffects
from tests.fuzz import world
from tests.fuzz.crypto_targets import signed_envelope
from tests.fuzz.harness import Run, Target, check_refusal, loaded, must, proportionate
from tests.fuzz.world import NOW, FixedReference, MemoryView, identity
from tests.network import shipped_calendar, shipped_rules
from tests.vectors import scenario
from tests.vectors.identities import Draws, member

YEAR = 366 * 24 * 3600 * 1000
_RECORD_LIMIT = 64


# -- running a stage ---------------------------------------------------------------------------------------------------


def step_through(stage: Stage, values: Sequence[bytes | None]) -> list[Output]:
    """Give `stage` the values one by one, the last again, then let time pass; what it wrote."""
    store = DictStore()
    topic = stage.inputs[0]
    read = sum(len(value or b"") for value in values)
    batches = [Batch([world.message(topic, value, offset)], NOW) for offset, value in enumerate(values)]
    batches.append(Batch([world.message(topic, value, 100 + n) for n, value in enumerate(values[-1:])], NOW))
    for now in (NOW + 1000, NOW + YEAR):
        batches.append(Batch([], now, [Progress(topic, 0, now)]))
    written: list[Output] = []
    for batch in batches:
        effects = stage.step(store, batch)
        _check(effects, batch, read)
        store.apply(effects.changes)
        written += effects.outputs
    return written


def _check(effects: Effects, batch: Batch, read: int) -> None:
    for message, error in (*effects.dead, *effects.refused):
        must(message in batch.messages, "a dead letter that was never a message")
        check_refusal(error)
    written = sum(len(output.value or b"") + len(output.key or b"") for output in effects.outputs)
    proportionate(written, read, 64, 1 << 18)
    kept = sum(len(key) + len(value or b"") for (_, key), value in effects.changes.items())
    proportionate(kept, read, 64, 1 << 18)


def several(stage: Callable[[], Stage]) -> Run:
    """Input: `[+ value]`, or one value."""

    def run(data: bytes) -> None:
        """Whatever records come, in whatever order, the stage goes on; what it writes and keeps follows their size."""
        step_through(stage(), _values(data))

    return run


def _values(data: bytes) -> list[bytes | None]:
    try:
        match cbor.loads(data, 1):
            case [_, *_] as values if len(values) <= _RECORD_LIMIT and all(type(v) is bytes for v in values):
                return list(values)
    except InvalidMessage:
        pass
    return [data]


@cache
def intake() -> Intake:
    """The center's intake."""
    return Intake(identity(CENTER), FixedReference(), b"tag secret", world.entropy("intake"))


@cache
def collect() -> Collect:
    """The center's collect."""
    return Collect(FixedReference(), sources=3, join_partitions=3, slack=0)


@cache
def applications() -> Applications:
    """The center's process manager."""
    reference, entropy = FixedReference(), world.entropy("applications")
    return Applications(identity(CENTER), reference, shipped_calendar(), shipped_rules(), entropy)


@cache
def join() -> Join:
    """The center's join."""
    return Join(identity(CENTER), lambda _, key: len(key) % 3, world.entropy("join"))


@cache
def answerer() -> Answerer:
    """53's answer stage."""
    return Answerer(identity("53"), FixedReference(), world.entropy("answer"))


@cache
def deliver() -> Deliver:
    """37's deliver stage."""
    return Deliver(identity("37"), FixedReference(), world.entropy("deliver"))


def answer(value: bytes) -> None:
    """A message in 53's requests, answered by databases that hold nothing about anybody."""
    stage = answerer()
    batch = Batch([world.message(inbox("53", "requests"), value)], NOW)
    questions, effects = stage.open(MemoryView("53"), batch)
    found = {}
    for need, subjects in stage.needs(questions).items():
        found[need] = Found({subject: [] for subject in subjects}, {}, None, None, "2027-01-01", "云南省")
    effects.posts += stage.reply(questions, found)
    _check_local(effects, batch, value)


def receive(value: bytes) -> None:
    """A message in 37's responses."""
    batch = Batch([world.message(inbox("37", "responses"), value)], NOW)
    _check_local(deliver().step(MemoryView("37"), batch), batch, value)


def _check_local(effects: LocalEffects, batch: Batch, value: bytes) -> None:
    for message, error in (*effects.dead, *effects.refused):
        must(message in batch.messages, "a dead letter that was never a message")
        check_refusal(error)
    proportionate(sum(len(post.bundle.raw) for post in effects.posts), len(value), 64, 1 << 18)


# -- behind the signature ----------------------------------------------------------------------------------------------


def behind_signature(party: str, audience: str, run: Run) -> Run:
    """Input as of the target `envelope-signed`, signed by `party`."""

    def signed_run(data: bytes) -> None:
        """Bundles of the attacker's choice under a party's own signature: effects, or a dead letter with a code."""
        run(signed_envelope(data, party, audience))

    return signed_run


def to_intake(value: bytes) -> None:
    """A message in the center's requests; what becomes of it goes on to the process manager."""
    _go_on(step_through(intake(), [value]), topics.APPLICATIONS, applications())


def to_collect(value: bytes) -> None:
    """A message in the center's responses; what becomes of it goes on to the join."""
    _go_on(step_through(collect(), [value]), topics.JOIN, join())


def _go_on(outputs: Sequence[Output], topic: str, stage: Stage) -> None:
    values = [output.value for output in outputs if output.topic == topic]
    if values:
        step_through(stage, values)


# -- behind the seal ---------------------------------------------------------------------------------------------------


def section(kind: str, run: Run) -> Run:
    """Input: `[header, mandate, acceptance / 0, section head, [* person], repairs]`; records framed, persons bare.

    Bit 0 of `repairs`: make the mandate name the section as it is. Bit 1: make the header name mandate and members.
    """
    sender, to = ("37", CENTER) if kind == "application" else (CENTER, "53")

    def sealed_run(data: bytes) -> None:
        """Mandate, head and persons of the attacker's choice, signed and sealed as they should be: effects, or a refusal."""
        match loaded(data, 3):
            case [
                bytes() as header,
                bytes() as mandate,
                (bytes() | 0) as acceptance,
                bytes() as head,
                list() as persons,
                int() as repairs,
            ] if all(type(person) is bytes for person in persons):
                bundle = _section_bundle(kind, header, mandate, acceptance or None, head, persons, repairs)
                if bundle is not None and len(bundle.raw) < envelopes.SOFT_LIMIT:
                    run(envelope_of([bundle], sender, to))

    return sealed_run


def _section_bundle(
    kind: str,
    header_bytes: bytes,
    mandate: bytes,
    acceptance: bytes | None,
    head: bytes,
    persons: list[bytes],
    repairs: int,
) -> SealedBundle | None:
    try:
        header = headers.decode(header_bytes)
        if header.padded * (len(persons) + 2) > envelopes.SOFT_LIMIT:
            return None  # what no envelope has room for; here it would be this machine's memory
        if repairs & 1:
            mandate = _fitted(mandate, header.section, head, persons)
        given = _signed("mandate", mandate, "37", CENTER)
        if repairs & 2:
            everyone = members.to_bytes(members.full(len(persons)))
            header = replace(header, mandate_digest=given.digest, members=everyone, padded=0)
        if acceptance is not None and repairs & 2:
            acceptance = _naming(acceptance, given.digest)
        granted = None if acceptance is None else _signed("acceptance", acceptance, CENTER, "37").raw
        warrant = framing.encode("Warrant", {"mandate": given.raw, "acceptance": granted})
        seal = scenario.seals()[kind]
        return bundles.seal_bundle(header, persons, seal.secret, seal.raw, heads=[warrant, head])
    except (InvalidMessage, ValueError, OverflowError):
        return None


def _fitted(mandate: bytes, number: int, head: bytes, persons: list[bytes]) -> bytes:
    """The mandate with this section in its place."""
    record = framing.decode_as("Mandate", mandate)
    salt = framing.decode_as("SectionHead", head)["salt"]
    if 1 <= number <= len(record["sections"]):
        record["sections"][number - 1] = {"root": roster.section_root(salt, persons), "count": len(persons)}
    return framing.encode("Mandate", record)


def _naming(acceptance: bytes, digest: bytes) -> bytes:
    """The acceptance as of this mandate."""
    return framing.encode("Acceptance", framing.decode_as("Acceptance", acceptance) | {"mandate_digest": digest})


def relayed(data: bytes) -> None:
    """Input: `[outer header, header, [* answer]]`: 53 seals and signs, the center relays, 37 receives."""
    match loaded(data, 3):
        case [bytes() as outer, bytes() as inner, list() as answers] if all(type(a) is bytes for a in answers):
            bundle = _relay_bundle(outer, inner, answers)
            if bundle is not None:
                receive(envelope_of([bundle], CENTER, "37"))


def _relay_bundle(outer: bytes, inner: bytes, answers: list[bytes]) -> SealedBundle | None:
    try:
        header = replace(headers.decode(inner), padded=0)
        seal = scenario.seals()["answer"]
        if answers:
            bundle = bundles.seal_bundle(header, answers, seal.secret, seal.raw)
        else:
            bundle = bundles.clear_bundle(header, [])
        sign1 = cbor.loads(envelope_of([bundle], "53", CENTER), 2)[0]
        return bundles.clear_bundle(headers.decode(outer), [relay.relay_record(sign1, bundle.raw, 0, 1, [])])
    except (InvalidMessage, ValueError):
        return None


def noticed(data: bytes) -> None:
    """Input: `[header, typ, record]`: the center signs a record of the attacker's choice as any type, to 37."""
    match loaded(data, 3):
        case [bytes() as header, str() as typ, bytes() as record] if typ in signed.SIGNERS:
            try:
                raw = _signed(typ, record, CENTER, "37").raw
                bundle = bundles.clear_bundle(headers.decode(header), [raw])
            except (InvalidMessage, ValueError):
                return
            receive(envelope_of([bundle], CENTER, "37"))


def _signed(typ: str, payload: bytes, party: str, audience: str) -> signed.SignedObject:
    cti = Draws(f"fuzz/{typ}")(16)
    return signed.sign(typ, payload, member(party).signer, audience=audience, now=NOW, cti=cti)


def envelope_of(content: Sequence[SealedBundle], party: str, audience: str) -> bytes:
    cti = Draws(f"fuzz/envelope/{party}")(16)
    return envelopes.build(content, member(party).signer, audience=audience, now=NOW, cti=cti).value


TARGETS = [
    Target("intake", "stages.intake", to_intake, 1, 16384),
    Target("intake-signed", "stages.intake behind the signature", behind_signature("37", CENTER, to_intake), 2, 16384),
    Target("intake-sealed", "stages.intake behind the seal", section("application", to_intake), 4, 16384),
    Target(
        "collect-signed", "stages.collect behind the signature", behind_signature("53", CENTER, to_collect), 2, 16384
    ),
    Target("applications", "stages.applications", several(applications), 4, 65536),
    Target("join", "stages.join", several(join), 4, 32768),
    Target("answer-signed", "stages.answer behind the signature", behind_signature(CENTER, "53", answer), 2, 16384),
    Target("answer-sealed", "stages.answer behind the seal", section("request", answer), 4, 16384),
    Target("deliver-signed", "stages.deliver behind the signature", behind_signature(CENTER, "37", receive), 2, 16384),
    Target("deliver-relayed", "stages.deliver behind the provider's seal", relayed, 4, 16384),
    Target("deliver-notices", "stages.deliver: what the center signs", noticed, 2, 8192),
]
__all__ = ["TARGETS"]
