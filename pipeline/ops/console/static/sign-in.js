// Who acts: the certificate has said for which principal, the person says their name.
import { act, get } from "./api.js";
import { english, has, speak, t, word } from "./words.js";

const form = document.getElementById("form");
const error = document.getElementById("error");
const name = document.getElementById("name");
let who = null;

function frame() {
  word();
  document.title = `HEDX ${t("title")} · ${t("signin.title")}`;
  document.getElementById("lang").lang = english() ? "zh-CN" : "en";
  const as = document.getElementById("as");
  as.textContent = who ? t("signin.as", { principal: who.principal, role: t(`role.${who.role}`) }) : "";
}

document.getElementById("lang").addEventListener("click", () => { speak(english() ? "zh" : "en"); frame(); });
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  error.textContent = "";
  try {
    await act("POST", "/api/session", { name: name.value });
    location.assign("/");
  } catch (refused) {
    error.textContent = has(`error.${refused.error}`) ? t(`error.${refused.error}`) : t("signin.refused", { code: refused.error });
    name.focus();
  }
});

frame();
who = await get("/api/session").catch((refused) => {
  error.textContent = refused.error === "no_role" ? t("signin.no_role") : t("signin.refused", { code: refused.error });
  return null;
});
frame();
name.focus();
