"""The center's registry: parties, their certificates and addresses, what is revoked, and the log of all of it.

Every method that changes something is one transaction and leaves a line in the trail. What was issued, revoked or
logged stays; the file itself refuses anything else (`center.registry_file`). Times are ms.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipeline.center import addresses as ip
from pipeline.center.addresses import DAY, Address
from pipeline.center.learning import Learnt, learn
from pipeline.center.recovery import Published, behind
from pipeline.center.registry_file import connect, transaction
from pipeline.center.registry_rows import (
    Action,
    Certificate,
    Member,
    Reason,
    certificate_of,
    leaf_of,
    member_of,
    owner_of,
)
from pipeline.crypto.authority import Authority, certify_request
from pipeline.crypto.certificates import common_name, role_of
from pipeline.crypto.keys import Signer
from pipeline.crypto.requests import Request
from pipeline.crypto.revocation import build_crl
from pipeline.crypto.suite import H
from pipeline.domain.errors import ConfigError
from pipeline.domain.parties import CENTER, is_party, provider_name
from pipeline.domain.records import LogLeaf, RevocationList, TrustEntry
from pipeline.stages.effects import Output
from pipeline.stages.reference import publish_trust

CRL_LIFE = 7 * DAY
"""How long a revocation list is good for: one is published every day, so six may fail before readers stop."""


class Registry:
    """The registry in one SQLite file. Close it, or use it as a context manager."""

    def __init__(self, path: Path) -> None:
        self._db = connect(path)

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """All changes in the block become durable at once, or none does."""
        with transaction(self._db):
            yield

    # ---- parties ------------------------------------------------------------------------------------------------

    def register(self, party: str, now: int, addresses: Sequence[str] = ()) -> Member:
        """Register a party (Art. 4) with the addresses it connects from; one registered already stays as it is."""
        if not is_party(party):
            raise ConfigError(f"{party} is no party: give a province's code, e.g. 37, or 00 for 部中心")
        with transaction(self._db):
            if self._row("SELECT 1 FROM entry WHERE party = ?", party) is None:
                held: list[Address] = []
                for address in addresses:
                    held = ip.added(held, address, now)
                row = (party, 1, provider_name(party), ip.to_json(held), 0, 1)
                self._db.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)", row)
                self._note(now, party, "registered", ", ".join(each.address for each in held))
            return self.member(party)

    def member(self, party: str) -> Member:
        """A registered party. Raises ConfigError for one that is not."""
        row = self._row("SELECT * FROM entry WHERE party = ?", party)
        if row is None:
            raise ConfigError(f"party {party} is not registered here")
        return member_of(row)

    def members(self) -> list[Member]:
        """All registered parties, the center first."""
        rows = self._db.execute("SELECT * FROM entry ORDER BY party <> ?, party", (CENTER,))
        return [member_of(row) for row in rows]

    def suspend(self, party: str, reason: str, now: int) -> bool:
        """Suspend a party; False when it is already. Raises ConfigError for the center and for unknown parties."""
        if party == CENTER:
            raise ConfigError("the center cannot suspend itself")
        return self._set_suspended(party, True, reason, now)

    def resume(self, party: str, now: int) -> bool:
        """Let a suspended party in again; False when it is not suspended."""
        return self._set_suspended(party, False, "", now)

    def suspended(self) -> set[str]:
        """The parties that are suspended."""
        return {member.party for member in self.members() if member.suspended}

    def change_address(
        self, party: str, old: str, new: str, now: int, *, overlap_days: int, since: int | None = None
    ) -> Member:
        """File a change of address (Art. 5): `new` from `since` (now by default), `old` `overlap_days` longer."""
        with transaction(self._db):
            held = ip.changed(
                self.member(party).addresses, old, new, now, overlap_days=overlap_days, since=since
            )  # fmt: skip
            self._change(party, "addresses = ?", ip.to_json(held))
            self._note(now, party, "address changed", f"{old} to {new}, both for {overlap_days} days")
            return self.member(party)

    def addresses(self, now: int) -> dict[str, list[str]]:
        """Of every party with registered addresses those that are in force `now`."""
        return {
            member.party: [each.address for each in member.addresses if each.in_force(now)]
            for member in self.members()
            if member.addresses
        }

    # ---- certificates -------------------------------------------------------------------------------------------

    def issue(self, authority: Authority, request: Request, now: int) -> Certificate:
        """The certificate that `request` asks for; the same one again when it was issued already.

        Raises ConfigError when the party is unknown or suspended, holds a valid one for this usage (then it is a
        renewal), when the key has had a certificate, or when the request's own was revoked.
        """
        with transaction(self._db):
            known = self._known(request)
            if known is not None:
                return known
            current = self._current(request, now)
            if current is not None and request.party is not None:
                raise ConfigError(
                    f"{request.principal} has a valid certificate for {request.usage}, {current.serial}: renew it"
                )
            return self._certify(authority, request, now, "issued")

    def renew(self, authority: Authority, request: Request, now: int) -> Certificate:
        """A certificate for a new key beside the one in force, which stays valid to its end. Raises ConfigError."""
        with transaction(self._db):
            known = self._known(request)
            if known is not None:
                return known
            if self._current(request, now) is None:
                raise ConfigError(f"{request.principal} has no valid certificate for {request.usage}: issue one")
            return self._certify(authority, request, now, "renewed")

    def revoke(self, which: str, reason: Reason, now: int) -> Certificate:
        """Revoke a certificate, for good; one revoked already stays as it is.

        `which`: serial number or SHA-256 of the certificate, in hex. Raises ConfigError for an unknown one.
        """
        with transaction(self._db):
            found = self.certificate(which)
            if found.revoked_at is None:
                change = "UPDATE certificate SET revoked_at = ?, reason = ? WHERE serial = ?"
                self._db.execute(change, (now, reason, found.serial))
                self._leaf("revocation", found.owner, found.digest, None, now)
                self._note(now, found.owner, "certificate revoked", f"{found.usage} {found.serial}, {reason}")
            return self.certificate(found.serial)

    def certificate(self, which: str) -> Certificate:
        """A certificate by serial number or SHA-256, in hex. Raises ConfigError for an unknown one."""
        wanted = which.replace(":", "").lower()
        query = "SELECT * FROM certificate WHERE ltrim(serial, '0') = ltrim(?, '0') OR lower(hex(digest)) = ?"
        row = self._row(query, wanted, wanted)
        if row is None:
            raise ConfigError(f"no certificate {which} was issued here")
        return certificate_of(row)

    def status(self, principal: str | None = None) -> list[Certificate]:
        """All certificates, by principal and usage, the newest first; or one principal's."""
        rows = self._db.execute(
            "SELECT * FROM certificate WHERE ?1 IS NULL OR principal = ?1"
            " ORDER BY principal <> 'center', principal, instr('sign encrypt tls', usage), number DESC",
            (principal,),
        )
        return [certificate_of(row) for row in rows]

    # ---- what is published --------------------------------------------------------------------------------------

    def crl(self, authority: Authority, now: int, lifetime: int = CRL_LIFE) -> RevocationList:
        """A new revocation list, numbered one higher.

        It names every certificate ever revoked, expired ones too: whoever verifies an old proof must still learn of it.
        """
        with transaction(self._db):
            newest = self._row("SELECT max(number) AS number FROM crl")
            number = 1 + (newest["number"] or 0 if newest else 0)
            revoked = [
                (int(each.serial, 16), each.revoked_at, each.reason)
                for each in self.status()
                if each.revoked_at is not None
            ]
            elsewhere = self._db.execute("SELECT * FROM revoked_elsewhere")
            revoked += [(int(row["serial"], 16), row["revoked_at"], row["reason"]) for row in elsewhere]
            der = build_crl(authority, revoked, number=number, now=now, lifetime=lifetime)
            self._db.execute("INSERT INTO crl VALUES (?, ?, ?, ?)", (number, der, now, now + lifetime))
            self._note(now, "crl", "revocation list made", f"number {number}, {len(revoked)} revoked")
            return RevocationList(number=number, crl=der)

    def newest_crl(self) -> RevocationList | None:
        """The revocation list made last, None before the first."""
        row = self._row("SELECT number, der FROM crl ORDER BY number DESC LIMIT 1")
        return None if row is None else RevocationList(number=row["number"], crl=row["der"])

    def entries(self) -> list[TrustEntry]:
        """The trust entries of all parties that can sign and be sealed to, by party.

        They keep every certificate ever issued, so that what was signed under one verifies for ever; the list of what is
        revoked, and a certificate's own bounds, say what it is worth today.
        """
        entries = [self._entry(member) for member in self.members()]
        return [entry for entry in entries if entry["signing_certificates"] and entry["sealing_certificates"]]

    def leaves(self) -> list[LogLeaf]:
        """The trust log, from its first line."""
        return [leaf_of(row) for row in self._db.execute("SELECT * FROM leaf ORDER BY idx")]

    def publication(self, signer: Signer, now: int, authority: Authority) -> list[Output]:
        """All of hedx.trust as of `now`, with a fresh revocation list; for one transaction."""
        with transaction(self._db):
            crl = self.crl(authority, now)
            leaves = self.leaves()
            self._db.execute("INSERT INTO head VALUES (?, ?)", (len(leaves), now))
            return publish_trust(self.entries(), leaves, crl, signer, now)

    def is_behind(self, published: Published) -> bool:
        """Whether hedx.trust knows more than this registry. Raises ConfigError when the two contradict each other."""
        numbers = {member.party: member.number for member in self.members()}
        newest = self.newest_crl()
        return behind(published, self.leaves(), numbers, 0 if newest is None else newest["number"])

    def learn(self, published: Published, now: int) -> Learnt:
        """Take over what hedx.trust knows and this registry does not. Raises ConfigError on a contradiction."""
        with transaction(self._db):
            self.is_behind(published)
            learnt = learn(self._db, published)
            self._note(now, "registry", "recovered", f"{learnt.leaves} lines, {learnt.certificates} certificates")
            return learnt

    def trail(self, subject: str | None = None) -> list[Action]:
        """What was done, oldest first; to one party or principal, or to all."""
        rows = self._db.execute("SELECT * FROM action WHERE ?1 IS NULL OR subject = ?1 ORDER BY id", (subject,))
        return [Action(row["at"], row["subject"], row["kind"], row["detail"]) for row in rows]

    # ---- inside -------------------------------------------------------------------------------------------------

    def _known(self, request: Request) -> Certificate | None:
        row = self._row("SELECT * FROM certificate WHERE request = ?", request.digest)
        if row is None:
            return None
        known = certificate_of(row)
        if known.revoked_at is not None:
            raise ConfigError(f"the certificate of this request, {known.serial}, is revoked: ask with a new key")
        return known

    def _current(self, request: Request, now: int) -> Certificate | None:
        of = [each for each in self.status(request.principal) if each.usage == request.usage]
        return next((each for each in of if each.state(now) == "valid"), None)

    def _certify(self, authority: Authority, request: Request, now: int, kind: str) -> Certificate:
        if request.party is not None and self.member(request.party).suspended:
            raise ConfigError(f"party {request.party} is suspended: nothing is issued to it")
        point = H(request.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        if self._row("SELECT 1 FROM certificate WHERE key = ?", point) is not None:
            raise ConfigError("this key has had a certificate before: every certificate is for a new key")
        der = certify_request(authority, request, now)
        made = x509.load_der_x509_certificate(der)
        digest, serial = H(der), f"{made.serial_number:040x}"
        bounds = [
            int(moment.astimezone(UTC).timestamp()) * 1000
            for moment in (made.not_valid_before_utc, made.not_valid_after_utc)
        ]
        self._db.execute(
            "INSERT INTO certificate SELECT ?, ?, ?, ?, ?, ?, ?, count(*) + 1, ?, ?, ?, NULL, NULL FROM certificate",
            (serial, request.principal, request.usage, der, digest, request.digest, point, now, *bounds),
        )
        if request.party is not None:
            self._change(request.party)
        self._leaf("certificate", owner_of(request.principal), digest, request.digest, now)
        self._note(now, owner_of(request.principal), f"certificate {kind}", f"{request.usage} {serial}")
        return self.certificate(serial)

    def _leaf(self, kind: str, owner: str, digest: bytes, request: bytes | None, now: int) -> None:
        row = (kind, owner, digest, request, now)
        self._db.execute("INSERT INTO leaf SELECT count(*), ?, ?, ?, ?, ? FROM leaf", row)

    def _entry(self, member: Member) -> TrustEntry:
        held = self.status(common_name(member.party))
        of = {usage: [each.der for each in held if each.usage == usage] for usage in ("sign", "encrypt", "tls")}
        return TrustEntry(
            party=member.party,
            name=member.name,
            role=role_of(member.party),
            signing_certificates=of["sign"],
            sealing_certificates=of["encrypt"],
            transport_certificates=of["tls"],
            addresses=[each.record() for each in member.addresses],
            minimum_suite=member.minimum_suite,
            suspended=member.suspended,
            number=member.number,
        )

    def _set_suspended(self, party: str, suspended: bool, reason: str, now: int) -> bool:
        with transaction(self._db):
            if self.member(party).suspended == suspended:
                return False
            self._change(party, "suspended = ?", int(suspended))
            self._note(now, party, "suspended" if suspended else "resumed", reason)
            return True

    def _change(self, party: str, assignment: str | None = None, *values: object) -> None:
        """One change to an entry, and its next number. `assignment` is a literal of this module."""
        also = "" if assignment is None else f", {assignment}"
        self._db.execute(f"UPDATE entry SET number = number + 1{also} WHERE party = ?", (*values, party))  # noqa: S608

    def _note(self, now: int, subject: str, kind: str, detail: str) -> None:
        self._db.execute("INSERT INTO action VALUES (NULL, ?, ?, ?, ?)", (now, subject, kind, detail))

    def _row(self, query: str, *parameters: object) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(query, parameters).fetchone()
        return row
