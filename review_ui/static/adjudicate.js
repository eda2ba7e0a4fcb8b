// Clips on which reviewers differ: what each of them said, and the last word.
import { get, newId } from "./api.js";
import { listen } from "./keys.js";
import { Outbox } from "./outbox.js";
import { Notes, Stage, askReason, showOutbox } from "./stage.js";
import { $, TITLES, make, setUp, showHelp, toast } from "./ui.js";

const outbox = new Outbox(document.body.dataset.name);
const stage = new Stage();
const notes = new Notes();
let cases = [], later = [], done = [], total = 0, began = 0;
const made = [];

async function load() {
  try {
    const found = await get("/api/cases");
    total = found.total;
    const known = new Set([...cases, ...later].map((each) => each.item.clip_id).concat(done));
    cases = [...cases, ...found.cases.filter((each) => !known.has(each.item.clip_id))];
  } catch (problem) {
    toast(problem.message, { bad: true });
  }
  if (!stage.item || !cases.some((each) => each.item === stage.item)) show();
}

function blindly(opinion) {
  if (opinion.first == null) return "label seen";
  return opinion.first === opinion.answer ? "blind too" : `blind: ${TITLES[opinion.first]}`;
}

function show(since) {
  if (!cases.length && later.length) { cases = later; later = []; }
  $("where").textContent = `Adjudicate · ${cases.length + later.length} open`;
  const current = cases[0];
  document.body.dataset.phase = current ? "shown" : "empty";
  for (const button of document.querySelectorAll(".side button.answer")) button.disabled = !current;
  if (!current) {
    $("message").replaceChildren(make("b", {}, "No open cases"), "Reviewers agree on everything they have seen.");
    $("message").hidden = false;
    $("opinions").replaceChildren();
    $("suggestion").hidden = true;
    return;
  }
  stage.prepare(cases.slice(0, 4).map((each) => each.item));
  stage.shown = true;
  stage.show(current.item, since);
  notes.show(current.item.clip_id);
  began = performance.now();
  $("opinions").replaceChildren(...current.opinions.map((opinion) => make("div", { class: `opinion ${opinion.answer}` },
    make("span", { class: "by" }, opinion.reviewer), make("b", {}, TITLES[opinion.answer]),
    opinion.reason ? make("span", { class: "said" }, opinion.reason) : null,
    make("span", { class: "muted" }, [blindly(opinion), opinion.seconds == null ? null : `${opinion.seconds.toFixed(1)} s`].filter(Boolean).join(" · ")))));
}

function decide(answer, reason = null, since = performance.now()) {
  const current = cases[0];
  if (!current) return;
  const id = newId();
  const body = { decision_id: id, clip_id: current.item.clip_id, answer, reason, note: notes.take(current.item.clip_id), seconds: Math.min(3600, (performance.now() - began) / 1000) };
  const sent = outbox.put("/api/adjudications", body);
  made.push({ id, case: current });
  done.push(current.item.clip_id);
  cases.shift();
  show(since);
  if (cases.length < 4) sent.then(load);
}

async function reject() {
  if (!cases.length) return;
  const reason = await askReason();
  if (reason) decide("reject", reason);
}

function undo() {
  const last = made.pop();
  if (!last) { toast("Nothing to undo here."); return; }
  outbox.put("/api/undo", { decision_id: newId(), undoes: [last.id] });
  done = done.filter((id) => id !== last.case.item.clip_id);
  cases = [last.case, ...cases];
  show();
}

function skip() { if (cases.length + later.length > 1) { later.push(cases.shift()); show(); } }

const answers = Object.fromEntries(["spatial", "appearance", "motion", "real"].map((given) => [given, (event) => decide(given, null, event?.timeStamp)]));
const acts = { ...answers, reject, undo, skip, note: () => cases[0] && notes.ask(cases[0].item.clip_id) };
listen({ ...stage.keys, ...acts, help: showHelp });
for (const button of document.querySelectorAll("[data-answer]")) button.addEventListener("click", () => decide(button.dataset.answer));
for (const action of ["reject", "undo", "note", "skip"]) document.querySelector(`[data-do=${action}]`).addEventListener("click", acts[action]);
outbox.addEventListener("refused", ({ detail }) => toast(`Not kept: ${detail.problem.message}`, { bad: true }));
setUp();
showOutbox(outbox);
outbox.tell();
outbox.flush().then(load);
