"""Two thousand persons over six providers on a real Kafka, held against the SQL oracle; and what Kafka must not know."""

from __future__ import annotations

import pytest

from pipeline.domain.records import Person
from tests.byte_search import files_under, find, pattern_of
from tests.exchange import Exchange
from tests.verdicts import assert_at_rest, assert_each_sub_query_once, assert_equals_oracle


@pytest.mark.timeout(400)
def test_random_application_of_2000_persons_equals_the_oracle(exchange: Exchange) -> None:
    """Every person x row x provider ends as plain SQL says, no_record included; then nothing is left in motion."""
    sample = exchange.sample
    application = exchange.application(sample.persons)
    exchange.file(application, sample.persons)
    case = exchange.wait_complete(application, 300)
    assert len(case.roster()) >= 4
    assert_each_sub_query_once(case)
    assert_equals_oracle(exchange, application, sample.persons)
    assert_at_rest(exchange)
    assert_no_personal_data(exchange)


def assert_no_personal_data(exchange: Exchange) -> None:
    """No name and no number of the roster is in the broker's files, the center's state, or any log."""
    pattern = pattern_of(private_words(exchange.sample.persons))
    places = [exchange.folder / "broker", exchange.installation.state, exchange.processes.logs]
    for place in places:
        files = files_under(place)
        assert files, f"nothing to search in {place}"
        for file in files:
            found = find(pattern, file)
            assert found is None, f"{file} holds {found!r}"
    application_id = pattern_of([exchange.sample.parties[0].encode(), b"hedx.events"])
    assert any(find(application_id, file) for file in files_under(places[0])), "the search finds what is there"


def private_words(persons: list[Person]) -> set[bytes]:
    """Names and document numbers in UTF-8 and GB18030; of GB18030 only words of six bytes and more.

    Two characters are four bytes in GB18030, and in some ten megabytes of ciphertext any four bytes occur by chance.
    """
    words = set()
    for person in persons:
        texts = {person["name"], person["document_number"], person["guardian_name"], person["guardian_document_number"]}
        for text in texts - {None, ""}:
            assert text is not None
            words.add(text.encode())
            if len(text.encode("gb18030")) >= 6:
                words.add(text.encode("gb18030"))
    return words
