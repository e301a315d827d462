"""The officers' desk of the catalog on the in-memory network: what stands on it, and writing what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from pipeline.center.cataloguing import Plan, Reported, accept, plan, publication, reports_on
from pipeline.center.open_applications import OpenApplications
from pipeline.domain.catalog_changes import OpenApplication
from pipeline.domain.parties import CENTER
from pipeline.domain.records import CatalogEntry
from pipeline.province.catalog_reports import OwnReport, file_report, own_reports
from pipeline.stages import topics
from pipeline.stages.effects import Output
from tests.network import Network

OFFICER = "officer:li"


def entry_of(network: Network, party: str, category: str, **changes: Any) -> CatalogEntry:
    """What a party offers now, but for `changes`."""
    release = network.reference.current
    assert release is not None
    return cast("CatalogEntry", {**release.entry(party, category), "release": 0, **changes})


def report(
    network: Network, party: str, *entries: CatalogEntry, retire: Sequence[str] = (), without: Sequence[str] = ()
) -> bytes:
    """Let a party report, and everything work but who is `without`; returns the report's digest."""
    member = network.parties[party]
    act = file_report(member.store, member.identity, entries, retire, network.clock())
    network.send(party)
    network.run(without=without)
    return act.digest


def on_desk(network: Network) -> list[Reported]:
    """The reports on the desk."""
    return reports_on(table(network, topics.DESK), network.reference.trust)


def write(network: Network, outputs: Sequence[Output]) -> None:
    """What the center's command writes in one transaction; the catalog goes to every reader."""
    network.broker.create(topics.CATALOG)
    for output in outputs:
        network.broker.produce(output.topic, output.key, output.value, output.headers, output.partition)
        if output.topic == topics.CATALOG:
            network.reference.apply(output.topic, output.key or b"", output.value)
    network.clock.advance(1)


def table(network: Network, topic: str) -> dict[bytes, bytes]:
    """A compacted topic as its readers have it."""
    rows = {message.key or b"": message.value for message in network.broker.messages(topic)}
    return {key: value for key, value in rows.items() if value is not None}


def accept_all(network: Network) -> None:
    """An officer accepts what stands on the desk."""
    for reported in on_desk(network):
        write(network, accept(reported, network.reference.current, OFFICER, network.clock()))


def open_applications(network: Network) -> list[OpenApplication]:
    """What the center's changelog says is open."""
    found = OpenApplications()
    found.take(network.broker.messages(topics.changelog("applications")))
    return found.found(network.reference.release)


def preview(network: Network) -> Plan:
    """The next release, not published yet."""
    return plan(network.reference.current, on_desk(network), open_applications(network))


def publish(network: Network) -> Plan:
    """The next release, published; parties are not told yet (`network.run`)."""
    planned = preview(network)
    write(network, publication(planned, OFFICER, network.identities[CENTER].signer, network.clock()))
    return planned


def told(network: Network, party: str) -> list[OwnReport]:
    """A party's own reports, and the decisions it holds."""
    return own_reports(network.parties[party].store.connection, party, network.reference.trust)
