// The catalog release in force: who offers what, and within which limit.
import { h } from "./dom.js";
import { seconds, time } from "./format.js";
import { card, empty, head, table } from "./parts.js";
import { latest } from "./stream.js";
import { named, t } from "./words.js";

export const kinds = ["catalog"];

export function draw() {
  const catalog = latest.catalog;
  if (!catalog) return [head("nav.catalog"), empty(t("waiting"))];
  if (catalog.number === null) return [head("nav.catalog"), empty(t("catalog.none"))];
  const offers = new Map(catalog.entries.map((entry) => [`${entry.provider} ${entry.category}`, entry]));
  const providers = [...new Set(catalog.entries.map((entry) => entry.provider))];
  const columns = [{ head: t("catalog.provider") }, ...catalog.categories.map((category) => ({ head: named("categories", category) }))];
  const rows = providers.map((provider) => ({
    key: provider,
    cells: [named("parties", provider), ...catalog.categories.map((category) => limit(offers.get(`${provider} ${category}`)))],
  }));
  return [
    head("nav.catalog", h("span", { class: "muted" }, t("catalog.release", { number: catalog.number, time: time(catalog.published_at) }))),
    card("catalog", null, table(t("catalog.caption"), columns, rows, { cards: false, kind: "grid pinned" }), h("p", { class: "muted small" }, t("catalog.legend"))),
  ];
}

function limit(entry) {
  if (!entry) return "";
  return entry.working_days ? t("catalog.days", { count: entry.working_days }) : seconds(entry.seconds);
}
