// The page's words, Chinese and English; those of the exchange (states, parties, categories) come from the server.
import { WORDS } from "./lexicon.js";

let exchange = { states: {}, parties: {}, categories: {}, codes: {}, usages: {}, provinces: [] };

/** Whether the page speaks English. */
export function english() {
  return document.documentElement.lang === "en";
}

/** Speak `lang` from now on, here and at the next visit. */
export function speak(lang) {
  localStorage.setItem("hedx-lang", lang);
  document.documentElement.lang = lang === "en" ? "en" : "zh-CN";
}

/** The words for `key`, its `{names}` filled in; the key where there are none. */
export function t(key, values = {}) {
  const words = WORDS[key];
  if (!words) return key;
  return words[english() ? 1 : 0].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** Whether there are words for `key`. */
export function has(key) {
  return key in WORDS;
}

/** Take in the exchange's own words. */
export function learn(words) {
  exchange = words;
}

/** The exchange's word for a code of `kind`; the code where it has none. */
export function named(kind, code) {
  const words = exchange[kind]?.[code];
  return words ? words[english() ? 1 : 0] : code ?? "–";
}

/** The codes of the provinces, in the order of GB/T 2260. */
export function provinces() {
  return exchange.provinces;
}

/** Puts words into all that is marked `data-w="key"`, `data-w-label="key"` (aria-label) or `data-w-hint="key"` (placeholder). */
export function word(root = document) {
  for (const element of root.querySelectorAll("[data-w]")) element.textContent = t(element.dataset.w);
  for (const element of root.querySelectorAll("[data-w-label]")) element.setAttribute("aria-label", t(element.dataset.wLabel));
  for (const element of root.querySelectorAll("[data-w-hint]")) element.placeholder = t(element.dataset.wHint);
}
