// Asking for a reason before something is done, and saying what came of it.
import { session } from "./api.js";
import { h } from "./dom.js";
import { t } from "./words.js";

/** Resolves to the reason, or null when it was called off; focus goes back to `from`. */
export function ask(title, explanation, from) {
  const dialog = document.getElementById("dialog");
  const reason = h("textarea", { id: "reason", required: true, maxlength: "500", placeholder: t("dialog.reason.hint"), "aria-describedby": "dialog-logged" });
  const confirm = h("button", { type: "submit", class: "primary", value: "yes" }, t("dialog.confirm"));
  const form = h("form", { method: "dialog", class: "stack" },
    h("h2", { id: "dialog-title" }, title),
    h("p", {}, explanation),
    h("label", { for: "reason" }, t("dialog.reason")), reason,
    h("p", { class: "muted small", id: "dialog-logged" }, t("dialog.logged", { name: session.name })),
    h("div", { class: "buttons" },
      h("button", { type: "submit", value: "no", formnovalidate: true }, t("dialog.cancel")), confirm));
  dialog.replaceChildren(form);
  dialog.returnValue = "no";
  dialog.showModal();
  reason.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      from?.focus();
      resolve(dialog.returnValue === "yes" ? reason.value.trim() : null);
    }, { once: true });
  });
}

let hide = 0;

/** One line at the bottom of the page, for some seconds. */
export function say(text, bad = false) {
  const toast = document.getElementById("toast");
  clearTimeout(hide);
  toast.hidden = false;
  toast.setAttribute("role", bad ? "alert" : "status");
  toast.textContent = text;
  hide = setTimeout(() => { toast.hidden = true; }, bad ? 12_000 : 6_000);
}
