// The page for adjudicators: clips on which reviewers differ, their opinions, and the answer that settles a clip.
import { get, newId } from "./api.js";
import { Ballot } from "./ballot.js";
import { ANSWERS, listen } from "./keys.js";
import { Marking, marked } from "./marking.js";
import { Outbox } from "./outbox.js";
import { Notes, Stage, showOutbox } from "./stage.js";
import { $, TITLES, make, setUp, showHelp, signIn, toast } from "./ui.js";

const { name } = document.body.dataset;
const outbox = new Outbox(name);
const stage = new Stage();
const notes = new Notes(name);
const marking = new Marking(stage);
const ballot = new Ballot((chosen, title) => (marking.waits ? "Loading…" : `Settle: ${chosen.answer === "reject" ? `reject, ${chosen.reason}` : title}`));
let cases = [], later = [], done = [], total = 0, began = null;
const made = [];

async function load() {
  try {
    const open = await get("/api/cases");
    total = open.total;
    const known = new Set([...cases, ...later].map((one) => one.item.clip_id).concat(done));
    cases = [...cases, ...open.cases.filter((one) => !known.has(one.item.clip_id))];
  } catch (problem) {
    if (problem.status === 401) signIn();
    toast(problem.message, { bad: true });
  }
  if (!stage.item || !cases.some((one) => one.item === stage.item)) show();
}

// Whether the opinion was blind, and the blind answer if it differs.
function blindness(opinion) {
  if (opinion.first == null) return "label shown";
  return opinion.first === opinion.answer ? "same when blind" : `when blind: ${TITLES[opinion.first]}`;
}

// Reason and note of an opinion, and when and where its anomaly is.
function remarks(opinion) {
  return [[opinion.reason, opinion.note].filter(Boolean).join(": "), marked(opinion)].filter(Boolean);
}

function show(since) {
  if (!cases.length && later.length) { cases = later; later = []; }
  const open = Math.max(total - done.length, cases.length + later.length);
  $("where").textContent = `Adjudicate · ${open.toLocaleString("en")} open`;
  const current = cases[0];
  document.body.dataset.phase = current ? "shown" : "empty";
  for (const action of ["skip", "note"]) document.querySelector(`[data-do=${action}]`).disabled = !current;
  $("question").hidden = $("final").hidden = !current;
  began = null;
  if (!current) {
    stage.clear();
    ballot.show(null);
    marking.show(null);
    $("message").replaceChildren(make("b", {}, "No open cases"), "Clips on which reviewers differ or are unsure appear here.");
    $("message").hidden = false;
    $("opinions").replaceChildren();
    return;
  }
  stage.prepare(cases.slice(0, 4).map((one) => ({ ...one.item, shown: true })));
  ballot.show(current.item);
  ballot.tag(current.item.suggestion ? { [current.item.suggestion.label]: ["automatic"] } : {});
  stage.show(current.item, true, since);
  marking.show(current.item, null, current.marks);
  notes.show(current.item.clip_id);
  $("opinions").replaceChildren(...current.opinions.map((opinion) => make("div", { class: `opinion ${opinion.answer}` },
    make("span", { class: "by", title: opinion.reviewer }, opinion.reviewer), make("b", {}, TITLES[opinion.answer]),
    make("span", { class: "muted" }, [opinion.strength, blindness(opinion), opinion.seconds == null ? null : `${opinion.seconds.toFixed(1)} s`].filter(Boolean).join(" · ")),
    ...remarks(opinion).map((text) => make("span", { class: "said", title: text }, text)))));
}

function keep({ answer, reason, strength, since }) {
  if (marking.waits) { toast("The worst moment is still loading."); return; }
  const [current] = cases.splice(0, 1);
  const id = newId();
  const seconds = Math.min(3600, (performance.now() - began) / 1000);
  const sent = outbox.put("/api/adjudications", { decision_id: id, clip_id: current.item.clip_id, answer, reason, strength, note: notes.take(current.item.clip_id), seconds, ...marking.read(answer) });
  made.push({ id, case: current });
  done.push(current.item.clip_id);
  show(since);
  if (cases.length < 4) sent.then(load);
}

function undo() {
  if (ballot.clear()) return;
  const last = made.pop();
  if (!last) { toast("Nothing to undo."); return; }
  outbox.put("/api/undo", { decision_id: newId(), undoes: [last.id] });
  done = done.filter((id) => id !== last.case.item.clip_id);
  cases = [last.case, ...cases];
  show();
  toast("Returned to the previous clip.");
}

function skip() { if (cases.length + later.length > 1) { later.push(cases.shift()); show(); } }

const acts = { undo, skip, note: () => cases[0] && notes.ask(cases[0].item.clip_id), ...marking.acts };
const answers = Object.fromEntries(ANSWERS.filter((action) => action !== "unsure").map((action) => [action, (event) => ballot.press(action, event)]));
const weigh = Object.fromEntries(["weak", "strong"].map((strength) => [strength, (event) => ballot.weigh(strength, event)]));
listen({ ...stage.keys, ...answers, ...weigh, ...acts, confirm: (event) => ballot.keep(event), help: showHelp });
for (const action of Object.keys(acts)) document.querySelector(`[data-do=${action}]`).addEventListener("click", acts[action]);
for (const name of ["visible", "unplayable"]) stage.addEventListener(name, () => { began ??= performance.now(); ballot.visible(name === "visible"); });
ballot.addEventListener("chosen", () => { marking.choose(ballot.chosen?.answer); ballot.paint(); });
stage.addEventListener("known", () => ballot.paint());
ballot.addEventListener("keep", ({ detail }) => keep(detail));
outbox.addEventListener("refused", ({ detail }) => {
  toast(`Not saved: ${detail.problem.message}`, { bad: true });
  done = done.filter((id) => id !== detail.body.clip_id); // the case is still open
  load();
});
setUp();
showOutbox(outbox);
outbox.tell();
outbox.flush().then(load);
