// The page: which section is shown, what draws it anew, and what keys, clicks and choices do.
import { act, get, session } from "./api.js";
import * as applications from "./applications.js";
import * as catalog from "./catalog.js";
import * as certificates from "./certificates.js";
import * as desk from "./desk.js";
import { h, show } from "./dom.js";
import { clock } from "./format.js";
import * as lag from "./lag.js";
import * as letters from "./letters.js";
import * as overview from "./overview.js";
import * as provinces from "./provinces.js";
import { connection, latest, on, start } from "./stream.js";
import { english, learn, named, speak, t, word } from "./words.js";

const SECTIONS = { overview, lag, provinces, applications, letters, catalog, certificates, desk };
const TOUCH = 60_000; // ms between two words to the server that the person is still there
let current = "overview";
let drawing = false;
let touched = 0;

function allowed() {
  return Object.keys(SECTIONS).filter((name) => {
    if (name === "desk") return session.role === "officer";
    return !(name === "letters" && session.party);
  });
}

function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    show(document.getElementById("view"), stale(), SECTIONS[current].draw());
    navigation();
  });
}

/** Which source does not answer, above whatever is shown. */
function stale() {
  const away = Object.entries(latest.sources ?? {}).filter(([, state]) => !state.ok);
  if (!away.length) return null;
  return h("ul", { class: "stale", "data-key": "stale" }, away.map(([name, { at }]) => h("li", {}, overview.away(name, at))));
}

function navigation() {
  const alerts = latest.alerts ?? [];
  const counts = {
    overview: [alerts.filter((each) => each.severity === "alarm").length, "alarm"],
    lag: [latest.lag?.rows.filter((row) => row.status !== "ok").length, "alarm"],
    letters: [latest.dead_letters?.filter((each) => each.state === "open").length, ""],
    desk: [latest.desk?.rows.length, ""],
  };
  show(document.getElementById("nav"), allowed().map((name) => {
    const [number, tone] = counts[name] ?? [0, ""];
    return h("li", { "data-key": name },
      h("a", { href: `#${name}`, "aria-current": name === current ? "page" : null },
        t(`nav.${name}`), number ? h("span", { class: `count ${tone}` }, String(number)) : null));
  }));
}

function frame() {
  word();
  document.title = `HEDX ${t("title")}`;
  document.getElementById("lang").lang = english() ? "zh-CN" : "en";
  const dark = document.documentElement.dataset.theme === "dark";
  document.getElementById("theme").textContent = t(dark ? "theme.light" : "theme.dark");
  const scope = session.party ? [h("br"), `${named("parties", session.party)} · ${t("own_only")}`] : null;
  show(document.getElementById("me"), h("strong", {}, session.name), ` · ${session.principal} · ${t(`role.${session.role}`)}`, scope);
  pulse();
  draw();
}

function pulse() {
  const state = connection();
  const element = document.getElementById("pulse");
  element.className = `pulse ${state}`;
  show(element, h("i", { "aria-hidden": "true" }), t(`connection.${state}`));
  const lost = document.getElementById("lost");
  lost.hidden = state !== "lost";
  if (state === "lost") lost.textContent = t("connection.lost.long") + (latest.beat ? ` (${clock(latest.beat.now)})` : "");
}

function go(focus) {
  const [path, query] = location.hash.slice(1).split("?");
  const [name, argument] = path.split("/", 2);
  current = allowed().includes(name) ? name : "overview";
  SECTIONS[current].enter?.(argument ? decodeURIComponent(argument) : "", new URLSearchParams(query));
  draw();
  if (!focus) return;
  scrollTo(0, 0);
  requestAnimationFrame(() => document.getElementById("view-title")?.focus());
}

function alive() {
  if (Date.now() - touched < TOUCH) return;
  touched = Date.now();
  act("POST", "/api/session/alive").catch(() => {});
}

function listen() {
  const view = document.getElementById("view");
  view.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (!button || button.disabled) return;
    SECTIONS[current].actions?.[button.dataset.do]?.(button.dataset.arg, button);
    draw();
  });
  view.addEventListener("change", (event) => {
    const field = event.target.closest("[data-change]");
    SECTIONS[current].changes?.[field?.dataset.change]?.(field.value, field);
    draw();
  });
  view.addEventListener("submit", (event) => {
    event.preventDefault();
    SECTIONS[current].submits?.[event.target.dataset.submit]?.(event.target);
  });
  view.addEventListener("keydown", (event) => SECTIONS[current].keys?.(event));
  document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  });
  document.getElementById("lang").addEventListener("click", () => { speak(english() ? "zh" : "en"); frame(); });
  document.getElementById("theme").addEventListener("click", () => {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("hedx-theme", theme);
    document.documentElement.dataset.theme = theme;
    frame();
  });
  document.getElementById("sign-out").addEventListener("click", async () => {
    await act("DELETE", "/api/session").catch(() => {});
    location.assign("/sign-in");
  });
  for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, alive);
  matchMedia("(max-width: 40rem)").addEventListener("change", draw);
  addEventListener("hashchange", () => go(true));
  on("connection", pulse);
  on("alerts", draw);
  on("sources", draw);
  for (const [name, section] of Object.entries(SECTIONS)) {
    section.init?.(draw);
    for (const kind of section.kinds) {
      on(kind, () => {
        if (current !== name) return navigation();
        section.load?.();
        return draw();
      });
    }
  }
}

const [who, words] = await Promise.all([get("/api/session"), get("/api/words")]);
if (who.error) location.assign("/sign-in");
Object.assign(session, who);
learn(words);
listen();
frame();
go(false);
start();
