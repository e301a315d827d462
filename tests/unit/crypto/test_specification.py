"""docs/envelope.md against the code: its CDDL, its tables and its codes say what is so."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from cddl_verifier import Validator, schema_diagnostics

from pipeline.crypto import bundles, cbor, envelopes, headers, sealing, signed
from pipeline.crypto.certificates import ENCRYPT_USAGE, SIGN_USAGE
from pipeline.domain.errors import InvalidMessage
from pipeline.domain.sections import SECTION_SIZE
from tests.unit.crypto.test_headers import FULL

REPOSITORY = Path(__file__).resolve().parents[3]
TEXT = (REPOSITORY / "docs" / "envelope.md").read_text(encoding="utf-8")
CDDL = "\n".join(re.findall(r"^```cddl\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL))
RULES = dict(re.findall(r"^([a-z][a-z0-9-]*) +=((?:(?!\n\w).)*)", re.sub(";.*", "", CDDL), re.MULTILINE | re.DOTALL))
REFUSING = [
    *sorted((REPOSITORY / "pipeline" / "crypto").glob("*.py")),
    REPOSITORY / "pipeline" / "codec" / "framing.py",
    *(
        REPOSITORY / "pipeline" / "stages" / f"{stage}.py"
        for stage in (
            "intake",
            "opening",
            "origins",
            "answer",
            "collect",
            "deliver",
            "receiver",
            "local",
            "reference",
            "trust_tables",
            "acts",
            "heeding",
            "withdrawing",
            "delays",
            "evidence",
            "cataloguing",
        )
    ),
    REPOSITORY / "pipeline" / "center" / "evidence_opening.py",
]


@cache
def schema() -> Validator:
    """The page's CDDL; its `.cbor` operators reach into byte strings."""
    return Validator(CDDL)


def misfits(rule: str, data: bytes) -> list[str]:
    """Why `data` does not fit `rule`; empty when it does."""
    return [str(diagnostic) for diagnostic in schema().validate(data, root_type=rule).diagnostics]


def vectors(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((REPOSITORY / "tests" / "vectors" / f"{name}.json").read_text())
    return found


def pieces(value: bytes) -> Iterator[tuple[str, bytes]]:
    """An envelope, and what stands in it in byte strings that the CDDL leaves open."""
    yield "envelope", value
    sign1, raws = cbor.loads(value)
    yield "root-payload", cbor.loads(sign1)[2]
    for raw in raws:
        yield "bundle", raw
        header, seal, records = cbor.loads(raw)
        kind = cbor.loads(header)[1]
        inner = "sealed-record" if kind in headers.SEALED_KINDS else "relay-record" if kind == "relay" else "sign1"
        yield from ((inner, record) for record in records)
        yield from ((name, data) for name, data in (("header", header), ("seal", seal)) if data)


PIECES = [piece for vector in vectors("envelope") for piece in pieces(bytes.fromhex(vector["value"]))] + [
    *(("sign1", bytes.fromhex(vector["sign1"])) for vector in vectors("signed")),
    *(("sig-structure", bytes.fromhex(vector["sig_structure"])) for vector in vectors("signed")),
    *(("protected", bytes.fromhex(vector["protected"])) for vector in vectors("signed")),
    *(("seal", bytes.fromhex(vector["seal"])) for vector in vectors("seal")),
    *(("enc-structure", bytes.fromhex(vector["enc_structure"])) for vector in vectors("seal")),
    *(("kdf-context", bytes.fromhex(r["kdf_context"])) for vector in vectors("seal") for r in vector["recipients"]),
    ("seal-context", cbor.dumps(["hedx/1/seal", 1, "37"])),
]
KINDS_OF_PIECES = sorted({rule for rule, _ in PIECES})


def test_the_cddl_is_sound() -> None:
    """It parses, names nothing that is not there, and every rule is reached from one that a message is held against."""
    assert schema_diagnostics(CDDL) == ()
    reached, left = set(), set(KINDS_OF_PIECES)
    while left:
        rule = left.pop()
        reached.add(rule)
        left |= {name for name in RULES if re.search(rf"(?<![\w\"-]){name}(?![\w:-])", RULES[rule])} - reached
    assert reached == RULES.keys()


@pytest.mark.parametrize("rule", KINDS_OF_PIECES)
def test_messages_fit_their_cddl(rule: str) -> None:
    """Every item of the vectors, and every structure that is hashed or signed."""
    assert {why for name, data in PIECES if name == rule for why in misfits(rule, data)} == set()


@pytest.mark.parametrize("rule", KINDS_OF_PIECES)
def test_the_cddl_is_not_content_with_anything(rule: str) -> None:
    """Another type in any place, one item too many, or one too few does not fit."""
    value = cbor.loads(next(data for name, data in PIECES if name == rule))
    places = list(range(len(value)) if isinstance(value, list) else value)
    for place in places:
        changed = value.copy()
        changed[place] = False
        assert misfits(rule, cbor.dumps(changed)), place
    assert misfits(rule, cbor.dumps([*value, b""] if isinstance(value, list) else value | {99: 0}))
    value.pop(0 if isinstance(value, list) else places[0])
    assert misfits(rule, cbor.dumps(value))


@pytest.mark.parametrize("name", ["cose_invalid", "envelope_invalid", "bundle_invalid", "seal_invalid"])
def test_the_cddl_refuses_what_the_code_refuses_for_its_form(name: str) -> None:
    """The negative vectors whose defect is one of form, whole, do not fit the rule of what they are."""
    for vector in vectors("negative"):
        if vector["code"] == name and vector["name"] != "exp_not_after_iat":
            data = bytes.fromhex(vector["input"])
            payload = cbor.loads(cbor.loads(data)[0])[2] if vector["check"] == "envelope" else None
            found = misfits(vector["check"], data) or (payload and misfits("root-payload", payload))
            assert found, vector["name"]


HEADER_VALUES: dict[int, list[Any]] = {
    1: ["mandate", "answers", 1],
    2: [bytes(15), bytes(17), "x" * 16],
    3: ["", "x" * 64, b"37"],
    4: ["", "all", None],
    5: ["", 37],
    6: ["", "x" * 64, b""],
    7: [b"", bytes(31), bytes(33)],
    8: [0, -1, "1"],
    9: [(1 << 32) - 1, 1 << 32],
    10: [0, (1 << 16) - 1, 1 << 16],
    11: [bytes(1025), "a"],
    12: ["", None, "00"],
    13: [[], [0] * 256, [0] * 257, [1 << 16], ["1"], 1],
    14: [0, (1 << 32) - 1, 1 << 32, None],
    15: [b"", bytes(32), bytes(33), None],
    16: [True, 7, 1 << 32],
    17: [0, 255, 256],
    18: [bytes(7), bytes(8), bytes(9)],
    19: [-1, 1 << 16, "2"],
    20: [0, (1 << 32) - 1, 1 << 32],
    21: ["done", "expired", ""],
    22: ["", "x" * 64, None],
    23: [0, (1 << 48) - 1, 1 << 48],
    24: [bytes(32), bytes(31)],
    25: [1, "1", 1 << 16],
    26: [1 << 16, b""],
    27: [0],
    -1: [0],
}


@pytest.mark.parametrize("key", sorted(HEADER_VALUES))
def test_cddl_and_code_agree_on_every_header_field(key: int) -> None:
    """Value by value: both take it or both refuse it; and what may be left out."""
    fields = cbor.loads(FULL.encode())
    for value in HEADER_VALUES[key]:
        data = cbor.dumps(fields | {key: value})
        assert (not misfits("header", data)) == _decodes(data), value
    fields[1] = "relay" if key == 21 else fields[1]  # an answer may not be without, but other kinds must
    data = cbor.dumps({k: v for k, v in fields.items() if k != key})
    assert (not misfits("header", data)) == _decodes(data)


def _decodes(data: bytes) -> bool:
    try:
        headers.decode(data)
    except InvalidMessage:
        return False
    return True


def table(*columns: str) -> list[list[str]]:
    """The rows of the tables with these columns, cells stripped of spaces and backticks."""
    head = "| " + " | ".join(columns) + " |\n"
    assert head in TEXT, head
    rows = []
    for part in TEXT.split(head)[1:]:
        lines = part.split("\n\n")[0].splitlines()[1:]
        rows += [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"]
    return rows


def test_the_table_of_header_keys_is_the_codes() -> None:
    """Number, name, and whether it may be left out."""
    stated = {
        int(key): (name, required == "no") for key, name, required, _ in table("key", "name", "required", "meaning")
    }
    assert stated == {key: (name, optional) for key, (name, _, optional) in headers._FIELDS.items()}


def test_the_table_of_kinds_is_the_codes() -> None:
    """Every kind, and whether it is sealed."""
    rows = table("kind", "sealed", "from → to", "records")
    assert {row[0] for row in rows} == set(get_args(headers.Kind))
    assert {row[0] for row in rows if row[1] == "yes"} == headers.SEALED_KINDS


def test_the_table_of_roles_and_types_is_the_codes() -> None:
    """Who may sign what, cell by cell."""
    roles = ("center", "provider", "province")
    stated = {
        row[0]: {role for role, cell in zip(roles, row[1:4], strict=True) if cell == "yes"}
        for row in table("type", *roles, "payload")
    }
    assert stated == signed.SIGNERS
    assert set(re.findall(r'"hedx/1/([a-z-]+)"', CDDL)) - {"seal"} == signed.SIGNERS.keys()


def test_the_table_of_usages_is_the_codes() -> None:
    """The two extended key usages."""
    assert dict(table("use", "extended key usage")) == {
        "sign": SIGN_USAGE.dotted_string,
        "seal": ENCRYPT_USAGE.dotted_string,
    }


def test_the_table_of_limits_is_the_codes() -> None:
    """Each bound, in the unit stated."""
    stated = {row[0]: int(row[1].split()[0]) for row in table("limit", "value", "refused with")}
    assert stated == {
        "envelope": envelopes.HARD_LIMIT,
        "envelope, as packed by a sender (one bundle may be over)": envelopes.SOFT_LIMIT,
        "signed object": signed.MAX_SIZE,
        "header": headers.MAX_SIZE,
        "seal": sealing.MAX_SEAL_SIZE,
        "recipients of a seal": sealing.MAX_RECIPIENTS,
        "heads of a sealed bundle": bundles.MAX_HEADS,
        "clock ahead": signed.CLOCK_SKEW // 1000,
        "life of a signed object": signed.MAX_LIFETIME // 1000,
        "persons in a section, as cut by a sender": SECTION_SIZE,
    }


def test_the_page_names_every_code_and_no_other() -> None:
    """Each code that these modules refuse with stands in the section on checks, and each one there is real."""
    checks = TEXT.split("\n## 13.")[1].split("\n## 14.")[0]
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)*)`", "".join(_code_cells(checks))))
    assert named == {code for path in REFUSING for code in _codes(path)}


def _code_cells(checks: str) -> Iterator[str]:
    """The last column of the tables, and the closing paragraph."""
    for line in checks.splitlines():
        if line.startswith("|"):
            yield line.rstrip("|").rsplit("|", 1)[1]
    yield "".join(re.findall(r"`[a-z]+_[a-z_]+`", checks.split("**A delivery receipt**")[1]))


def _codes(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            first = node.args[0]
            if node.func.id in ("InvalidMessage", "NotReady") and isinstance(first, ast.Constant):
                yield str(first.value)
            elif node.func.id == "_invalid":
                yield "cbor_invalid"


def test_every_code_of_the_crypto_package_has_a_vector() -> None:
    """A check of messages that no vector can reach would be untold to other implementations."""
    shown = {vector["code"] for vector in vectors("negative")}
    found = {code for path in REFUSING if path.parent.name == "crypto" for code in _codes(path)}
    published = {row[2].strip("`") for row in table("record", "check", "code")}
    published = {code.strip(" `") for cell in published for code in cell.split(",")}
    assert found - shown - published == {"party_unknown"}, "asked for by name, never by message"
    assert "certificate_revoked" in shown & published


def test_the_page_lists_the_vector_files() -> None:
    """All of them."""
    files = {row[0] for row in table("file", "holds")}
    assert files == {path.name for path in (REPOSITORY / "tests" / "vectors").glob("*.json")}
