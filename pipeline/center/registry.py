"""The center's registry: parties, their certificates and addresses, what is revoked, and the log of all of it.

Every method that changes something is one transaction and leaves a line in the trail. What was issued, revoked or
logged stays; the file itself refuses anything else (`center.registry_file`). Times are ms.
"""

from __future__ import annotations

from pipeline.center.addresses import DAY
from pipeline.center.learning import Learnt, learn
from pipeline.center.recovery import Published, behind
from pipeline.center.registry_certificates import Certificates
from pipeline.center.registry_file import transaction
from pipeline.center.registry_rows import Member, leaf_of
from pipeline.crypto.authority import Authority
from pipeline.crypto.certificates import common_name, role_of
from pipeline.crypto.keys import Signer
from pipeline.crypto.revocation import build_crl
from pipeline.domain.records import LogLeaf, RevocationList, TrustEntry
from pipeline.stages.effects import Output
from pipeline.stages.reference import publish_trust

CRL_LIFE = 7 * DAY
"""How long a revocation list is good for: one is published every day, so six may fail before readers stop."""


class Registry(Certificates):
    """The registry in one SQLite file: parties, certificates, and what all others are told of them."""

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
