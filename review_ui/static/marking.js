// The second pass: a span of time and a box that say when and where the anomaly of the chosen answer is. Both begin as
// proposals from the worst moment of its trace, so that confirming them is one key.
import { ANOMALIES } from "./ballot.js";
import { $, make } from "./ui.js";

const DRAG_PX = 4; // a shorter movement is a click, which plays or pauses
const LEAST = 0.02; // smallest side of a box, as a fraction of the clip
const CORNERS = ["nw", "ne", "sw", "se"];
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// A span and a box in words.
function said(span, box) {
  const when = span ? `${span[0].toFixed(2)} to ${span[1].toFixed(2)} s` : "no time";
  return `${when} · ${box ? `box of ${Math.round(box[2])} × ${Math.round(box[3])}` : "no box"}`;
}

// The marks of a decision in words; null without any.
export function marked({ t_start, t_end, box }) {
  return t_end == null && !box ? null : said(t_end == null ? null : [t_start, t_end], box);
}

export class Marking {
  constructor(stage) {
    this.stage = stage;
    this.item = null;
    this.frame = $("frame");
    this.box = $("box");
    this.box.append(...CORNERS.map((corner) => make("i", { "data-corner": corner })));
    this.frame.addEventListener("pointerdown", (event) => this.drag(event));
    this.frame.addEventListener("click", (event) => { if (this.dragged) event.stopPropagation(); this.dragged = false; });
    this.box.addEventListener("keydown", (event) => this.nudge(event));
    stage.addEventListener("known", () => this.propose());
    stage.addEventListener("visible", () => this.paint());
    stage.player.addEventListener("state", () => this.paint());
    new ResizeObserver(() => this.paint()).observe($("screen"));
    this.acts = { from: () => this.cut("from"), to: () => this.cut("to"), unmark: () => this.set(null, null), addbox: () => this.add() };
  }

  // Shows the marks of a clip, or none if the page does not ask for them. `marks` are those of others, by answer, which are
  // proposed instead of the worst moment.
  show(item, answer, marks = {}) {
    this.item = item?.marking ? item : null;
    this.marks = marks;
    this.given = item?.given ?? null;
    this.span = this.area = null;
    this.touched = this.ready = false;
    this.choose(answer);
  }

  // The chosen answer has changed: marks that the reviewer has not touched become those of the new answer.
  choose(answer) {
    this.answer = answer;
    if (!this.item) { this.paint(); return; }
    const { given } = this;
    if (!this.touched && given?.answer === answer && (given.t_end != null || given.box)) {
      this.span = given.t_end == null ? null : [given.t_start, given.t_end];
      this.area = given.box;
      this.ready = true;
    } else if (!this.touched) { this.ready = false; this.propose(); }
    this.paint();
  }

  // Whether the marks of the chosen answer have still to be proposed.
  get waits() { return this.asked && !this.ready; }

  get asked() { return Boolean(this.item) && ANOMALIES.includes(this.answer); }

  propose() {
    const { known, shown } = this.stage;
    if (!this.asked || this.touched || this.ready || this.stage.item !== this.item || !shown || !known) return;
    const mark = this.marks[this.answer] ?? known.marks?.[this.answer];
    this.span = mark?.t_end == null ? null : [mark.t_start, mark.t_end];
    this.area = mark?.box ?? null;
    this.ready = true;
    if (this.span) { this.stage.player.video?.pause(); this.stage.player.seek(this.span[0] + 0.002); }
    this.paint();
  }

  // The marks of a decision with this answer. Those of an earlier answer are kept where the page does not ask for them.
  read(answer) {
    const { given } = this;
    if (!ANOMALIES.includes(answer)) return {};
    if (!this.item) return given?.answer === answer ? { t_start: given.t_start, t_end: given.t_end, box: given.box } : {};
    return { t_start: this.span?.[0] ?? null, t_end: this.span?.[1] ?? null, box: this.area?.map(Math.round) ?? null };
  }

  set(span, area) {
    if (!this.asked) return;
    Object.assign(this, { span, area, touched: true, ready: true });
    this.paint();
  }

  // Sets the start of the span to that of the visible frame, or its end to that of the visible frame.
  cut(end) {
    if (!this.asked) return;
    const { player } = this.stage, { frame, times } = player;
    const duration = Math.max(player.duration, times.at(-1) ?? 0);
    const now = player.video?.currentTime ?? 0;
    const begins = times[frame] ?? now, ends = times[frame + 1] ?? duration;
    const [from, to] = this.span ?? [0, duration];
    // A start after the end, or an end before the start, leaves the rest of the clip.
    const span = end === "from" ? [begins, to > begins ? to : duration] : [from < ends ? from : 0, ends];
    if (span[1] > span[0]) this.set(span, this.area);
  }

  add() {
    if (!this.asked) return;
    const { width, height } = this.item;
    if (!this.area) this.set(this.span, [width / 4, height / 4, width / 2, height / 2]);
    this.box.focus();
  }

  // Draws a new box, or moves or resizes the present one, depending on where the drag begins.
  drag(event) {
    if (!this.asked || event.button) return;
    const inside = event.target.closest("#box"), corner = event.target.dataset?.corner;
    const { width, height } = this.item, edges = this.frame.getBoundingClientRect();
    const at = (moved) => [clamp((moved.clientX - edges.x) / edges.width, 0, 1) * width, clamp((moved.clientY - edges.y) / edges.height, 0, 1) * height];
    const first = at(event), before = this.area;
    const move = (moved) => {
      if (!this.dragged && Math.hypot(moved.clientX - event.clientX, moved.clientY - event.clientY) < DRAG_PX) return;
      if (!this.dragged) this.stage.player.video?.pause();
      this.dragged = true;
      const now = at(moved);
      if (inside && !corner) { this.place(before[0] + now[0] - first[0], before[1] + now[1] - first[1], before[2], before[3]); return; }
      const fixed = corner ? [before[0] + (corner.includes("w") ? before[2] : 0), before[1] + (corner.includes("n") ? before[3] : 0)] : first;
      this.place(Math.min(fixed[0], now[0]), Math.min(fixed[1], now[1]), Math.abs(now[0] - fixed[0]), Math.abs(now[1] - fixed[1]));
    };
    const end = () => { for (const [name, act] of Object.entries(acts)) this.frame.removeEventListener(name, act); };
    const acts = { pointermove: move, pointerup: end, pointercancel: end };
    this.dragged = false;
    this.frame.setPointerCapture(event.pointerId);
    for (const [name, act] of Object.entries(acts)) this.frame.addEventListener(name, act);
    event.preventDefault();
  }

  // Moves the focused box with the arrow keys, resizes it with Shift, and removes it with Delete.
  nudge(event) {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    const gone = ["Delete", "Backspace"].includes(event.key);
    if (!(dx || dy || gone) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (gone) { this.set(this.span, null); return; }
    const [x, y, w, h] = this.area, step = [this.item.width / 100, this.item.height / 100];
    if (event.shiftKey) this.place(x, y, w + dx * step[0], h + dy * step[1]); else this.place(x + dx * step[0], y + dy * step[1], w, h);
  }

  // Sets the box, inside the clip and with whole pixels.
  place(x, y, w, h) {
    const { width, height } = this.item;
    const wide = Math.round(clamp(w, Math.max(1, width * LEAST), width)), high = Math.round(clamp(h, Math.max(1, height * LEAST), height));
    this.set(this.span, [Math.round(clamp(x, 0, width - wide)), Math.round(clamp(y, 0, height - high)), wide, high]);
  }

  paint() {
    const { asked, item, area, span, stage } = this;
    $("marking").hidden = !this.item;
    this.frame.hidden = !asked || !item.width || !item.height;
    $("span").hidden = !asked || !span;
    this.box.hidden = !area;
    document.querySelector("[data-do=addbox]").hidden = !asked || Boolean(area);
    for (const name of ["from", "to", "unmark", "addbox"]) document.querySelector(`[data-do=${name}]`).disabled = !asked;
    $("marked").textContent = !item ? "" : !this.answer ? "Choose an answer, then when and where it is." : !asked ? "Only an anomaly has a time and a place." : this.waits ? "Loading the worst moment…" : said(span, area);
    if (!asked) return;
    const screen = $("screen"), { video } = stage.player;
    const shape = video?.videoWidth ? video.videoWidth / video.videoHeight : item.width / item.height;
    const wide = Math.min(screen.clientWidth, screen.clientHeight * shape), high = wide / shape;
    Object.assign(this.frame.style, { width: `${wide}px`, height: `${high}px` });
    if (area) {
      const [x, y, w, h] = area;
      const share = (value, size) => `${(100 * value / size).toFixed(2)}%`;
      Object.assign(this.box.style, { left: share(x, item.width), top: share(y, item.height), width: share(w, item.width), height: share(h, item.height) });
      this.box.setAttribute("aria-label", `Box at ${Math.round(x)}, ${Math.round(y)}, ${Math.round(w)} by ${Math.round(h)} pixels`);
    }
    const film = $("film"), duration = stage.player.duration;
    if (span && duration) Object.assign($("span").style, { left: `${film.offsetLeft + (span[0] / duration) * film.clientWidth}px`, width: `${Math.max(3, (Math.min(span[1], duration) - span[0]) / duration * film.clientWidth)}px` });
  }
}
