"""What a process believes of the parties: what is logged and witnessed, what takes away at once, what never goes back."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import pytest
from cryptography import x509

from pipeline.codec import framing
from pipeline.crypto import signed
from pipeline.crypto.authority import certify, issue
from pipeline.crypto.certificates import SIGN_USAGE, certified_key, thumbprint
from pipeline.crypto.keys import LocalSigner
from pipeline.crypto.seal_keys import sign_seal_key
from pipeline.crypto.suite import H, generate_key, point
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.records import LogHead, LogLeaf, SealKey, TrustEntry
from pipeline.stages import topics
from pipeline.stages.anchor import Seen
from pipeline.stages.effects import Output
from pipeline.stages.membership import log_leaves, trust_entry
from pipeline.stages.reference import ReferenceTables, cosign, publish_seal_key
from pipeline.stages.trust_tables import CRL, HEAD, Alarm
from tests.unit.crypto.exchange import DAY, NOW, authority, identity, refusal
from tests.unit.stages.trust_world import CENTER, World, cosigned, fill


def member(world: World, party: str | None = None, seen: Seen | None = None) -> ReferenceTables:
    """A process that has read everything."""
    view = ReferenceTables(world.anchor(), seen, party=party)
    assert fill(view, world.publication()) == []
    return view


def renewed(party: str, number: int = 2) -> TrustEntry:
    """A party's next entry: another certificate to sign before the one it has."""
    entry = trust_entry(identity(party), number)
    entry["signing_certificates"].insert(0, certify(authority(), party, generate_key().public_key(), SIGN_USAGE, NOW))
    return entry


def statement(party: str, number: int = 1, at: int = NOW) -> Output:
    """A seal key as its party publishes it."""
    held = identity(party)
    encrypting = LocalSigner(party, held.sealing.private_key, held.sealing_certificate)
    sec1 = point(generate_key().public_key())
    record = SealKey(party=party, number=number, point=sec1, not_before=at, not_after=at + 30 * DAY)
    return publish_seal_key(sign_seal_key(record, encrypting, at), party)


# ---- joining ----------------------------------------------------------------------------------------------------------


def test_what_was_given_by_hand_is_enough_to_believe_the_rest() -> None:
    """The anchor's head covers all certificates, so every party is known after one reading, whatever its order."""
    world = World()
    for outputs in (world.publication(), world.publication()[::-1]):
        view = ReferenceTables(world.anchor())
        fill(view, outputs)
        fill(view, outputs)
        assert view.trust.parties() == ["37", "53", "center"]
        assert view.trust.signer(identity("37").signer.thumbprint).party == "37"
        assert view.missing() == []


def test_an_anchor_that_does_not_hold_is_refused() -> None:
    """Its head must be the center's, its list the authority's."""
    world, anchor = World(), World().anchor()
    forged = cosign(LogHead(log="trust", size=0, root=bytes(32), at=0), identity("37").signer, NOW).value or b""
    for change in ({"head": forged}, {"crl": anchor.head}):
        broken = type(anchor)(**{**{name: getattr(anchor, name) for name in anchor.__slots__}, **change})
        with pytest.raises(InvalidMessage):
            ReferenceTables(broken)
    assert member(world).trust.parties()


# ---- logged and witnessed ---------------------------------------------------------------------------------------------


def test_a_certificate_outside_the_log_does_not_count() -> None:
    """The center lists it, signed and numbered; without a leaf it is refused, and what counted before still does."""
    world = World()
    view = member(world)
    world.entries["37"] = entry = renewed("37")
    assert view.waiting() == []
    assert fill(view, world.publication()) == ["certificate_not_logged"]
    assert [str(fault) for fault in view.waiting()] == ["certificate_not_logged: 37"]
    assert refusal(lambda: view.trust.signer(thumbprint(entry["signing_certificates"][0]))) == "certificate_unknown"
    assert view.trust.signer(identity("37").signer.thumbprint).party == "37"


@pytest.mark.parametrize("parties", [(), ("00",), ("37",), ("37", "53"), ("37", "53", "32")])
def test_a_new_head_needs_two_witnesses_or_all_there_are(parties: Sequence[str]) -> None:
    """With no province registered the center is alone; with one that one must have seen it; from two on, two."""
    world = World(("center", *parties))
    view = member(world)
    entry = renewed("center")
    world.log(entry)
    added = H(entry["signing_certificates"][0])
    refused = fill(view, world.publication())
    needed = min(2, len({*parties} - {"00"}))
    assert refused == (["head_not_witnessed"] if needed else [])
    for count, party in enumerate(parties, start=1):
        assert view.log.has("center", added) == (count > needed)
        witness = member(world_before(world), party)
        fill(witness, world.publication())
        assert fill(view, [cosigned(witness, party)]) == []
    assert view.log.has("center", added)
    assert view.trust.signer(added).party == "center"


def world_before(world: World) -> World:
    """The same world as it was founded."""
    return World(tuple(world.entries))


def test_witnesses_count_once_and_the_suspended_and_the_centers_own_not_at_all() -> None:
    """One party that signs twice is one witness; the center, and 00, which is the center's, are none."""
    world = World(("center", "37", "53", "00", "32"))
    view = member(world)
    world.entries["32"] = {**trust_entry(identity("32"), 2), "suspended": True}
    world.log(renewed("53"))
    fill(view, world.publication())
    newest = view.log.newest()
    assert newest is not None
    head = LogHead(log="trust", size=newest.size, root=newest.root, at=NOW)
    for party in ("37", "37", "center", "00", "32"):
        assert fill(view, [cosigned(view, party, head)]) == []
        assert view.log.accepted.size < newest.size
    assert fill(view, [cosigned(view, "53", head)]) == []
    assert view.log.accepted == newest


def test_a_code_that_is_logged_and_has_no_entry_is_no_witness() -> None:
    """The center logs 11 and holds its keys: nobody knows 11, so its word is refused; nor does 11 make others fewer."""
    world = World(("center", "37", "53"))
    world.leaves = log_leaves([trust_entry(identity("11"), 1)], NOW, world.leaves)
    view = member(world)
    world.log(renewed("53"))
    fill(view, world.publication())
    head = head_of(view)
    told = [cosigned(view, party, head) for party in ("11", "37")]
    assert fill(view, told) == ["certificate_unknown"]
    assert view.log.accepted.size < head["size"]
    assert fill(view, [cosigned(view, "53", head)]) == []
    assert view.log.accepted.size == head["size"]


def test_entries_that_are_not_here_yet_make_no_witness_dispensable() -> None:
    """A topic tells nobody in which order it will be read: the head alone, before all entries, is not believed."""
    world = World(("center", "37", "53"))
    anchor = world.anchor()
    world.log(renewed("37"))
    view = ReferenceTables(anchor)
    fill(view, [output for output in world.publication() if (output.key or b"").startswith((b"log/", HEAD))])
    assert (view.log.size, view.log.accepted.size) == (7, 6)


def test_a_newcomer_waits_until_its_certificates_count() -> None:
    """Its entry is read before anybody witnessed the head: it is a party only afterwards, and its word counts then."""
    world = World(("center", "37"))
    view = member(world)
    world.log(trust_entry(identity("53"), 1))
    early = statement("53")
    assert fill(view, [*world.publication(), early]) == ["head_not_witnessed", "certificate_unknown"]
    assert view.trust.parties() == ["37", "center"]
    assert refusal(lambda: view.trust.sealing_key("53")) == "party_unknown"
    fill(view, [cosigned(member(World(("center", "37")), "37"), "37", head_of(view))])
    assert view.trust.parties() == ["37", "53", "center"]
    assert view.trust.sealing_key("53", NOW).kid != identity("53").sealing.kid


class Nobody:
    """Writes in a party's name what nobody signed; `thumbprint`: that of the certificate it claims."""

    def __init__(self, party: str, thumbprint: bytes) -> None:
        self.party, self.thumbprint, self.certificate = party, thumbprint, b""

    def sign(self, data: bytes) -> bytes:
        return bytes(64)


@pytest.mark.parametrize("is_copied", [False, True])
def test_junk_in_a_newcomers_name_does_not_push_out_what_it_said(is_copied: bool) -> None:
    """Whoever may write to the topic may write under any key, and copy a thumbprint: what was signed is what is kept."""
    world = World(("center", "37"))
    view = member(world)
    world.log(trust_entry(identity("53"), 1))
    fill(view, [*world.publication(), statement("53")])
    for number in range(100):
        claimed = identity("53").signer.thumbprint if is_copied else H(b"%d" % number)
        junk = signed.sign("checkpoint", b"x", Nobody("53", claimed), audience="all", now=NOW + number)
        code = "signature_invalid" if is_copied else "certificate_unknown"
        assert fill(view, [Output(topics.CHECKPOINTS, b"53", junk.raw)]) == [code]
    fill(view, [cosigned(view, "37", head_of(view))])
    assert view.trust.sealing_key("53", NOW).kid != identity("53").sealing.kid


def test_what_is_kept_for_later_is_bounded() -> None:
    """In every party's name junk of any size, under certificates that nobody lists: some hundred KiB at most are held."""
    view = member(World())
    tracemalloc.start()
    try:
        for party in ("11", "12", "13", "53"):
            for number in range(100):
                junk = signed.sign(
                    "checkpoint", bytes(60_000), Nobody(party, H(b"%d" % number)), audience="all", now=NOW
                )
                assert fill(view, [Output(topics.CHECKPOINTS, party.encode(), junk.raw)]) == ["certificate_unknown"]
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_statement_read_before_its_partys_entry_counts_once_the_entry_is_there() -> None:
    """Two topics have no common order."""
    world = World()
    view = ReferenceTables(world.anchor())
    assert fill(view, [statement("37")]) == ["certificate_unknown"]
    assert fill(view, world.publication()) == []
    assert view.trust.sealing_key("37", NOW).kid != identity("37").sealing.kid


def head_of(view: ReferenceTables) -> LogHead:
    """The center's newest head as `view` has seen the log grow to it."""
    newest = view.log.newest()
    assert newest is not None
    return LogHead(log="trust", size=newest.size, root=newest.root, at=NOW)


def test_one_number_is_one_entry() -> None:
    """The same again is no news; another under its number is what a center would show to one reader and not to the next."""
    world = World()
    view = member(world)
    assert fill(view, world.publication()) == []
    world.entries["37"] = {**trust_entry(identity("37"), 1), "suspended": True}
    assert fill(view, world.publication()) == ["entry_contradicts"]
    assert not view.trust.suspended("37")


def test_what_takes_away_counts_at_once() -> None:
    """Suspension and a dropped certificate wait for no witness, though a certificate in the same entry does."""
    world = World()
    view = member(world)
    entry = renewed("37")
    entry["suspended"] = True
    del entry["signing_certificates"][1]
    world.entries["37"] = entry
    assert fill(view, world.publication()) == ["certificate_not_logged"]
    assert view.trust.suspended("37")
    assert refusal(lambda: view.trust.signer(identity("37").signer.thumbprint)) == "certificate_unknown"


# ---- forks ------------------------------------------------------------------------------------------------------------


def other_leaves(world: World, index: int) -> list[LogLeaf]:
    """The log with one leaf another."""
    leaves = list(world.leaves)
    leaves[index] = {**leaves[index], "digest": bytes(32)}
    return leaves


@pytest.mark.parametrize("index", range(6))
def test_a_second_history_is_an_alarm_and_stops_everything_newer(index: int) -> None:
    """At whatever leaf the center's log forks: what is believed stays, nothing new is, and somebody is told."""
    world, other = World(), World()
    view = member(world)
    other.leaves = other_leaves(world, index)
    assert "log_forked" in fill(view, other.publication())
    assert view.alarms() == [Alarm("log_forked", "center")]
    assert view.trust.parties() == ["37", "53", "center"]
    world.log(renewed("37"))
    fill(view, world.publication())
    for party in ("37", "53"):
        assert fill(view, [cosigned(view, party, head_of(member(world)))]) == ["log_forked"]
    assert view.log.accepted.size == 6
    assert view.uncosigned() is None


LIE = LogHead(log="trust", size=1, root=bytes(32), at=NOW)
PROVINCES = ("37", "53", "32", "11")


def lied_to(*liars: str) -> tuple[World, ReferenceTables]:
    """Four provinces, some of which have seen another log of an old size; then a certificate comes."""
    world = World(("center", *PROVINCES))
    view = member(world)
    for liar in liars:
        assert fill(view, [cosigned(view, liar, LIE)]) == ["log_forked"]
    world.log(renewed("37"))
    fill(view, world.publication())
    return world, view


def test_one_party_that_lies_holds_nothing_up() -> None:
    """Whoever has 53's key signs a root of zeros: an alarm, and one more witness is needed, which the others are."""
    world, view = lied_to("53")
    assert view.alarms() == [Alarm("log_forked", "53")]
    head = head_of(view)
    assert fill(view, [cosigned(view, party, head) for party in ("37", "53", "32")]) == ["log_forked"]
    assert view.log.accepted.size < head["size"]
    assert fill(view, [cosigned(view, "11", head)]) == []
    assert view.log.accepted.size == head["size"]
    assert view.alarms() == []
    resumed = [{**trust_entry(identity("53"), number), "suspended": number == 2} for number in (2, 3)]
    for entry in resumed:
        world.entries["53"] = entry  # type: ignore[assignment]
        assert fill(view, world.publication()) == []


def test_two_that_have_seen_another_history_stop_everything_newer() -> None:
    """The center shows 53 and 32 another log than us: their signatures are the proof, and somebody is told."""
    world, view = lied_to("53", "32")
    head = head_of(view)
    assert {*fill(view, [cosigned(view, party, head) for party in ("37", "11")])} == {"log_forked"}
    assert view.log.accepted.size == len(world.leaves) - 1
    assert {*view.alarms()} == {Alarm("log_forked", party) for party in ("center", "53", "32")}
    world.entries["53"] = {**trust_entry(identity("53"), 2), "suspended": True}
    fill(view, world.publication())
    assert view.log.accepted.size == len(world.leaves)


def test_a_lie_under_a_certificate_revoked_since_does_not_count() -> None:
    """In the process that heard it, too: once the thieves' certificates are revoked two others are enough again."""
    world, view = lied_to("53", "32")
    head = head_of(view)
    fill(view, [cosigned(view, party, head) for party in ("37", "11")])
    assert view.log.accepted.size < head["size"]
    for liar in ("53", "32"):
        serial = view.trust.signer(identity(liar).signer.thumbprint).serial
        world.revoked.append((serial, NOW + DAY, "key_compromise"))
    world.crl = world.new_crl(2)
    assert fill(view, [output for output in world.publication() if output.key == CRL]) == []
    assert view.log.accepted.size == head["size"]


def test_a_cosignature_under_a_certificate_revoked_since_does_not_count() -> None:
    """It was noted while the head waited for a second: the thief is none of the two."""
    world, view = lied_to()
    head = head_of(view)
    assert fill(view, [cosigned(view, "53", head)]) == []
    serial = view.trust.signer(identity("53").signer.thumbprint).serial
    world.revoked.append((serial, NOW, "key_compromise"))
    world.crl = world.new_crl(2)
    fill(view, world.publication())
    assert fill(view, [cosigned(view, "37", head)]) == []
    assert view.log.accepted.size < head["size"]
    assert fill(view, [cosigned(view, "11", head)]) == []
    assert view.log.accepted.size == head["size"]


def test_an_older_head_is_no_news() -> None:
    """Replayed, it takes nothing back."""
    world = World()
    old = [output for output in world.publication() if output.key == HEAD]
    world.log(renewed("37"))
    view = member(world)
    assert fill(view, old) == ["log_rollback"]
    assert view.log.accepted.size == 7


# ---- revocations ------------------------------------------------------------------------------------------------------


def test_a_revocation_needs_no_witness_and_cannot_be_taken_back() -> None:
    """The newest list holds; one numbered lower is refused, and one of the same number must be the same."""
    world = World()
    view = member(world)
    old = [output for output in world.publication() if output.key == CRL]
    certificate = view.trust.signer(identity("37").signer.thumbprint)
    world.revoked.append((certificate.serial, NOW - DAY, "key_compromise"))
    world.crl = world.new_crl(2)
    assert fill(view, world.publication()) == []
    assert refusal(lambda: view.trust.check_revocation(certificate, NOW)) == "certificate_revoked"
    assert fill(view, old) == ["crl_rollback"]
    world.revoked.clear()
    world.crl = world.new_crl(2)
    assert "crl_invalid" in fill(view, world.publication())
    world.crl = world.new_crl(3)
    assert fill(view, world.publication()) == []
    assert refusal(lambda: view.trust.check_revocation(certificate, NOW)) == "certificate_revoked"


def test_no_later_list_moves_or_drops_a_revocation_not_even_over_a_restart() -> None:
    """The earliest date that any list named holds, also where the next one leaves the certificate out altogether."""
    world = World()
    view = member(world)
    certificate = view.trust.signer(identity("37").signer.thumbprint)
    for number, line in (
        (2, [(certificate.serial, NOW, None)]),
        (3, [(certificate.serial, NOW + 3650 * DAY, None)]),
        (4, []),
    ):
        world.revoked = line  # type: ignore[assignment]
        world.crl = world.new_crl(number)
        assert fill(view, world.publication()) == []
        restarted = ReferenceTables(World().anchor(), Seen.from_json(view.seen().to_json()))
        assert fill(restarted, world.publication()) == []
        for each in (view, restarted):
            revoked = each.trust.revoked(certificate)
            assert revoked is not None
            assert revoked.at == NOW, number
    world.revoked = [(certificate.serial, NOW - DAY, "key_compromise")]
    world.crl = world.new_crl(5)
    fill(view, world.publication())
    earlier = view.trust.revoked(certificate)
    assert earlier is not None
    assert (earlier.at, earlier.reason) == (NOW - DAY, "key_compromise")


def test_a_thief_of_an_encrypt_key_ends_no_partys_seal_keys() -> None:
    """Found out and renewed, the party's next statement counts, here and after a restart; nothing is said to be missing."""
    world = World()
    view = member(world)
    assert fill(view, [statement("37", 2**31 - 1)]) == ["seal_key_invalid"]
    assert fill(view, [statement("37", NOW // DAY + 60)]) == []
    held, new = identity("37"), issue(authority(), "37", NOW)
    serial = x509.load_der_x509_certificate(held.sealing_certificate).serial_number
    world.revoked.append((serial, NOW, "key_compromise"))
    world.crl = world.new_crl(2)
    entry = trust_entry(new, 2)
    entry["signing_certificates"] += world.entries["37"]["signing_certificates"]
    entry["sealing_certificates"] += world.entries["37"]["sealing_certificates"]
    world.log(entry)
    fill(view, world.publication())
    head = head_of(view)
    fill(view, [cosigned(view, party, head) for party in ("37", "53")])
    sec1 = point(generate_key().public_key())
    record = SealKey(party="37", number=NOW // DAY, point=sec1, not_before=NOW, not_after=NOW + 30 * DAY)
    own = publish_seal_key(
        sign_seal_key(record, LocalSigner("37", new.sealing.private_key, new.sealing_certificate), NOW), "37"
    )
    restarted = ReferenceTables(World().anchor(), Seen.from_json(view.seen().to_json()))
    fill(restarted, world.publication())
    for each in (view, restarted):
        assert fill(each, [own, statement("37", NOW // DAY + 60, NOW - 1)]) == ["certificate_revoked"]
        assert each.trust.sealing_key("37", NOW).point == sec1
        assert each.missing() == []


def test_a_witness_whose_certificate_is_revoked_has_no_say() -> None:
    """Whoever stole its key signs with any time; its word on the log is refused, and so is the head that needs it."""
    world = World(("center", "37", "53", "32"))
    view = member(world)
    before = view.log.accepted.size
    certificate = view.trust.signer(identity("53").signer.thumbprint)
    world.log(renewed("37"))
    world.revoked.append((certificate.serial, NOW + DAY, "key_compromise"))
    world.crl = world.new_crl(2)
    fill(view, world.publication())
    head = head_of(view)
    assert fill(view, [cosigned(view, "37", head), cosigned(view, "53", head)]) == ["certificate_revoked"]
    assert view.log.accepted.size == before
    assert fill(view, [cosigned(view, "32", head)]) == []
    assert view.log.accepted.size == head["size"]


def test_whoever_can_sign_nothing_any_more_is_not_waited_for() -> None:
    """Two of three provinces revoked at once: the third's word, as if they were suspended, lets their next ones count."""
    world = World(("center", "37", "53", "32"))
    view = member(world)
    for party in ("37", "53"):
        serial = view.trust.signer(identity(party).signer.thumbprint).serial
        world.revoked.append((serial, NOW + DAY, "key_compromise"))
    world.crl = world.new_crl(2)
    entry = renewed("37")
    world.log(entry)
    fill(view, world.publication())
    assert not view.log.has("37", H(entry["signing_certificates"][0]))
    assert fill(view, [cosigned(view, "32", head_of(view))]) == []
    assert view.log.has("37", H(entry["signing_certificates"][0]))


def test_a_party_whose_certificate_is_revoked_signs_no_more_heads() -> None:
    """Nobody would take them; its keeper has nothing to say until it has the next certificate."""
    world = World()
    view = member(world, "53")
    world.log(renewed("37"))
    fill(view, world.publication())
    assert view.uncosigned() is not None
    serial = view.trust.signer(identity("53").signer.thumbprint).serial
    world.revoked.append((serial, NOW + DAY, "key_compromise"))
    world.crl = world.new_crl(2)
    fill(view, world.publication())
    assert view.uncosigned() is None


def test_what_says_whom_to_trust_is_not_under_a_revoked_certificate() -> None:
    """Whoever stole the center's key can write any time into an entry; it is refused whatever it says."""
    world = World()
    view = member(world)
    certificate = view.trust.signer(CENTER.signer.thumbprint)
    world.revoked.append((certificate.serial, NOW + DAY, "key_compromise"))
    world.crl = world.new_crl(2)
    assert fill(view, [output for output in world.publication() if output.key == CRL]) == []
    world.entries["37"] = {**trust_entry(identity("37"), 2), "suspended": True}
    assert set(fill(view, world.publication())) == {"certificate_revoked"}
    assert not view.trust.suspended("37")


# ---- after a restart --------------------------------------------------------------------------------------------------


def test_nothing_goes_back_over_a_restart() -> None:
    """Numbers, list, log and seal keys are remembered: an older topic is refused, and its lack is told."""
    world = World()
    old = world.publication()
    view = member(world)
    world.entries["37"] = {**trust_entry(identity("37"), 5), "suspended": True}
    world.log(renewed("53"))
    world.crl = world.new_crl(4)
    fill(view, [*world.publication(), statement("37", 3)])
    head = head_of(view)
    fill(view, [cosigned(view, "37", head), cosigned(view, "53", head)])
    seen = Seen.from_json(view.seen().to_json())
    assert seen == view.seen()
    assert seen.log.size == 7

    restarted = ReferenceTables(World().anchor(), seen)
    refused = fill(restarted, [*old, statement("37", 2)])
    assert refused.count("entry_rollback") == 2
    assert {"crl_rollback", "log_rollback"} <= set(refused)
    assert {fault.code for fault in restarted.missing()} == {"entry_rollback", "seal_key_rollback", "log_rollback"}
    assert "37" not in restarted.trust.parties()
    fill(restarted, world.publication())
    assert fill(restarted, [statement("37", 2)]) == ["seal_key_rollback"]
    fill(restarted, [statement("37", 3)])
    assert restarted.missing() == []
    assert restarted.trust.suspended("37")


BAD_SERIES = Seen(seal_keys={"37/ab": 1}).to_json().replace("37/ab", "37/no hex")


def test_a_memory_that_cannot_be_read_is_the_operators_error() -> None:
    """It must not pass for one that says nothing."""
    for text in ("", "{}", "[]", '{"entries": 1}', Seen().to_json().replace('"size": 0', '"size": "x"'), BAD_SERIES):
        with pytest.raises(ConfigError):
            Seen.from_json(text)
    assert Seen.from_json(Seen().to_json()) == Seen()


def test_processes_that_share_a_memory_do_not_undo_each_other() -> None:
    """The newer of both, field by field."""
    world = World()
    ahead = Seen({"37": 4}, {"53/ab": 2}, trust_entry(CENTER, 3), world.crl, release=1, revoked={1: 5, 2: 6})
    behind = Seen({"37": 2, "53": 1}, {}, trust_entry(CENTER, 1), None, release=3, revoked={2: 4, 3: 7})
    merged = ahead.merged(behind)
    assert merged == behind.merged(ahead)
    revoked = {1: 5, 2: 4, 3: 7}
    assert merged == Seen(
        {"37": 4, "53": 1}, {"53/ab": 2}, trust_entry(CENTER, 3), world.crl, release=3, revoked=revoked
    )


# ---- one's own name ---------------------------------------------------------------------------------------------------


def watched(world: World) -> tuple[ReferenceTables, ReferenceTables, dict[bytes, bytes]]:
    """37's own process, which knows a request for each of its certificates; another's; and those requests."""
    requests: dict[bytes, bytes] = {}
    for leaf, der in zip(
        [leaf for leaf in world.leaves if leaf["party"] == "37"],
        (identity("37").signer.certificate, identity("37").sealing_certificate),
        strict=True,
    ):
        request, key = H(b"request for " + leaf["digest"]), certified_key(der)
        assert key is not None
        requests[request] = key
        world.leaves[leaf["index"]] = {**leaf, "request": request}
    own = ReferenceTables(world.anchor(), party="37", requests=lambda: requests)
    fill(own, world.publication())
    assert own.alarms() == []
    return own, member(world), requests


def lay_out(world: World, der: bytes, party: str, request: bytes | None) -> None:
    """The center certifies a key of its own in 37's name: listed, numbered, and with a leaf as it likes."""
    entry = world.entries["37"] = {**world.entries["37"], "number": world.entries["37"]["number"] + 1}
    entry["signing_certificates"] = [der, *entry["signing_certificates"]]
    world.leaves.append(
        LogLeaf(index=len(world.leaves), kind="certificate", party=party, digest=H(der), request=request, at=NOW)
    )


@pytest.mark.parametrize("party", ["37", "00", "ops", "53"])
@pytest.mark.parametrize("is_copied", [False, True])
def test_a_certificate_in_ones_own_name_that_nobody_asked_for_is_an_alarm(party: str, is_copied: bool) -> None:
    """Whatever party and request its leaf names: under another's it does not count, and its own party is told."""
    world = World()
    own, other, requests = watched(world)
    rogue = renewed("37")["signing_certificates"][0]
    lay_out(world, rogue, party, next(iter(requests)) if is_copied else None)
    for view in (own, other):
        fill(view, [*world.publication(), *world.publication()])
    assert own.alarms() == [Alarm("certificate_not_requested", "37", H(rogue))]
    assert own.alarms() == []
    head = head_of(other)
    fill(other, [cosigned(other, witness, head) for witness in ("37", "53")])
    assert other.log.accepted.size == len(world.leaves)
    if party == "37":
        assert other.trust.signer(H(rogue)).party == "37"
    else:
        assert refusal(lambda: other.trust.signer(H(rogue))) == "certificate_unknown"
        assert fill(other, world.publication()) == []
        assert [str(fault) for fault in other.waiting()] == ["certificate_not_logged: 37"]


def test_a_request_is_good_for_one_certificate() -> None:
    """A second leaf that names it is an alarm also while nobody has seen the certificate itself."""
    world = World()
    own, _, requests = watched(world)
    second = H(b"another certificate")
    world.leaves.append(
        LogLeaf(
            index=len(world.leaves), kind="certificate", party="37", digest=second, request=next(iter(requests)), at=NOW
        )
    )
    fill(own, world.publication())
    assert own.alarms() == [Alarm("certificate_not_requested", "37", second)]


def test_a_certificate_that_was_asked_for_is_no_alarm_nor_is_anothers() -> None:
    """A renewal, with a request that the party has kept; and what 53 does is 53's."""
    world = World()
    own, _, requests = watched(world)
    for party in ("37", "53"):
        der = renewed(party)["signing_certificates"][0]
        key = certified_key(der)
        assert key is not None
        if party == "37":
            requests[H(b"renewal")] = key
            lay_out(world, der, "37", H(b"renewal"))
        else:
            world.log({**renewed(party), "signing_certificates": [der]})
    fill(own, world.publication())
    assert own.alarms() == []


def test_what_cannot_be_read_in_ones_own_entry_is_an_alarm() -> None:
    """Nobody has asked for that either."""
    world = World()
    own, _, _ = watched(world)
    lay_out(world, b"no certificate", "53", None)
    fill(own, world.publication())
    assert own.alarms() == [Alarm("certificate_not_requested", "37", H(b"no certificate"))]


def test_a_party_signs_each_head_once_and_only_one_it_has_seen_grow() -> None:
    """Its own signature, read back, is remembered; the process of nobody in particular has nothing to sign."""
    world = World()
    view = member(world, "37")
    head = view.uncosigned()
    assert head is not None
    assert (head["size"], member(world).uncosigned()) == (6, None)
    assert fill(view, [cosigned(view, "37")]) == []
    assert view.uncosigned() is None
    world.log(renewed("53"))
    outputs = world.publication()
    fill(view, [output for output in outputs if not (output.key or b"").startswith(b"log/")])
    assert view.uncosigned() is None
    fill(view, outputs)
    assert (view.uncosigned() or head)["size"] == 7


def test_a_thief_of_the_sign_key_does_not_silence_the_witness() -> None:
    """He signs a size that there is not, once, in 37's name: 37 goes on signing what it has seen grow, also renewed."""
    world = World(("center", "37", "53"))
    view = member(world, "37")
    assert fill(view, [cosigned(view, "37", LogHead(log="trust", size=2**40, root=bytes(32), at=NOW))]) == []
    assert (view.uncosigned() or LIE)["size"] == 6
    assert fill(view, [cosigned(view, "37")]) == []
    assert view.uncosigned() is None
    serial = view.trust.signer(identity("37").signer.thumbprint).serial
    world.revoked.append((serial, NOW, "key_compromise"))
    world.crl = world.new_crl(2)
    world.log(renewed("37"))
    fill(view, world.publication())
    assert view.uncosigned() is None, "it has nothing to sign with"
    assert fill(view, [cosigned(view, "53", head_of(view))]) == []
    assert (view.uncosigned() or LIE)["size"] == 7


# ---- keys and kinds ---------------------------------------------------------------------------------------------------


def test_records_under_another_key_are_refused() -> None:
    """A leaf in another's place, a party that speaks for another, a head that is none."""
    world = World()
    view = member(world)
    [leaf, *_] = [output for output in world.publication() if output.key == b"log/0"]
    entry = trust_entry(identity("37"), 9)
    cases = [
        (Output(topics.TRUST, b"log/1", leaf.value), "log_invalid"),
        (Output(topics.CHECKPOINTS, b"53", statement("37").value), "key_contradicts_entry"),
        (Output(topics.CHECKPOINTS, b"53", cosigned(view, "37", head_of(view)).value), "key_contradicts_entry"),
        (Output(topics.TRUST, HEAD, cosigned(view, "37", head_of(view)).value), "issuer_mismatch"),
        (Output(topics.TRUST, CRL, framing.encode("TrustEntry", entry)), "cbor_invalid"),
        (cosigned(view, "37", LogHead(log="evidence", size=1, root=bytes(32), at=NOW)), "log_invalid"),
    ]
    for output, code in cases:
        assert fill(view, [output]) == [code], output.key


def test_leaves_and_their_order_do_not_matter_before_the_head() -> None:
    """Log records that come in any order make the same log."""
    world = World(at=NOW - DAY)
    outputs = world.publication()
    view = ReferenceTables(world.anchor())
    fill(view, outputs[:6][::-1])
    assert view.log.accepted.size == 6
    assert log_leaves(world.entries.values(), world.at) == world.leaves
