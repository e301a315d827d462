"""What a dishonest party could send, made with the keys it really has. Nothing here forges anybody else's signature."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.codec import framing
from pipeline.crypto import bundles, cbor, cose, envelopes, merkle, relay, sealing, signed, suite
from pipeline.crypto.bundles import Bundle, SealedBundle
from pipeline.crypto.headers import Header
from pipeline.crypto.keys import Identity, Signer
from pipeline.crypto.suite import H
from pipeline.domain import members
from pipeline.domain.parties import CENTER, InboxKind, inbox
from pipeline.stages.effects import Message
from pipeline.stages.notices import sign_record
from tests.network import PARTITIONS, Network
from tests.scenario import bundles_in, inbox_messages

Tamper = Callable[[bytes], bytes]


@dataclass
class Opened:
    """A sealed section taken apart by somebody entitled to: everything can be changed before it is sealed again."""

    header: Header
    warrant: dict[str, Any]
    head: dict[str, Any]
    persons: list[bytes]

    @property
    def mandate(self) -> dict[str, Any]:
        """What the mandate says."""
        return framing.decode_as("Mandate", cose.decode(self.warrant["mandate"]).payload)

    @property
    def acceptance(self) -> dict[str, Any]:
        """What the acceptance says."""
        return framing.decode_as("Acceptance", cose.decode(self.warrant["acceptance"]).payload)

    def rewrite_mandate(self, **changes: Any) -> None:
        """Put other values into the mandate, under the signature it had."""
        protected, unprotected, _, signature = cbor.loads(self.warrant["mandate"], 2)
        payload = framing.encode("Mandate", {**self.mandate, **changes})
        self.warrant["mandate"] = cbor.dumps([protected, unprotected, payload, signature])

    def sign_mandate(self, by: Identity, now: int, **changes: Any) -> None:
        """Put other values into the mandate and sign it as somebody else."""
        record = {**self.mandate, **changes}
        self.warrant["mandate"] = sign_record("mandate", "Mandate", record, by.signer, CENTER, now)

    def follow_mandate(self) -> None:
        """Make the clear header name the mandate that is in the warrant now."""
        self.header = replace(self.header, mandate_digest=cose.decode(self.warrant["mandate"]).digest)

    def sign_acceptance(self, center: Identity, now: int, **changes: Any) -> None:
        """Another acceptance, signed by the center as it should be."""
        record = {**self.acceptance, **changes}
        audience = record["requester"]
        self.warrant["acceptance"] = sign_record("acceptance", "Acceptance", record, center.signer, audience, now)

    def set_persons(self, persons: Sequence[bytes]) -> None:
        """Other persons, the clear header following them."""
        self.persons = list(persons)
        self.header = replace(self.header, members=members.to_bytes(members.full(len(persons))))

    def seal(self, sender: Identity, network: Network) -> SealedBundle:
        """A bundle of it all from `sender` to whom the header names."""
        recipient = network.reference.trust.sealing_key(self.header.to)
        secret, seal = sealing.new_seal(sender.party, [recipient])
        header = replace(self.header, bundle_id=os.urandom(16), padded=0)
        heads = [framing.encode("Warrant", self.warrant), framing.encode("SectionHead", self.head)]
        return bundles.seal_bundle(header, self.persons, secret, seal, heads=heads)


def take_apart(bundle: Bundle, reader: Identity) -> Opened:
    """Open a section bundle with its reader's key."""
    assert bundle.seal is not None
    secret = sealing.unseal(bundle.seal, bundle.header.sender, reader.sealing)
    warrant, head, *persons = bundles.open_records(bundle, secret)
    return Opened(bundle.header, framing.decode_as("Warrant", warrant), framing.decode_as("SectionHead", head), persons)


def send(
    network: Network, sender: str, to: str, kind: InboxKind, *sent: SealedBundle, cti: bytes | None = None
) -> Message:
    """Sign and send one envelope from `sender`, whoever it is."""
    signer = network.identities[sender].signer
    envelope = envelopes.build(sent, signer, audience=to, now=network.clock(), cti=cti)
    return network.broker.produce(inbox(to, kind), envelope.id, envelope.value, envelope.headers)


def withhold(network: Network, party: str, kind: InboxKind) -> list[Message]:
    """Keep from a party what is in its inbox and not read yet; returns it."""
    held = []
    for message in inbox_messages(network, party, kind):
        place = (message.topic, message.partition)
        if message.offset >= network.parties[party].positions.get(place, 0):
            held.append(message)
    for partition in range(PARTITIONS):
        network.parties[party].positions[inbox(party, kind), partition] = network.broker.end(
            inbox(party, kind), partition
        )
    return held


def replace_request(network: Network, provider: str, alter: Callable[[Opened], None]) -> SealedBundle:
    """As a dishonest center: keep the one genuine request from `provider` and send it an altered one instead."""
    [genuine] = bundles_in(network, provider, "requests", "request")
    withhold(network, provider, "requests")
    request = take_apart(genuine, network.identities[provider])
    alter(request)
    forged = request.seal(network.identities[CENTER], network)
    send(network, CENTER, provider, "requests", forged)
    return forged


def with_header(genuine: Bundle, **header: Any) -> SealedBundle:
    """A bundle with another header; its records stay sealed as they were, and so cannot be opened any more."""
    changed = replace(genuine.header, bundle_id=os.urandom(16), **header)
    encoded = changed.encode()
    raw = cbor.dumps([encoded, genuine.seal, genuine.records])
    parts = bundles.split(raw)
    return SealedBundle(raw, parts.leaf, len(genuine.records), changed)


def relay_of(
    network: Network, provider: str, sealed: SealedBundle, outer: Header, tamper: Tamper = bytes
) -> SealedBundle:
    """The center's relay of a bundle that `provider` signed; `tamper` changes its bytes after that."""
    envelope = envelopes.build([sealed], network.identities[provider].signer, audience=CENTER, now=network.clock())
    sign1, _ = cbor.loads(envelope.value, 2)
    record = relay.relay_record(sign1, tamper(sealed.raw), 0, 1, [])
    return bundles.clear_bundle(replace(outer, bundle_id=os.urandom(16)), [record])


def sign_as(
    signer: Signer,
    typ: str,
    payload: bytes,
    *,
    audience: str,
    issued_at: int,
    lifetime: int = signed.MAX_LIFETIME,
    issuer: str | None = None,
    edit: Callable[[dict[Any, Any]], dict[Any, Any]] = dict,
) -> bytes:
    """A COSE_Sign1 that nobody's own program would make; its signature is the signer's, over what it says. Times: ms."""
    issued = issued_at // 1000 * 1000
    claims = cose.Claims(issuer or signer.party, audience, issued, issued + lifetime, signed.uuid7(issued))
    protected = cbor.dumps(edit(cbor.loads(cose.protected_header(typ, signer.thumbprint, claims), 2)))
    return cose.encode(protected, payload, signer.sign(cose.sig_structure(typ, protected, payload)))


def root_of(*sealed: SealedBundle) -> bytes:
    """The payload of an envelope of these bundles."""
    return envelopes.encode_root(merkle.root([each.leaf for each in sealed], merkle.BUNDLE_NODE), len(sealed))


def envelope_of(sign1: bytes, *sealed: SealedBundle) -> bytes:
    """The value of an envelope, whatever it is made of."""
    return cbor.dumps([sign1, [each.raw for each in sealed]])


def bundle_of(header: bytes, seal: bytes | None, records: Sequence[bytes], about: Header) -> SealedBundle:
    """A bundle made of parts that need not fit."""
    raw = cbor.dumps([header, seal, list(records)])
    leaf = bundles.bundle_leaf(H(header), seal, records)
    return SealedBundle(raw, leaf, len(records), about)


def malleated(sign1: bytes) -> bytes:
    """The same statement under the other signature that ECDSA allows: (r, n - s)."""
    protected, unprotected, payload, signature = cbor.loads(sign1, 2)
    other = suite._ORDER - int.from_bytes(signature[32:], "big")
    return cbor.dumps([protected, unprotected, payload, signature[:32] + other.to_bytes(32, "big")])
