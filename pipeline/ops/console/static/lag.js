// Lag by group and topic: seconds first, the judgement, a small line of how it went.
import { h, s } from "./dom.js";
import { count, percent, seconds } from "./format.js";
import { TONES, badge, card, empty, head, table } from "./parts.js";
import { latest } from "./stream.js";
import { t } from "./words.js";

export const kinds = ["lag"];
let onlyBad = false;

export const changes = {
  "only-bad": (_, box) => { onlyBad = box.checked; },
};

export function draw() {
  const lag = latest.lag;
  const tool = h("label", { class: "check" },
    h("input", { type: "checkbox", id: "only-bad", "data-change": "only-bad", checked: onlyBad }), t("lag.only_bad"));
  if (!lag) return [head("nav.lag"), empty(t("waiting"))];
  const rows = lag.rows.filter((row) => !onlyBad || row.status !== "ok");
  const columns = [
    { head: t("lag.group") }, { head: t("lag.topic") }, { head: t("lag.status") },
    { head: t("lag.seconds"), n: true, strong: true }, { head: t("lag.lag"), n: true }, { head: t("lag.trend") },
    { head: t("lag.members"), n: true, extra: true }, { head: t("lag.partitions"), n: true, extra: true },
    { head: t("lag.retention"), n: true, extra: true },
  ];
  return [
    head("nav.lag", tool),
    lag.absent.length ? h("p", { class: "stale", "data-key": "absent" }, t("lag.absent", { groups: lag.absent.join(", ") })) : null,
    card("lag", null, rows.length ? table(t("lag.caption"), columns, rows.map(row)) : empty(t("lag.all_fine"))),
  ];
}

function row(each) {
  const tone = TONES[each.status];
  return {
    key: `${each.group} ${each.topic}`,
    tone: tone === "ok" ? "" : tone,
    cells: [
      h("span", { class: "mono" }, each.group),
      each.topic ? h("span", { class: "mono" }, each.topic) : "–",
      h("div", {}, badge(tone, t(`status.${each.status}`)),
        each.status === "ok" ? null : h("span", { class: "small", title: each.reason }, " ", t(`rule.${each.rule}`))),
      seconds(each.lag_seconds), count(each.lag), spark(each.trend), count(each.members), count(each.partitions),
      each.compacted ? t("lag.compacted") : percent(each.retention_ratio),
    ],
  };
}

function spark(points) {
  const most = Math.max(1, ...points);
  const at = (value, number) => `${(96 - (points.length - 1 - number) * (96 / 59)).toFixed(1)},${(22 - (value / most) * 20).toFixed(1)}`;
  const said = t("lag.trend.alt", { now: seconds(points.at(-1)), most: seconds(Math.max(...points)) });
  return s("svg", { class: "spark", viewBox: "0 0 96 24", role: "img", "aria-label": said },
    s("line", { x1: 0, y1: 23, x2: 96, y2: 23 }), s("polyline", { points: points.map(at).join(" ") }));
}
