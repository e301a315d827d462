"""Article 1 (及时性、准确性): what comes back is right, and nobody's lateness goes unseen."""

from __future__ import annotations

from collections import Counter

from pipeline.codec import framing
from pipeline.crypto import cose
from pipeline.demo.application import Sample
from pipeline.domain import members
from pipeline.domain.records import SectionCertificate
from tests.network import Network
from tests.scenario import FEEDBACK, assert_equals_oracle, bundles_in, is_certified, standing

LATE = "37"


def section_certificates(network: Network, sample: Sample) -> list[SectionCertificate]:
    """Every section's newest certificate that the requester holds, as the center signed it."""
    certificate = network.case(sample.application).certificate()
    assert certificate is not None
    found: list[SectionCertificate] = []
    for section in certificate.result["sections"]:
        found.append(framing.decode_as("SectionCertificate", cose.decode(section["certificate"]).payload))  # type: ignore[arg-type]
    return found


def asked(sample: Sample) -> set[tuple[str, int]]:
    """(provider, row) that the schedule asks, by the catalog files alone: 全国 is whoever offers the category."""
    offered = {path.stem: path.read_text(encoding="utf-8") for path in sample.catalog.glob("*.yaml")}
    pairs = set()
    for row in sample.application["schedule"]:
        for party, text in offered.items():
            named = row["provider"] == party
            if named or (row["provider"] == "all" and f"category: {row['category']}\n" in text):
                pairs.add((party, row["row"]))
    return pairs


def test_accurate_the_dossiers_equal_the_providers_databases(network: Network, sample: Sample) -> None:
    """准确性: field by field what plain SQL over every provider's database says, for every person."""
    network.file(sample.application, sample.persons)
    network.run()
    assert_equals_oracle(network, sample)


def test_every_person_has_exactly_one_status_for_every_provider_and_row(network: Network, sample: Sample) -> None:
    """Nothing is lost and nothing counted twice: persons x what was asked, each once, with one provider silent."""
    network.file(sample.application, sample.persons, section_size=5)
    network.run(without=(LATE,))
    network.pass_time(FEEDBACK + 5, without=(LATE,))
    seen: Counter[tuple[int, str, int, int]] = Counter()
    for certificate in section_certificates(network, sample):
        everybody = members.full(certificate["person_count"])
        for line in certificate["lines"]:
            for part in line["parts"]:
                bits = everybody if part["members"] is None else int.from_bytes(part["members"], "little")
                seen.update(
                    (certificate["section"], line["provider"], line["row"], index)
                    for index in range(certificate["person_count"])
                    if bits >> index & 1
                )
    assert len(sample.persons) == 12
    sizes = {1: 5, 2: 5, 3: 2}
    expected = {(s, p, r, i) for s, size in sizes.items() for p, r in asked(sample) for i in range(size)}
    assert set(seen) == expected
    assert set(seen.values()) == {1}


def test_timely_whoever_did_not_answer_by_the_deadline_is_named(network: Network, sample: Sample) -> None:
    """及时性: a deadline closes the application without the province that is late, and its certificate says who that was."""
    network.file(sample.application, sample.persons)
    network.run(without=(LATE,))
    assert not is_certified(network, sample.application)
    network.pass_time(FEEDBACK + 5, without=(LATE,))
    statuses = standing(network, sample.application).counts
    assert {provider for provider, _, status, _ in statuses if status == "expired"} == {LATE}


def test_an_outage_of_the_center_makes_no_punctual_answer_late(network: Network, sample: Sample) -> None:
    """What counts is when the provider's envelope arrived, not when the center got round to it."""
    network.file(sample.application, sample.persons)
    network.run(without=("collect", "join"))
    assert bundles_in(network, "center", "responses", "answer")
    network.pass_time(FEEDBACK * 3)
    assert "expired" not in standing(network, sample.application).statuses()
    assert_equals_oracle(network, sample)
