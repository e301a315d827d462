// Health at a glance: key figures, alerts, the flow.
import { h } from "./dom.js";
import { flowCard } from "./flow.js";
import { count, rate, seconds } from "./format.js";
import { TONES, badge, card, empty, head, table } from "./parts.js";
import { latest } from "./stream.js";
import { english, named, t } from "./words.js";

export const kinds = ["lag", "summary", "flow", "latency", "risks", "dead_letters", "alerts"];

export function draw() {
  const alerts = latest.alerts;
  return [
    head("nav.overview"),
    h("div", { class: "stack", "data-key": "stack" },
      alerts ? health(alerts) : empty(t("waiting")),
      figures(),
      alerts ? alertCard(alerts) : null,
      latest.flow ? flowCard() : null,
      latest.latency?.length ? latency(latest.latency) : null),
  ];
}

function health(alerts) {
  const tally = (severity) => alerts.filter((each) => each.severity === severity).length;
  const values = { alarms: tally("alarm"), warnings: tally("warning"), notices: tally("notice") };
  const tone = values.alarms ? "alarm" : values.warnings ? "warning" : "fine";
  const sign = { alarm: "■", warning: "▲", fine: "●" }[tone];
  return h("div", { class: `card health ${tone}`, "data-key": "health", role: "status" },
    h("span", { class: "sign", "aria-hidden": "true" }, sign), h("strong", {}, t(`health.${tone}`)),
    h("span", { class: "muted" }, t("health.counts", values)));
}

function figures() {
  const { lag, summary, dead_letters: letters } = latest;
  const bad = lag?.rows.filter((row) => row.status !== "ok").length ?? 0;
  const grave = lag?.rows.some((row) => row.status === "stalled" || row.status === "stopped");
  const longest = lag ? Math.max(0, ...lag.rows.map((row) => row.lag_seconds ?? 0)) : null;
  const open = letters ? letters.filter((letter) => letter.state === "open").length : null;
  const late = summary && summary.behind_seconds > 10 ? t("kpi.behind", { seconds: seconds(summary.behind_seconds) }) : null;
  const running = summary ? Object.values(summary.open).reduce((sum, each) => sum + each, 0) : null;
  return h("dl", { class: "kpis", "data-key": "kpis", "aria-label": t("kpi") },
    lag ? figure("lag", seconds(longest), grave ? "bad" : bad ? "warn" : "", bad ? t("kpi.lag.note", { count: bad }) : null) : null,
    summary ? [
      figure("open", count(running), "", late),
      figure("applications", rate(summary.applications_per_minute)),
      figure("subqueries", rate(summary.subqueries_per_minute)),
      figure("answers", rate(summary.answers_per_minute)),
      figure("stuck", count(summary.stuck), summary.stuck ? "bad" : ""),
      figure("at_risk", count(summary.at_risk), summary.at_risk ? "warn" : ""),
    ] : null,
    letters ? figure("letters", count(open), open ? "warn" : "") : null);
}

function figure(key, value, tone = "", note = null) {
  return h("div", { class: `card kpi ${tone}`, "data-key": key, id: `kpi-${key}` },
    h("dt", {}, t(`kpi.${key}`)), h("dd", {}, value), note ? h("dd", { class: "note" }, note) : null);
}

function alertCard(alerts) {
  return card("alerts", t("alerts"),
    alerts.length
      ? h("ul", {}, alerts.map((each) => h("li", {},
          badge(TONES[each.severity], t(`severity.${each.severity}`)), h("span", { class: "text" }, sentence(each)))))
      : empty(t("alerts.none")));
}

function sentence(alert) {
  if (alert.zh) {
    return [english() ? alert.en : alert.zh, h("br"), h("span", { class: "muted small" }, english() ? alert.cure_en : alert.cure_zh)];
  }
  if (alert.code === "source_away") return away(alert.source, alert.at);
  if (alert.code.startsWith("lag_")) {
    const values = { ...alert, rule: t(`rule.${alert.rule}`), lag: count(alert.lag), seconds: seconds(alert.lag_seconds) };
    return t(alert.topic ? "alert.lag" : "alert.group", values);
  }
  return t(`alert.${alert.code}`, alert);
}

/** That a source does not answer, and how old what is shown of it is. */
export function away(source, at) {
  const values = { source: t(`source.${source}`) };
  return at ? t("source.away", { ...values, age: seconds(Math.max(0, ((latest.beat?.now ?? at) - at) / 1000)) }) : t("source.never", values);
}

function latency(legs) {
  const columns = [
    { head: t("latency.leg") }, { head: t("latency.count"), n: true }, { head: t("latency.p50"), n: true, strong: true },
    { head: t("latency.p90"), n: true }, { head: t("latency.p99"), n: true },
  ];
  const rows = legs.map((leg) => ({
    key: leg.leg,
    cells: [leg.leg.split("→").map((end) => named("legs", end)).join(" → "), count(leg.count), seconds(leg.p50), seconds(leg.p90), seconds(leg.p99)],
  }));
  return card("latency", t("latency"), table(t("latency.caption"), columns, rows));
}
