"""How a provider packs what it found: one sealed record a person, whatever some of the rows could not answer."""

from __future__ import annotations

from pathlib import Path

from pipeline.domain import members
from pipeline.domain.parties import CENTER
from tests.network import Network
from tests.scenario import assert_equals_oracle, bundles_in, network_for, small_sample

ROWS = (("全国", "household_registration", ""), ("全国", "social_insurance", ""), ("云南", "medical", ""))


def packed(network: Network, provider: str) -> list[tuple[int, tuple[int, ...], str]]:
    """(members, rows, outcome) of every answer bundle of a provider."""
    bundles = [b for b in bundles_in(network, CENTER, "responses", "answer") if b.header.provider == provider]
    return [(members.from_bytes(b.header.members), b.header.rows, b.header.outcome or "") for b in bundles]


def test_a_person_has_one_record_although_some_rows_cannot_answer_everybody(tmp_path: Path) -> None:
    """Infants without a number are found in one register and not in the next: nobody else is sealed twice for that."""
    sample = small_sample(tmp_path, *ROWS, persons=120)
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons)
    network.run()
    assert_equals_oracle(network, sample)
    answers = packed(network, "53")
    done = [mask for mask, _, outcome in answers if outcome == "done"]
    everyone = members.full(len(sample.persons))
    assert sum(mask.bit_count() for mask in done) <= len(sample.persons)
    assert len({rows for _, rows, outcome in answers if outcome == "done"}) > 1, "or the sample shows nothing"
    for row in (1, 2, 3):
        masks = [mask for mask, rows, _ in answers if row in rows]
        assert sum(masks) == everyone, "each person once"
