// Decisions that wait to be sent. A decision is written to the browser's storage first and removed when the server has
// confirmed it, so that a lost network, a closed tab or a restarted server lose nothing. A decision that is sent twice is
// stored once, because the server recognises its id.
import { Problem, post } from "./api.js";

const WAITS = [500, 1000, 2000, 4000, 8000];
const GONE_FOR_GOOD = [400, 404, 409, 413, 422];
const KEY = /^hfv\.out\.(.+)\.\d{18}\.[0-9A-Za-z-]+$/; // with the reviewer's name, the time and the id of the decision

// The names of the reviewers whose decisions wait in this browser.
export function waiting() {
  try { return [...new Set(Object.keys(localStorage).map((key) => KEY.exec(key)?.[1]).filter(Boolean))]; } catch { return []; }
}

export class Outbox extends EventTarget {
  constructor(name) {
    super();
    this.name = name;
    this.prefix = `hfv.out.${name}.`;
    this.memory = new Map(); // used if there is no storage
    this.failures = 0;
    this.running = null;
    addEventListener("beforeunload", (event) => { if (this.memory.size) event.preventDefault(); }); // the browser asks whether to leave
    addEventListener("online", () => { this.failures = 0; this.flush(); });
    addEventListener("storage", (event) => event.key?.startsWith(this.prefix) && this.tell());
  }

  // One storage key per decision, in the order of creation, so that two tabs never write the same entry.
  keys() {
    const stored = [];
    try {
      for (let i = 0; i < localStorage.length; i++) if (this.owns(localStorage.key(i))) stored.push(localStorage.key(i));
    } catch { /* no storage */ }
    return [...stored, ...this.memory.keys()].sort();
  }

  owns(key) { return KEY.exec(key)?.[1] === this.name; } // the prefix of `anna` also begins keys of `anna.b`

  has(id) { return this.keys().some((key) => key.endsWith(`.${id}`)); }

  get size() { return this.keys().length; }

  put(path, body) {
    // After all that wait, also if the clock was set back: an undo must not be sent before its answer.
    const times = this.keys().map((key) => Number(key.slice(this.prefix.length).split(".")[0]));
    this.last = Math.max(Date.now() * 1000, (this.last ?? 0) + 1, ...times.map((time) => time + 1));
    const key = `${this.prefix}${String(this.last).padStart(18, "0")}.${body.decision_id}`;
    const entry = JSON.stringify({ path, body });
    try { localStorage.setItem(key, entry); } catch { this.memory.set(key, entry); }
    this.tell();
    return this.flush();
  }

  read(key) { return this.memory.get(key) ?? localStorage.getItem(key); }

  remove(key) { this.memory.delete(key); try { localStorage.removeItem(key); } catch { /* no storage */ } }

  // Sends all decisions. Resolves when none is left, or none can be sent now.
  flush() {
    clearTimeout(this.timer);
    if (this.running) { this.again = true; return this.running; }
    this.running = this.locked(() => this.send()).finally(() => {
      this.running = null;
      this.tell();
      if (this.again) { this.again = false; return this.flush(); }
    });
    return this.running;
  }

  // Only one tab sends at a time, in browsers that support locks; in others the server ignores duplicates.
  locked(work) { return navigator.locks ? navigator.locks.request(this.prefix, work) : work(); }

  async send() {
    for (;;) {
      const key = this.keys()[0];
      const entry = key && this.read(key);
      if (!key) { this.failures = 0; return; }
      if (!entry) { this.remove(key); continue; }
      const { path, body } = JSON.parse(entry);
      try {
        const answer = await post(path, body);
        this.remove(key);
        this.failures = 0;
        this.dispatchEvent(new CustomEvent("kept", { detail: { path, body, answer } }));
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        // Who is no adjudicator any more can never settle a clip or undo that; it must not hold up what waits behind it.
        const forbidden = problem.status === 403 && path !== "/api/decisions";
        if (forbidden || GONE_FOR_GOOD.includes(problem.status)) {
          this.remove(key);
          this.dispatchEvent(new CustomEvent("refused", { detail: { body, problem } }));
          continue;
        }
        this.stuck = problem;
        const wait = WAITS[Math.min(this.failures++, WAITS.length - 1)];
        this.timer = setTimeout(() => this.flush(), wait);
        return;
      }
      this.tell();
    }
  }

  tell() { this.dispatchEvent(new CustomEvent("changed", { detail: { waiting: this.size, problem: this.failures ? this.stuck : null } })); }
}
