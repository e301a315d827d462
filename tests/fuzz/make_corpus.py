"""Makes the corpus: `python -m tests.fuzz.make_corpus`. Past findings (corpus/past) are kept by hand, not made."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.center.catalog_archive import archive
from pipeline.center.evidence_draws import make_draw, reveal
from pipeline.codec import framing, schemas
from pipeline.crypto import cbor, cose, headers
from pipeline.crypto.keys import SealingKey
from pipeline.crypto.requests import certificate_request
from pipeline.crypto.trust_log import EMPTY, log_head
from pipeline.crypto.vault import LocalVault
from pipeline.domain.parties import CENTER, inbox
from pipeline.domain.sampling import Candidate
from pipeline.province.form_writing import write_form_yaml
from pipeline.province.form_xlsx_writing import form_workbook
from pipeline.province.roster_files import write_roster_csv
from pipeline.province.rule_files import base_file
from pipeline.stages import topics
from pipeline.stages.anchor import Seen
from pipeline.stages.membership import log_leaves
from pipeline.stages.reference import publish_catalog
from pipeline.stages.trust_tables import framed_leaf, leaf_key
from tests.fuzz import der, evidence_targets, file_targets, genuine, pack_targets, stored, trust_targets, world
from tests.vectors import scenario
from tests.vectors.identities import NOW, Draws, member, roots

DAY = 24 * 3600 * 1000
Inputs = dict[str, dict[str, bytes]]
VECTORS = Path(__file__).parents[1] / "vectors"
LARGEST = 12 * 1024
"""A seed above this (bytes) slows the fuzzers more than it teaches them."""


FEW = 60
"""Negative vectors taken over, the smallest first: test_vectors.py reads them all."""


def vectors(name: str) -> Any:
    """One file of tests/vectors."""
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


def of_crypto(made: Inputs) -> None:
    """Vectors, positive and negative, under the target that reads them."""
    smallest = sorted(vectors("negative"), key=lambda vector: len(str(vector["input"])))[:FEW]
    for vector in smallest:
        target = {
            "cbor": "cbor", "envelope": "envelope", "seal": "seal", "relay": "relay",
            "signed": "sign1", "bundle": "bundle", "records": "bundle",
        }.get(vector["check"])  # fmt: skip
        data = bytes.fromhex(vector["input"]) if isinstance(vector["input"], str) else b""
        if target and data:
            made[target]["refused-" + vector["name"].replace("_", "-")] = data
    for vector in vectors("signed"):
        made["sign1"][vector["name"]] = bytes.fromhex(vector["sign1"])
        made["cbor"][f"protected-{vector['name']}"] = bytes.fromhex(vector["protected"])
    for vector in vectors("bundle"):
        made["header"][vector["name"]] = bytes.fromhex(vector["header"])
        made["bundle"][vector["name"]] = bytes.fromhex(vector["bundle"])
        made["cbor"][f"header-{vector['name']}"] = bytes.fromhex(vector["header"])
        header = headers.decode(bytes.fromhex(vector["header"]))
        made["records"][vector["name"]] = cbor.dumps([header.encode(), [], [b"record"] * max(1, header.count)])
    for vector in vectors("seal"):
        made["seal"][vector["name"]] = bytes.fromhex(vector["seal"])
        made["cbor"][f"seal-{vector['name']}"] = bytes.fromhex(vector["seal"])
    for vector in vectors("relay"):
        made["relay"][vector["name"]] = bytes.fromhex(vector["record"])
    for vector in vectors("envelope"):
        value = bytes.fromhex(vector["value"])
        made["envelope"][vector["name"]] = value
        _, raws = cbor.loads(value, 2)
        made["envelope-signed"][vector["name"]] = cbor.dumps([0, raws])
    for vector in vectors("merkle"):
        for index, path in enumerate(vector["paths"][:2]):
            leaf = bytes.fromhex(vector["leaves"][index])
            siblings = [bytes.fromhex(node) for node in path]
            made["path"][f"{vector['name']}-{index}"] = cbor.dumps([leaf, index, len(vector["leaves"]), siblings])
    for party in ("37", CENTER):
        made["certificate"][f"sign-{party}"] = member(party).signer.certificate
        made["certificate"][f"encrypt-{party}"] = member(party).sealing_certificate
        made["point"][party] = member(party).sealing.public_bytes
    made["certificate-signed"] |= {name: der.body(data) for name, data in made["certificate"].items()}
    made["certificate"] |= {"root": roots()[0], "issuing": roots()[1]}
    _, locked = LocalVault(SealingKey(member("37").sealing.private_key), Draws("fuzz/vault")).create()
    made["vault"]["locked"] = locked
    plain = (6).to_bytes(4, "big") + b"record"
    made["record"]["padded"] = cbor.dumps([0, 128, plain.ljust(128, b"\0")])
    made["record"]["longer"] = cbor.dumps([1, 0, (200).to_bytes(4, "big") + bytes(252)])


def of_trust(made: Inputs) -> None:
    """Requests, lists, the reference topics as published, a memory, a statement, what a signer is asked."""
    key = member("37").signer.key
    for name, principal, usage, hosts in (
        ("sign", "P37", "sign", ()), ("encrypt", "P37", "encrypt", ()), ("tls", "P37", "tls", ()),
        ("broker", "broker", "tls", ("127.0.0.1", "localhost")),
    ):  # fmt: skip
        made["request"][name] = der.body(certificate_request(principal, key, usage, hosts))  # type: ignore[arg-type]
    made["crl"] |= {"empty": der.body(trust_targets.crl(1)), "two": der.body(trust_targets.crl(2, 7, 1 << 100))}
    entries = [member(party).entry() for party in trust_targets.PARTIES]
    leaves = log_leaves(entries, NOW)
    head = framing.encode("LogHead", log_head(leaves, NOW))
    crl = framing.encode("RevocationList", {"number": 2, "crl": trust_targets.crl(2, 7)})
    records: list[object] = [[0, leaf_key(leaf["index"]), framed_leaf(leaf)] for leaf in leaves]
    records += [[0, b"head", ["checkpoint", 0, head]], [0, b"crl", ["trust", 0, crl]]]
    records += [[0, entry["party"].encode(), ["trust", 0, framing.encode("TrustEntry", entry)]] for entry in entries]
    records += [[1, party.encode(), ["checkpoint", n, head]] for n, party in enumerate(trust_targets.PARTIES) if n]
    made["reference"]["trust"] = cbor.dumps(records)
    offers = sorted(world.release().entries.items())[:2]
    catalog: list[object] = [
        [2, f"3/{provider}/{category}".encode(), ["catalog", 0, framing.encode("CatalogEntry", entry)]]
        for (provider, category), entry in offers
    ]
    manifest = {"release": 3, "entries": len(offers), "digest": bytes(32), "published_at": NOW}
    catalog.append([2, b"3/manifest", ["catalog", 0, framing.encode("CatalogManifest", manifest)]])
    made["reference"]["catalog"] = cbor.dumps(catalog)
    made["seen-file"]["nothing"] = Seen().to_json().encode()
    made["seen-file"]["something"] = Seen({"37": 2}, {"37": 1}, entries[0], None, EMPTY, 3).to_json().encode()
    stated = {"party": "37", "number": 1, "point": member("37").sealing.public_bytes}
    made["seal-key"]["good"] = framing.encode("SealKey", stated | {"not_before": NOW, "not_after": NOW + 30 * DAY})
    sign1 = cose.decode(scenario.mandate().raw)
    made["signer"]["structure"] = sign1.signed_bytes
    made["signer"] |= {
        "sign": cbor.dumps(["sign", sign1.signed_bytes]), "agree": cbor.dumps(["agree", bytes(32), bytes(65)]),
        "open": cbor.dumps(["open_case", made["vault"]["locked"]]), "refused": cbor.dumps([False, "size"]),
    }  # fmt: skip


def of_codec(made: Inputs) -> None:
    """Every record of the journey and of the vectors, framed and bare; texts."""
    seen: dict[str, bytes] = {}
    for values in genuine.journey().messages.values():
        for value in values:
            seen |= _record(value)
    for name, record in (
        ("Mandate", genuine.mandate()),
        ("Acceptance", genuine.acceptance()),
        ("Person", genuine.persons()[2]),
        ("Application", genuine.application()),
        ("TrustEntry", member("37").entry()),
        ("Receipt", scenario.receipt_record()),
        ("CatalogEntry", next(iter(world.release().entries.values()))),
    ):
        seen[name] = framing.encode(name, record)
    seen["Answer"] = framing.encode("Answer", framing.read("Answer", scenario.answer(0)))
    records = schemas.current().records
    for name, value in seen.items():
        made["avro-framed"][name] = value
        made["avro-bare"][name] = bytes([records.index(name)]) + value[schemas.ID_SIZE :]
    cells = {"blank": "", "day": "2026/01/31", "range": "2026/01/01-2026/12/31", "written": "2026年1月5日"}
    made["period"] |= {name: text.encode() for name, text in cells.items()}
    numbers = {"adult": genuine.persons()[0]["document_number"], "x": "11010519491231002X", "birth": "A123456789"}
    numbers |= {"permit": "810000199408230021", "wide": "１１０１０５１９４９１２３１００２Ｘ"}
    made["document-number"] |= {name: text.encode() for name, text in numbers.items()}
    made["members"] |= {"five": b"\x15", "long": b"\xff" * 63 + b"\x01", "zeros": b"\x01\0\0"}


def of_stages(made: Inputs) -> None:
    """What each stage reads when all is well."""
    messages = genuine.journey().messages
    [request] = messages[inbox(CENTER, "requests")]
    made["intake"]["application"] = request
    made["intake-signed"]["application"] = cbor.dumps([0, cbor.loads(request, 2)[1]])
    made["intake-sealed"]["application"] = genuine.section("application")
    made["answer-sealed"]["request"] = genuine.section("request")
    for number, value in enumerate(messages[inbox("53", "requests")]):
        made["answer-signed"][f"request-{number}"] = cbor.dumps([0, cbor.loads(value, 2)[1]])
    for number, value in enumerate(messages[inbox(CENTER, "responses")]):
        made["collect-signed"][f"answer-{number}"] = cbor.dumps([0, cbor.loads(value, 2)[1]])
    for number, value in enumerate(messages[inbox("37", "responses")]):
        made["deliver-signed"][f"post-{number}"] = cbor.dumps([0, cbor.loads(value, 2)[1]])
    vector = cbor.loads(scenario.relay_envelope().value, 2)[1]
    made["deliver-signed"]["vectors"] = cbor.dumps([0, vector])
    made["applications"]["whole"] = cbor.dumps(messages[topics.APPLICATIONS])
    made["applications"]["section"] = cbor.dumps(messages[topics.APPLICATIONS][:1])
    for value in messages[topics.APPLICATIONS]:
        made["applications"][f"alone-{framing.decode(value)[0]}"] = value
    _decisions(made, messages[topics.APPLICATIONS][0])
    made["join"]["whole"] = cbor.dumps(messages[topics.JOIN])
    made["join"]["silent"] = cbor.dumps([v for v in messages[topics.JOIN] if framing.decode(v)[0] != "AnswerArrived"])
    for value in messages[topics.JOIN]:
        made["join"][f"alone-{framing.decode(value)[0]}"] = value
    outer = scenario.relay_bundle().header
    for index, answers in ((0, [scenario.answer(0), scenario.answer(2)]), (1, []), (2, [])):
        inner = scenario.answer_bundles()[index].header
        made["deliver-relayed"][f"bundle-{index}"] = cbor.dumps([outer.encode(), inner.encode(), answers])
    _notices(made)


def _decisions(made: Inputs, section: bytes) -> None:
    """An application that says it has more persons than the rules let start by themselves, and what officers say to it."""
    many = {"person_count": 25_000, "stated_count": 25_000}
    received = framing.decode_as("SectionReceived", section) | many
    held = framing.encode("SectionReceived", received)
    decisions = []
    for decision in ("approve", "reject", "hold", "delay"):
        about = {key: received[key] for key in ("application_id", "requester")}
        said: dict[str, Any] = {"decision": decision, "officer": "wang", "account": "user:wang", "mandate_digest": None}
        said |= {"reason": "r", "until": NOW + 30 * DAY, "at": NOW}
        decisions.append(framing.encode("OfficerDecided", {"decision_id": decision, **about, **said}))
        made["applications"][f"held-{decision}"] = cbor.dumps([held, decisions[-1]])
    made["applications"]["held-all"] = cbor.dumps([held, *reversed(decisions)])


def of_packs(made: Inputs) -> None:
    """A pack of one section that nobody has answered."""
    certified = next(
        v
        for v in genuine.journey().messages[topics.APPLICATIONS]
        if v.startswith(schemas.schema_id("SectionCertified"))
    )
    section = cose.decode(framing.decode_as("SectionCertified", certified)["certificate"]).payload
    fields = framing.decode_as("ApplicationResult", cose.decode(genuine.journey().messages[topics.RESULTS][0]).payload)
    fields["sections"] = [{"section": 1, "certificate": b"", "bundles": []}]
    persons = [framing.write("Person", person) for person in genuine.persons()]
    form = json.dumps(genuine.application(), ensure_ascii=False)
    for name, relays in (("silent", []), ("relayed", [bytes.fromhex(vectors("relay")[0]["record"])])):
        made["pack-sealed"][name] = cbor.dumps(
            [
                framing.encode("Mandate", genuine.mandate()),
                framing.encode("ApplicationResult", fields),
                section,
                relays,
                form,
                [[scenario.salt(1), persons]],
            ]
        )
    packs: list[bytes] = []
    pack_targets.collect(made["pack-sealed"]["silent"], packs.append)
    made["pack"]["silent"] = packs[0]


def _notices(made: Inputs) -> None:
    number = 0
    for value in genuine.journey().messages[inbox("37", "responses")]:
        for raw in cbor.loads(value, 2)[1]:
            header, _, records = cbor.loads(raw, 2)
            for record in records[:1]:
                protected, _, payload, _ = cbor.loads(record, 2) if record[:1] == b"\x84" else (b"", 0, b"", 0)
                if protected:
                    typ = cbor.loads(protected, 2)[16].removeprefix("hedx/1/")
                    made["deliver-notices"][f"{typ}-{number}"] = cbor.dumps([header, typ, payload])
                    number += 1


def of_catalog(made: Inputs) -> None:
    """37 changes an entry, adds one and retires one; a release of two entries, signed by the harness and by the center."""
    held = [entry for (party, _), entry in sorted(world.release().entries.items()) if party == "37"]
    changed = {**held[0], "version": 2, "update_cycle": "每日", "release": 0}
    fresh = {**held[1], "category": "farm_subsidy", "name": "农业补贴", "release": 0}
    report = {"party": "37", "number": 1, "entries": [changed, fresh], "retire": [held[2]["category"]], "at": NOW}
    made["catalog-report"]["changes"] = framing.encode("CatalogReport", report)
    made["catalog-report"]["empty"] = framing.encode("CatalogReport", {**report, "entries": [], "retire": []})
    outputs = publish_catalog(1, held[:2], member(CENTER).signer, NOW)
    rows = {output.key or b"": output.value or b"" for output in outputs}
    made["archive"]["two"] = archive(rows, 1, world.trust())
    signed = [[key, cose.decode(value).payload] for key, value in rows.items()]
    made["archive-signed"]["two"] = cbor.dumps([1, signed])


def of_evidence(made: Inputs) -> None:
    """A document in one part and one in two; an index; a draw, revealed."""
    one, two = b"%PDF-1.7 one", b"%PDF-1.7 two, in two parts"
    digests = [hashlib.sha256(content).digest() for content in (one, two)]
    parts = [[evidence_targets.head(one, digests[0]), 1, 1, one]]
    parts += [[evidence_targets.head(two, digests[1], n, 2), n, 2, two[at : at + 13]] for n, at in ((1, 0), (2, 13))]
    made["evidence"]["two"] = cbor.dumps([parts, digests])
    made["evidence"]["part-missing"] = cbor.dumps([parts[:2], digests])
    made["evidence-index"]["zh"] = "文件,种类,序号\none.pdf,授权书,1+2\ntwo.pdf,委托书,\n".encode("gb18030")
    made["evidence-index"]["en"] = b"file,kind,numbers\ntwo.pdf,identity,1-3\n"
    found = [Candidate("37", scenario.APPLICATION_ID, 3, 2, ("city",)), Candidate("53", "a", 2, 1)]
    center = member(CENTER).signer
    draw = make_draw("2027-01.1", found, {"37": 1, "53": 1}, center, NOW, Draws("fuzz/draw"))
    made["draw-file"]["revealed"] = json.dumps(reveal(draw, center, NOW).public()).encode()


def of_files(made: Inputs) -> None:
    """The files of the demo, whole and in both languages."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        for lang in ("zh", "en"):
            form, roster = folder / "form.yaml", folder / "roster.csv"
            write_form_yaml(form, genuine.application(), world.release(), lang)
            write_roster_csv(roster, genuine.persons(), "2027-01-14", "测试名单", lang)
            made["application-files"][lang] = form.read_bytes() + b"\n\0\n" + roster.read_bytes()
            made["form-yaml"][lang] = form.read_bytes()
            made["roster-csv"][lang] = roster.read_bytes()
    made["roster-csv"]["gb18030"] = made["roster-csv"]["zh"].decode("utf-8-sig").encode("gb18030")
    for code in ("37", "53"):
        made["catalog-file"][code] = _head(world.REPOSITORY / "deploy" / "demo" / "catalog" / f"{code}.yaml", 60)
        made["provider-file"][code] = _head(world.REPOSITORY / "deploy" / "demo" / "providers" / f"{code}.yaml", 40)
    made["form-workbook"]["sheet"] = file_targets.sound_parts()[file_targets.FIRST_SHEET]
    made["form-workbook"]["whole"] = form_workbook(genuine.application(), genuine.persons())
    made["rule-file"]["base"] = base_file().read_bytes()
    made["rule-file"]["own"] = "business:\n  教育救助: [户籍]\nauto_accept:\n  levels: [province]\n".encode()
    made["topics-file"]["topics"] = (world.REPOSITORY / "topics.yaml").read_bytes()


def _head(path: Path, lines: int) -> bytes:
    return b"".join(path.read_bytes().splitlines(keepends=True)[:lines])


def _record(value: bytes) -> dict[str, bytes]:
    for name in schemas.current().records:
        if value.startswith(schemas.schema_id(name)):
            return {name: value}
    return {}


def main() -> None:
    """Write every file of the corpus."""
    from tests.fuzz.targets import TARGETS

    made: Inputs = {name: {} for name in TARGETS}
    for part in (of_crypto, of_trust, of_codec, of_stages, of_packs, of_catalog, of_evidence, of_files):
        part(made)
    for target, inputs in made.items():
        small = {name: data for name, data in inputs.items() if len(data) <= max(LARGEST, TARGETS[target].max_size)}
        stored.save(target, small)


if __name__ == "__main__":
    main()
