"""Changes of the catalog, reports and what they concern, in data for programs and in words for officials."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from pipeline.center.cataloguing import Plan, Reported
from pipeline.domain.catalog_changes import Changes, EntryChange, Impact
from pipeline.domain.coverage import coverage_of, coverage_words
from pipeline.domain.records import CatalogEntry, Fault
from pipeline.domain.wording import Language, explain, provider_words
from pipeline.stages.clock import local_time

_ADDED: Final = ("新增", "added")
_RETIRED: Final = ("停止提供", "retired")
_CHANGED: Final = ("变更", "changed")
_ITEMS: Final = {
    "items_added": ("新增内容项", "items added"),
    "items_removed": ("取消内容项", "items removed"),
    "items_changed": ("变更内容项", "items changed"),
}
_FIELDS: Final = {
    "name": ("名称", "name"),
    "items": ("内容项", "items"),
    "region": ("覆盖区域", "region"),
    "region_codes": ("区划代码", "region codes"),
    "levels": ("层级", "levels"),
    "as_of": ("数据截止日期", "as-of date"),
    "update_cycle": ("更新周期", "update cycle"),
    "feedback_seconds": ("反馈期限（秒）", "feedback limit (seconds)"),
    "feedback_working_days": ("反馈期限（工作日）", "feedback limit (working days)"),
    "sharing_conditions": ("共享条件", "sharing conditions"),
    "period_covered": ("数据时段", "period covered"),
}


def as_data(changes: Changes) -> dict[str, object]:
    """The differences of two releases for a program."""
    return {
        "added": [_which(entry) for entry in changes.added],
        "changed": [
            {
                **_which(change.new),
                "was_version": change.old["version"],
                "fields": change.fields,
                "items_added": change.items_added,
                "items_removed": change.items_removed,
                "items_changed": change.items_changed,
            }
            for change in changes.changed
        ],
        "retired": [_which(entry) for entry in changes.retired],
    }


def as_lines(changes: Changes, lang: Language) -> list[str]:
    """The differences of two releases, a line an entry."""
    english = lang == "en"
    lines = [f"+ {_ADDED[english]} {entry_words(entry, lang)}" for entry in changes.added]
    lines += [f"~ {_CHANGED[english]} {_change_words(change, lang)}" for change in changes.changed]
    lines += [f"- {_RETIRED[english]} {_name(entry, lang)}" for entry in changes.retired]
    return lines or ["no difference" if english else "没有差异"]


def entry_words(entry: CatalogEntry, lang: Language) -> str:
    """Who offers what, within which coverage."""
    return f"{_name(entry, lang)}: {coverage_words(coverage_of(entry), lang)}"


def impact_data(impacts: Iterable[Impact]) -> list[dict[str, object]]:
    """Answers still owed, for a program; `deadline` in ms, null while the application is not accepted."""
    return [
        {
            "kind": i.kind,
            "application_id": i.application_id,
            "requester": i.requester,
            "release": i.release,
            "provider": i.asked.provider,
            "category": i.asked.category,
            "row": i.asked.row,
            "deadline": i.asked.deadline,
        }
        for i in impacts
    ]


def impact_lines(impacts: Sequence[Impact], lang: Language) -> list[str]:
    """Which open applications the changes concern, and what is owed to them all the same."""
    english = lang == "en"
    if not impacts:
        return [
            "no open application asks for what is changed or retired" if english else "没有未办结的申请涉及上述变更"
        ]
    lines = [
        "open applications are served under the release they were accepted with; still owed:"
        if english
        else "未办结的申请仍按受理时的目录版本反馈，以下反馈不受影响、仍须完成："
    ]
    for i in impacts:
        provider, kind = (
            provider_words(i.asked.provider, lang),
            (_RETIRED if i.kind == "retired" else _CHANGED)[english],
        )
        if i.asked.deadline is None:
            due = "not accepted yet" if english else "尚未受理"
        else:
            due = ("by " if english else "期限 ") + local_time(i.asked.deadline)
        if english:
            lines.append(
                f"  {i.application_id} of {i.requester}, release {i.release}: {provider} {i.asked.category} ({kind}), {due}"
            )
        else:
            lines.append(
                f"  {i.application_id}（{provider_words(i.requester)}，目录第 {i.release} 版）：{provider} {i.asked.category}（{kind}），{due}"
            )
    return lines


def plan_data(plan: Plan, lang: Language) -> dict[str, object]:
    """The next release before it is published."""
    return {
        "release": plan.number,
        "entries": len(plan.entries),
        "reports": [reported.name for reported in plan.taken],
        **as_data(plan.changes),
        "impact": impact_data(plan.impacts),
        "faults": [{"report": name, **fault, "message": explain(fault, lang)} for name, fault in plan.faults],
    }


def plan_lines(plan: Plan, lang: Language) -> list[str]:
    """The same for a reader."""
    english = lang == "en"
    head = (
        f"release {plan.number}: {len(plan.entries)} entries, from {len(plan.taken)} accepted reports"
        if english
        else f"资源目录第 {plan.number} 版：{len(plan.entries)} 项资源，采纳报送 {len(plan.taken)} 份"
    )
    faults = [f"! {name} {explain(fault, lang)}" for name, fault in plan.faults]
    return [head, *as_lines(plan.changes, lang), *impact_lines(plan.impacts, lang), *faults]


def report_data(reported: Reported, lang: Language) -> dict[str, Any]:
    """A report on the desk, without its entries."""
    report, item = reported.report, reported.item
    return {
        "report": reported.name,
        "party": report["party"],
        "received_at": item["since"],
        "entries": len(report["entries"]),
        "retire": report["retire"],
        "accepted_by": [approval["officer"] for approval in item["approvals"]],
        "faults": fault_data(item["faults"], lang),
    }


def fault_data(faults: Iterable[Fault], lang: Language) -> list[dict[str, object]]:
    """Faults with their wording."""
    return [{**fault, "message": explain(fault, lang)} for fault in faults]


def _which(entry: CatalogEntry) -> dict[str, object]:
    return {key: entry[key] for key in ("provider", "category", "name", "version")}


def _name(entry: CatalogEntry, lang: Language) -> str:
    name = entry["category"] if lang == "en" else entry["name"]
    version = f"version {entry['version']}" if lang == "en" else f"版本 {entry['version']}"
    return f"{provider_words(entry['provider'], lang)} {name} ({version})"


def _change_words(change: EntryChange, lang: Language) -> str:
    english = lang == "en"
    told = [_FIELDS.get(field, (field, field))[english] for field in change.fields if field != "items"]
    for key, words in _ITEMS.items():
        items = getattr(change, key)
        if items:
            told.append(f"{words[english]} {', '.join(items)}")
    was = f"was {change.old['version']}" if english else f"原版本 {change.old['version']}"
    return f"{_name(change.new, lang)}, {was}: {'; '.join(told) or ('version only' if english else '仅版本号')}"
