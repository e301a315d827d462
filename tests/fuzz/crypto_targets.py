"""Targets of `pipeline.crypto`: whoever can write to a topic chooses these bytes."""

from __future__ import annotations

from typing import Any

from pipeline.crypto import bundles, cbor, cose, envelopes, headers, merkle, relay, sealing
from pipeline.crypto.bundles import SealedBundle
from pipeline.crypto.keys import public_sealing_key
from pipeline.crypto.suite import H, aead_encrypt
from pipeline.crypto.vault import LocalVault
from pipeline.domain.errors import InvalidMessage
from tests.fuzz import world
from tests.fuzz.harness import Target, must, refused
from tests.vectors import scenario
from tests.vectors.identities import Draws, member


def read_cbor(data: bytes) -> None:
    """What is read is written again byte for byte: one value has one encoding, and no other is let pass."""
    for depth in (0, 2, 8):
        value = refused(lambda depth=depth: (cbor.loads(data, depth),))  # type: ignore[misc]
        if value is not None:
            must(cbor.dumps(value[0]) == data, "CBOR accepted in an encoding that is not the deterministic one")
    refused(lambda: cbor.leading(data))
    for strings in range(3):
        refused(lambda strings=strings: cbor.array_sizes(data, strings))  # type: ignore[misc]


def read_sign1(data: bytes) -> None:
    """A COSE_Sign1 that is accepted is its parts and nothing else."""
    sign1 = refused(lambda: cose.decode(data))
    if sign1 is not None:
        protected = cose.protected_header(sign1.typ, sign1.thumbprint, sign1.claims)
        again = cose.encode(protected, sign1.payload, sign1.signature)
        must(again == data, "a COSE_Sign1 with room for something unsaid")
        must(sign1.digest == H(sign1.signed_bytes), "digest of other bytes")


def read_header(data: bytes) -> None:
    """A header that is accepted is written again byte for byte."""
    header = refused(lambda: headers.decode(data))
    if header is not None:
        must(header.encode() == data, "a header with a second form")
        must(header.members[-1:] != b"\0", "a set of members with a second form")


def read_bundle(data: bytes) -> None:
    """A bundle's leaf is a function of all its bytes; opening with a secret that is not its own is refused."""
    bundle = refused(lambda: bundles.parse_bundle(data))
    refused(lambda: bundles.header_of(data))
    if bundle is not None:
        again = cbor.dumps([bundle.header_bytes, bundle.seal, bundle.records])
        must(again == bundle.raw == data, "a bundle with room for something unsaid")
        must(bundles.bundle_leaf(bundle.header_digest, bundle.seal, bundle.records) == bundle.leaf, "another leaf")
        secret = scenario.seals()["answer"].secret
        refused(lambda: bundles.open_records(bundle, secret))


def open_records(data: bytes) -> None:
    """Records sealed with a header of the attacker's choice open to what was sealed.

    Input: `[header, [* head], [* record]]`; the harness seals.
    """
    match _parts(data):
        case [bytes() as header, list() as heads, list() as records] if _all_bytes([*heads, *records]):
            made = sealed(header, heads, records, "center", "answer")
            bundle = None if made is None else refused(lambda: bundles.parse_bundle(made.raw))
            if bundle is not None:
                secret = scenario.seals()["answer"].secret
                must(bundles.open_records(bundle, secret) == [*heads, *records], "other records than were sealed")


def open_tampered(data: bytes) -> None:
    """Input: a sealed record as its maker may write it under the right key: `[index, padded, plaintext]`."""
    match _parts(data):
        case [int() as index, int() as padded, bytes() as plain] if 0 <= index < 1 << 32:
            key, digest = H(b"key"), H(b"header")
            record = _record(key, digest, index, plain)
            said = refused(lambda: bundles.open_record(record, index, key, digest, padded or None))
            if said is not None:
                must(len(said).to_bytes(4, "big") + said == plain[: 4 + len(said)], "another plaintext")
                must(not plain[4 + len(said) :].strip(b"\0"), "padding that is not zero")
        case _:
            refused(lambda: bundles.open_record(data, 0, H(b"key"), H(b"header"), None))


def read_envelope(data: bytes) -> None:
    """An envelope as it comes: nobody's signature holds on altered bytes."""
    for audience in ("center", "37", "53"):
        opened = refused(
            lambda audience=audience: envelopes.open_envelope(  # type: ignore[misc]
                data, world.trust(), audience=audience, now=world.NOW
            )
        )
        if opened is not None:
            raws = [bundle.raw for bundle in opened.bundles]
            must(cbor.dumps([opened.sign1, raws]) == data, "an envelope with room for something unsaid")


def read_signed_envelope(data: bytes) -> None:
    """Input: `[payload, [+ bundle]]`, or `[0, [+ bundle]]` for the right root; the harness signs as 53."""
    value = signed_envelope(data, "53", "center")
    opened = refused(lambda: envelopes.open_envelope(value, world.trust(), audience="center", now=world.NOW))
    if opened is not None:
        must(opened.issuer == "53", "another issuer")
        for bundle in opened.bundles:
            index, size, path = bundle.proof()
            record = relay.relay_record(opened.sign1, bundle.raw, index, size, path)
            relayed = relay.open_relay(record, world.trust(), now=world.NOW)
            must(relayed.bundle.leaf == bundle.leaf, "an envelope that cannot be relayed")


def read_relay(data: bytes) -> None:
    """A relay record that holds is the vectors' or cannot be told from it."""
    relayed = refused(lambda: relay.open_relay(data, world.trust(), now=world.NOW))
    if relayed is not None:
        must(relayed.bundle.leaf in {bundle.leaf for bundle in scenario.answer_bundles()}, "a bundle nobody signed")


def read_seal(data: bytes) -> None:
    """A seal opens for its reader, to the secret that was sealed; a mutilated one is refused."""
    known = {seal.secret for seal in scenario.seals().values()}
    for sender, keys in (("37", member("center").sealing), ("53", scenario.reply_key())):
        secret = refused(lambda sender=sender, keys=keys: sealing.unseal(data, sender, keys))  # type: ignore[misc]
        must(secret is None or secret in known, "a secret nobody sealed")


def open_vault(data: bytes) -> None:
    """Locked keys open to what was locked, or are refused."""
    keys = refused(lambda: LocalVault(member("37").sealing).open(data))
    must(keys is None or len(keys.data_key) == 32, "half a key")


def read_path(data: bytes) -> None:
    """Input: `[leaf, index, size, [* hash]]`. A path leads to one root, and a genuine one to the tree's."""
    match _parts(data):
        case [bytes() as leaf, int() as index, int() as size, list() as path]:
            refused(lambda: merkle.verify_path(leaf, index, size, path, merkle.BUNDLE_NODE))
            count = min(max(size, 1), 64)
            leaves = [H(leaf + bytes([number])) for number in range(count)]
            at = index % count
            root = merkle.root(leaves, merkle.BUNDLE_NODE)
            genuine = merkle.path(leaves, at, merkle.BUNDLE_NODE)
            proved = merkle.verify_path(leaves[at], at, count, genuine, merkle.BUNDLE_NODE)
            must(proved == root, "a genuine path refused")


def read_point(data: bytes) -> None:
    """A reply key from a mandate: a point of the curve, or refused."""
    key = refused(lambda: public_sealing_key(data))
    must(key is None or key.point == data, "a point in two encodings")


def sealed(
    header: bytes, heads: list[bytes], records: list[bytes], sender: str, seal: str, **fields: Any
) -> SealedBundle | None:
    """What a dishonest sender makes of parts it chose, or None when our own writer cannot even express it."""
    decoded = refused(lambda: headers.decode(header))
    if decoded is None:
        return None
    made = scenario.seals()[seal]
    values = {name: getattr(decoded, name) for name in headers.Header.__dataclass_fields__} | fields
    values["padded"] = 0
    try:
        return bundles.seal_bundle(headers.Header(**values), records, made.secret, made.raw, heads=heads)
    except (ValueError, InvalidMessage):
        return None


def signed_envelope(data: bytes, party: str, audience: str) -> bytes:
    """`data` (see `read_signed_envelope`) under a signature that holds."""
    payload, raws = _bundles_of(data)
    if payload is None:
        leaves = [leaf for raw in raws if (leaf := _leaf(raw)) is not None]
        payload = envelopes.encode_root(merkle.root(leaves, merkle.BUNDLE_NODE), max(1, len(leaves)))
    signer = member(party).signer
    cti = Draws(f"fuzz/{party}/{H(data).hex()}")(16)
    claims = cose.Claims(party, audience, world.NOW, world.NOW + 14 * 24 * 3600 * 1000, cti)
    protected = cose.protected_header("envelope", signer.thumbprint, claims)
    signature = signer.sign(cose.sig_structure("envelope", protected, payload))
    return cbor.dumps([cose.encode(protected, payload, signature), raws])


def _bundles_of(data: bytes) -> tuple[bytes | None, list[bytes]]:
    match _parts(data):
        case [(bytes() | 0) as payload, list() as raws] if raws and _all_bytes(raws):
            return payload or None, raws
    return None, [data]


def _leaf(raw: bytes) -> bytes | None:
    try:
        return bundles.split(raw).leaf
    except InvalidMessage:
        return None


def _record(key: bytes, digest: bytes, index: int, plain: bytes) -> bytes:
    return cbor.dumps([H(b"\x06" + key), aead_encrypt(key, digest + index.to_bytes(4, "big"), plain)])


def _parts(data: bytes) -> Any:
    try:
        return cbor.loads(data, 3)
    except InvalidMessage:
        return None


def _all_bytes(items: list[Any]) -> bool:
    return all(type(item) is bytes for item in items)


TARGETS: list[Target] = [
    Target("cbor", "crypto.cbor.loads, leading", read_cbor, 2),
    Target("sign1", "crypto.cose.decode", read_sign1, 2),
    Target("header", "crypto.headers.decode", read_header, 2),
    Target("bundle", "crypto.bundles.parse_bundle, header_of, open_records", read_bundle, 2, 16384),
    Target("records", "crypto.bundles.seal_bundle, open_records", open_records, 1, 16384),
    Target("record", "crypto.bundles.open_record", open_tampered),
    Target("envelope", "crypto.envelopes.open_envelope", read_envelope, 1, 16384),
    Target("envelope-signed", "crypto.envelopes.open_envelope behind the signature", read_signed_envelope, 3, 16384),
    Target("relay", "crypto.relay.open_relay", read_relay, 1, 8192),
    Target("seal", "crypto.sealing.unseal", read_seal, 2, 2048),
    Target("vault", "crypto.vault.LocalVault.open", open_vault, 1, 2048),
    Target("path", "crypto.merkle.verify_path", read_path, 1),
    Target("point", "crypto.keys.public_sealing_key", read_point, 1, 128, structured=False),
]

__all__: list[str] = ["TARGETS", "sealed", "signed_envelope"]
