"""How the story is told: a line a step, with the simulated time and facts that the system gave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

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
        "{requester} 的申请 {application_id}：{persons} 人，全部反馈，完整性证明第 {version} 版",
        "application {application_id} of {requester}: {persons} persons, all answered, certificate version {version}",
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
        "{provider} 因“{reason}”不能按期反馈，经商议延期至 {until}",
        "provider extended: {provider} until {until}, agreed, because “{reason}”",
    ),
    "withdrawn": (
        "撤销 {application_id}：已确认 {acknowledged}，未确认 {not_acknowledged}，{by_status}",
        "withdrawn: {application_id}; acknowledged by {acknowledged}, not yet by {not_acknowledged}; {by_status}",
    ),
    "certificate": (
        "完整性证明第 {version} 版，不完整：{missing}",
        "certificate v{version} incomplete: {missing}",
    ),
    "supplement": (
        "补充反馈，完整性证明第 {version} 版，完整：{by_status}",
        "supplement v{version} complete: {by_status}",
    ),
}
"""Step → its line in Chinese and English; names in braces are facts of the step."""
_PARTIES: Final = frozenset(
    {"party", "parties", "provider", "providers", "requester", "acknowledged", "not_acknowledged"}
)


class Teller:
    """Tells steps with `say`, and keeps them: `steps` is what `--json` gives, each with `step`, `at` (ms), `day`, `facts`."""

    def __init__(self, lang: Language, say: Callable[[str], None]) -> None:
        self.steps: list[dict[str, Any]] = []
        self._lang = lang
        self._say = say

    def tell(self, step: str, at: int, facts: Mapping[str, Any]) -> None:
        """Tell one step that happened at instant `at` (ms). KeyError for a step that has no words, or lacks a fact."""
        words = STEPS[step][self._lang == "en"]
        line = words.format(**{name: self._words(name, value) for name, value in facts.items()})
        self._say(f"{local_time(at)}  {visible(line)}")
        self.steps.append({"step": step, "at": at, "local": local_time(at), "facts": dict(facts)})

    def _words(self, name: str, value: Any) -> str:
        if isinstance(value, list | tuple):
            return ("、" if self._lang == "zh" else ", ").join(self._words(name, one) for one in value)
        if name == "reasons":
            return explain_reason(value, self._lang)
        return provider_words(value, self._lang) if name in _PARTIES else str(value)
