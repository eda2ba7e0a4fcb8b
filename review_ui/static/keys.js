// Every key in one place. Reviewers may change them in the help; their choice stays in this browser.

export const ACTIONS = {
  spatial: ["1", "Spatial"],
  appearance: ["2", "Appearance"],
  motion: ["3", "Motion"],
  fourth: ["4", "No anomaly, or Real footage"],
  reject: ["r", "Reject, then a number"],
  unsure: ["u", "Unsure"],
  confirm: ["Enter", "Keep the chosen answer"],
  undo: ["z", "Undo"],
  note: ["n", "Note"],
  skip: ["s", "Later (when adjudicating)"],
  play: [" ", "Play or pause"],
  back: ["ArrowLeft", "One frame back"],
  forward: ["ArrowRight", "One frame forward"],
  slower: ["[", "Slower"],
  faster: ["]", "Faster"],
  help: ["?", "Keys"],
};
export const ANSWERS = ["spatial", "appearance", "motion", "fourth", "reject", "unsure"];
const SIGNS = { " ": "space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Enter: "↵", Escape: "esc" };
const STORED = "hfv.keys";

let own = {};
try { own = JSON.parse(localStorage.getItem(STORED)) ?? {}; } catch { /* the usual keys */ }

// The action whose usual key the server names for an answer.
export const actionFor = (choice) => Object.keys(ACTIONS).find((action) => ACTIONS[action][0] === choice.key);

export const keyOf = (action) => own[action] ?? ACTIONS[action][0];
export const sign = (key) => SIGNS[key] ?? key.toUpperCase();

export function actionOf(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  return Object.keys(ACTIONS).find((action) => keyOf(action) === key) ?? null;
}

// Gives the key to the action; whoever had it gets the action's old one. Escape and Tab stay as they are.
export function assign(action, key) {
  if (["Escape", "Tab", "Shift", "Control", "Alt", "Meta"].includes(key)) return false;
  const wanted = key.length === 1 ? key.toLowerCase() : key;
  const holder = Object.keys(ACTIONS).find((other) => keyOf(other) === wanted);
  if (holder && holder !== action) own[holder] = keyOf(action);
  own[action] = wanted;
  try { localStorage.setItem(STORED, JSON.stringify(own)); } catch { /* until the page is closed */ }
  paint();
  return true;
}

export function reset() {
  own = {};
  try { localStorage.removeItem(STORED); } catch { /* nothing was kept */ }
  paint();
}

export function paint(root = document) {
  for (const badge of root.querySelectorAll("kbd[data-key]")) badge.textContent = sign(keyOf(badge.dataset.key));
}

// Calls the handler of the action whose key is pressed, unless somebody types or a dialog is open.
export function listen(handlers) {
  paint();
  // A button that was clicked with a pointer must not take the next Enter for itself.
  addEventListener("click", (event) => event.detail && !document.querySelector("dialog[open]") && event.target.closest?.("button")?.blur());
  addEventListener("keydown", (event) => {
    // What has the focus keeps it for a moment after its dialog has closed: what is typed then is for the page.
    if (event.target.closest?.("input, textarea, select")?.checkVisibility() || document.querySelector("dialog[open]")) return;
    const action = actionOf(event);
    if (!action || !handlers[action]) return;
    // A focused button or link keeps Enter and space to itself when the reviewer has moved there with Tab.
    const focused = event.target.closest?.("button, a");
    if (focused?.checkVisibility() && focused.matches(":focus-visible") && ["Enter", " "].includes(event.key)) return;
    const step = ["back", "forward", "slower", "faster"].includes(action);
    event.preventDefault();
    if (event.repeat && !step) return; // a key held down answers once
    handlers[action](event);
  });
}
