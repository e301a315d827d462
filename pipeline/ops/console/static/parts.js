// Pieces that several sections are made of.
import { h } from "./dom.js";
import { t } from "./words.js";

export const TONES = { ok: "ok", warn: "warn", stalled: "bad", stopped: "bad", alarm: "bad", warning: "warn", notice: "info" };

/** Words with a mark and a color: `tone` is ok, warn, bad, info or nothing. */
export function badge(tone, text) {
  return h("span", { class: `badge ${tone}` }, text);
}

/** The head of a section. */
export function head(key, ...tools) {
  return h("div", { class: "head", "data-key": "head" },
    h("h2", { id: "view-title", tabindex: "-1" }, t(key)),
    tools.length ? h("div", { class: "tools" }, tools) : null);
}

/** A card with a title. */
export function card(key, title, ...content) {
  return h("div", { class: `card ${key}`, "data-key": key }, title ? h("h3", {}, title) : null, content);
}

/**
 * A table. `columns`: {head, n (a number), wide (a line of its own on a phone), extra (not on a phone), sort (its key)};
 * `rows`: {key, tone, cells}; the first cell heads its row. `sorted`: {key, down} as it is now.
 */
export function table(caption, columns, rows, { cards = true, sorted = null, kind = "" } = {}) {
  const name = [kind, cards ? "cards" : ""].filter(Boolean).join(" ");
  return h("div", { class: "scroll", tabindex: cards ? null : "0", role: cards ? null : "region", "aria-label": cards ? null : caption },
    h("table", { class: name || null },
      h("caption", {}, caption),
      h("thead", {}, h("tr", {}, columns.map((column) => heading(column, sorted)))),
      h("tbody", {}, rows.map((row) => line(row, columns)))));
}

function heading({ head: text, n, sort }, sorted) {
  const mine = sort && sorted?.key === sort;
  const mark = mine ? (sorted.down ? " ▼" : " ▲") : "";
  return h("th", { scope: "col", class: n ? "n" : null, "aria-sort": mine ? (sorted.down ? "descending" : "ascending") : null },
    sort ? h("button", { type: "button", class: "sort", "data-do": "sort", "data-arg": sort, title: t("sort.hint") }, text, mark) : text);
}

function line({ key, tone, cells, id }, columns) {
  return h("tr", { "data-key": key, id: id ?? null, tabindex: id ? "-1" : null, class: tone || null },
    cells.map((content, at) => {
      const { head: text, n, wide, strong, extra } = columns[at];
      const name = [n ? "n" : "", wide ? "wide" : "", strong ? "strong" : "", extra ? "extra" : ""].filter(Boolean).join(" ") || null;
      return at === 0
        ? h("th", { scope: "row", class: name }, content)
        : h("td", { class: name, "data-head": text }, content);
    }));
}

/** A choice; `options`: [value, text]. */
export function choice(name, label, options, value) {
  return [
    h("label", { class: "hidden-label", for: name }, label),
    h("select", { id: name, "data-change": name },
      options.map(([code, text]) => h("option", { value: code, selected: code === value }, text))),
  ];
}

/** A list of terms; those without a value are left out. */
export function facts(pairs) {
  return h("dl", { class: "facts" },
    pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
}

/** That nothing is there, or has come yet. */
export function empty(text) {
  return h("p", { class: "empty" }, text);
}

/** Copies of rows sorted by `key`; what has no value goes last. */
export function sortedBy(rows, { key, down }) {
  const sign = down ? -1 : 1;
  return [...rows].sort((one, other) => {
    const [a, b] = [one[key], other[key]];
    if (a === null || a === undefined) return b === null || b === undefined ? 0 : 1;
    if (b === null || b === undefined) return -1;
    return a === b ? 0 : sign * (a < b ? -1 : 1);
  });
}
