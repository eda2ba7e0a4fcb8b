// The review page: choose an answer, save it, see the suggestion, keep or change the answer, next clip.
import { get, newId, post } from "./api.js";
import { Ballot } from "./ballot.js";
import { guide } from "./guide.js";
import { ANSWERS, listen } from "./keys.js";
import { Marking } from "./marking.js";
import { Outbox } from "./outbox.js";
import { Notes, Stage, showOutbox } from "./stage.js";
import { $, TITLES, make, setUp, showHelp, signIn, toast } from "./ui.js";

const HAND = 4; // one visible, three loaded
const HISTORY = 1e6; // characters of clips that can be returned to; prompts may be long, and browsers store 5 million
const IDLE_S = 300; // longest time that is recorded for one clip
const QUEUE_TITLES = { labels: "Confirm labels", calibration: "Calibration set", disagreements: "Second look", failed: "Failed media", repeats: "Repeats", marks: "When and where" };

const address = new URLSearchParams(location.search);
const queue = address.get("queue") in QUEUE_TITLES ? address.get("queue") : "labels";
const wanted = Object.fromEntries(["generator", "label", "split"].map((name) => [name, address.get(name) || null]));
const revisited = /^[0-9a-f]{16}$/.exec(address.get("revisit"))?.[0]; // a clip to answer again, instead of a queue
const name = document.body.dataset.name;
const outbox = new Outbox(name);
const stage = new Stage();
const notes = new Notes(name);
const marking = new Marking(stage);
const tabs = new BroadcastChannel(`hfv.${name}`);
const ballot = new Ballot((chosen, title) => {
  const name = chosen.answer === "reject" ? `Reject: ${chosen.reason}` : title;
  if (phase === "saving") return outbox.failures ? "Waiting for the server…" : "Saving…";
  if (phase === "revealed" && chosen.answer !== hand[0].first.answer) return chosen.answer === "reject" ? name : `Change to ${name}`;
  if (queue === "marks" && chosen.answer === hand[0].given?.answer) return marking.waits ? "Loading…" : `Confirm ${name}`;
  return chosen.answer === "reject" ? name : `Keep ${name}`;
});

let hand = []; // hand[0] is visible
// blind: suggestion hidden; saving: a blind answer is being sent; revealed: it is saved, keep or change it; shown: suggestion
// visible from the start
let phase = "empty";
let done = []; // clips answered here, latest last; the server may deal one again while its answer is being sent
let left = null;
let began = null, hidden = 0, hiddenSince = 0;
let finished = []; // times of the answers, for the pace

const history = {
  read: () => JSON.parse(sessionStorage.getItem(`hfv.history.${name}`) ?? "[]").filter(({ item }) => item.answers),
  write: (entries) => {
    let kept = entries.slice(-30);
    while (JSON.stringify(kept).length > HISTORY) kept = kept.slice(1);
    sessionStorage.setItem(`hfv.history.${name}`, JSON.stringify(kept));
  },
};

// ---------------------------------------------------------------- the hand

async function deal() {
  if (!revisited) return post(`/api/queues/${queue}/hand`, { count: HAND, ...wanted });
  if (done.includes(revisited)) { location.assign("/answers"); return { items: [], left: 1 }; }
  const { item } = await post(`/api/answers/${revisited}/hand`);
  return { items: [item], left: null };
}

async function refill() {
  let dealt;
  try {
    dealt = await deal();
  } catch (problem) {
    if (problem.status === 401) signIn();
    if (revisited && problem.status >= 400 && problem.status < 500) { empty("This clip cannot be answered again", problem.message); return; }
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
    else if (left > 0) { empty("No free clip", "Other reviewers have the last clips of this queue. This page checks again every few seconds."); setTimeout(refill, 5000); }
    else empty("This queue is done", "Choose another one under Queues.");
  }
}

function show(since) {
  const item = hand[0];
  if (!item) { empty("Loading…", ""); refill(); return; }
  phase = item.first ? "revealed" : item.shown ? "shown" : "blind";
  stage.prepare(hand);
  ballot.show(item, item.first ?? (queue === "marks" && !revisited ? item.given : null));
  stage.show(item, phase !== "blind", since);
  marking.show(item, ballot.chosen?.answer ?? item.given?.answer);
  notes.show(item.clip_id);
  restart(null);
  paint();
}

function empty(title, text) {
  phase = "empty";
  stage.clear();
  ballot.show(null);
  marking.show(null);
  $("message").replaceChildren(make("b", {}, title), text);
  $("message").hidden = false;
  paint();
}

// ------------------------------------------------------------------ answers

// The time spent on an answer starts when the clip, or its suggestion, becomes visible.
function restart(now) { began = now; hidden = 0; hiddenSince = document.hidden || guide.isOpen ? performance.now() : 0; }

function spent() {
  const now = performance.now();
  return Math.round(Math.min(IDLE_S, Math.max(0, now - (began ?? now) - hidden - (hiddenSince ? now - hiddenSince : 0)) / 1000) * 1000) / 1000;
}

function keep({ answer, reason, strength, since }) {
  const item = hand[0];
  const first = phase === "blind";
  if (marking.waits) { toast("The worst moment is still loading."); return; }
  const decision = {
    decision_id: newId(), clip_id: item.clip_id, answer, reason, strength, seconds: spent(), final: !first,
    note: first ? "" : notes.take(item.clip_id), ...marking.read(answer),
  };
  if (first) {
    item.first = { decision_id: decision.decision_id, answer, reason, strength };
    phase = "saving";
    ballot.busy = true;
    paint();
    outbox.put("/api/decisions", decision);
    return;
  }
  const sent = outbox.put("/api/decisions", decision);
  const ids = [item.first?.decision_id, decision.decision_id].filter(Boolean);
  history.write([...history.read(), { item: { ...item, first: null, shown: true }, ids }]);
  tabs.postMessage({ answered: item.clip_id });
  finished = [...finished, performance.now()].slice(-40);
  advance(since);
  sent.then(refill);
}

// Called when the blind answer is saved: the response contains the automatic label.
function reveal(suggestion) {
  hand[0].suggestion = suggestion;
  phase = "revealed";
  ballot.reveal();
  restart(performance.now());
  stage.reveal();
  paint();
}

function advance(since) {
  const [item] = hand.splice(0, 1);
  done = [...done, item.clip_id].slice(-20);
  if (left !== null) left = Math.max(0, left - 1);
  paintWhere();
  show(since);
}

function undo() {
  if (phase === "saving") return;
  if (phase !== "revealed" && ballot.clear()) return;
  const item = hand[0];
  if (phase === "revealed") {
    outbox.put("/api/undo", { decision_id: newId(), undoes: [item.first.decision_id] });
    Object.assign(item, { first: null, shown: true });
    show();
    toast("Answer undone.");
    return;
  }
  const entries = history.read();
  const last = entries.pop();
  if (!last) { toast("Nothing to undo."); return; }
  history.write(entries);
  outbox.put("/api/undo", { decision_id: newId(), undoes: last.ids });
  done = done.filter((id) => id !== last.item.clip_id);
  hand = [last.item, ...hand.filter((other) => other.clip_id !== last.item.clip_id)];
  if (left !== null) left += 1;
  paintWhere();
  show();
  toast("Returned to the previous clip.");
}

// ----------------------------------------------------------------- painting

function question(item) {
  if (phase === "empty") return "";
  if (queue === "marks" && item.marking) return "When and where is it?";
  if (item.given) return "Change your answer?";
  if (phase === "saving" || phase === "revealed") return "Keep your answer?";
  const answers = item.answers.map((choice) => choice.answer);
  if (answers.includes("spatial")) return "What is wrong here?";
  return answers.includes("real") ? "Is this usable footage?" : "Leave this clip out?";
}

function paint() {
  const item = hand[0];
  document.body.dataset.phase = phase;
  $("phase").hidden = !["blind", "saving"].includes(phase);
  $("question").textContent = question(item);
  $("question").hidden = phase === "empty";
  const tags = {};
  if (phase === "revealed" || phase === "saving") tags[item.first.answer] = ["yours"];
  if (item?.given) tags[item.given.answer] = ["yours"];
  const suggested = ["revealed", "shown"].includes(phase) && item.suggestion?.label;
  if (suggested) (tags[suggested] ??= []).push("automatic");
  ballot.tag(tags);
}

function paintWhere() {
  const only = [wanted.generator, TITLES[wanted.label] ?? wanted.label, wanted.split].filter(Boolean).join(" · ");
  $("where").textContent = [revisited ? "My answers" : QUEUE_TITLES[queue], only, left === null ? null : `${left.toLocaleString("en")} left`].filter(Boolean).join(" · ");
  const span = finished.length > 4 ? (finished.at(-1) - finished[0]) / 3600000 : 0;
  $("pace").textContent = span ? `${Math.round((finished.length - 1) / span)} per hour` : "";
}

// ------------------------------------------------------------------- wiring

const acts = { undo, note: () => phase !== "empty" && notes.ask(hand[0].clip_id), ...marking.acts };
const weigh = Object.fromEntries(["weak", "strong"].map((strength) => [strength, (event) => ballot.weigh(strength, event)]));
const answers = Object.fromEntries(ANSWERS.map((action) => [action, (event) => ballot.press(action, event)]));
listen({ ...stage.keys, ...answers, ...weigh, ...acts, confirm: (event) => ballot.keep(event), help: showHelp });
for (const action of Object.keys(acts)) document.querySelector(`[data-do=${action}]`).addEventListener("click", acts[action]);

for (const name of ["visible", "unplayable"]) {
  stage.addEventListener(name, () => { if (began === null) restart(performance.now()); ballot.visible(name === "visible"); });
}
ballot.addEventListener("chosen", () => { marking.choose(ballot.chosen?.answer); ballot.paint(); });
stage.addEventListener("known", () => ballot.paint());
guide.addEventListener("changed", resume);
ballot.addEventListener("keep", ({ detail }) => keep(detail));
const isOurs = (id) => phase === "saving" && hand[0].first.decision_id === id;
outbox.addEventListener("kept", ({ detail }) => isOurs(detail.body.decision_id) && reveal(detail.answer.suggestion));
outbox.addEventListener("refused", ({ detail }) => {
  toast(`Not saved: ${detail.problem.message}`, { bad: true });
  if (isOurs(detail.body.decision_id)) { advance(); refill(); }
});
outbox.addEventListener("changed", async () => {
  ballot.paint();
  const item = hand[0];
  if (phase !== "saving" || outbox.has(item.first.decision_id)) return;
  // Another tab has sent it and received the response.
  const now = await get(`/api/clips/${item.clip_id}`).catch(() => null);
  if (!now) setTimeout(() => outbox.tell(), 2000);
  else if (isOurs(item.first.decision_id)) reveal(now.suggestion);
});
tabs.addEventListener("message", ({ data }) => {
  if (!hand.some((item) => item.clip_id === data.answered)) return;
  const current = hand[0].clip_id === data.answered;
  if (current) { advance(); toast("You answered this clip in another tab."); refill(); } else hand = hand.filter((item) => item.clip_id !== data.answered);
});
// Time with another tab in front, or with the guide open, is not spent on the clip.
function resume() {
  if (document.hidden || guide.isOpen) hiddenSince ||= performance.now();
  else if (hiddenSince) { hidden += performance.now() - hiddenSince; hiddenSince = 0; }
}
document.addEventListener("visibilitychange", resume);
addEventListener("pageshow", (event) => { if (event.persisted) refill(); });
setInterval(refill, 4 * 60 * 1000); // renews the leases
setUp();
showOutbox(outbox);
outbox.tell();
outbox.flush().then(() => guide.first()).then(refill);
