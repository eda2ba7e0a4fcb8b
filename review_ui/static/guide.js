// The guide to the answers, over any page: a button in the bar and a key open it. It is shown once before a reviewer's first
// clip. Its text is made by the server from Markdown, without HTML of others.
import { get } from "./api.js";
import { actionOf, keyOf, sign } from "./keys.js";
import { $, make, toast } from "./ui.js";

const still = matchMedia("(prefers-reduced-motion: reduce)");

// Dispatches "changed" when the guide is opened or closed.
class Guide extends EventTarget {
  constructor(name) {
    super();
    this.stored = `hfv.guide.${name}`;
    $("guide")?.addEventListener("click", () => this.show());
    addEventListener("keydown", (event) => {
      if (event.repeat || event.target.closest?.("input, textarea, select")?.checkVisibility() || actionOf(event) !== "guide") return;
      if (this.isOpen) this.dialog.close(); else if (!document.querySelector("dialog[open]")) this.show();
    });
  }

  get isOpen() { return Boolean(this.dialog); }

  // Shows the guide if this reviewer has neither seen it in this browser nor answered a clip; resolves when it is closed.
  async first() {
    if (this.seen) return;
    const text = await get("/api/guide").catch(() => null); // without the server there is no clip either
    if (!text) return;
    if (text.first) await this.open(text, "Start reviewing");
    this.seen = true;
  }

  get seen() { try { return Boolean(localStorage.getItem(this.stored)); } catch { return false; } }
  set seen(_) { try { localStorage.setItem(this.stored, "seen"); } catch { /* shown again next time */ } }

  async show() {
    if (this.loading) return;
    this.loading = true;
    try { await this.open(await get("/api/guide"), "Close"); } catch (problem) { toast(problem.message, { bad: true }); } finally { this.loading = false; }
  }

  // Resolves when the dialog is closed.
  open(text, word) {
    const body = make("div", { class: "handbook-text", tabindex: "0", role: "document", "aria-label": "Guide" });
    body.innerHTML = text.html;
    for (const video of body.querySelectorAll("video")) film(video);
    const close = make("button", { type: "button", class: "primary" }, word);
    const keys = make("span", { class: "muted by-key" }, make("kbd", {}, sign(keyOf("guide"))), " opens and closes this guide");
    this.dialog = make("dialog", { class: "card handbook", "aria-label": "Guide" }, body, make("div", { class: "row" }, keys, close));
    document.body.append(this.dialog);
    return new Promise((resolve) => {
      const { dialog } = this;
      close.addEventListener("click", () => dialog.close());
      dialog.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || event.repeat || event.target.closest("a, button, video")) return;
        event.preventDefault();
        dialog.close();
      });
      dialog.addEventListener("close", () => {
        dialog.remove();
        this.dialog = null;
        this.dispatchEvent(new Event("changed"));
        resolve();
      });
      dialog.showModal();
      body.focus(); // so that the arrow keys scroll
      this.dispatchEvent(new Event("changed"));
    });
  }
}

// Plays an example, unless the reader prefers still images; a click, Enter or space pauses and goes on.
function film(video) {
  video.muted = true; // autoplay needs the property, not only the attribute
  const toggle = () => { if (video.paused) video.play().catch(() => null); else video.pause(); };
  video.addEventListener("click", toggle);
  video.addEventListener("keydown", (event) => {
    if (!["Enter", " "].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    toggle();
  });
  if (!still.matches) video.play().catch(() => null);
}

export const guide = new Guide(document.body.dataset.name);
