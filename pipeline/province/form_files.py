"""Reading the application form (查询申请), a YAML file with the Chinese labels of the annex or English keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, cast

from pydantic import ValidationError

from pipeline.domain.catalog import Release
from pipeline.domain.characters import in_simplified, simplified
from pipeline.domain.faults import fault, shown
from pipeline.domain.parties import provider_from
from pipeline.domain.periods import written_date
from pipeline.domain.records import Application, Fault, UnitConsent
from pipeline.domain.review import ADDRESSEE, CONSENT_SCOPE, LEGAL_BASIS
from pipeline.province.form_model import (
    FORM_KEYS,
    LEVEL_WORDS,
    PART_KEYS,
    ROW_KEYS,
    FormFile,
    UnitPart,
)
from pipeline.province.text_files import YamlError, parse_yaml, read_text

FORM_MIB: Final = 1

_COLONS: Final = ":\uff1a"
_YES: Final = frozenset(("是", "true", "yes", "已取得"))
_NO: Final = frozenset(("否", "false", "no", "未取得", ""))
_NATIONWIDE: Final = frozenset((CONSENT_SCOPE, "全国", "nationwide"))


@dataclass
class FormDraft:
    """A form as far as it could be read. `spoilt`: (field, row) already faulted, which the review need not repeat."""

    application: Application | None = None
    faults: list[Fault] = field(default_factory=list)
    spoilt: set[tuple[str, int | None]] = field(default_factory=set)
    periods: dict[int, str] = field(default_factory=dict)
    """Row number → the period column as written, still to be parsed with today's date."""
    spelling: dict[str, str] = field(default_factory=dict)
    """English key → the key as it stands in the file."""

    def report(self, code: str, where: str, row: int | None = None, **args: Any) -> None:
        """Note a fault, and that the review need not look at this field again."""
        self.faults.append(fault(code, row=row, field=where, **args))
        self.spoilt.add((where, row))


def read_form(path: Path, release: Release, requester: str, application_id: str) -> FormDraft:
    """Read a form file; its faults of writing are in the draft, those of meaning are the review's."""
    draft = FormDraft()
    text = read_text(path, "form", FORM_MIB)
    if not isinstance(text, str):
        draft.faults.append(text)
        return draft
    try:
        document = parse_yaml(text)
    except YamlError as error:
        draft.faults.append(fault("file_syntax", field="form", line=error.line))
        return draft
    draft.faults += [fault("key_repeated", key=key) for key in document.repeated]
    if not isinstance(document.content, dict):
        draft.faults.append(fault("file_syntax", field="form", line=1))
        return draft
    return drafted_form(document.content, draft, release, requester, application_id)


def drafted_form(
    content: dict[str, Any], draft: FormDraft, release: Release, requester: str, application_id: str
) -> FormDraft:
    """The draft with the application that a form's content says, as far as it fits; the rest is among its faults."""
    form = _validated(_canonical(content, draft), draft)
    draft.application = _application(form, draft, release, requester, application_id)
    return draft


def _canonical(content: dict[str, Any], draft: FormDraft) -> dict[str, Any]:
    form = _renamed(content, FORM_KEYS, draft)
    for key in ("consent", "roster", "unit_consent"):
        if isinstance(form.get(key), dict):
            form[key] = _renamed(form[key], PART_KEYS[key], draft)
        elif form.get(key) == "":
            del form[key]
    rows = form.get("schedule")
    if isinstance(rows, list):
        form["schedule"] = [_renamed(row, ROW_KEYS, draft) if isinstance(row, dict) else row for row in rows]
    elif rows == "":
        del form["schedule"]
    return form


def _renamed(content: dict[str, Any], names: dict[str, str], draft: FormDraft) -> dict[str, Any]:
    renamed: dict[str, Any] = {}
    for written, value in content.items():
        key = names.get(simplified(written).strip(), written.strip())
        if key in renamed:
            draft.faults.append(fault("key_repeated", key=shown(written)))
        draft.spelling.setdefault(key, written)
        renamed.setdefault(key, "" if value in ("~", "null") else value)
    return renamed


def _validated(form: dict[str, Any], draft: FormDraft) -> FormFile:
    """Parse with pydantic; what does not fit is reported and taken out, so that the rest can still be reviewed."""
    try:
        return FormFile.model_validate(form)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
    for problem in problems:
        where = problem["loc"]
        row = where[1] + 1 if len(where) > 1 and isinstance(where[1], int) else None
        code = "key_unknown" if problem["type"] == "extra_forbidden" else "value_shape"
        words = [str(part) for part in (where[2:] or where[:1] if row else where) if isinstance(part, str)]
        key = ".".join(draft.spelling.get(word, word) for word in words)
        draft.faults.append(fault(code, row=row, key=shown(key)))
        draft.spoilt.add((_field_of(where), row))
        _take_out(form, where)
    return FormFile.model_validate(form)


def _field_of(where: tuple[int | str, ...]) -> str:
    words = [str(part) for part in where if isinstance(part, str)]
    return words[-1] if words[0] == "schedule" else ".".join(words)


def _take_out(form: Any, where: tuple[int | str, ...]) -> None:
    for part in where[:-1]:
        form = form[part]
    if isinstance(where[-1], int):
        form[where[-1]] = {}
    else:
        del form[where[-1]]


def _application(
    form: FormFile, draft: FormDraft, release: Release, requester: str, application_id: str
) -> Application:
    scope = form.consent.scope
    draft.periods = {number: row.period for number, row in enumerate(form.schedule, 1)}
    return {
        "application_id": application_id,
        "requester": requester,
        "addressee": known(form.addressee.rstrip(_COLONS), ADDRESSEE),
        "legal_basis": known(form.legal_basis, LEGAL_BASIS),
        "approving_authority": form.approving_authority,
        "business_category": in_simplified(form.business_category),
        "purpose": form.purpose,
        "lead_person": form.lead_person,
        "person_count": _count(form.person_count, draft),
        "consent_held": _truth(form.consent.held, "consent.held", draft),
        "consent_scope": cast(
            "Literal['nationwide', 'narrower']",
            "nationwide" if simplified(scope) in _NATIONWIDE else scope and "narrower",
        ),
        "roster_date": written_date(form.roster.date),
        "roster_dataset": form.roster.dataset,
        "contact_name": form.contact_name,
        "contact_phone": form.contact_phone,
        "form_date": written_date(form.form_date),
        "schedule": [
            {
                "row": number,
                "provider": _provider_code(row.provider),
                "category": release.category_from(row.category),
                "period": {"kind": "latest", "start": None, "end": None},
            }
            for number, row in enumerate(form.schedule, 1)
        ],
        "seal_to_center": _truth(form.seal_to_center, "seal_to_center", draft),
        "unit_consent": _unit_consent(form.unit_consent),
        "recheck": None,
    }


def known(written: str, text: str) -> str:
    """What the form prints itself, when `written` is that in other characters; else as written."""
    return text if simplified(written) == simplified(text) else written


def _unit_consent(part: UnitPart | None) -> UnitConsent | None:
    """The province itself asks when nothing is filled in, or 省级 alone."""
    if part is None or (
        not any(part.model_dump(exclude={"level"}).values()) and _level(part.level) in ("", "province")
    ):
        return None
    return {
        "level": cast("Literal['city', 'county']", _level(part.level)),
        "unit": part.unit,
        "authority": simplified(part.authority),
        "document": part.document,
        "reason": part.reason,
        "date": written_date(part.date),
        "valid_until": written_date(part.valid_until),
    }


def _level(written: str) -> str:
    return LEVEL_WORDS.get(simplified(written), written)


def _count(text: str, draft: FormDraft) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return int(text)
    if ("person_count", None) not in draft.spoilt:
        draft.report("person_count" if text else "missing", "person_count")
    return 0


def _truth(text: str, where: str, draft: FormDraft) -> bool:
    text = simplified(text)
    if text.lower() not in _YES | _NO:
        draft.report("choice", where, allowed="是 (true) / 否 (false)")
    return text.lower() in _YES


def _provider_code(text: str) -> str:
    try:
        return provider_from(text)
    except ValueError:
        return text
