// The reviewing page: answer, see the suggestion, keep or change, next.
import { newId, post } from "./api.js";
import { listen } from "./keys.js";
import { Outbox } from "./outbox.js";
import { Notes, Stage, askReason, showOutbox } from "./stage.js";
import { $, TITLES, setUp, showHelp, toast } from "./ui.js";

const HAND = 4; // one on the screen, three loaded
const IDLE_S = 300; // nobody looks at one clip for longer
const QUEUE_TITLES = { labels: "Confirm labels", calibration: "Calibration set", disagreements: "Second look", failed: "Failed media", repeats: "Repeats" };

const address = new URLSearchParams(location.search);
const queue = address.get("queue") in QUEUE_TITLES ? address.get("queue") : "labels";
const wanted = Object.fromEntries(["generator", "label", "split"].map((name) => [name, address.get(name) || null]));
const name = document.body.dataset.name;
const outbox = new Outbox(name);
const stage = new Stage();
const notes = new Notes();
const tabs = new BroadcastChannel(`hfv.${name}`);

let hand = []; // hand[0] is on the screen
let phase = "empty"; // blind: asked first; shown: suggestion in view; revealed: asked again after a blind answer
let done = []; // clips answered here, latest last, in case the server still deals one whose answer is on its way
let left = null;
let began = 0, hidden = 0, hiddenSince = 0;
let finished = []; // times of answers, for the pace

const history = {
  read: () => JSON.parse(sessionStorage.getItem("hfv.history") ?? "[]"),
  write: (entries) => sessionStorage.setItem("hfv.history", JSON.stringify(entries.slice(-30))),
};

// ---------------------------------------------------------------- the hand

async function refill() {
  let dealt;
  try {
    dealt = await post(`/api/queues/${queue}/hand`, { count: HAND, ...wanted });
  } catch (problem) {
    if (problem.status === 401) location.assign("/enter");
    if (!hand.length) {
      empty("Waiting for the server…", problem.message);
      setTimeout(refill, 2000);
    }
    return;
  }
  const items = dealt.items.filter((item) => !done.includes(item.clip_id));
  const current = hand[0];
  const rest = items.filter((item) => item.clip_id !== current?.clip_id);
  hand = current ? [current, ...rest] : rest;
  left = dealt.left;
  stage.prepare(hand);
  paintWhere();
  if (!current && hand.length) show();
  if (!hand.length) {
    if (dealt.items.length) setTimeout(refill, 300);
    else if (left > 0) { empty("Nothing free just now", "Others have the last clips of this queue; it looks again by itself."); setTimeout(refill, 5000); }
    else empty("This queue is done", "Thank you. Other queues are under Queues.");
  }
}

function show(since) {
  const item = hand[0];
  if (!item) { phase = "empty"; refill(); return; }
  phase = item.first ? "revealed" : item.shown || item.error || !item.suggestion ? "shown" : "blind";
  stage.prepare(hand);
  stage.shown = phase !== "blind";
  stage.show(item, since);
  notes.show(item.clip_id);
  began = performance.now();
  hidden = 0;
  hiddenSince = document.hidden ? began : 0;
  paint();
}

function empty(title, text) {
  phase = "empty";
  $("message").replaceChildren(Object.assign(document.createElement("b"), { textContent: title }), text);
  $("message").hidden = false;
  $("suggestion").hidden = true;
  paint();
}

// ------------------------------------------------------------------ answers

function answer(given, reason = null, since = performance.now()) {
  const item = hand[0];
  if (!item || phase === "empty") return;
  const first = phase === "blind";
  const seconds = Math.min(IDLE_S, Math.max(0, performance.now() - began - hidden - (hiddenSince ? performance.now() - hiddenSince : 0)) / 1000);
  const decision = {
    decision_id: newId(), clip_id: item.clip_id, answer: given, reason, queue, seconds: Math.round(seconds * 1000) / 1000,
    blind: first, final: !first, note: first ? "" : notes.take(item.clip_id),
  };
  const sent = outbox.put("/api/decisions", decision);
  if (first) {
    item.first = { decision_id: decision.decision_id, answer: given, reason };
    began = performance.now();
    hidden = 0;
    phase = "revealed";
    stage.reveal(true);
    paint();
    return;
  }
  const ids = [item.first?.decision_id, decision.decision_id].filter(Boolean);
  history.write([...history.read(), { item: { ...item, first: null, shown: true }, ids }]);
  tabs.postMessage({ answered: item.clip_id });
  finished = [...finished, performance.now()].slice(-40);
  advance(since);
  sent.then(refill);
}

function advance(since) {
  const [item] = hand.splice(0, 1);
  done = [...done, item.clip_id].slice(-20);
  if (left !== null) left = Math.max(0, left - 1);
  paintWhere();
  show(since);
}

function confirm() {
  const item = hand[0];
  if (!item) return;
  if (phase === "revealed") answer(item.first.answer, item.first.reason);
  else if (phase === "blind") toast("First say what you see: the automatic label appears after that.");
  else if (item.suggestion && !item.error) answer(item.suggestion.label);
  else toast("There is no automatic label to confirm.");
}

async function reject() {
  if (!hand[0] || phase === "empty") return;
  const reason = await askReason();
  if (reason) answer("reject", reason);
}

function undo() {
  const item = hand[0];
  if (phase === "revealed" && item?.first) {
    outbox.put("/api/undo", { decision_id: newId(), undoes: [item.first.decision_id], queue });
    Object.assign(item, { first: null, shown: true });
    show();
    toast("Taken back.");
    return;
  }
  const entries = history.read();
  const last = entries.pop();
  if (!last) { toast("Nothing to undo here."); return; }
  history.write(entries);
  outbox.put("/api/undo", { decision_id: newId(), undoes: last.ids, queue });
  done = done.filter((id) => id !== last.item.clip_id);
  hand = [last.item, ...hand.filter((other) => other.clip_id !== last.item.clip_id)];
  if (left !== null) left += 1;
  paintWhere();
  show();
  toast("Back to the clip before.");
}

// ----------------------------------------------------------------- painting

function paint() {
  const item = hand[0];
  const idle = phase === "empty";
  document.body.dataset.phase = phase;
  $("phase").textContent = phase === "blind" ? "blind" : "";
  $("phase").hidden = phase !== "blind";
  // Validation candidates are to be clear cases.
  const asked = item?.split === "val" ? "What is wrong, and is it strong?" : "What is wrong with this clip?";
  $("question").textContent = phase === "revealed" ? "Keep your answer?" : asked;
  const suggested = phase === "blind" ? null : item?.suggestion?.label;
  const chosen = phase === "revealed" ? item.first.answer : null;
  for (const button of document.querySelectorAll(".side .answer")) {
    const value = button.dataset.answer ?? "reject";
    button.disabled = idle;
    button.classList.toggle("chosen", value === chosen);
    button.classList.toggle("suggested", value === suggested);
    const tags = [value === chosen && "yours", value === suggested && "automatic"].filter(Boolean);
    const tag = button.querySelector(".tag");
    if (tag) tag.textContent = tags.join(" · ");
    button.setAttribute("aria-label", [TITLES[value], ...tags].join(", "));
  }
  $("confirm").disabled = idle || phase === "blind" || (phase === "shown" && (!suggested || Boolean(item?.error)));
  $("confirm-text").textContent = phase === "revealed" ? `Keep ${TITLES[chosen]}` : suggested ? `Confirm ${TITLES[suggested]}` : phase === "blind" ? "Answer first" : "Confirm";
}

function paintWhere() {
  const only = Object.values(wanted).filter(Boolean).join(" · ");
  $("where").textContent = [QUEUE_TITLES[queue], only, left === null ? null : `${left.toLocaleString("en")} left`].filter(Boolean).join(" · ");
  const span = finished.length > 4 ? (finished.at(-1) - finished[0]) / 3600000 : 0;
  $("pace").textContent = span ? `${Math.round((finished.length - 1) / span)} an hour` : "";
}

// ------------------------------------------------------------------- wiring

const answers = Object.fromEntries(["spatial", "appearance", "motion", "real", "unsure"].map((given) => [given, (event) => answer(given, null, event?.timeStamp)]));
const acts = { ...answers, confirm, reject, undo, note: () => hand[0] && notes.ask(hand[0].clip_id) };
listen({ ...stage.keys, ...acts, help: showHelp });
for (const button of document.querySelectorAll("[data-answer]")) button.addEventListener("click", () => answer(button.dataset.answer));
for (const action of ["confirm", "reject", "undo", "note"]) document.querySelector(`[data-do=${action}]`).addEventListener("click", acts[action]);

stage.dispatchBroken = (id) => {
  // There is nothing to be blind about.
  if (hand[0]?.clip_id === id && phase === "blind") { hand[0].error ??= "cannot be played"; phase = "shown"; stage.reveal(true); paint(); }
};
outbox.addEventListener("refused", ({ detail }) => toast(`Not kept: ${detail.problem.message}`, { bad: true }));
tabs.addEventListener("message", ({ data }) => {
  if (!hand.some((item) => item.clip_id === data.answered)) return;
  const current = hand[0].clip_id === data.answered;
  if (current) { advance(); toast("You answered that one in another tab."); refill(); } else hand = hand.filter((item) => item.clip_id !== data.answered);
});
document.addEventListener("visibilitychange", () => {
  const now = performance.now();
  if (document.hidden) hiddenSince = now;
  else if (hiddenSince) { hidden += now - hiddenSince; hiddenSince = 0; }
});
addEventListener("pageshow", (event) => { if (event.persisted) refill(); });
setInterval(refill, 4 * 60 * 1000); // keeps the leases alive while somebody thinks
setUp();
showOutbox(outbox);
outbox.tell();
outbox.flush().then(refill);
