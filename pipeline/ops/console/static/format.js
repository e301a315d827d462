// Numbers, times and durations, as the page's language writes them. Times are China's.
import { english, t } from "./words.js";

const locale = () => (english() ? "en-GB" : "zh-CN");

/** A whole number, with separators. */
export function count(value) {
  return value === null || value === undefined ? "–" : Math.round(value).toLocaleString(locale());
}

/** A rate: one decimal below ten. */
export function rate(value) {
  if (value === null || value === undefined) return "–";
  return value.toLocaleString(locale(), { maximumFractionDigits: value < 10 ? 1 : 0 });
}

/** A duration in seconds, in at most two units. */
export function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 10) return `${value.toFixed(value < 0.005 ? 0 : value < 0.95 ? 2 : 1)} ${t("unit.s")}`;
  if (value < 60) return `${Math.round(value)} ${t("unit.s")}`;
  const units = [[86400, "unit.d", 3600, "unit.h"], [3600, "unit.h", 60, "unit.m"], [60, "unit.m", 1, "unit.s"]];
  const [size, unit, part, smaller] = units.find(([size]) => value >= size);
  const rest = Math.floor((value % size) / part);
  return `${Math.floor(value / size)} ${t(unit)}${rest ? ` ${rest} ${t(smaller)}` : ""}`;
}

/** A share of one, as a percentage. */
export function percent(value) {
  return value === null || value === undefined ? "–" : `${(value * 100).toFixed(value > 0.995 || value < 0.0005 ? 0 : 1)}%`;
}

/** Bytes. */
export function bytes(value) {
  return value < 10240 ? `${count(value)} B` : `${(value / 1024).toFixed(0)} KiB`;
}

const formats = new Map();

function china(ms, options) {
  const key = locale() + JSON.stringify(options);
  if (!formats.has(key)) {
    formats.set(key, new Intl.DateTimeFormat("sv-SE", { timeZone: "Asia/Shanghai", ...options }));
  }
  return formats.get(key).format(ms);
}

/** 2026-11-24 17:05:09 */
export function time(ms) {
  if (ms === null || ms === undefined) return "–";
  return china(ms, { dateStyle: "short", timeStyle: "medium" });
}

/** 2026-11-24 17:05 */
export function minute(ms) {
  return ms ? china(ms, { dateStyle: "short", timeStyle: "short" }) : "–";
}

/** 17:05:09 */
export function clock(ms) {
  return china(ms, { timeStyle: "medium" });
}

/** 2026-11-24 */
export function day(ms) {
  return ms ? china(ms, { dateStyle: "short" }) : "–";
}
