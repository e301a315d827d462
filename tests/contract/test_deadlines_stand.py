"""Deadlines are not revived, nobody tells delays for ever, and the end of the supplement window is one instant (Art. 10)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from pipeline.demo.application import Sample
from pipeline.domain.parties import inbox
from pipeline.domain.records import ReviewNotice
from pipeline.stages.acts import post_act, sign_act
from pipeline.stages.heeding import TO_ANSWER
from tests.delaying import away, outbox_rows, reply, told
from tests.forgery import send
from tests.network import Network
from tests.officer import notices
from tests.scenario import FEEDBACK, codes, network_for, small_sample, standing

MS = 1000
DAY = 86_400


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    """The small application."""
    return small_sample(tmp_path / "s")


@pytest.fixture
def network(sample: Sample, tmp_path: Path) -> Network:
    """A network for it."""
    return network_for(sample, tmp_path / "n")


def _declined(network: Network, sample: Sample) -> list[str]:
    return [fault["code"] for notice in notices(network, sample.application, "declined") for fault in notice["faults"]]


def _tell(network: Network, sample: Sample, until: int) -> None:
    """山东 signs one more delay of row 3."""
    application = sample.application
    record = {
        "application_id": application["application_id"],
        "requester": "53",
        "mandate_digest": network.case(application).mandate_digest,
        "provider": "37",
        "rows": [3],
        "until": until,
        "reason": "水灾",
        "at": network.clock(),
    }
    raw = sign_act("delay", record, network.identities["37"].signer, "center", network.clock())
    send(network, "37", "center", "requests", post_act(raw, "37", "center", "53", application["application_id"]))
    network.run()


def _heard(network: Network, party: str) -> list[ReviewNotice]:
    store = network.parties[party].store
    query = "SELECT digest FROM act WHERE typ = 'review' ORDER BY at"
    found: list[Any] = [store.act("review", digest) for (digest,) in store.connection.execute(query)]
    return cast("list[ReviewNotice]", found)


def test_a_deadline_that_has_passed_is_not_revived(network: Network, sample: Sample) -> None:
    """The join is behind and has certified nothing yet; the reply was appended after the deadline all the same: declined."""
    away(network, sample, "37", ("vehicles",), network.clock() + 10 * DAY * MS)
    network.file(sample.application, sample.persons)
    network.run()
    network.clock.advance(FEEDBACK + 600)
    network.run(without=("collect", "join"))
    reply(network, sample.application, "agree")
    network.run()
    assert [delay.extension for delay in told(network, sample.application)] == [None]
    assert _declined(network, sample) == ["delay_over"]
    assert standing(network, sample.application).of("37", "vehicles") == {("expired", None): 12}


def test_a_provider_tells_three_delays_of_a_row(network: Network, sample: Sample) -> None:
    """The fourth reaches nobody, and the provider is told so, signed. A reply to the first counts though others came since."""
    away(network, sample, "37", ("vehicles",), network.clock() + 10 * DAY * MS)
    network.file(sample.application, sample.persons)
    network.run()
    [first] = told(network, sample.application)
    for number in range(1, 6):
        _tell(network, sample, first.delay["until"] + number)
    assert len(told(network, sample.application)) == 3
    faults = [fault["code"] for notice in _heard(network, "37") for fault in notice["faults"]]
    assert faults == ["delay_too_often"] * 3
    reply(network, sample.application, "shorten", first.delay["until"] - TO_ANSWER, delay=first)
    network.run()
    agreed = [delay.extension for delay in told(network, sample.application) if delay.extension is not None]
    assert [extension["delay"] for extension in agreed] == [first.digest]
    assert codes(network) == []


def test_a_delay_until_a_day_that_cannot_be_written_is_put_aside(network: Network, sample: Sample) -> None:
    """The year 10889 reaches no requester, whose list of delays it would stop."""
    network.file(sample.application, sample.persons)
    network.run(without=("37",))
    _tell(network, sample, (1 << 48) - 1)
    assert codes(network) == ["record_out_of_bounds"]
    assert told(network, sample.application) == []


def test_what_comes_in_the_last_hour_of_the_supplement_window_is_certified_and_settled(
    network: Network, sample: Sample
) -> None:
    """Appended before the end of the window, read after it: a second certificate, and the provider hears of the receipt."""
    _answer_but_do_not_send(network, sample)
    network.clock.advance(25 * DAY - 3600)
    network.send("37")
    network.clock.advance(4 * 3600)  # collect is being restarted, past the end
    network.run(without=("37", "collect"))
    network.run()
    network.pass_time(DAY)
    assert standing(network, sample.application).version == 2
    assert outbox_rows(network, "37") == 0
    assert codes(network) == []


def test_what_comes_after_the_supplement_window_is_late(network: Network, sample: Sample) -> None:
    """Appended an hour after it, while the watermark is still behind: nobody gets it."""
    _answer_but_do_not_send(network, sample)
    network.clock.advance(25 * DAY + 4 * 3600)
    network.send("37")
    network.run(without=("37",))
    assert standing(network, sample.application).version == 1
    assert set(codes(network)) <= {"answer_too_late", "section_unknown"}
    assert codes(network)


def _answer_but_do_not_send(network: Network, sample: Sample) -> None:
    """Certified without 山东; five days later it has answered, and its line to the center is down."""
    network.file(sample.application, sample.persons)
    network.run(without=("37",))
    network.pass_time(2 * FEEDBACK, without=("37",))
    assert standing(network, sample.application).version == 1
    network.clock.advance(5 * DAY)
    member = network.parties["37"]
    network._feed(member, inbox("37", "requests"), member.answers.work)
    network.run(without=("37",))
