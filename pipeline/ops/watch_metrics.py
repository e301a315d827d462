"""The watch's tables as Prometheus' metrics (`metric_names`, source `watch`).

While the tables are rebuilt nothing but how far behind they are is shown: half a figure looks like a counter that began anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.metrics_core import Metric as Family

from pipeline.ops.metrics_building import family
from pipeline.ops.watch_stuck import RULES
from pipeline.ops.watch_tables import WatchTables
from pipeline.ops.watch_views import LATENCY_MINUTES, Views

DAYS = 2
"""Days (UTC) whose answers' durations are shown by provider: today, which may just have begun, and yesterday."""
QUANTILES = (("0.5", 0.5), ("0.9", 0.9), ("0.99", 0.99))


def families(
    tables: WatchTables, views: Views, now: Callable[[], int], behind: Callable[[], float], rebuilt: Callable[[], bool]
) -> Iterator[Family]:
    """Every metric of the watch, as of `now` (ms)."""
    yield family("hedx_watch_behind_seconds", [({}, behind())])
    if rebuilt():
        yield from _counters(tables)
        yield from _applications(views)
        yield from _providers(tables, views, now())


def _counters(tables: WatchTables) -> Iterator[Family]:
    totals = tables.totals
    yield family("hedx_watch_events_total", _labelled(("stage", "kind"), totals.events.items()))
    yield family("hedx_watch_duplicates_total", [({}, tables.duplicates)])
    yield family("hedx_watch_unreadable_total", [({"code": code}, count) for code, count in tables.unreadable.items()])
    yield family("hedx_watch_applications_total", [({"party": party}, n) for party, n in totals.applications.items()])
    yield family("hedx_watch_subqueries_total", _labelled(("provider", "category"), totals.subqueries.items()))
    yield family("hedx_watch_answers_total", _labelled(("provider", "category", "status"), totals.answers.items()))
    yield family("hedx_watch_late_total", [({"provider": provider}, n) for provider, n in totals.late.items()])


def _applications(views: Views) -> Iterator[Family]:
    survey = views.survey()
    yield family("hedx_watch_open_applications", [({"state": state}, n) for state, n in sorted(survey.states.items())])
    stuck = [found.why for _, found in survey.stuck]
    yield family(
        "hedx_watch_stuck_applications", [({"why": rule.why}, stuck.count(rule.why)) for rule in RULES]
    )  # at 0 as well: an alert needs the series
    risks = [risk.provider for risk in survey.at_risk]
    yield family("hedx_watch_deadlines_at_risk", [({"provider": who}, risks.count(who)) for who in sorted(set(risks))])


def _providers(tables: WatchTables, views: Views, now: int) -> Iterator[Family]:
    yield family(
        "hedx_watch_latency_seconds",
        [
            ({"leg": leg, "quantile": name}, sketch.quantile(share) or 0.0)
            for leg, sketch in tables.latency.legs(now, LATENCY_MINUTES)
            for name, share in QUANTILES
        ],
    )
    standings = tables.punctuality.standings(now, views.survey().unanswered)
    ratios = [({"provider": each.provider}, each.ratio) for each in standings if each.ratio is not None]
    yield family("hedx_watch_punctuality_ratio", ratios)
    recent = [(each.provider, tables.punctuality.took(each.provider, now, days=DAYS)) for each in standings]
    yield family(
        "hedx_watch_answer_seconds",
        [
            ({"provider": provider, "quantile": name}, sketch.quantile(share) or 0.0)
            for provider, sketch in recent
            if sketch.count
            for name, share in QUANTILES
        ],
    )


def _labelled(
    names: tuple[str, ...], counts: Iterable[tuple[tuple[str, ...], int]]
) -> list[tuple[dict[str, str], float]]:
    return [(dict(zip(names, key, strict=True)), count) for key, count in counts]
