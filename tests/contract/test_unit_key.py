"""A reply key that the entrusting unit holds: the province verifies and keeps, and cannot open; the unit opens the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cryptography import x509

from pipeline.crypto import cbor, cose, sealing
from pipeline.crypto.authority import create_authority
from pipeline.crypto.bundles import Bundle
from pipeline.crypto.keys import SealingKey
from pipeline.crypto.revocation import build_crl
from pipeline.crypto.suite import H, aead_encrypt
from pipeline.demo.application import Sample
from pipeline.domain.errors import ConfigError, InvalidMessage, NotReady
from pipeline.domain.parties import CENTER
from pipeline.domain.records import RevocationList
from pipeline.province import access
from pipeline.province.handover import ExportRefused, hand_over, hand_over_sealed
from pipeline.province.sealed_packs import open_pack, reply_key_of
from tests.forgery import relay_of, send, with_header
from tests.network import Network
from tests.scenario import REQUESTER, bundles_in, local_codes, network_for, standing

DAY = 24 * 3600 * 1000
KEY = SealingKey.generate()
OTHER_ID = "b0000000-0000-4000-8000-000000000000"


def finished(sample: Sample, folder: Path, **filing: Any) -> Network:
    """The application done, under the unit's key unless something else is said."""
    network = network_for(sample, folder)
    network.file(sample.application, sample.persons, section_size=5, **filing)
    network.run()
    return network


@pytest.fixture(scope="module")
def shared(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> tuple[Network, bytes]:
    """A finished application and its pack; read only."""
    folder = tmp_path_factory.mktemp("unit")
    network = finished(sample, folder, reply_key=KEY.public)
    unit = sample.application["approving_authority"]
    hand_over_sealed(network.case(sample.application), folder / "pack", unit=unit)
    return network, (folder / "pack").read_bytes()


def test_the_province_has_the_certificate_and_opens_nothing(shared: tuple[Network, bytes], sample: Sample) -> None:
    """Complete, `done`, receipted; no answer in its store, and no key for one."""
    network, _ = shared
    case = network.case(sample.application)
    assert case.is_complete()
    assert standing(network, sample.application).of("37", "vehicles") == {("done", None): len(sample.persons)}
    assert local_codes(network, REQUESTER) == []
    db = network.parties[REQUESTER].store.connection
    assert db.execute("SELECT count(*) FROM answer").fetchone() == (0,)
    held = network.parties[REQUESTER].store.filed(case.application_id)
    assert held is not None
    assert held.reply_key is None
    with pytest.raises(ConfigError, match="entrusting unit holds"):
        case.dossiers()
    for provider in ("00", "32", "37"):
        network.send(provider)
        open_envelopes = "SELECT count(*) FROM outbox_envelope"
        assert network.parties[provider].store.connection.execute(open_envelopes).fetchone() == (0,), "receipted"


def test_no_key_of_the_province_opens_what_it_keeps(shared: tuple[Network, bytes], sample: Sample) -> None:
    """Tried with all it has: the keys of the application and its own."""
    network, _ = shared
    member = network.parties[REQUESTER]
    folder = Path(member.store.connection.execute("PRAGMA database_list").fetchone()[2]).parent / "keys"
    keys = member.identity.vault.open((folder / sample.application["application_id"]).read_bytes())
    tried = 0
    for bundle in bundles_in(network, REQUESTER, "responses", "relay"):
        inner = _inner(bundle)
        if inner is None:
            continue
        for key in (keys.unsealer, member.identity.sealing):
            with pytest.raises(InvalidMessage) as caught:
                sealing.unseal(inner, _sender(bundle), key)
            assert caught.value.code == "not_a_recipient"
            tried += 1
    assert tried > 0


def _parts(bundle: Bundle) -> list[Any]:
    inner: list[Any] = cbor.loads(cbor.loads(bundle.records[0], 2)[1], 2)
    return inner


def _inner(bundle: Bundle) -> bytes | None:
    seal: bytes | None = _parts(bundle)[1]
    return seal


def _sender(bundle: Bundle) -> str:
    sender: str = cbor.loads(_parts(bundle)[0], 2)[3]
    return sender


def test_the_unit_gets_the_dossiers_of_the_ordinary_way(
    shared: tuple[Network, bytes], sample: Sample, tmp_path: Path
) -> None:
    """From the same databases, to the last field."""
    network, raw = shared
    opened = open_pack(raw, KEY, network.authority.certificates)
    ordinary = finished(sample, tmp_path)
    assert opened.dossiers == ordinary.case(sample.application).dossiers()
    assert opened.form == sample.application
    certificate = network.case(sample.application).certificate()
    assert certificate is not None
    assert opened.certificate == certificate.digest
    assert opened.mandate["entrusting_unit"] == sample.application["approving_authority"]
    assert reply_key_of(raw) == KEY.kid


def test_a_pack_shows_nobody_to_who_has_no_key(shared: tuple[Network, bytes], sample: Sample) -> None:
    """Neither a name nor a number is in it, and another key opens nothing."""
    network, raw = shared
    for person in sample.persons:
        assert person["name"].encode() not in raw
        assert not person["document_number"] or person["document_number"].encode() not in raw
    with pytest.raises(InvalidMessage) as caught:
        open_pack(raw, SealingKey.generate(), network.authority.certificates)
    assert caught.value.code == "not_a_recipient"


def test_a_pack_is_in_the_log_and_for_the_mandates_unit_only(
    shared: tuple[Network, bytes], sample: Sample, tmp_path: Path
) -> None:
    """As any export."""
    network, raw = shared
    case = network.case(sample.application)
    logged = [e for e in access.entries(case.connection) if e.act == "sealed_pack"]
    assert logged[0].detail["sha256"] == hashlib.sha256(raw).hexdigest()
    with pytest.raises(ExportRefused) as caught:
        hand_over_sealed(case, tmp_path / "pack", unit="某银行")
    assert caught.value.code == "unit_mismatch"
    with pytest.raises(ExportRefused) as caught:
        hand_over(case, tmp_path / "d.json", "json", unit=sample.application["approving_authority"])
    assert caught.value.code == "held_by_unit"
    assert list(tmp_path.iterdir()) == []


def _flipped(field: str, at: int = -1) -> Callable[[dict[str, Any]], None]:
    def alter(parts: dict[str, Any]) -> None:
        raw = bytearray(parts[field])
        raw[at] ^= 1
        parts[field] = bytes(raw)

    return alter


def _less(parts: dict[str, Any]) -> None:
    parts["relays"] = parts["relays"][1:]


def _altered_answer(parts: dict[str, Any]) -> None:
    sign1, raw, *proof = cbor.loads(parts["relays"][0], 2)
    parts["relays"][0] = cbor.dumps([sign1, raw[:-1] + bytes((raw[-1] ^ 1,)), *proof])


def _nobody_vouches(parts: dict[str, Any]) -> None:
    parts["witnesses"] = []


def _other_persons(parts: dict[str, Any]) -> None:
    """Sealed to the unit's public key, as anybody can, but of nobody the mandate has a root of."""
    secret, seal = sealing.new_seal("sealed-pack", [KEY.public])
    digest = cose.decode(parts["mandate"]).digest
    inner = cbor.dumps(["{}", [[b"s" * 32, [b"person"]] for _ in range(3)]])
    parts["seal"], parts["roster"] = seal, aead_encrypt(secret, H(seal) + digest, inner)


@pytest.mark.parametrize(
    ("alter", "code"),
    [
        (_flipped("mandate"), "signature_invalid"),
        (_flipped("acceptance"), "signature_invalid"),
        (_flipped("result"), "signature_invalid"),
        (_flipped("roster"), "decrypt_failed"),
        (_flipped("seal", 40), "unseal_failed"),
        (_less, "bundle_missing"),
        (_altered_answer, "root_mismatch"),
        (_nobody_vouches, "certificate_unknown"),
        (_other_persons, "section_root_mismatch"),
        (lambda parts: parts.update(more=1), "pack_invalid"),
        (lambda parts: parts.update(format="hedx/sealed-pack/1"), "pack_invalid"),
    ],
)
def test_a_pack_that_was_altered_does_not_open(
    shared: tuple[Network, bytes], alter: Callable[[dict[str, Any]], None], code: str
) -> None:
    """Whatever on its way was changed, left out or put in; each with its code."""
    network, raw = shared
    parts = cbor.loads(raw, 4)
    alter(parts)
    with pytest.raises(InvalidMessage) as caught:
        open_pack(cbor.dumps(parts), KEY, network.authority.certificates)
    assert caught.value.code == code


def test_a_pack_of_noise_is_refused_and_no_more(shared: tuple[Network, bytes]) -> None:
    """Bytes changed, cut out and put in anywhere: a refusal with a code, never an error of the program."""
    network, raw = shared
    chance = Random(7)
    for _ in range(300):
        at, length = chance.randrange(len(raw)), chance.choice((0, 1, 1, 1, 4, 64))
        noise = chance.randbytes(chance.choice((1, 1, 1, 4)))
        altered = raw[:at] + noise + raw[at + length :]
        if altered != raw:
            with pytest.raises(InvalidMessage):
                open_pack(altered, KEY, network.authority.certificates)


@pytest.mark.parametrize(
    "inner", [[], ["{}", []], ["{", [[b"", []]] * 3], ["{}", [[b""]] * 3], ["{}", [[b"", [1]]] * 3], 7]
)
def test_what_a_stranger_sealed_to_the_unit_is_refused(shared: tuple[Network, bytes], inner: object) -> None:
    """Its public key is no secret."""
    network, raw = shared
    parts = cbor.loads(raw, 4)
    secret, seal = sealing.new_seal("sealed-pack", [KEY.public])
    digest = cose.decode(parts["mandate"]).digest
    parts["seal"], parts["roster"] = seal, aead_encrypt(secret, H(seal) + digest, cbor.dumps(inner))
    with pytest.raises(InvalidMessage) as caught:
        open_pack(cbor.dumps(parts), KEY, network.authority.certificates)
    assert caught.value.code == "pack_invalid"


def test_roots_come_from_elsewhere(shared: tuple[Network, bytes], sample: Sample) -> None:
    """Under another authority's root nothing in the pack is believed."""
    network, raw = shared
    with pytest.raises(InvalidMessage) as caught:
        open_pack(raw, KEY, create_authority(network.clock()).certificates)
    assert caught.value.code == "certificate_invalid"


def test_a_units_key_is_for_one_application(sample: Sample, tmp_path: Path) -> None:
    """Its province does not file it again. Another that copies it gets what it cannot open, and takes nothing from the first."""
    network = finished(sample, tmp_path, reply_key=KEY.public)
    second: Any = {**sample.application, "application_id": OTHER_ID}
    with pytest.raises(ConfigError, match="for one mandate"):
        network.file(second, sample.persons, reply_key=KEY.public)
    second["requester"] = "32"
    network.file(second, sample.persons, reply_key=KEY.public)
    network.run()
    assert standing(network, second).of("37", "vehicles") == {("done", None): len(sample.persons)}
    assert network.parties["32"].store.connection.execute("SELECT count(*) FROM answer").fetchone() == (0,)


def test_a_sealed_bundle_that_does_not_fit_the_mandate_is_not_kept(sample: Sample, tmp_path: Path) -> None:
    """Its header is all that is read of it, and must be about persons and rows that were asked for."""
    network = network_for(sample, tmp_path)
    network.file(sample.application, sample.persons, reply_key=KEY.public)
    network.run()
    outer = bundles_in(network, REQUESTER, "responses", "relay")[0]
    [answer] = [b for b in bundles_in(network, CENTER, "responses", "answer") if b.header.sender == "37"][:1]
    wrong: tuple[dict[str, Any], ...] = ({"rows": (99,)}, {"section": 2, "sections": 2}, {"rows": (2,)})
    for header in wrong:
        send(
            network,
            CENTER,
            REQUESTER,
            "responses",
            relay_of(network, "37", with_header(answer, **header), outer.header),
        )
    network.run()
    assert local_codes(network, REQUESTER) == ["answer_out_of_scope"] * len(wrong)
    assert network.case(sample.application).is_complete()


def list_of(network: Network, party: str, at: int) -> RevocationList:
    """A list under which the party's signing certificate was revoked `at` (ms)."""
    certificate = x509.load_der_x509_certificate(network.identities[party].signer.certificate)
    revoked = [(certificate.serial_number, at, "key_compromise")]
    crl = build_crl(network.authority, revoked, number=9, now=network.clock(), lifetime=7 * DAY)
    return RevocationList(number=9, crl=crl)


@pytest.mark.parametrize("party", [REQUESTER, "37", CENTER])
def test_a_pack_that_a_revoked_key_could_have_forged_does_not_open(shared: tuple[Network, bytes], party: str) -> None:
    """Revoked before the center says that the piece came, whatever date it bears; without a list nobody notices."""
    network, raw = shared
    roots = network.authority.certificates
    assert open_pack(raw, KEY, roots, list_of(network, "32", network.clock() + DAY)).dossiers
    with pytest.raises(InvalidMessage) as caught:
        open_pack(raw, KEY, roots, list_of(network, party, network.clock() - DAY))
    assert caught.value.code == "certificate_revoked"
    assert open_pack(raw, KEY, roots).dossiers


@pytest.mark.parametrize(("party", "opens"), [(REQUESTER, True), ("37", True), (CENTER, False)])
def test_what_the_center_saw_before_a_revocation_stays_good(
    shared: tuple[Network, bytes], party: str, opens: bool
) -> None:
    """For the center itself nobody in the pack bears witness: its key could have written any date."""
    network, raw = shared
    crl = list_of(network, party, network.clock() + 60_000)
    if opens:
        assert open_pack(raw, KEY, network.authority.certificates, crl).dossiers
        return
    with pytest.raises(InvalidMessage) as caught:
        open_pack(raw, KEY, network.authority.certificates, crl)
    assert caught.value.code == "certificate_revoked"


def test_a_list_from_before_the_pack_says_nothing_of_it(shared: tuple[Network, bytes]) -> None:
    """Its week was over when the pieces of the pack were signed."""
    network, raw = shared
    crl = build_crl(network.authority, [], number=1, now=network.clock() - 9 * DAY, lifetime=7 * DAY)
    with pytest.raises(NotReady) as caught:
        open_pack(raw, KEY, network.authority.certificates, RevocationList(number=1, crl=crl))
    assert caught.value.code == "crl_stale"


def test_a_list_of_others_is_no_list(shared: tuple[Network, bytes]) -> None:
    """Signed by an authority that the unit was not given."""
    network, raw = shared
    crl = build_crl(create_authority(network.clock()), [], number=1, now=network.clock(), lifetime=DAY)
    with pytest.raises(InvalidMessage) as caught:
        open_pack(raw, KEY, network.authority.certificates, RevocationList(number=1, crl=crl))
    assert caught.value.code == "crl_invalid"
