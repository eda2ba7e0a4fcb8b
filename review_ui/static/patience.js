// What the page says while a clip is not visible yet: after two seconds, what the server does about it.
import { get } from "./api.js";

const ASK_MS = 2000;

export class Patience {
  // `node` shows the words; `waiting` returns the id of the clip that is waited for, or a false value.
  constructor(node, waiting) { this.node = node; this.waiting = waiting; }

  // Starts to wait for another clip.
  begin() {
    this.node.textContent = "Loading…";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), ASK_MS);
  }

  async ask() {
    const id = this.waiting();
    if (!id) return;
    const media = await get(`/api/clips/${id}/media`).catch(() => null);
    if (this.waiting() !== id) return;
    const words = {
      ready: "Loading…",
      making: `The server is making this clip playable, for ${Math.round(media?.seconds ?? 0)} s so far…`,
      waiting: "This clip waits to be made playable…",
    };
    this.node.textContent = words[media?.state] ?? "Waiting for the server…";
    this.timer = setTimeout(() => this.ask(), ASK_MS);
  }
}
