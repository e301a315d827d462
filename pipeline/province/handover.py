"""Handing results over to the entrusting unit, and to nobody else (Art. 11); what is refused is logged like what is done.

The law of it is the mandate's: the unit named must be the one that was signed for, in one form (Unicode NFKC, blanks around
cut off). Inside the province this is policed by this program and its log; nothing keeps who owns the files and the keys
from going around it (docs/purpose.md).
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pipeline.crypto.keystore import write_durably
from pipeline.domain.errors import HedxError, InvalidMessage
from pipeline.domain.records import Application, Mandate
from pipeline.province.casefile import CaseFile
from pipeline.province.database import snapshot, transaction
from pipeline.province.differences import about_differences
from pipeline.province.exports import as_csv, as_json
from pipeline.province.sealed_packs import pack
from pipeline.province.sealed_rows import EXPORT, SealedRows

Kind = Literal["json", "csv"]

NOTICE: Final = (
    "本结果只供所列委托单位按所列用途使用，不得以任何形式和理由提供给其他第三方，也不得用于或变相用于其他目的"
    "（《居民家庭经济状况信息部省联网查询办法（试行）》第十一条）。"
)
"""Art. 11, in the words of officials, on every export."""

PARTIAL: Final = "部分结果，尚无完整性证明 / PARTIAL, NO CERTIFICATE"
"""On every part of what is exported before the certificate: the file, each dossier, each line."""

_OVER: Final = frozenset({"rejected", "withdrawn"})


class ExportRefused(HedxError):
    """An export that policy forbids.

    `code`: `unit_mismatch`, `purpose_mismatch`, `shredded`, `party_suspended`, `application_rejected`,
    `application_withdrawn`, `incomplete`, `held_by_unit` or `not_held_by_unit`; of a partial one also `certified`,
    `nothing_yet` and `partial_sealed`.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Handed:
    """What was handed over. `sha256`: of the file; `number`: its row in the access log."""

    path: Path
    sha256: str
    households: int
    number: int


def hand_over(case: CaseFile, path: Path, kind: Kind, *, unit: str, purpose: str | None = None) -> Handed:
    """Write the dossiers of a complete application to `path`, mode 0600, for the unit of its mandate.

    The log has the file's digest before the file is there. Raises ExportRefused.
    """
    _check(case, unit, purpose, sealed=False)
    rows, sections, certificate = case.rows(), case.whole(), _digest(case)
    recheck = case.mandate()["recheck"]
    differences = {} if recheck is None else {"differences": about_differences(case)}
    with snapshot(case.connection):
        dossiers = case.assembled(rows, sections)
        about = {**about_export(case.mandate(), certificate, case.sealed_form(rows)), **differences}
    content = as_csv(dossiers, csv_head(about)) if kind == "csv" else as_json(dossiers, about)
    number = _note(case, rows, "exported", path, content, {"households": len(dossiers), "certificate": certificate})
    write_durably(path, content)
    return Handed(path, _sha256(content), len(dossiers), number)


def hand_over_sealed(case: CaseFile, path: Path, *, unit: str, purpose: str | None = None) -> Handed:
    """Write the sealed pack of a complete application, for the unit that holds its reply key. Raises ExportRefused."""
    _check(case, unit, purpose, sealed=True)
    rows, certificate = case.rows(), _digest(case)
    with snapshot(case.connection):
        content = pack(case, rows)
    number = _note(case, rows, "sealed_pack", path, content, {"certificate": certificate})
    write_durably(path, content)
    return Handed(path, _sha256(content), 0, number)


def hand_over_partial(case: CaseFile, path: Path, kind: Kind, *, unit: str, purpose: str | None = None) -> Handed:
    """Write what is here before the certificate, every part of it marked as partial (部分结果). Raises ExportRefused."""
    _check(case, unit, purpose, sealed=False, partial=True)
    rows = case.rows()
    with snapshot(case.connection):
        dossiers = case.assembled_so_far(rows)
        about = {"partial": PARTIAL, **about_export(case.mandate(), "", case.sealed_form(rows))}
    content = as_csv(dossiers, csv_head(about), PARTIAL) if kind == "csv" else as_json(dossiers, about, PARTIAL)
    number = _note(case, rows, "exported_partial", path, content, {"households": len(dossiers)})
    write_durably(path, content)
    return Handed(path, _sha256(content), len(dossiers), number)


def refuse_partial_pack(case: CaseFile) -> None:
    """A sealed pack is worth its certificate: without one the unit could prove nothing. Logged; raises ExportRefused."""
    _refuse(case, ExportRefused("partial_sealed", "a pack without a certificate proves nothing"), "", sealed=True)


def note_file(case: CaseFile, act: str, path: Path, content: bytes, detail: dict[str, int | str]) -> Handed:
    """Write what is not the result but still of persons (a form), mode 0600; in the log, and known to shredding."""
    number = _note(case, case.rows(), act, path, content, detail)
    write_durably(path, content)
    return Handed(path, _sha256(content), 0, number)


def about_export(mandate: Mandate, certificate: str, form: Application) -> dict[str, object]:
    """What stands in an export beside its dossiers."""
    return {
        "notice": NOTICE,
        "unit": mandate["entrusting_unit"],
        "purpose": mandate["purpose"],
        "business_category": mandate["business_category"],
        "certificate": certificate,
        "application": form,
    }


def csv_head(about: dict[str, object]) -> dict[str, str]:
    """The same for the head of a CSV file, in Chinese; the form stays out."""
    names = {"unit": "委托单位", "purpose": "用途", "business_category": "业务类别", "certificate": "完整性证明"}
    head = {"部分结果": PARTIAL} if "partial" in about else {}
    head |= {"注意": str(about["notice"]), **{name: str(about[key]) for key, name in names.items()}}
    match about.get("differences"):
        case {"original": original, "attempt": attempt, "differences": [*found]}:
            head["复核"] = (
                f"原申请 {original}，第 {attempt} 次，差异 {len(found)} 处（见 JSON 导出或 hedx apply differences）"
            )
    return head


def _check(case: CaseFile, unit: str, purpose: str | None, *, sealed: bool, partial: bool = False) -> None:
    refusal: ExportRefused | InvalidMessage | None
    try:
        refusal = _refusal(case, unit, purpose, sealed=sealed, partial=partial)
    except InvalidMessage as error:  # the store holds something else than was filed and certified
        refusal = error
    if refusal is not None:
        _refuse(case, refusal, unit, sealed=sealed)


def _refuse(case: CaseFile, refusal: ExportRefused | InvalidMessage, unit: str, *, sealed: bool) -> None:
    """What is refused is in the log, too."""
    detail = {"code": refusal.code, "sealed": sealed, "unit_named": _sha256(_plain(unit).encode())}
    with transaction(case.connection):
        case.note("export_refused", detail)
    raise refusal


def _refusal(case: CaseFile, unit: str, purpose: str | None, *, sealed: bool, partial: bool) -> ExportRefused | None:
    mandate = case.mandate()
    if _plain(unit) != _plain(mandate["entrusting_unit"]):
        return ExportRefused("unit_mismatch", f"the mandate's entrusting unit is {mandate['entrusting_unit']}")
    if purpose is not None and _plain(purpose) != _plain(mandate["purpose"]):
        return ExportRefused("purpose_mismatch", f"the mandate's purpose is {mandate['purpose']}")
    if case.shredded_at is not None:
        return ExportRefused("shredded", "nothing opens it any more")
    if case.suspended():
        return ExportRefused("party_suspended", "the center has suspended this party")
    if case.state in _OVER:
        return ExportRefused(f"application_{case.state}", case.application_id)
    if partial and case.certificate() is not None:
        return ExportRefused("certified", "there is a certificate: export without --partial")
    if partial and case.acceptance() is None:
        return ExportRefused("nothing_yet", "the center has not accepted it yet: nobody was asked")
    if not partial and not case.is_complete():
        return ExportRefused("incomplete", f"application {case.application_id} is not complete yet")
    if case.held_by_unit and not sealed:
        return ExportRefused("held_by_unit", "the entrusting unit holds the reply key: export a pack with --sealed")
    if sealed and not case.held_by_unit:
        return ExportRefused("not_held_by_unit", "the reply key is the province's: export without --sealed")
    return None


def _note(case: CaseFile, rows: SealedRows, act: str, path: Path, content: bytes, detail: dict[str, int | str]) -> int:
    """The row of the log, and where the file went, under the application's key: a path may name somebody."""
    said = {**detail, "sha256": _sha256(content), "bytes": len(content), "persons": case.persons}
    place = rows.seal(EXPORT, str(path.resolve()).encode())
    with transaction(case.connection):
        number = case.note(act, said)
        case.connection.execute("INSERT INTO export VALUES (?, ?, ?)", (number, case.application_id, place))
    return number


def _digest(case: CaseFile) -> str:
    certificate = case.certificate()
    return "" if certificate is None else certificate.digest.hex()


def _plain(text: str) -> str:
    """The one form in which names are compared."""
    return unicodedata.normalize("NFKC", text).strip()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
