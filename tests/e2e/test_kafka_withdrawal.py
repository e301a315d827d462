"""Withdrawal on a real Kafka: every part a process, one provider down while it happens."""

from __future__ import annotations

from contextlib import closing

import pytest

from pipeline.crypto import envelopes, relay
from pipeline.crypto.keystore import load_identity
from pipeline.domain.parties import inbox
from pipeline.domain.records import Application
from pipeline.kafka.clock import wall_clock
from pipeline.province import correspondence
from pipeline.province.casefile import CaseFile
from pipeline.province.correspondence import Correspondence
from pipeline.province.database import connect
from pipeline.province.store import Store
from tests.exchange import LONG, Exchange
from tests.processes import wait_until
from tests.verdicts import assert_at_rest

pytestmark = pytest.mark.timeout(400)
DOWN = "37"


def test_withdrawn_in_flight_while_a_provider_is_down(exchange: Exchange) -> None:
    """Its rows are withdrawn, certified at once; started again it acknowledges, answers nothing, and all comes to rest."""
    persons = exchange.sample.persons[:40]
    application = exchange.application(persons)
    exchange.processes.stop(DOWN)
    exchange.file(application, persons, size=20)
    asked = _all_but_one(exchange, application)
    wait_until("answered", lambda: asked <= answered(exchange, application), LONG, pause=0.2)
    withdraw(exchange, application)
    case = exchange.wait_complete(application)
    certificate = case.certificate()
    assert certificate is not None
    statuses = {(s["provider"], s["status"]) for s in certificate.result["statuses"]}
    assert {status for provider, status in statuses if provider == DOWN} == {"withdrawn"}
    assert {provider for provider, status in statuses if status == "withdrawn"} == {DOWN}
    wait_until("told", lambda: exchange.case(application).state == "withdrawn", LONG)
    assert said(exchange, application).acknowledgements().keys().isdisjoint({DOWN})
    exchange.processes.restart(DOWN)
    providers = set(said(exchange, application).asked())
    wait_until(
        "acknowledged", lambda: said(exchange, application).acknowledgements().keys() == providers, LONG, pause=0.2
    )
    exchange.wait_rest()
    assert relayed(exchange, application, DOWN) == 0
    assert exchange.case(application).certificate() == certificate
    assert len(exchange.events(application, "withdrawal_acknowledged")) == len(providers)
    assert_at_rest(exchange)


def withdraw(exchange: Exchange, application: Application) -> None:
    """As `hedx apply withdraw`, into the store of a running adapter."""
    requester = application["requester"]
    identity = load_identity(exchange.installation.identity_folder(requester))
    with closing(connect(exchange.installation.store(requester))) as connection:
        case = CaseFile(connection, application["application_id"], exchange.trust, identity)
        correspondence.withdraw(case, Store(connection, identity), identity, "申请人撤回", wall_clock())


def said(exchange: Exchange, application: Application) -> Correspondence:
    """The acts in the requester's store."""
    return Correspondence(exchange.case(application), exchange.trust)


def answered(exchange: Exchange, application: Application) -> set[tuple[str, int]]:
    """(provider, section) of the bundles that the requester holds."""
    rows = exchange.store(application["requester"]).execute(
        "SELECT DISTINCT provider, section FROM bundle WHERE application_id = ?", (application["application_id"],)
    )
    return set(rows.fetchall())


def _all_but_one(exchange: Exchange, application: Application) -> set[tuple[str, int]]:
    wait_until("accepted", lambda: exchange.case(application).acceptance() is not None, LONG, pause=0.05)
    sections = range(1, len(exchange.case(application).mandate()["sections"]) + 1)
    return {
        (provider, section)
        for provider in said(exchange, application).asked()
        for section in sections
        if provider != DOWN
    }


def relayed(exchange: Exchange, application: Application, provider: str) -> int:
    """How many of a provider's bundles were ever written to the requester's inbox about this application."""
    party = application["requester"]
    opened = [
        envelopes.open_envelope(message.value or b"", exchange.trust, audience=party, now=wall_clock())
        for message in exchange.messages(inbox(party, "responses"))
    ]
    found = [bundle for envelope in opened for bundle in envelope.bundles]
    about = [b for b in found if b.header.kind == "relay" and b.header.application_id == application["application_id"]]
    inner = [relay.open_relay(b.records[0], exchange.trust, now=wall_clock()) for b in about]
    assert inner, "the others' were"
    return sum(bundle.issuer == provider for bundle in inner)
