// What the page says while a clip is not visible yet: after two seconds, for how long, and what the server does about it.
import { get } from "./api.js";

const SILENT_S = 2, AGAIN_S = 5; // not every second, since screen readers read it aloud

export class Patience {
  // `node` shows the words; `waiting` returns the id of the clip that is waited for, or a false value.
  constructor(node, waiting) { this.node = node; this.waiting = waiting; }

  // Starts to wait for another clip.
  begin() {
    this.node.textContent = "Loading…";
    this.since = performance.now();
    this.state = this.told = null;
    clearInterval(this.timer);
    this.timer = setInterval(() => this.tell(), 1000);
  }

  tell() {
    const id = this.waiting(), seconds = Math.round((performance.now() - this.since) / 1000);
    if (!id) { clearInterval(this.timer); return; }
    if (seconds < SILENT_S || (this.told && seconds < this.told + AGAIN_S)) return;
    this.told = seconds;
    const words = { making: "The server is making this clip playable", waiting: "This clip waits to be made playable" };
    this.node.textContent = `${words[this.state] ?? "Still loading"}, for ${seconds} s so far…`;
    this.ask(id);
  }

  async ask(id) {
    if (this.asking) return; // the browser may be busy with other requests
    this.asking = true;
    const media = await get(`/api/clips/${id}/media`).catch(() => null);
    this.asking = false;
    if (this.waiting() === id) this.state = media?.state;
  }
}
