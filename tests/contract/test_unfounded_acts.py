"""A center that is mistaken, or lies: what it says that the parties agreed counts only where their own acts say so (Art. 10)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.demo.application import Sample
from pipeline.domain.parties import InboxKind
from pipeline.stages.acts import post_act, sign_act
from tests.delaying import away, parked, reply, said, told
from tests.forgery import send
from tests.network import Network
from tests.scenario import local_codes, network_for, small_sample

TEN_DAYS = 10 * 86_400_000
INVENTED = b"\7" * 32


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    """The small application."""
    return small_sample(tmp_path / "s")


@pytest.fixture
def network(sample: Sample, tmp_path: Path) -> Network:
    """山东's vehicles are away: parked, and 云南 was told."""
    network = network_for(sample, tmp_path)
    away(network, sample, "37", ("vehicles",), network.clock() + TEN_DAYS)
    network.file(sample.application, sample.persons)
    network.run()
    return network


def _state(network: Network, sample: Sample, typ: str, to: str, inbox: InboxKind, record: Mapping[str, Any]) -> None:
    """The center states something, signed, on its own."""
    application_id = sample.application["application_id"]
    raw = sign_act(typ, record, network.identities["center"].signer, to, network.clock())
    send(network, "center", to, inbox, post_act(raw, "center", to, "53", application_id))
    network.run()


def _extension(network: Network, sample: Sample, **changes: object) -> dict[str, Any]:
    [delay] = told(network, sample.application)
    about = {name: delay.delay[name] for name in ("application_id", "requester", "mandate_digest", "provider", "rows")}
    stated = {"until": network.clock(), "closed": True, "delay": delay.digest, "reply": INVENTED, "at": network.clock()}
    return {**about, **stated, **changes}


def test_nobody_is_withdrawn_on_the_centers_word(
    network: Network, sample: Sample, caplog: pytest.LogCaptureFixture
) -> None:
    """`withdrawn`, and the requester signed no withdrawal: put aside, an alarm is logged, and nothing changes."""
    before = network.case(sample.application).state
    notice: dict[str, Any] = {
        "application_id": sample.application["application_id"],
        "requester": "53",
        "mandate_digest": network.case(sample.application).mandate_digest,
        "kind": "withdrawn",
        "faults": [],
        "due": None,
        "at": network.clock(),
    }
    with caplog.at_level(logging.ERROR):
        _state(network, sample, "review", "53", "responses", notice)
    assert network.case(sample.application).state == before != "withdrawn"
    assert local_codes(network, "53") == ["act_unfounded"]
    assert any("ALARM act_unfounded" in line for line in caplog.messages)


@pytest.mark.parametrize("changes", [{}, {"delay": INVENTED}, {"closed": False}])
def test_a_provider_lets_go_of_nothing_on_the_centers_word(
    network: Network, sample: Sample, changes: dict[str, object]
) -> None:
    """An extension without a reply that the requester signed, or about no delay of its own: what waits goes on waiting."""
    waiting = parked(network, "37")
    _state(network, sample, "extension", "37", "requests", _extension(network, sample, **changes))
    assert parked(network, "37") == waiting != []
    assert local_codes(network, "37") == ["act_unfounded"]


def test_an_invented_extension_does_not_keep_a_requester_from_replying(network: Network, sample: Sample) -> None:
    """It is not kept; the requester's reply to the delay goes out and counts."""
    _state(network, sample, "extension", "53", "responses", _extension(network, sample))
    assert local_codes(network, "53") == ["act_unfounded"]
    reply(network, sample.application, "agree")
    network.run()
    [delay] = told(network, sample.application)
    assert delay.extension is not None
    assert not delay.extension["closed"]


def test_a_real_reply_does_not_cover_another_end(network: Network, sample: Sample) -> None:
    """The requester agreed; the center says that it closed the rows: neither side takes that."""
    reply(network, sample.application, "agree")
    network.run(without=("center", "37", "applications"))
    [mine] = list(said(network, sample.application)._acts("delay-reply"))
    false = _extension(network, sample, reply=mine.digest)
    _state(network, sample, "extension", "53", "responses", false)
    _state(network, sample, "extension", "37", "requests", false)
    assert local_codes(network, "53") == local_codes(network, "37") == ["act_unfounded"]
    assert parked(network, "37") != []


def test_what_was_agreed_reaches_the_provider_with_the_reply(network: Network, sample: Sample) -> None:
    """Closed by both: the provider holds the requester's own signature for it, and lets go of the rows."""
    reply(network, sample.application, "close")
    network.run()
    db = network.parties["37"].store.connection
    kept = {typ for (typ,) in db.execute("SELECT typ FROM act")}
    assert kept >= {"delay", "delay-reply", "extension"}
    assert parked(network, "37") == []
    assert local_codes(network, "37") == []
