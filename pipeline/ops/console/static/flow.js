// The flow as a picture: stages with their state, arrows with their rates; across on a desk, down on a phone.
import { h, s } from "./dom.js";
import { rate } from "./format.js";
import { card } from "./parts.js";
import { latest } from "./stream.js";
import { t } from "./words.js";

const CHAIN = ["requester", "intake", "applications", "provider", "collect", "join", "delivery"];
const WIDE = {
  requester: [105, 62], intake: [365, 62], applications: [625, 62], provider: [895, 62],
  collect: [895, 238], join: [625, 238], delivery: [105, 238],
};
const GROUPS = [
  [/^hedx\.center\.(intake|applications|collect|join)$/, (match) => match[1]],
  [/^hedx\.\d\d\.answer$/, () => "provider"],
  [/^hedx\.\d\d\.deliver$/, () => "delivery"],
];
const RANK = ["ok", "warn", "stalled", "stopped"];
const narrow = matchMedia("(max-width: 40rem)");

/** The card; `latest.flow` is there. */
export function flowCard() {
  const edges = latest.flow.filter((edge) => CHAIN.includes(edge.from) && CHAIN.includes(edge.to) && edge.from !== edge.to);
  for (const [at, from] of CHAIN.slice(0, -1).entries()) {
    const to = CHAIN[at + 1];
    if (!edges.some((edge) => edge.from === from && edge.to === to)) edges.push({ from, to, per_minute: 0 });
  }
  const said = edges.map(({ from, to, per_minute }) => t("flow.per_minute", { from: t(`flow.${from}`), to: t(`flow.${to}`), rate: rate(per_minute) }));
  return card("flow", t("flow"),
    h("p", { class: "note muted small" }, t("flow.note")),
    narrow.matches ? tall(edges) : wide(edges),
    h("p", { class: "hidden-label" }, t("flow.alt"), said.join("; ")));
}

/** The gravest state of the groups behind each stage. */
function states() {
  const found = {};
  for (const { group, status } of latest.lag?.rows ?? []) {
    for (const [pattern, name] of GROUPS) {
      const match = pattern.exec(group);
      if (!match) continue;
      const stage = name(match);
      found[stage] = RANK[Math.max(RANK.indexOf(status), RANK.indexOf(found[stage] ?? "ok"))];
    }
  }
  return found;
}

function picture(width, height, edges, nodes) {
  return s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": t("flow") },
    s("defs", {}, marker("head", ""), marker("head-busy", "busy")), edges, nodes);
}

function marker(id, name) {
  return s("marker", { id, class: name, viewBox: "0 0 10 10", refX: 9, refY: 5, markerWidth: 9, markerHeight: 9, markerUnits: "userSpaceOnUse", orient: "auto" },
    s("path", { d: "M0 0 10 5 0 10z" }));
}

function node(name, x, y, state, width = 150, height = 60) {
  const tone = { warn: "warn", stalled: "bad", stopped: "bad", ok: "ok" }[state] ?? "";
  const sign = { ok: "● ", warn: "▲ ", bad: "■ " }[tone] ?? "";
  return s("g", { class: `node ${tone}`, "data-stage": name },
    s("rect", { x: x - width / 2, y: y - height / 2, width, height, rx: 10 }),
    s("text", { class: "name", x, y: state ? y - 3 : y + 5 }, t(`flow.${name}`)),
    state ? s("text", { class: "state", x, y: y + 17 }, sign + t(`status.${state}`)) : null);
}

function arrow(edge, d, x, y) {
  const busy = edge.per_minute > 0;
  return s("g", { class: busy ? "edge busy" : "edge", "data-edge": `${edge.from}-${edge.to}` },
    s("path", { d, "marker-end": `url(#${busy ? "head-busy" : "head"})` }),
    s("text", { x, y }, rate(edge.per_minute)));
}

function wide(edges) {
  const found = states();
  const both = (one) => edges.some((other) => other.from === one.to && other.to === one.from);
  const arrows = edges.map((edge) => {
    const [[x1, y1], [x2, y2]] = [WIDE[edge.from], WIDE[edge.to]];
    if (y1 === y2) {
      const way = Math.sign(x2 - x1);
      const shift = both(edge) ? way * -12 : 0;
      const [from, to] = [x1 + way * 75, x2 - way * 79];
      return arrow(edge, `M${from} ${y1 + shift}H${to}`, (from + to) / 2, y1 + shift - 8);
    }
    const way = Math.sign(y2 - y1);
    if (x1 === x2) {
      const x = x1 + (both(edge) ? way * 34 : 0);
      return arrow(edge, `M${x} ${y1 + way * 30}V${y2 - way * 34}`, x + (both(edge) ? way * 26 : 28), (y1 + y2) / 2 + 5);
    }
    const side = Math.sign(x2 - x1) * 40;
    const [fx, fy, tx, ty] = [x1 + side, y1 + way * 30, x2 - side, y2 - way * 34];
    return arrow(edge, `M${fx} ${fy}L${tx} ${ty}`, (fx + tx) / 2, (fy + ty) / 2);
  });
  return picture(1000, 300, arrows, CHAIN.map((name) => node(name, ...WIDE[name], found[name])));
}

function tall(edges) {
  const found = states();
  const step = 96;
  const arrows = edges.filter((edge) => CHAIN.indexOf(edge.to) === CHAIN.indexOf(edge.from) + 1).map((edge) => {
    const y = 34 + CHAIN.indexOf(edge.from) * step;
    return arrow(edge, `M160 ${y + 30}V${y + step - 34}`, 196, y + step / 2 + 4);
  });
  return picture(320, 68 + 6 * step, arrows, CHAIN.map((name, at) => node(name, 160, 34 + at * step, found[name], 190)));
}
