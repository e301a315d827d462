// Certificates, those that end first, and the revocation list.
import { h } from "./dom.js";
import { count, day, time } from "./format.js";
import { badge, card, empty, head, table } from "./parts.js";
import { latest } from "./stream.js";
import { has, named, t } from "./words.js";

export const kinds = ["certificates"];

export function draw() {
  const held = latest.certificates;
  if (!held) return [head("nav.certificates"), empty(t("waiting"))];
  const columns = [
    { head: t("certificates.holder") }, { head: t("certificates.usage") }, { head: t("certificates.state") },
    { head: t("certificates.left"), n: true, strong: true }, { head: t("certificates.not_after"), n: true }, { head: t("certificates.serial") },
  ];
  const rows = held.rows.map((each) => {
    const [tone, key] = state(each);
    return {
      key: `${each.party} ${each.usage} ${each.serial}`,
      tone: tone === "ok" ? "" : tone,
      cells: [
        has(`holder.${each.party}`) ? t(`holder.${each.party}`) : named("parties", each.party), named("usages", each.usage),
        badge(tone, t(`certificates.${key}`)), t("certificates.days", { days: count(each.days) }), day(each.not_after),
        h("span", { class: "mono small", title: each.serial }, `${each.serial.replace(/^0+/, "").slice(0, 12)}…`),
      ],
    };
  });
  const { crl } = held;
  return [
    head("nav.certificates"),
    card("certificates", null,
      rows.length ? table(t("certificates.caption"), columns, rows) : empty(t("none")),
      h("p", { class: "muted small" }, t("certificates.shown", { shown: rows.length, count: held.count })),
      crl ? h("p", { class: "muted small" }, t("certificates.crl", { number: crl.number, made: time(crl.made_at), next: time(crl.next_update) })) : null),
  ];
}

function state({ revoked, days }) {
  if (revoked) return ["bad", "revoked"];
  if (days < 0) return ["bad", "expired"];
  if (days <= 7) return ["bad", "soon"];
  return days <= 60 ? ["warn", "near"] : ["ok", "fine"];
}
