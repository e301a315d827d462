"""Delays (延期) and withdrawals (撤销) on the in-memory network, as a province's officials and adapters cause them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, cast

import sqlalchemy as sa

from pipeline.demo.application import Sample
from pipeline.domain.records import Application
from pipeline.province import correspondence
from pipeline.province.correspondence import Correspondence, Decision, ToldDelay
from pipeline.province.provider_files import load_provider
from pipeline.province.sources import Sources, sqlite_url
from pipeline.stages.clock import CHINA
from tests.network import Network

BECAUSE = "机房水灾，登记系统停用"
"""A reason, as a provider's file states it."""
HOUR = 3600


def away(
    network: Network, sample: Sample, party: str, categories: Sequence[str], until: int, because: str | None = BECAUSE
) -> None:
    """Start the provider's desk anew, with a file that says that these categories are away until `until` (ms)."""
    spec = load_provider(sample.providers / f"{party}.yaml")
    said = {"unavailable_until": dt.datetime.fromtimestamp(until / 1000, CHINA), "because": because}
    resources = {
        name: resource.model_copy(update=said) if name in categories else resource
        for name, resource in spec.resources.items()
    }
    engine = sa.create_engine(sqlite_url(sample.databases / f"{party}.db"), hide_parameters=True)
    network.connect_sources(party, Sources(engine, spec.model_copy(update={"resources": resources}), network.clock))


def back(network: Network, sample: Sample, party: str) -> None:
    """Start the provider's desk anew, with its file as it was."""
    away(network, sample, party, (), 0)


def said(network: Network, application: Application) -> Correspondence:
    """The acts in the requester's store."""
    return Correspondence(network.case(application), network.reference.trust)


def told(network: Network, application: Application) -> list[ToldDelay]:
    """The delays the requester was told."""
    return said(network, application).delays()


def reply(
    network: Network,
    application: Application,
    decision: Decision,
    until: int | None = None,
    delay: ToldDelay | None = None,
) -> None:
    """As `hedx apply extension`: sign a reply to a delay, the newest by default, and put it into the outbox."""
    member = network.parties[application["requester"]]
    meant = delay or told(network, application)[-1]
    correspondence.reply(
        network.case(application), member.store, member.identity, meant, decision, "已商定", network.clock(), until
    )


def withdraw(network: Network, application: Application) -> None:
    """As `hedx apply withdraw`: sign the withdrawal and put it into the outbox."""
    member = network.parties[application["requester"]]
    correspondence.withdraw(network.case(application), member.store, member.identity, "申请人撤回", network.clock())


def acknowledgements(network: Network, application: Application) -> Mapping[str, Any]:
    """Provider → its acknowledgement, as the requester holds them."""
    return cast("Mapping[str, Any]", said(network, application).acknowledgements())


def outbox_rows(network: Network, party: str) -> int:
    """Bundles and envelopes a party's outbox still holds."""
    db = network.parties[party].store.connection
    counts = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in _OUTBOX]  # noqa: S608
    return sum(counts)


def parked(network: Network, party: str) -> list[tuple[int, int]]:
    """(section, row) of what waits at a provider."""
    query = "SELECT section, row FROM parked_row ORDER BY section, row"
    return network.parties[party].store.connection.execute(query).fetchall()


_OUTBOX = ("outbox_bundle", "outbox_envelope", "outbox_open")
