"""Article 6: a party is checked before it is connected, inspected afterwards, and what was found can be published."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import pytest

from pipeline.center.inspection import answers_of, examine, gather
from pipeline.center.installation import Installation, set_up
from pipeline.center.registry import Registry
from pipeline.center.registry_membership import Inspection
from pipeline.cli.exits import Exit
from pipeline.cli.main import run
from pipeline.cli.party_membership import due
from pipeline.codec import framing
from pipeline.demo.application import Sample
from pipeline.domain.parties import CENTER
from pipeline.domain.records import LifecycleEvent, LogHead
from pipeline.kafka.clock import wall_clock
from pipeline.province import keeper
from pipeline.province.catalog_files import load_entries
from pipeline.signer.client import open_identity
from pipeline.stages import topics
from pipeline.stages.effects import Output
from pipeline.stages.reference import ReferenceTables, cosign, publish_catalog
from tests.network import Network
from tests.scenario import FEEDBACK

PARTY = "37"
NOW = wall_clock()
"""The keeper of an adapter has no other clock."""


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """A center with two provinces whose certificates are issued and whose adapters have never run."""
    monkeypatch.setenv("HEDX_HOME", str(tmp_path / "home"))
    made = Installation(tmp_path / "home")
    set_up(made, ["37", "53"], NOW)
    return made


@pytest.fixture
def tables(installation: Installation) -> ReferenceTables:
    """What a reader of hedx.trust believes, as the center has published it."""
    found = ReferenceTables(installation.anchor())
    with open_identity(installation.identity_folder(CENTER)) as center:
        take(found, installation.publication(center.signer, NOW))
    return found


def take(tables: ReferenceTables, outputs: Iterable[Output]) -> None:
    """Let the center's reader take in what somebody published."""
    for output in outputs:
        tables.apply(output.topic, output.key or b"", output.value)


def inspected(registry: Registry, tables: ReferenceTables, events: list[LifecycleEvent]) -> Inspection:
    """Inspect 山东 and record what was found, as the command does."""
    facts = gather(registry, tables.trust, tables.log, tables.current, events, party=PARTY, now=NOW)
    kind = due(registry.inspections(PARTY))
    return registry.record_inspection(PARTY, kind, *examine(kind, facts), NOW)


def connect(installation: Installation, tables: ReferenceTables, party: str) -> None:
    """What a party's adapter does when it first runs: it states a seal key and cosigns the log."""
    with open_identity(installation.identity_folder(party)) as identity:
        head = tables.log.newest()
        assert head is not None
        take(tables, [cosign(LogHead(log="trust", size=head.size, root=head.root, at=0), identity.signer, NOW)])
        keeper.publish_seal_keys(identity, lambda outputs: take(tables, outputs))


def failed(found: Inspection) -> list[str]:
    return [name for name, outcome in found.checks.items() if outcome == "failed"]


def test_a_newcomer_passes_once_its_adapter_has_been_connected(
    installation: Installation, tables: ReferenceTables
) -> None:
    """入网前检测: papers and certificates alone are not enough; it must have stated its key and seen the log grow."""
    with installation.registry() as registry:
        before = inspected(registry, tables, [])
        assert before.kind == "conformance"
        assert failed(before) == ["seal_key_fresh", "log_cosigned"]
        for party in ("37", "53"):
            connect(installation, tables, party)
        after = inspected(registry, tables, [])
        assert (after.kind, after.passed) == ("conformance", True)
        assert inspected(registry, tables, []).kind == "inspection", "what comes after a passed conformance check"


def test_a_revoked_certificate_and_a_withdrawn_address_are_found(
    installation: Installation, tables: ReferenceTables
) -> None:
    """巡检 sees what has changed since: each shortcoming by its name."""
    with installation.registry() as registry:
        for party in ("37", "53"):
            connect(installation, tables, party)
        assert inspected(registry, tables, []).passed
        [tls] = [each for each in registry.status("P37") if each.usage == "tls"]
        registry.revoke(tls.serial, "key_compromise", NOW)
        registry.suspend("37", "巡检", NOW)
        found = inspected(registry, tables, [])
    assert failed(found) == ["not_suspended", "certificates_valid"]
    assert found.details["certificates_valid"] == {"missing": ["tls"]}


def test_late_answers_and_a_missing_catalog_report_are_found(
    installation: Installation, tables: ReferenceTables, network: Network, sample: Sample
) -> None:
    """Art. 10 and 13 in an inspection: counted from the events that the center's stages wrote themselves."""
    network.file(sample.application, sample.persons)
    network.run(without=(PARTY,))
    network.pass_time(FEEDBACK + 5, without=(PARTY,))
    network.run()  # 山东 answers only now
    events = [
        cast("LifecycleEvent", framing.decode_as("LifecycleEvent", message.value or b""))
        for message in network.broker.messages(topics.EVENTS)
    ]
    late, punctual = answers_of(PARTY, events, 0), answers_of("32", events, 0)
    assert (late.in_time, late.late > 0) == (0, True)
    assert (punctual.in_time > 0, punctual.late) == (True, 0)
    with open_identity(installation.identity_folder(CENTER)) as center:
        entries = load_entries(sample.catalog / "53.yaml")
        take(tables, publish_catalog(1, entries, center.signer, NOW))
    with installation.registry() as registry:
        for party in ("37", "53"):
            connect(installation, tables, party)
        inspected(registry, tables, events)
        shift = NOW - events[-1]["at"]
        recent = [cast("LifecycleEvent", {**event, "at": event["at"] + shift}) for event in events]
        found = inspected(registry, tables, recent)
    assert failed(found) == ["catalog_reported", "answers_punctual"]
    assert found.details["answers_punctual"]["late"] == late.late


def test_what_was_found_can_be_published_and_is_never_altered(
    installation: Installation, tables: ReferenceTables, capsys: pytest.CaptureFixture[str]
) -> None:
    """通报有关情况: every result, dated, in words and as data; an earlier failure stays beside a later success."""
    with installation.registry() as registry:
        inspected(registry, tables, [])
        for party in ("37", "53"):
            connect(installation, tables, party)
        inspected(registry, tables, [])
    capsys.readouterr()
    assert run(["party", "inspections", "--json"]) == Exit.FINE
    found = json.loads(capsys.readouterr().out)
    assert [(each["number"], each["party"], each["kind"], each["passed"]) for each in found] == [
        (1, "37", "conformance", False),
        (2, "37", "conformance", True),
    ]
    assert found[0]["checks"]["log_cosigned"] == "failed"
    assert run(["party", "inspections", "37", "--lang", "zh"]) == Exit.FINE
    said = capsys.readouterr().out
    assert "入网检测" in said
    assert "不合格" in said
    assert "已联网并见证最新信任日志" in said
