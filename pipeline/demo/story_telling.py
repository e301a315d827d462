"""How the story is told: a line a step, with the simulated time and facts that the system gave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pipeline.domain.answer_codes import STATUS_WORDS
from pipeline.domain.catalog import BASIC_CATEGORIES
from pipeline.domain.printing import visible
from pipeline.domain.wording import Language, explain_reason, provider_words
from pipeline.stages.clock import local_time

STEPS: Final = {
    "joined": ("已联网并备案：{parties}（{filings}）", "joined and filed: {parties} ({filings})"),
    "catalog": (
        "资源目录第 {release} 版发布：{entries} 项，来自报送 {reports}",
        "catalog release {release} published: {entries} entries, of reports {reports}",
    ),
    "completed": (
        "{requester}的申请 {application_id}：{persons} 人，全部反馈，完整性证明第 {version} 版",
        "application {application_id} of {requester}: {persons} persons, all answered, certificate version {version}",
    ),
    "inspected": (
        "入网检测合格：{parties}，共 {checks} 项",
        "conformance checks passed: {parties}, {checks} points in all",
    ),
    "drawn": (
        "抽查 {draw}：抽中 {persons} 人，请{requester}提交{wanted}，期限 {due}",
        "spot check {draw}: persons drawn: {persons}; {requester} is asked for {wanted} by {due}",
    ),
    "answered": (
        "{requester}按期提交 {documents} 份文件（期限 {due}），{in_mandate} 份在签名委托所列摘要之中；核对结论：{verdict}",
        "spot check answered: {documents} documents of {requester}, due {due}, {in_mandate} named in the mandate; {verdict}",
    ),
    "verified": (
        "抽查 {draw} 公布种子 {seed}：重新抽取 {population} 人中的 {persons} 人，一致",
        "draw {draw} verified: seed {seed} revealed, {persons} of {population} drawn again, the same",
    ),
    "rechecked": (
        "复核 {application_id}（第 {attempt} 次查询）发现变化：{changes}",
        "re-check found a changed property record (attempt {attempt}): {changes}",
    ),
    "received": (
        "收到申请 {application_id}（{requester}，{unit}，{consent}），{persons} 人",
        "application received: {application_id} ({requester}, for {unit}, consent {consent}), {persons} persons",
    ),
    "held": (
        "待人工审查：{reasons}；须在 {due} 前决定",
        "held for an officer: {reasons}; to be decided by {due}",
    ),
    "approved": ("审查人员 {officers} 同意", "approved by officer {officers}"),
    "started": (
        "2 个工作日内启动：第 0 日 {day0}，计 {counted}，期限 {due}，启动 {started}",
        "started within 2 working days: day 0 {day0}, counted {counted}, due {due}, started {started}",
    ),
    "extended": (
        "{provider}因“{reason}”不能按期反馈，经商议延期至 {until}",
        "provider extended: {provider} until {until}, agreed, because “{reason}”",
    ),
    "withdrawn": (
        "撤销 {application_id}：{acknowledged}已确认，{not_acknowledged}尚未确认，{by_status}",
        "withdrawn: {application_id}; acknowledged by {acknowledged}, not yet by {not_acknowledged}; {by_status}",
    ),
    "certificate": (
        "完整性证明第 {version} 版，不完整：{missing}",
        "certificate v{version} incomplete: {missing}",
    ),
    "supplement": (
        "补充反馈，完整性证明第 {version} 版，完整：{by_status}；撤销已由{acknowledged}全部确认",
        "supplement v{version} complete: {by_status}; the withdrawal is acknowledged by all: {acknowledged}",
    ),
}
"""Step → its line in Chinese and English; names in braces are facts of the step."""
_VERDICTS: Final = {"accepted": ("认可", "accepted"), "questioned": ("存疑", "questioned")}
_PARTIES: Final = frozenset(
    {"party", "parties", "provider", "providers", "requester", "acknowledged", "not_acknowledged"}
)


class Teller:
    """Tells steps with `say`, and keeps them: `steps` is what `--json` gives, each with `step`, `at` (ms), `day`, `facts`."""

    def __init__(self, lang: Language, say: Callable[[str], None]) -> None:
        self.steps: list[dict[str, Any]] = []
        self.lang = lang
        self._say = say

    def tell(self, step: str, at: int, facts: Mapping[str, Any]) -> None:
        """Tell one step that happened at instant `at` (ms). KeyError for a step that has no words, or lacks a fact."""
        words = STEPS[step][self.lang == "en"]
        line = words.format(**{name: self._words(name, value) for name, value in facts.items()})
        self._say(f"{local_time(at)}  {visible(line)}")
        self.steps.append({"step": step, "at": at, "local": local_time(at), "facts": dict(facts)})

    def _words(self, name: str, value: Any) -> str:
        english = self.lang == "en"
        if isinstance(value, list | tuple):
            return (", " if english else "、").join(self._words(name, one) for one in value)
        if name == "reasons":
            return explain_reason(value, self.lang)
        if name == "by_status":
            words = {**STATUS_WORDS, "done": ("已反馈", "answered")}
            told = [(words[status][english], count) for status, count in value.items()]
            return ", ".join(f"{n} {word}" for word, n in told) if english else "、".join(f"{w} {n}" for w, n in told)
        if name == "changes":
            return self._change(value)
        if name == "verdict":
            return _VERDICTS[value][english]
        if name == "missing":
            return self._missing(value)
        return provider_words(value, self.lang) if name in _PARTIES else str(value)

    def _change(self, change: Mapping[str, Any]) -> str:
        provider = provider_words(change["provider"], self.lang)
        before, after = change["before"], change["after"]
        if self.lang == "en":
            return f"person {change['number']}, {provider}, {change['name']}: {before} → {after}"
        return f"第 {change['number']} 人，{provider}，{change['name']}：{before} → {after}"

    def _missing(self, part: Mapping[str, Any]) -> str:
        provider, status = provider_words(part["provider"], self.lang), STATUS_WORDS[part["status"]]
        category = BASIC_CATEGORIES[part["category"]]
        if self.lang == "en":
            return f"{provider}, {category[1]}: {part['count']} {status[1]}"
        return f"{provider}{category[0]} {part['count']} 人{status[0]}"
