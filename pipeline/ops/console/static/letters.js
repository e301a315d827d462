// Dead letters: the list, one with its facts and its code explained; putting it back, or deciding that nothing more is done.
import { act, get, session } from "./api.js";
import { ask, say } from "./dialog.js";
import { h } from "./dom.js";
import { bytes, time } from "./format.js";
import { badge, card, choice, empty, facts, head, table } from "./parts.js";
import { latest } from "./stream.js";
import { english, named, t } from "./words.js";

export const kinds = ["dead_letters"];
const STATES = { open: "warn", replayed: "ok", discarded: "" };
let filter = "";
let open = null;
let shown = null;
let fault = null;
let redraw = () => {};

export function init(draws) {
  redraw = draws;
}

export function enter(argument) {
  const place = argument ? argument.replace("-", "/") : null;
  if (open !== place) shown = null;
  open = place;
  load();
}

export async function load() {
  if (!open) return;
  const place = open;
  try {
    const answer = await get(`/api/dead-letters/${place}`);
    if (open === place) [shown, fault] = [answer, null];
  } catch (error) {
    fault = error.error ?? "no_answer";
  }
  redraw();
}

export const changes = {
  "letter-state": (value) => { filter = value; },
};

export const actions = {
  replay: (place, button) => decide("replay", place, button, { again: shown.state === "replayed" }),
  discard: (place, button) => decide("discard", place, button),
};

async function decide(what, place, button, more = {}) {
  const reason = await ask(t(`letters.${what}`), t(`letters.${what}.explain`), button);
  if (reason === null) return;
  try {
    const done = await act("POST", `/api/dead-letters/${place}/${what}`, { reason, ...more });
    say(t(`done.${done.state}`, { place: done.went_to }));
  } catch (error) {
    say(t(`error.${error.error}`, error), true);
  }
  load();
}

export function draw() {
  if (open) return detail();
  if (!latest.dead_letters) return [head("nav.letters"), empty(t("waiting"))];
  const states = [["", t("letters.any")], ...Object.keys(STATES).map((code) => [code, t(`letters.${code}`)])];
  const rows = latest.dead_letters.filter((each) => !filter || each.state === filter);
  const columns = [
    { head: t("letters.place") }, { head: t("letters.at") }, { head: t("letters.stage") }, { head: t("letters.code") },
    { head: t("letters.issuer") }, { head: t("letters.size"), n: true }, { head: t("letters.state") },
  ];
  return [
    head("nav.letters", choice("letter-state", t("letters.state"), states, filter)),
    card("letters", null, rows.length ? table(t("letters.caption"), columns, rows.map(row)) : empty(t("letters.none"))),
  ];
}

function row(each) {
  return {
    key: each.place,
    cells: [
      h("a", { href: `#letters/${each.place.replace("/", "-")}`, class: "mono" }, each.place),
      h("span", { class: "nowrap" }, time(each.at)), stage(each.stage),
      h("span", {}, english() ? each.meaning[1] : each.meaning[0], " ", h("code", { class: "muted" }, each.code)),
      issuer(each), bytes(each.size), badge(STATES[each.state], t(`letters.${each.state}`)),
    ],
  };
}

function stage(name) {
  return ["intake", "applications", "collect", "join"].includes(name) ? t(`flow.${name}`) : name || "–";
}

function issuer(each) {
  return each.issuer ? named("parties", each.issuer) : "–";
}

function detail() {
  const back = h("a", { href: "#letters" }, t("applications.back"));
  const title = h("h2", { id: "view-title", tabindex: "-1" }, t("letters.detail", { place: open }));
  const top = h("div", { class: "head", "data-key": "head" }, title, h("div", { class: "tools" }, back));
  if (!shown) return [top, empty(fault ? t(`error.${fault}`) : t("waiting"))];
  return [top, h("div", { class: "stack", "data-key": "stack" },
    card("letter", null,
      facts([
        [t("letters.state"), badge(STATES[shown.state], t(`letters.${shown.state}`))],
        [t("letters.code"), [h("strong", {}, english() ? shown.meaning[1] : shown.meaning[0]), " ", h("code", {}, shown.code)]],
        [t("letters.cure"), english() ? shown.cure[1] : shown.cure[0]],
        [t("letters.hindrance"), shown.hindrance],
        [t("letters.stage"), stage(shown.stage)],
        [t("letters.issuer"), issuer(shown)],
        [t("letters.stood"), h("span", { class: "mono" }, `${shown.topic}/${shown.partition}/${shown.offset}`)],
        [t("letters.appended"), time(shown.appended_at)],
        [t("letters.at"), time(shown.at)],
        [t("letters.size"), bytes(shown.size)],
        [t("letters.digest"), shown.digest ? h("span", { class: "mono" }, shown.digest) : null],
        [t("letters.again_of"), shown.again_of],
        [t("letters.went_to"), shown.went_to ? h("span", { class: "mono" }, shown.went_to) : null],
      ])),
    shown.acts.length ? card("acts", t("letters.acts"), h("ol", { class: "timeline" }, shown.acts.map((each) => h("li", {},
      h("time", { datetime: new Date(each.at).toISOString() }, time(each.at)),
      h("span", {}, h("span", { class: "what" }, t(`letters.${each.act}`)), h("span", { class: "muted" }, ` ${each.by} · ${each.reason}`)))))) : null,
    session.role === "viewer"
      ? h("p", { class: "muted", "data-key": "viewer" }, t("letters.not_allowed"))
      : h("div", { class: "buttons", "data-key": "buttons" },
          button("replay", "primary", Boolean(shown.hindrance) || shown.state === "discarded"),
          button("discard", "danger", shown.state !== "open")),
    session.role === "viewer" ? null : elsewhere())];
}

function button(what, tone, disabled) {
  return shown.commands[what] ? null
    : h("button", { type: "button", class: tone, "data-do": what, "data-arg": open, disabled }, t(`letters.${what}`));
}

/** What cannot be done from here, with the command that does it. */
function elsewhere() {
  const commands = [shown.hindrance || shown.state === "discarded" ? null : shown.commands.replay, shown.state === "open" ? shown.commands.discard : null];
  const left = commands.filter(Boolean);
  return left.length ? card("elsewhere", null, h("p", {}, t("letters.elsewhere")), h("code", { class: "command" }, left.join("\n"))) : null;
}
