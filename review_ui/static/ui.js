// Helpers for all pages.
import { call } from "./api.js";
import { ACTIONS, assign, keyOf, paint, reset, sign } from "./keys.js";

export const $ = (id) => document.getElementById(id);
export const TITLES = { spatial: "Spatial", appearance: "Appearance", motion: "Motion", none: "No anomaly", real: "Real footage", reject: "Reject", unsure: "Unsure" };

export function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "g", "path", "rect", "line", "circle", "text", "polyline", "title"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

let fading;
export function toast(text, { bad = false } = {}) {
  const box = $("toast");
  box.textContent = text;
  box.classList.toggle("bad", bad);
  box.classList.add("on");
  clearTimeout(fading);
  fading = setTimeout(() => box.classList.remove("on"), bad ? 8000 : 2600);
}

// Opens the page to sign in. Several answers of the server may ask for it at once: the page is opened once.
let leaving = false;
addEventListener("pageshow", () => { leaving = false; });
export function signIn() {
  if (leaving) return;
  leaving = true;
  location.assign("/enter");
}

export function setUp() {
  $("leave")?.addEventListener("click", async () => {
    if (!confirm("Sign out? Your answers are saved.")) return;
    await call("DELETE", "/api/session").catch(() => null);
    signIn();
  });
  $("help")?.addEventListener("click", showHelp);
  for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", () => button.closest("dialog").close());
}

// Shows the list of keys. Click an entry and press a key to change it.
export function showHelp() {
  const rows = Object.entries(ACTIONS).map(([action, [, about]]) => {
    const badge = make("kbd", {}, sign(keyOf(action)));
    const button = make("button", { type: "button", "aria-label": `${about}: ${sign(keyOf(action))}. Change the key` }, badge, make("span", {}, about));
    button.addEventListener("click", () => { button.classList.add("asking"); badge.textContent = "press a key"; });
    button.addEventListener("keydown", (event) => {
      if (!button.classList.contains("asking") || event.key === "Tab") return;
      event.preventDefault();
      event.stopPropagation();
      button.classList.remove("asking");
      if (event.key !== "Escape") assign(action, event.key);
      for (const [i, name] of Object.keys(ACTIONS).entries()) rows[i].querySelector("kbd").textContent = sign(keyOf(name));
    });
    return button;
  });
  const defaults = make("button", { type: "button" }, "Reset keys");
  defaults.addEventListener("click", () => { reset(); dialog.close(); showHelp(); });
  const close = make("button", { type: "button", class: "primary", autofocus: true }, "Close");
  const dialog = make("dialog", { class: "card help", "aria-labelledby": "help-title" },
    make("h2", { id: "help-title" }, "Keys"),
    make("p", { class: "muted" }, "Press a key to choose an answer and Enter to save it. Click a key to change it."),
    make("div", { class: "keys" }, ...rows), make("div", { class: "row" }, defaults, close));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => { dialog.remove(); paint(); });
  document.body.append(dialog);
  dialog.showModal();
}

// It is 0 or 100 only if the share is that.
export function percent(share, digits = 0) {
  if (share == null) return "–";
  const text = (share * 100).toFixed(digits), step = 10 ** -digits;
  if (share > 0 && Number(text) === 0) return `< ${step} %`;
  if (share < 1 && Number(text) === 100) return `> ${100 - step} %`;
  return `${text} %`;
}
export const count = (number) => number.toLocaleString("en");
