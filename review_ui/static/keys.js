// All keys. Reviewers can change them in the help; the changes are stored in the browser.

export const ACTIONS = {
  spatial: ["1", "Spatial"],
  appearance: ["2", "Appearance"],
  motion: ["3", "Motion"],
  fourth: ["4", "No anomaly, or Real footage"],
  reject: ["r", "Reject, then a reason (1–9)"],
  unsure: ["u", "Unsure"],
  weak: ["w", "Weak (validation candidate)"],
  strong: ["s", "Strong (validation candidate)"],
  confirm: ["Enter", "Save the chosen answer"],
  undo: ["z", "Undo"],
  note: ["n", "Note"],
  skip: ["l", "Later (when adjudicating)"],
  play: [" ", "Play or pause"],
  back: ["ArrowLeft", "One frame back"],
  forward: ["ArrowRight", "One frame forward"],
  slower: ["[", "Slower"],
  faster: ["]", "Faster"],
  from: ["i", "The anomaly begins here"],
  to: ["o", "The anomaly ends here"],
  unmark: ["x", "Remove its time and box"],
  guide: ["g", "Guide to the answers"],
  help: ["?", "Keys"],
};
export const ANSWERS = ["spatial", "appearance", "motion", "fourth", "reject", "unsure"];
const SIGNS = { " ": "space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Enter: "↵", Escape: "esc" };
const STORED = "hfv.keys";

let custom = {};
try { custom = JSON.parse(localStorage.getItem(STORED)) ?? {}; } catch { /* use the default keys */ }

// The action whose default key is that of an answer from the server.
export const actionFor = (choice) => Object.keys(ACTIONS).find((action) => ACTIONS[action][0] === choice.key);

export const keyOf = (action) => custom[action] ?? ACTIONS[action][0];
export const sign = (key) => SIGNS[key] ?? key.toUpperCase();

const lower = (key) => (key.length === 1 ? key.toLowerCase() : key); // Enter and others keep their names

// What the key has in the place of a digit, or of a letter on a keyboard without Latin ones: 1 where French ones write &, R
// where Russian ones write к. Of other keys what they write.
export const placed = (event) => {
  const digit = !event.shiftKey && /^Digit(\d)$/.exec(event.code);
  const letter = event.key.length === 1 && event.key > "\x7f" && /^Key([A-Z])$/.exec(event.code);
  return (digit || letter)?.[1]?.toLowerCase() ?? lower(event.key);
};

export function actionOf(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  // A key that the reviewer has assigned goes before the default key of an action that is newer than the assignment.
  const holder = (key) => {
    const holds = (action) => keyOf(action) === key;
    return Object.keys(custom).find((action) => action in ACTIONS && holds(action)) ?? Object.keys(ACTIONS).find(holds);
  };
  return holder(lower(event.key)) ?? holder(placed(event)) ?? null;
}

// Assigns a key to an action; the action that had the key gets the old one. Escape and Tab cannot be assigned.
export function assign(action, key) {
  if (["Escape", "Tab", "Shift", "Control", "Alt", "Meta"].includes(key)) return false;
  const wanted = lower(key);
  const holder = Object.keys(ACTIONS).find((other) => keyOf(other) === wanted);
  if (holder && holder !== action) custom[holder] = keyOf(action);
  custom[action] = wanted;
  try { localStorage.setItem(STORED, JSON.stringify(custom)); } catch { /* kept until the page is closed */ }
  paint();
  return true;
}

export function reset() {
  custom = {};
  try { localStorage.removeItem(STORED); } catch { /* nothing is stored */ }
  paint();
}

export function paint(root = document) {
  for (const badge of root.querySelectorAll("kbd[data-key]")) badge.textContent = sign(keyOf(badge.dataset.key));
}

// Calls the handler of the action whose key is pressed, except in text fields and dialogs.
export function listen(handlers) {
  paint();
  // A button that was clicked with a pointer loses the focus, so that it does not handle the next Enter.
  addEventListener("click", (event) => event.detail && !document.querySelector("dialog[open]") && event.target.closest?.("button")?.blur());
  addEventListener("keydown", (event) => {
    // A field keeps the focus for a moment after its dialog has closed; keys pressed then are for the page.
    if (event.target.closest?.("input, textarea, select")?.checkVisibility() || document.querySelector("dialog[open]")) return;
    const action = actionOf(event);
    if (!action || !handlers[action]) return;
    // A button or link that was focused with Tab handles Enter and space itself.
    const focused = event.target.closest?.("button, a");
    if (focused?.checkVisibility() && focused.matches(":focus-visible") && ["Enter", " "].includes(event.key)) return;
    const step = ["back", "forward", "slower", "faster"].includes(action);
    event.preventDefault();
    if (event.repeat && !step) return; // a key that is held down acts once
    handlers[action](event);
  });
}
