// Before anything is drawn: light or dark as last chosen here, else as the system has it.
(() => {
  const kept = localStorage.getItem("hedx-theme");
  const dark = kept ? kept === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  const asked = new URLSearchParams(location.search).get("lang");
  const lang = ["zh", "en"].includes(asked) ? asked : localStorage.getItem("hedx-lang") || "zh";
  if (asked === lang) localStorage.setItem("hedx-lang", lang);
  document.documentElement.lang = lang === "en" ? "en" : "zh-CN";
})();
