"""Documents that the story's applications rest on (查询依据性文件, Art. 9): made up, one page each, named as offices name them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.domain.records import Person


def write_documents(folder: Path, persons: Sequence[Person], reference: str) -> int:
    """Write identity, consent and, where there is a guardian, guardianship of everybody, and one mandate; returns how many.

    `folder` is made; file names say whom a document is about: `3-授权书.pdf`. `reference`: the application's, in each page.
    """
    folder.mkdir(parents=True)
    kinds = _needed(persons)
    for number, kind in kinds:
        name = kind if number is None else f"{number}-{kind}"
        (folder / f"{name}.pdf").write_bytes(page(f"MADE UP {reference} {number or 'all'} {_ENGLISH[kind]}"))
    return len(kinds)


_ENGLISH = {
    "身份证明": "proof of identity",
    "授权书": "consent letter",
    "监护关系证明": "proof of guardianship",
    "委托书": "mandate of the approving authority",
}


def _needed(persons: Sequence[Person]) -> list[tuple[int | None, str]]:
    found: list[tuple[int | None, str]] = [(None, "委托书")]
    for person in persons:
        found += [(person["number"], "身份证明"), (person["number"], "授权书")]
        if person["consent_by"] == "guardian":
            found.append((person["number"], "监护关系证明"))
    return found


def page(text: str) -> bytes:
    """A PDF of one page with one line of `text` (ASCII), so that any viewer shows it."""
    drawn = f"BT /F1 14 Tf 40 100 Td ({text}) Tj ET".encode("ascii")
    parts = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 200]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(drawn), drawn),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    out, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(out))
        out += b"%d 0 obj%s\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(parts) + 1, table)
    return out + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(parts) + 1, start)
