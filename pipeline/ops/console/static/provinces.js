// The provinces roughly as on the map, each with its punctuality; below, the same as a table that sorts.
import { h } from "./dom.js";
import { count, percent, seconds } from "./format.js";
import { badge, card, empty, head, sortedBy, table } from "./parts.js";
import { latest } from "./stream.js";
import { english, named, t } from "./words.js";

export const kinds = ["punctuality"];

const PLACES = {
  "00": [7, 1], "23": [9, 1],
  "66": [2, 2], "65": [1, 2], "15": [5, 2], "11": [6, 2], "21": [8, 2], "22": [9, 2],
  "62": [3, 3], "64": [4, 3], "14": [5, 3], "13": [6, 3], "12": [7, 3],
  "63": [2, 4], "61": [4, 4], "41": [5, 4], "37": [6, 4],
  "54": [1, 5], "51": [3, 5], "50": [4, 5], "42": [5, 5], "34": [6, 5], "32": [7, 5], "31": [8, 5],
  "53": [3, 6], "52": [4, 6], "43": [5, 6], "36": [6, 6], "33": [7, 6],
  "45": [4, 7], "44": [5, 7], "35": [6, 7],
  "46": [4, 8],
};
/** ISO 3166-2:CN, for a phone in English. */
const ISO = Object.fromEntries(("00:CN 11:BJ 12:TJ 13:HE 14:SX 15:NM 21:LN 22:JL 23:HL 31:SH 32:JS 33:ZJ 34:AH 35:FJ 36:JX 37:SD 41:HA 42:HB 43:HN " +
  "44:GD 45:GX 46:HI 50:CQ 51:SC 52:GZ 53:YN 54:XZ 61:SN 62:GS 63:QH 64:NX 65:XJ 66:XPCC").split(" ").map((each) => each.split(":")));
const narrow = matchMedia("(max-width: 40rem)");
const FIGURES = ["asked", "done", "refused", "unavailable", "expired", "open", "late"];
let sorted = { key: "ratio", down: false };
let current = "11";

export const actions = {
  sort: (key) => { sorted = { key, down: sorted.key === key ? !sorted.down : key !== "provider" && key !== "ratio" }; },
  row: (code) => {
    current = code;
    const row = document.getElementById(`provider-${code}`);
    row?.focus({ preventScroll: true });
    row?.scrollIntoView({ block: "center" });
  },
};

export function keys(event) {
  const tile = event.target.closest?.(".tile");
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!tile || !way) return;
  event.preventDefault();
  const [x, y] = PLACES[tile.dataset.arg];
  let best = null;
  for (const [code, [column, row]] of Object.entries(PLACES)) {
    const [along, aside] = way[0] ? [(column - x) * way[0], Math.abs(row - y)] : [(row - y) * way[1], Math.abs(column - x)];
    if (along <= 0 || aside > along) continue;
    const far = along + aside * 2;
    if (!best || far < best.far) best = { code, far };
  }
  if (!best) return;
  current = best.code;
  for (const each of document.querySelectorAll(".tile")) each.tabIndex = each.dataset.arg === current ? 0 : -1;
  document.querySelector(`.tile[data-arg="${current}"]`).focus();
}

function tone(figures) {
  if (!figures || (figures.ratio === null && !figures.late)) return "idle";
  if (figures.ratio !== null && figures.ratio < 0.8) return "bad";
  return figures.late || (figures.ratio !== null && figures.ratio < 0.95) ? "fair" : "good";
}

export function draw() {
  if (!latest.punctuality) return [head("nav.provinces"), empty(t("waiting"))];
  const known = new Map(latest.punctuality.map((figures) => [figures.provider, figures]));
  return [
    head("nav.provinces"),
    h("div", { class: "stack", "data-key": "stack" },
      card("map-card", t("map"), h("p", { class: "note muted small" }, t("map.note")), map(known), legend()),
      card("providers", null, list(latest.punctuality))),
  ];
}

function map(known) {
  const order = Object.entries(PLACES).sort(([, a], [, b]) => a[1] - b[1] || a[0] - b[0]);
  const cells = order.map(([code, [column, row]]) => tile(code, known.get(code), column, row));
  return h("div", { class: "map", role: "group", "aria-label": t("map") }, cells);
}

function tile(code, figures, column, row) {
  const values = { name: named("parties", code), ratio: percent(figures?.ratio), open: count(figures?.open), late: count(figures?.late) };
  const kind = tone(figures);
  const sign = { good: "●", fair: "▲", bad: "■", idle: "" }[kind];
  const element = h("button", {
    type: "button", class: `tile ${kind} c${column} r${row}`, "data-key": code, "data-do": "row", "data-arg": code,
    tabindex: code === current ? "0" : "-1", "aria-label": t(figures ? "map.tile" : "map.tile.idle", values),
  }, h("b", {}, short(code)), h("span", {}, sign ? h("i", {}, sign) : null, kind === "idle" ? "–" : values.ratio));
  return element;
}

/** A name that fits into a tile. */
function short(code) {
  if (english() && narrow.matches) return ISO[code];
  const name = named("parties", code);
  const shorter = { "Xinjiang Production and Construction Corps": "XPCC", "the Ministry's center": "Ministry", "Inner Mongolia": "In. Mongolia", "Heilongjiang": "Heilongj." };
  return shorter[name] ?? name;
}

function legend() {
  const entries = [["ok", "map.good"], ["warn", "map.fair"], ["bad", "map.bad"], ["", "map.idle"]];
  return h("ul", { class: "legend", "aria-label": t("map.legend") }, entries.map(([kind, key]) => h("li", {}, badge(kind, t(key)))));
}

function list(rows) {
  const columns = [
    { head: t("provinces.provider"), sort: "provider" },
    { head: t("provinces.ratio"), n: true, strong: true, sort: "ratio" },
    ...FIGURES.map((key) => ({ head: t(`provinces.${key}`), n: true, sort: key })),
    { head: t("provinces.median_seconds"), n: true, sort: "median_seconds" },
  ];
  const lines = sortedBy(rows, sorted).map((figures) => ({
    key: figures.provider,
    id: `provider-${figures.provider}`,
    tone: figures.ratio === null ? "" : figures.ratio < 0.8 ? "bad" : figures.ratio < 0.95 ? "warn" : "",
    cells: [
      figures.provider === "00" ? named("parties", "00") : h("a", { href: `#applications?party=${figures.provider}` }, named("parties", figures.provider)),
      percent(figures.ratio),
      ...FIGURES.map((key) => (key === "late" && figures.late ? h("span", { class: "late" }, count(figures.late)) : count(figures[key]))),
      seconds(figures.median_seconds),
    ],
  }));
  return rows.length ? table(t("provinces.caption"), columns, lines, { sorted, cards: false, kind: "pinned" }) : empty(t("none"));
}
