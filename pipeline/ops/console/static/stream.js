// The stream of events: the newest value of each kind, who wants to know, and whether the connection holds.

const SILENCE = 6_000; // ms without even a heartbeat, after which the connection counts as lost
const KINDS = [
  "sources", "lag", "summary", "flow", "punctuality", "latency", "risks", "rates", "applications", "dead_letters",
  "catalog", "certificates", "findings", "desk", "alerts", "beat",
];

export const latest = {};
export const arrived = {};
const wanting = new Map();
let source = null;
let heard = 0;
let state = "connecting";

/** Calls `tell(value)` whenever something of `kind` comes; "connection" tells `connecting`, `live` or `lost`. */
export function on(kind, tell) {
  wanting.set(kind, [...(wanting.get(kind) ?? []), tell]);
}

function tell(kind, value) {
  for (const each of wanting.get(kind) ?? []) each(value);
}

function become(next) {
  if (state === next) return;
  state = next;
  tell("connection", next);
}

export function connection() {
  return state;
}

/** Connects, and keeps connected for as long as the page is there. */
export function start() {
  heard = Date.now();
  open();
  setInterval(() => {
    if (Date.now() - heard < SILENCE) return;
    become("lost");
    heard = Date.now();
    open();
  }, 1000);
}

function open() {
  source?.close();
  source = new EventSource("/api/stream");
  for (const kind of KINDS) {
    source.addEventListener(kind, (event) => {
      heard = Date.now();
      become("live");
      latest[kind] = JSON.parse(event.data);
      arrived[kind] = heard;
      tell(kind, latest[kind]);
    });
  }
  source.addEventListener("ended", () => location.assign("/sign-in"));
  source.addEventListener("error", async () => {
    become("lost");
    if (source.readyState !== EventSource.CLOSED) return; // the browser comes back by itself, and says what it had
    const answer = await fetch("/api/session").then((response) => response.json()).catch(() => null);
    if (answer?.error === "signed_out") location.assign("/sign-in");
    else setTimeout(open, 2000);
  });
}
