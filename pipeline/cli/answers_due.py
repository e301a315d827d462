"""By when each provider has to answer (反馈期限, Art. 10): frozen at acceptance, moved only by a signed extension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.cli.dossier_table import category_words
from pipeline.domain.wording import Language, provider_words
from pipeline.province.casefile import CaseFile
from pipeline.province.correspondence import Correspondence
from pipeline.stages.clock import local_time


def answers_due(case: CaseFile, said: Correspondence) -> list[dict[str, Any]]:
    """Provider, row and category of each sub-query that is asked, and its deadline (ms); nothing before the acceptance."""
    acceptance = case.acceptance()
    if acceptance is None:
        return []
    agreed = {
        (told.delay["provider"], row): told.extension["until"]
        for told in said.delays()
        if told.extension is not None and not told.extension["closed"]
        for row in told.extension["rows"]
    }
    return [
        {
            **{key: query[key] for key in ("provider", "row", "category")},
            "deadline": agreed.get((query["provider"], query["row"]), query["deadline"]),
        }
        for query in acceptance["sub_queries"]
        if query["provider"] not in acceptance["suspended"]
    ]


def due_lines(due: Sequence[dict[str, Any]], lang: Language) -> list[str]:
    """A line for each, the earliest first."""
    lines = []
    for one in sorted(due, key=lambda one: (one["deadline"], one["provider"], one["row"])):
        provider, at = provider_words(one["provider"], lang), local_time(one["deadline"])
        category = category_words(one["category"], {}, lang)
        lines.append(f"{at}  {provider} {category}" if lang == "zh" else f"{at}  {provider}, {category}")
    return lines
