// Loaded before the page is painted, so that it does not flash in the wrong theme.
(() => {
  const root = document.documentElement;
  let theme = null;
  try { theme = localStorage.getItem("hfv.theme"); } catch { /* no storage: follow the system */ }
  root.dataset.theme = theme ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
  addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme")?.addEventListener("click", () => {
      root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
      try { localStorage.setItem("hfv.theme", root.dataset.theme); } catch { /* no storage: this page only */ }
    });
  });
})();
