"""certify: the newest certificate of each section, one result, and what the requester has still to receipt."""

from __future__ import annotations

from pipeline.codec import framing
from pipeline.crypto import signed
from pipeline.domain import joining
from pipeline.domain.records import ApplicationState, BundleRef, SectionCertified
from pipeline.stages.admission import filed_state
from pipeline.stages.certify import fold, is_certified, note, settle
from tests.unit.crypto.exchange import NOW, identity
from tests.unit.domain.sections import a_bundle, a_query, an_expectation


def an_application(sections: int = 2) -> ApplicationState:
    """Accepted, nothing certified yet."""
    application = filed_state("53", "a", sections, NOW)
    application["state"] = "started"
    application["arrived"] = list(range(1, sections + 1))
    application["person_count"] = 4 * sections
    application["mandate_digest"] = bytes(32)
    return application


def certified(section: int, *bundles: BundleRef, version: int = 1) -> SectionCertified:
    """The join's certificate of a section after `bundles`."""
    expected = {**an_expectation([a_query("37")]), "section": section, "sections": 2}
    state = joining.open_section(expected)  # type: ignore[arg-type]
    for bundle in bundles:
        joining.receive(state, bundle)
    record = framing.encode("SectionCertificate", joining.certify(state, version, NOW))
    raw = signed.sign("section-certificate", record, identity("center").signer, audience="53", now=NOW).raw
    return SectionCertified(application_id="a", requester="53", section=section, version=version, certificate=raw)


ONE, TWO = a_bundle("37", indexes=[0, 1], name="one"), a_bundle("37", indexes=[2, 3], name="two")


def test_an_application_is_certified_when_every_section_is() -> None:
    """Its first result comes with the last section."""
    application = an_application()
    assert note(application, certified(2, ONE))
    assert not is_certified(application)
    assert note(application, certified(1, ONE, TWO))
    assert is_certified(application)
    result = fold(application, NOW)
    assert [section["section"] for section in result["sections"]] == [1, 2]
    assert [len(section["bundles"]) for section in result["sections"]] == [2, 1]
    assert (result["version"], result["person_count"], result["complete"]) == (1, 8, False)


def test_a_supplement_replaces_the_certificate_and_an_older_one_never_does() -> None:
    """Versions only grow, whatever comes twice or late."""
    application = an_application(1)
    assert note(application, certified(1, ONE, version=2))
    assert not note(application, certified(1, ONE, version=1))
    assert not note(application, certified(1, ONE, version=2))
    assert note(application, certified(1, ONE, TWO, version=3))
    assert len(application["certified"][0]["bundles"]) == 2


def test_bundles_are_awaited_until_they_are_receipted() -> None:
    """Each once, whichever comes first, the certificate or the receipt."""
    application = an_application(1)
    settle(application, [TWO["digest"]])
    note(application, certified(1, ONE, TWO))
    assert application["awaiting"] == [ONE["digest"]]
    settle(application, [ONE["digest"]])
    settle(application, [ONE["digest"], TWO["digest"]])
    assert application["awaiting"] == []
    assert sorted(application["delivered"]) == sorted([ONE["digest"], TWO["digest"]])
    note(application, certified(1, ONE, TWO, version=2))
    assert application["awaiting"] == []
