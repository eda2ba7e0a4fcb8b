// What reviewing and adjudicating share: the clip, its evidence, its automatic label.
import { get } from "./api.js";
import { keyOf, sign } from "./keys.js";
import { Player, SPEEDS } from "./player.js";
import { Timeline } from "./timeline.js";
import { $, TITLES, make } from "./ui.js";

const PICTURES = {
  spatial: "two frames, their depth, and where it does not match",
  appearance: "the first frame, and the pair that strays most from it",
  motion: "the frames, and where their motion does not match",
};

export class Stage {
  constructor() {
    this.player = new Player($("screen"));
    this.timeline = new Timeline(this.player);
    this.evidence = new Map();
    this.item = null;
    this.shown = false;
    $("speeds").append(...SPEEDS.map((speed) => {
      const button = make("button", { type: "button", "aria-pressed": "false" }, `${speed}×`);
      button.addEventListener("click", () => this.player.setSpeed(speed));
      return button;
    }));
    this.player.addEventListener("state", () => this.paintState());
    this.player.addEventListener("broken", (event) => this.explain(event.detail));
    const acts = { play: () => this.player.toggle(), back: () => this.player.step(-1), forward: () => this.player.step(1) };
    for (const [name, act] of Object.entries(acts)) document.querySelector(`[data-do=${name}]`).addEventListener("click", act);
    $("panel").addEventListener("click", () => $("panel").close());
    this.keys = {
      ...acts,
      slower: () => this.player.faster(-1),
      faster: () => this.player.faster(1),
    };
  }

  // These clips are wanted soon: loads their videos and evidence.
  prepare(items) {
    const ids = items.map((item) => item.clip_id);
    this.player.load(ids);
    for (const id of this.evidence.keys()) if (!ids.includes(id)) this.evidence.delete(id);
    for (const id of ids) if (!this.evidence.has(id)) this.evidence.set(id, this.fetch(id));
  }

  async fetch(id) {
    try {
      const evidence = await get(`/api/clips/${id}/evidence`);
      for (const panel of evidence.panels) new Image().src = `/media/${id}/${panel}.webp`;
      return evidence;
    } catch {
      this.evidence.delete(id); // asked for again when the clip comes up
      return null;
    }
  }

  async show(item, since) {
    this.item = item;
    this.known = null;
    $("message").hidden = true;
    $("generator").textContent = item.generator;
    $("split").hidden = !item.split;
    $("split").textContent = item.split ?? "";
    $("prompt").hidden = !item.prompt;
    $("prompt").textContent = item.prompt ?? "";
    $("prompt").title = item.prompt ?? "";
    const facts = [item.width && `${item.width}×${item.height}`, item.fps && `${+item.fps.toFixed(2)} fps`, item.codec];
    $("technical").textContent = facts.filter(Boolean).join(" · ");
    this.player.show(item.clip_id, since);
    if (this.player.video?.error) this.explain(item.clip_id);
    this.paintState();
    this.reveal(this.shown); // at once: nothing of the clip before may stay in view
    if (!this.evidence.has(item.clip_id)) this.evidence.set(item.clip_id, this.fetch(item.clip_id));
    const evidence = await this.evidence.get(item.clip_id);
    if (this.item !== item) return;
    this.known = evidence;
    this.player.times = evidence?.frame_times ?? [];
    if (evidence?.unplayable) this.explain(item.clip_id);
    this.reveal(this.shown);
  }

  // Shows or hides all that gives the automatic label away.
  reveal(shown) {
    this.shown = shown;
    this.timeline.set(this.item.clip_id, this.known, shown);
    $("suggestion").hidden = !shown;
    const suggestion = this.item.suggestion;
    $("verdict").textContent = suggestion ? TITLES[suggestion.label] : "none";
    $("verdict").className = suggestion?.label ?? "";
    $("margin").textContent = suggestion ? margin(suggestion) : "";
    $("ranks").replaceChildren(...(suggestion?.group_size ? ["spatial", "appearance", "motion"].map((metric) => rank(metric, suggestion)) : []));
    $("panels").replaceChildren(...(shown ? (this.known?.panels ?? []).map((metric) => this.panel(metric)) : []));
  }

  panel(metric) {
    const src = `/media/${this.item.clip_id}/${metric}.webp`;
    const small = make("img", { src, alt: "" });
    if (this.item.width && this.item.height) small.style.aspectRatio = `${this.item.width} / ${this.item.height}`;
    const button = make("button", { type: "button", "aria-label": `Worst moment of ${metric}, larger` }, small, make("span", {}, TITLES[metric]));
    button.addEventListener("click", () => {
      const { times, worst } = this.known.traces[metric] ?? {};
      $("panel-title").replaceChildren(make("b", { class: metric }, TITLES[metric]), `, worst moment${worst == null ? "" : ` at ${times[worst].toFixed(2)} s`}: ${PICTURES[metric]}`);
      Object.assign($("panel-image"), { src, alt: `Worst moment, ${metric}` });
      $("panel").showModal();
    });
    return button;
  }

  // Says why the clip cannot be played.
  async explain(id) {
    if (this.item?.clip_id !== id) return;
    const evidence = this.known ?? await this.evidence.get(id);
    if (this.item?.clip_id !== id) return;
    const why = evidence?.unplayable ?? this.item.error ?? (evidence ? "this browser cannot decode it" : "the server cannot be reached");
    $("message").replaceChildren(make("b", {}, "This clip cannot be played"), make("span", {}, why), make("span", { class: "muted" }, `Reject it with ${sign(keyOf("reject"))}.`));
    $("message").hidden = false;
    this.dispatchBroken?.(id);
  }

  paintState() {
    $("play-sign").textContent = this.player.video?.paused === false ? "❚❚" : "▶";
    for (const [i, button] of [...$("speeds").children].entries()) button.setAttribute("aria-pressed", String(SPEEDS[i] === this.player.speed));
  }
}

function margin(suggestion) {
  if (suggestion.margin == null) return "";
  if (suggestion.tied) return "a tie";
  return `margin ${suggestion.margin}`;
}

function rank(metric, suggestion) {
  const place = suggestion.ranks[metric], size = suggestion.group_size;
  const share = place == null ? 0 : 1 - (place - 1) / Math.max(size, 1);
  const fill = make("i");
  fill.style.width = `${Math.max(2, share * 100)}%`;
  return make("div", { class: `rank ${metric}` }, make("span", {}, TITLES[metric]), make("div", { class: "meter" }, fill),
    make("span", { class: "number" }, place == null ? "–" : `${place} of ${size}`));
}

export const REASONS = ["not a person", "no anomaly", "watermark", "broken", "duplicate", "other"];

// Asks why a clip is rejected; null if the reviewer goes back. Settled within the key press, so that the next key finds
// the page as it will be.
export function askReason() {
  return new Promise((resolve) => {
    const dialog = $("reasons");
    const end = (reason) => {
      dialog.removeEventListener("keydown", press);
      dialog.removeEventListener("close", leave);
      dialog.close();
      resolve(reason);
    };
    const leave = () => end(null);
    const press = (event) => {
      const reason = REASONS[Number(event.key) - 1];
      if (reason) { event.preventDefault(); event.stopPropagation(); end(reason); }
    };
    $("reason-list").replaceChildren(...REASONS.map((reason, i) => {
      const button = make("button", { type: "button" }, make("kbd", {}, String(i + 1)), reason);
      button.addEventListener("click", () => end(reason));
      return button;
    }));
    dialog.addEventListener("keydown", press);
    dialog.addEventListener("close", leave);
    dialog.showModal();
  });
}

// Lets the reviewer write a note on a clip. Every letter is kept, so a draft survives a reload.
export class Notes {
  constructor() {
    this.dialog = $("note");
    this.field = $("note-text");
    this.field.addEventListener("input", () => {
      const text = this.field.value.trim();
      if (text) sessionStorage.setItem(`hfv.note.${this.id}`, text); else sessionStorage.removeItem(`hfv.note.${this.id}`);
      this.show(this.id);
    });
  }

  read(id) { return sessionStorage.getItem(`hfv.note.${id}`) ?? ""; }

  take(id) { const text = this.read(id); sessionStorage.removeItem(`hfv.note.${id}`); return text; }

  show(id) { $("noted").hidden = !this.read(id); }

  ask(id) {
    this.id = id;
    this.field.value = this.read(id);
    this.dialog.showModal();
    this.field.focus();
  }
}

// "Saved", or what waits to be sent.
export function showOutbox(outbox) {
  outbox.addEventListener("changed", ({ detail: { waiting, problem } }) => {
    const box = $("saved");
    const text = !waiting ? "Saved" : problem?.status === 401 ? `${waiting} kept here · come in again` : problem ? `${waiting} kept here · offline` : "Saving…";
    if (box.textContent !== text) box.textContent = text;
    box.classList.toggle("bad", Boolean(problem && waiting));
    box.dataset.waiting = waiting;
  });
}
