"""What must be true of a finished application, whatever happened on its way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipeline.domain import members
from pipeline.domain.records import Application, Person, SectionCertificate
from pipeline.kafka.clock import wall_clock
from pipeline.province.casefile import CaseFile
from tests.exchange import Exchange
from tests.oracle import expected, from_dossiers


def assert_equals_oracle(exchange: Exchange, application: Application, persons: Sequence[Person]) -> None:
    """The dossiers say, field by field, what plain SQL over all the providers' databases says."""
    sample = exchange.sample
    wanted = expected(
        application,
        persons,
        providers=sample.providers,
        catalog=sample.catalog,
        databases=sample.databases,
        now=wall_clock(),
    )
    assert from_dossiers(exchange.case(application).dossiers()) == wanted


def assert_each_sub_query_once(case: CaseFile) -> None:
    """Every person x row x provider stands in the certificate exactly once, and in exactly one bundle."""
    certificate, acceptance = case.certificate(), case.acceptance()
    assert certificate is not None
    assert acceptance is not None
    asked = sorted((query["provider"], query["row"]) for query in acceptance["sub_queries"])
    roster = case.roster()
    assert sorted(certificate.sections) == list(range(1, len(roster) + 1))
    for number, section in certificate.sections.items():
        assert section["person_count"] == len(roster[number - 1])
        assert sorted((line["provider"], line["row"]) for line in section["lines"]) == asked
        _assert_parts(section)
        _assert_bundles(section)
    counted = sum(status["count"] for status in certificate.result["statuses"])
    assert counted == len(asked) * sum(map(len, roster))


def _assert_parts(section: SectionCertificate) -> None:
    everyone = members.full(section["person_count"])
    for line in section["lines"]:
        masks = [everyone if part["members"] is None else members.from_bytes(part["members"]) for part in line["parts"]]
        assert _disjoint(masks) == everyone
        assert [part["count"] for part in line["parts"]] == [mask.bit_count() for mask in masks]


def _assert_bundles(section: SectionCertificate) -> None:
    """The bundles named cover what the lines say was answered, without overlap."""
    everyone = members.full(section["person_count"])
    for line in section["lines"]:
        named = [
            members.from_bytes(bundle["members"])
            for bundle in section["bundles"]
            if bundle["provider"] == line["provider"] and line["row"] in bundle["rows"]
        ]
        unanswered = [
            everyone if part["members"] is None else members.from_bytes(part["members"])
            for part in line["parts"]
            if part["status"] == "expired"
        ]
        assert _disjoint([*named, *unanswered]) == everyone


def _disjoint(masks: Iterable[int]) -> int:
    """All of `masks` together; fails when two of them overlap."""
    union = 0
    for mask in masks:
        assert not union & mask
        union |= mask
    return union


def assert_at_rest(exchange: Exchange) -> None:
    """Lag is back at 0 in every group, every outbox is empty, and there is no dead letter."""
    exchange.wait_rest()
    assert exchange.unsettled() == dict.fromkeys(exchange.sample.parties, 0)
    assert exchange.dead_letters() == []


def check(exchange: Exchange, application: Application, persons: Sequence[Person]) -> None:
    """Every sub-query certified once, dossiers as plain SQL says, nothing left in motion."""
    assert_each_sub_query_once(exchange.wait_complete(application))
    assert_equals_oracle(exchange, application, persons)
    assert_at_rest(exchange)
