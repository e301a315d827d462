"""Two provinces at once on one cluster: each gets its own answers, and nothing of the other's."""

from __future__ import annotations

from pipeline.crypto import envelopes, relay, sealing
from pipeline.crypto.keystore import load_identity
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.parties import inbox
from pipeline.domain.records import Application
from pipeline.kafka.clock import wall_clock
from pipeline.province.database import connect
from pipeline.province.store import Store
from pipeline.stages.local import Filed
from tests.exchange import Exchange
from tests.verdicts import assert_at_rest, assert_each_sub_query_once, assert_equals_oracle


def test_two_applications_at_once_never_see_each_others_records(exchange: Exchange) -> None:
    """The same persons, asked about by 云南 and 山东: what reaches one is its own, and only its own key opens it."""
    persons = exchange.sample.persons[:60]
    ours, theirs = exchange.application(persons, "53"), exchange.application(persons, "37")
    for application in (ours, theirs):
        exchange.file(application, persons, size=20)
    for application in (ours, theirs):
        assert_each_sub_query_once(exchange.wait_complete(application))
        assert_equals_oracle(exchange, application, persons)
    opened, closed = sealed_to(exchange, ours, filed(exchange, ours))
    assert opened > 0
    assert closed == 0
    assert sealed_to(exchange, ours, filed(exchange, theirs)) == (0, opened)
    assert_at_rest(exchange)


def filed(exchange: Exchange, application: Application) -> Filed:
    """What a requester keeps of its application, its reply key among it."""
    requester = application["requester"]
    connection = connect(exchange.installation.store(requester))
    found = Store(connection, load_identity(exchange.installation.identity_folder(requester))).filed(
        application["application_id"]
    )
    connection.close()
    assert found is not None
    return found


def sealed_to(exchange: Exchange, application: Application, holder: Filed) -> tuple[int, int]:
    """Of the answers relayed for `application`: how many the reply key of `holder` opens, and how many it does not.

    On the way, every bundle in the requester's inbox is seen to be addressed to it and about an application of its own.
    """
    party = application["requester"]
    own = {row[0] for row in exchange.store(party).execute("SELECT application_id FROM application")}
    opened = refused = 0
    for message in exchange.messages(inbox(party, "responses")):
        envelope = envelopes.open_envelope(message.value or b"", exchange.trust, audience=party, now=wall_clock())
        for bundle in envelope.bundles:
            assert bundle.header.to == party
            assert bundle.header.application_id in own | {""}
            if bundle.header.kind != "relay" or bundle.header.application_id != application["application_id"]:
                continue
            inner = relay.open_relay(bundle.records[0], exchange.trust, now=wall_clock()).bundle
            if inner.seal is None:
                continue
            assert holder.reply_key is not None
            try:
                sealing.unseal(inner.seal, inner.header.sender, holder.reply_key)
                opened += 1
            except InvalidMessage:
                refused += 1
    return opened, refused
