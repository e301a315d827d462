"""Spot checks (抽查, Art. 9): persons of closed applications are drawn, and their documents asked for.

A draw is committed to on hedx.bulletin before anybody is asked, and revealed afterwards: then anyone who has its file, which
names applications and no person, draws again (`domain.sampling`). The seed is in the draw's file in the center's folder
until then. The center chooses the seed, and may try several before it commits; once a commitment is published, another one for
the same draw is found out, for an entry of the bulletin is keyed by its digest and none takes another's place.
Nothing here touches an application.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, cast

from pipeline.codec import framing
from pipeline.crypto import signed
from pipeline.crypto.keys import Signer
from pipeline.crypto.keystore import write_durably
from pipeline.crypto.suite import Entropy
from pipeline.crypto.trust import Trust
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.domain.parties import CENTER
from pipeline.domain.parties import EVERYONE as READERS
from pipeline.domain.records import Draw
from pipeline.domain.sampling import EVERYBODY, SEED_SIZE, Candidate, Drawn, commitment_of, digest_of, draw, population
from pipeline.stages import topics
from pipeline.stages.effects import Output
from pipeline.stages.notices import sign_record

_ID: Final = re.compile(r"[0-9A-Za-z.-]{1,40}")


@dataclass(frozen=True, slots=True)
class DrawFile:
    """A draw: what anyone needs to draw again, and, until it is revealed, the seed that nobody else may have."""

    draw_id: str
    candidates: list[Candidate]
    quotas: dict[str, int]
    seed: bytes = field(repr=False)
    drawn: list[Drawn]
    commitment: bytes
    """hedx/1/draw of kind commitment, signed."""
    revealed: bytes | None = None
    """hedx/1/draw of kind seed, signed."""

    def public(self) -> dict[str, object]:
        """The file as it is given to anyone. Raises ConfigError before the seed is revealed."""
        if self.revealed is None:
            raise ConfigError(f"draw {self.draw_id} is not revealed yet")
        return self._data()

    def write(self, folder: Path) -> None:
        """Keep the draw in `folder`, readable by its owner only."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_durably(folder / f"{self.draw_id}.json", json.dumps(self._data(), ensure_ascii=False, indent=1).encode())

    def _data(self) -> dict[str, object]:
        return {
            "draw": self.draw_id,
            "quotas": self.quotas,
            "seed": self.seed.hex(),
            "commitment": self.commitment.hex(),
            "revealed": None if self.revealed is None else self.revealed.hex(),
            "drawn": [[d.requester, d.application_id, d.position] for d in self.drawn],
            "candidates": [[c.requester, c.application_id, c.persons, c.weight, *c.facts] for c in self.candidates],
        }


def read_draw(path: Path) -> DrawFile:
    """A draw's file. Raises ConfigError for one that is none; nothing in it is believed yet."""
    try:
        data = json.loads(path.read_bytes())
        return DrawFile(
            draw_id=str(data["draw"]),
            candidates=[
                Candidate(str(r), str(a), int(p), int(w), tuple(map(str, f))) for r, a, p, w, *f in data["candidates"]
            ],
            quotas={str(name): int(count) for name, count in data["quotas"].items()},
            seed=bytes.fromhex(data["seed"]),
            drawn=[Drawn(str(r), str(a), int(n)) for r, a, n in data["drawn"]],
            commitment=bytes.fromhex(data["commitment"]),
            revealed=None if data["revealed"] is None else bytes.fromhex(data["revealed"]),
        )
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such draw") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{path}: not the file of a draw ({type(error).__name__})") from None


def make_draw(
    draw_id: str, found: Sequence[Candidate], quotas: Mapping[str, int], signer: Signer, now: int, entropy: Entropy
) -> DrawFile:
    """Draw, and sign the commitment. Raises ConfigError for an id that is no file's name or when there is nobody to draw."""
    if not _ID.fullmatch(draw_id):
        raise ConfigError("a draw's id is letters, digits, dots and hyphens, 40 at most")
    if not population(found) or not sum(quotas.values()):
        raise ConfigError("there is nobody to draw")
    seed = entropy(SEED_SIZE)
    record = _record(draw_id, found, quotas, seed, now)
    commitment = sign_record("draw", "Draw", record, signer, READERS, now)
    return DrawFile(draw_id, list(found), dict(quotas), seed, draw(seed, found, quotas), commitment)


def reveal(file: DrawFile, signer: Signer, now: int) -> DrawFile:
    """Sign the seed, once."""
    if file.revealed is not None:
        return file
    record = _record(file.draw_id, file.candidates, file.quotas, file.seed, now)
    record["kind"], record["seed"] = "seed", file.seed
    return replace(file, revealed=sign_record("draw", "Draw", record, signer, READERS, now))


def published(file: DrawFile) -> list[Output]:
    """What hedx.bulletin says of the draw so far: each under its digest, so that compaction keeps what differs."""
    said = [("commitment", file.commitment), ("seed", file.revealed)]
    return [
        Output(topics.BULLETIN, _place(file, kind) + hashlib.sha256(raw).hexdigest().encode(), raw)
        for kind, raw in said
        if raw is not None
    ]


def check_published(file: DrawFile, bulletin: Mapping[bytes, bytes]) -> None:
    """Hold a draw against the table of hedx.bulletin.

    Raises InvalidMessage `draw_mismatch` where that says something else, or has a second commitment or seed for the draw,
    also when the file's own is one of them.
    """
    for output in published(file):
        key = output.key or b""
        if bulletin.get(key) != output.value:
            raise InvalidMessage("draw_mismatch", f"{key.decode()} is not what was published")
    for kind in ("commitment", "seed"):
        if sum(key.startswith(_place(file, kind)) for key in bulletin) > 1:
            raise InvalidMessage("draw_mismatch", f"more than one {kind} was published for {file.draw_id}")


def _place(file: DrawFile, kind: str) -> bytes:
    return f"draw/{file.draw_id}/{kind}/".encode()


def verify(file: DrawFile, trust: Trust) -> list[Drawn]:
    """Draw again from a public file, offline: returns who was drawn when all of it holds.

    Both signatures, the digest of the candidates, the commitment, that it was signed first, and every person drawn. Raises
    InvalidMessage `draw_not_revealed`, `draw_mismatch`, or those of `signed.verify`.
    """
    if file.revealed is None:
        raise InvalidMessage("draw_not_revealed", file.draw_id)
    first, second = _opened(file.commitment, trust), _opened(file.revealed, trust)
    try:
        expected = _record(file.draw_id, file.candidates, file.quotas, file.seed, 0)
    except ValueError as error:
        raise InvalidMessage("draw_mismatch", str(error)) from None
    for said, kind, seed in ((first, "commitment", None), (second, "seed", file.seed)):
        if said != {**expected, "kind": kind, "seed": seed, "at": said["at"]}:
            raise InvalidMessage("draw_mismatch", kind)
    if first["at"] > second["at"]:
        raise InvalidMessage("draw_mismatch", "the seed was published before the commitment")
    again = draw(file.seed, file.candidates, file.quotas)  # only now: a list that nobody signed may be of any length
    if again != file.drawn:
        raise InvalidMessage("draw_mismatch", "others are drawn")
    return again


def _record(draw_id: str, found: Sequence[Candidate], quotas: Mapping[str, int], seed: bytes, now: int) -> Draw:
    digest = digest_of(found, quotas)
    return Draw(
        draw_id=draw_id,
        kind="commitment",
        commitment=commitment_of(seed, digest),
        candidates=digest,
        population=population(found),
        count=_count(found, quotas),
        seed=None,
        at=now,
    )


def _count(found: Sequence[Candidate], quotas: Mapping[str, int]) -> int:
    """How many are drawn: no more of anybody's than there are."""
    return sum(
        min(count, population(c for c in found if party in (EVERYBODY, c.requester))) for party, count in quotas.items()
    )


def _opened(raw: bytes, trust: Trust) -> Draw:
    at = signed.peek(raw).claims.issued_at
    verified = signed.verify(raw, "draw", trust, now=at, issuer=CENTER, audience=READERS, published=True)
    return cast("Draw", framing.decode_as("Draw", verified.payload))
