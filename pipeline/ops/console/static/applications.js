// Applications with what is missing of them; one of them with its history, to the certificate.
import { get } from "./api.js";
import { h } from "./dom.js";
import { count, minute, time } from "./format.js";
import { badge, card, choice, empty, facts, head, table } from "./parts.js";
import { named, provinces, t } from "./words.js";

export const kinds = ["applications"];
const STATES = ["held", "under_review", "started", "partly_answered", "completed", "incomplete", "supplemented", "rejected", "withdrawn", "under_recheck", "archived"];
const CLOSED = { completed: "ok", supplemented: "ok", archived: "ok", incomplete: "warn", rejected: "bad", withdrawn: "" };
const LAST = new Set(["certified", "archived"]);
const GRAVE = new Set(["rejected", "withdrawn", "deadline_passed", "escalated"]);
const TURNS = new Set(["filed", "arrived", "accepted", "held", "approved", "started", "certified", "supplemented", "recheck_begun", "recheck_ended"]);

let filter = { state: "", party: "", before: "" };
let found = null;
let open = null; // {id, party}: the party may be empty, and is named where several have an application of that id
let several = [];
let shown = null;
let fault = null;
let asking = false;
let again = false;
let redraw = () => {};

export function init(draws) {
  redraw = draws;
}

/** Where the address says that we are: `#applications/ID`, `#applications/ID?party=37`, `#applications?party=37`. */
export function enter(argument, query) {
  const party = query.get("party") ?? "";
  if (open?.id !== argument || open?.party !== party) [shown, several] = [null, []];
  open = argument ? { id: argument, party } : null;
  if (!open && query.has("party")) filter = { ...filter, party, before: "" };
  load();
}

/** Something happened: ask again, and only once while an answer is under way. */
export async function load() {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  try {
    if (open) {
      const wanted = open;
      const query = wanted.party ? `?${new URLSearchParams({ party: wanted.party })}` : "";
      const answer = await get(`/api/applications/${encodeURIComponent(wanted.id)}${query}`);
      if (open === wanted) [shown, several] = [answer, []];
    } else {
      const query = new URLSearchParams(Object.entries(filter).filter(([, value]) => value));
      found = await get(`/api/applications?${query}`);
    }
    fault = null;
  } catch (error) {
    fault = error.error ?? "no_answer";
    if (fault === "unknown" || fault === "several_parties") shown = null;
    several = error.parties ?? [];
  } finally {
    asking = false;
    redraw();
  }
  if (again) {
    again = false;
    load();
  }
}

export const changes = {
  state: (value) => { filter = { ...filter, state: value, before: "" }; load(); },
  party: (value) => { filter = { ...filter, party: value, before: "" }; load(); },
};

export const actions = {
  older: () => { filter.before = String(Math.min(...found.applications.map((each) => each.since))); load(); },
  newest: () => { filter.before = ""; load(); },
};

export const submits = {
  find: (form) => {
    const id = form.elements.id.value.trim();
    if (id) location.hash = `#applications/${encodeURIComponent(id)}`;
  },
};

export function draw() {
  return open ? detail() : list();
}

function list() {
  const states = [["", t("applications.any_state")], ...STATES.map((code) => [code, named("states", code)])];
  const parties = [["", t("applications.any_party")], ...provinces().map((code) => [code, named("parties", code)])];
  const tools = [
    choice("state", t("applications.state"), states, filter.state),
    choice("party", t("applications.party"), parties, filter.party),
    h("form", { class: "buttons", "data-submit": "find", role: "search" },
      h("label", { class: "hidden-label", for: "find" }, t("applications.find")),
      h("input", { id: "find", name: "id", type: "search", placeholder: t("applications.find.hint"), autocomplete: "off", spellcheck: "false" }),
      h("button", { type: "submit" }, t("applications.find.go"))),
  ];
  if (!found) return [head("nav.applications", ...tools), empty(fault ? t(`error.${fault}`) : t("waiting"))];
  return [
    head("nav.applications", ...tools),
    fault ? h("p", { class: "stale" }, t(`error.${fault}`)) : null,
    card("applications", null, found.applications.length ? listed(found.applications) : empty(t("applications.none")),
      h("div", { class: "buttons" },
        filter.before ? h("button", { type: "button", "data-do": "newest" }, t("applications.newest")) : null,
        found.more ? h("button", { type: "button", "data-do": "older" }, t("applications.more")) : null)),
  ];
}

function listed(rows) {
  const columns = [
    { head: t("applications.id") }, { head: t("applications.party") }, { head: t("applications.state") },
    { head: t("applications.since") }, { head: t("applications.persons"), n: true }, { head: t("applications.missing"), wide: true },
  ];
  return table(t("applications.caption"), columns, rows.map((each) => ({
    key: `${each.party} ${each.application_id}`,
    tone: each.stuck ? "bad" : each.risk ? "warn" : "",
    cells: [
      h("a", { class: "mono", href: href(each.application_id, each.party), title: each.application_id }, each.application_id),
      named("parties", each.party), state(each), h("span", { class: "nowrap" }, time(each.since)), count(each.persons), missing(each.missing),
    ],
  })));
}

function choose() {
  return card("several", null, h("p", {}, t("error.several_parties")), h("ul", {}, several.map((party) =>
    h("li", {}, h("a", { href: href(open.id, party) }, named("parties", party))))));
}

/** The address of an application: its id is its requester's choice, so whose it is belongs to it. */
export function href(id, party) {
  return `#applications/${encodeURIComponent(id)}?${new URLSearchParams({ party })}`;
}

function state(each) {
  return h("span", {},
    badge(CLOSED[each.state] ?? "info", named("states", each.state)),
    each.stuck ? [" ", badge("bad", t("applications.stuck"))] : null,
    each.risk ? [" ", badge("warn", t("applications.risk"))] : null);
}

function missing(rows) {
  if (!rows.length) return h("span", { class: "muted" }, t("applications.missing.none"));
  return h("ul", { class: "missing" }, rows.map((each) => h("li", {}, t("applications.missing.one", {
    name: named("parties", each.provider), persons: count(each.persons), deadline: minute(each.deadline),
  }))));
}

function detail() {
  const back = h("a", { href: "#applications" }, t("applications.back"));
  if (!shown) {
    const text = fault === "unknown" ? t("applications.unknown", { id: open.id }) : fault ? t(`error.${fault}`) : t("waiting");
    return [head("applications.detail", back), several.length ? choose() : empty(text)];
  }
  return [
    head("applications.detail", back),
    h("div", { class: "stack", "data-key": "stack" },
      card("application", null, facts([
        [t("applications.id"), h("span", { class: "mono" }, shown.application_id)],
        [t("applications.party"), named("parties", shown.party)],
        [t("applications.state"), state(shown)],
        [t("applications.since"), time(shown.since)],
        [t("applications.persons"), count(shown.persons)],
        [t("applications.sections"), count(shown.sections)],
        [t("applications.missing"), missing(shown.missing)],
        [t("applications.stuck"), shown.stuck ? named("stuck", shown.stuck) : null],
      ])),
      card("history", t("applications.history"), h("ol", { class: "timeline" }, shown.history.map(step)))),
  ];
}

function step(each, at) {
  const kind = LAST.has(each.kind) ? "last" : GRAVE.has(each.kind) ? "bad" : TURNS.has(each.kind) ? "state" : "";
  const more = [
    each.provider ? named("parties", each.provider) : null,
    each.section ? t("history.section", { section: each.section }) : null,
    each.count ? t("history.count", { count: count(each.count) }) : null,
    each.code ? named("codes", each.code) : null,
    each.by ? t("history.by", { by: by(each.by) }) : null,
  ].filter(Boolean).join(" · ");
  return h("li", { class: kind || null, "data-key": `${at} ${each.kind}` },
    h("time", { datetime: new Date(each.at).toISOString() }, time(each.at)),
    h("span", {}, h("span", { class: "what" }, named("kinds", each.kind)), more ? h("span", { class: "muted" }, " ", more) : null));
}

function by(who) {
  return ["policy", "clock", "officer"].includes(who) ? t(`by.${who}`) : named("parties", who);
}
