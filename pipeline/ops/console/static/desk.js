// The officer's desk: what waits, and until when. Nothing of a form or a roster is here.
import { act, session } from "./api.js";
import { href } from "./applications.js";
import { ask, say } from "./dialog.js";
import { h } from "./dom.js";
import { count, minute } from "./format.js";
import { badge, card, empty, head, table } from "./parts.js";
import { latest } from "./stream.js";
import { english, has, named, t } from "./words.js";

export const kinds = ["desk"];
const TONES = { open: "info", warn: "warn", overdue: "bad" };
const DECISIONS = ["approve", "reject", "hold"];

export const actions = Object.fromEntries(DECISIONS.map((decision) => [decision, (name, button) => decide(decision, name, button)]));

async function decide(decision, name, button) {
  const row = latest.desk.rows.find((each) => `${each.requester}/${each.application_id}` === name);
  const reason = row ? await ask(t(`desk.${decision}`), t(`desk.${decision}.explain`), button) : null;
  if (reason === null) return;
  try {
    const outcome = await act("POST", `/api/desk/${name}/${decision}`, { reason, digest: row.digest });
    if (outcome.applied === null) say(t("desk.no_answer"));
    else if (outcome.applied) say(t("desk.done", { state: word(outcome.code) }));
    else say(t("desk.refused", { code: word(outcome.code) }), true);
  } catch (error) {
    say(t(`error.${error.error}`, error), true);
  }
}

function word(code) {
  return has(`outcome.${code}`) ? t(`outcome.${code}`) : named("states", code);
}

export function draw() {
  if (!session.decides) {
    return [head("nav.desk"), card("elsewhere", null, h("p", {}, t("desk.elsewhere")), h("code", { class: "command" }, "hedx review list\nhedx review show APPLICATION\nhedx review approve APPLICATION --reason …"))];
  }
  if (!latest.desk) return [head("nav.desk"), empty(t("waiting"))];
  const columns = [
    { head: t("desk.application") }, { head: t("desk.requester") }, { head: t("desk.persons"), n: true }, { head: t("desk.stage") },
    { head: t("desk.due") }, { head: t("desk.why"), wide: true }, { head: t("desk.approvals"), n: true }, { head: t("desk.decide"), wide: true },
  ];
  return [
    head("nav.desk"),
    card("desk", null,
      latest.desk.rows.length ? table(t("desk.caption"), columns, latest.desk.rows.map(row)) : empty(t("desk.none")),
      h("p", { class: "muted small" }, t("desk.note"))),
  ];
}

function row(each) {
  const name = `${each.requester}/${each.application_id}`;
  return {
    key: name,
    tone: TONES[each.stage] === "bad" ? "bad" : "",
    cells: [
      h("a", { class: "mono", href: href(each.application_id, each.requester) }, each.application_id),
      named("parties", each.requester), count(each.persons), badge(TONES[each.stage], t(`desk.${each.stage}`)),
      h("span", { class: each.stage === "overdue" ? "late nowrap" : "nowrap" }, minute(each.due)),
      h("ul", { class: "faults" }, each.faults.map((fault) => h("li", {}, english() ? fault.en : fault.zh))),
      count(each.approvals),
      h("div", { class: "buttons" }, DECISIONS.map((decision) => h("button", {
        type: "button", "data-do": decision, "data-arg": name, class: { approve: "primary", reject: "danger" }[decision] ?? null,
      }, t(`desk.${decision}`)))),
    ],
  };
}
