"""The proof that a re-check stays within its original: every way in which it does not hold has a code, none a crash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.codec import framing
from pipeline.crypto import cose
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.records import PersonOrigin, RecheckOrigin
from pipeline.province.filing import file_application
from pipeline.stages.opening import OpenedSection, OpenedWarrant
from pipeline.stages.origins import CODES, ORIGIN, SCOPE, check_origin
from tests.disputes import Original, certified, with_id
from tests.scenario import REQUESTER


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    """An original of several sections, read and never changed."""
    return certified(tmp_path_factory.mktemp("original"), section_size=4)


def opened(original: Original) -> OpenedSection:
    """The section of a sound re-check, as center and provider open it."""
    network = original.network
    persons = with_id(original.sample.persons)
    prepared = original.prepare([persons[1]["number"], persons[-1]["number"]], [1, 3])
    filing = file_application(
        prepared.application,
        prepared.persons,
        identity=network.identities[REQUESTER],
        trust=network.reference.trust,
        release=1,
        now=network.clock(),
        origin=prepared.origin,
    )
    mandate = framing.decode_as("Mandate", cose.decode(filing.mandate_raw).payload)
    warrant = OpenedWarrant(mandate, filing.mandate_raw, filing.mandate_digest, None)  # type: ignore[arg-type]
    head: dict[str, Any] = {
        "salt": filing.salts[0],
        "roster_date": "",
        "roster_dataset": "",
        "application": None,
        "origin": prepared.origin.of(filing.sections[0]),
    }
    records = [framing.write("Person", person) for person in filing.sections[0]]
    return OpenedSection(warrant, head, b"", records)  # type: ignore[arg-type]


def code_of(section: OpenedSection, original: Original) -> str:
    """With which code it is refused."""
    with pytest.raises(InvalidMessage) as error:
        check_origin(section, original.network.reference.trust)
    return error.value.code


def test_a_sound_origin_is_accepted(original: Original) -> None:
    """Persons of two sections of the original in one of the re-check."""
    section = opened(original)
    origin = section.head["origin"]
    assert origin is not None
    assert len({proof["section"] for proof in origin["persons"]}) == 2
    check_origin(section, original.network.reference.trust)


def _first(**changes: Any) -> Callable[[RecheckOrigin], None]:
    def alter(origin: RecheckOrigin) -> None:
        origin["persons"][0] = {**origin["persons"][0], **changes}  # type: ignore[call-overload]

    return alter


def _swapped(origin: RecheckOrigin) -> None:
    origin["persons"].reverse()


def _one_less(origin: RecheckOrigin) -> None:
    del origin["persons"][1]


def _longer(origin: RecheckOrigin) -> None:
    origin["persons"][0]["path"].append(bytes(32))


@pytest.mark.parametrize(
    ("alter", "code"),
    [
        (_first(section=0), ORIGIN),
        (_first(section=-1), ORIGIN),
        (_first(section=1 << 40), ORIGIN),
        (_first(index=-1), SCOPE),
        (_first(index=4), SCOPE),
        (_first(salt=b""), ORIGIN),
        (_first(salt=bytes(32)), SCOPE),
        (_first(path=[]), ORIGIN),
        (_first(path=[b"short", b"short"]), ORIGIN),
        (_first(path=[bytes(32), bytes(32)]), SCOPE),
        (_longer, ORIGIN),
        (_swapped, SCOPE),
        (_one_less, ORIGIN),
    ],
)
def test_a_proof_that_does_not_hold_is_refused(
    original: Original, alter: Callable[[RecheckOrigin], None], code: str
) -> None:
    """Places that cannot be, salts and paths of another leaf, proofs of other persons, one too few."""
    section = opened(original)
    origin = section.head["origin"]
    assert origin is not None
    alter(origin)
    assert code_of(section, original) == code


def test_a_re_check_without_origin_is_refused(original: Original) -> None:
    """The mandate says that it is one, and nothing proves what it is of."""
    section = opened(original)
    section.head["origin"] = None
    assert code_of(section, original) == ORIGIN


@pytest.mark.parametrize("part", ["mandate", "acceptance"])
def test_what_is_no_signed_object_is_refused(original: Original, part: str) -> None:
    """Junk in place of the original's mandate or acceptance, or one cut short."""
    for junk in (b"", b"\x00", bytes(300)):
        section = opened(original)
        origin = section.head["origin"]
        assert origin is not None
        origin[part] = junk  # type: ignore[literal-required]
        assert code_of(section, original) == ORIGIN


ORIGINS = st.builds(
    PersonOrigin,
    section=st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 6),
    index=st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 6),
    salt=st.binary(max_size=40) | st.just(bytes(32)),
    path=st.lists(st.binary(max_size=40) | st.just(bytes(32)), max_size=12),
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ORIGINS)
def test_no_proof_made_up_is_believed(original: Original, proof: PersonOrigin) -> None:
    """Whatever a requester writes there, only the leaf of that very person leads to the root that was signed."""
    section = _kept(original)
    origin = section.head["origin"]
    assert origin is not None
    genuine = origin["persons"][0]
    try:
        origin["persons"][0] = proof
        assert code_of(section, original) in CODES
    finally:
        origin["persons"][0] = genuine


_SECTIONS: dict[int, OpenedSection] = {}


def _kept(original: Original) -> OpenedSection:
    return _SECTIONS.setdefault(id(original), opened(original))
