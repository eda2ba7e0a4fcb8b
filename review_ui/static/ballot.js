// The answers to a clip, in two steps on all pages: a key or a click chooses an answer, Enter saves it. Input is ignored
// until the clip, or its automatic label, has been visible for a moment, so that a key meant for what was there before does not
// answer. A clip
// that cannot be played can be rejected or left, but not labelled.
import { actionFor, keyOf, placed, sign } from "./keys.js";
import { $, make, toast } from "./ui.js";

const UNSEEN = ["reject", "unsure"]; // the answers to a clip that cannot be played
export const ANOMALIES = ["spatial", "appearance", "motion"];
const STRENGTHS = { weak: "Weak", strong: "Strong" };
const HINTS = {
  spatial: "wrong order, depth or size in space",
  appearance: "does not keep its looks or shape",
  motion: "impossible or jerky movement",
  none: "looks real; the clip is left out",
  real: "recorded by a camera",
};

export class Ballot extends EventTarget {
  // `word` returns the text of the confirm button for a chosen answer and its name.
  constructor(word) {
    super();
    this.word = word;
    this.item = null;
    this.chosen = null;
    this.tags = {};
    this.busy = false;
    this.seen = true;
    this.opensAt = Infinity;
    $("confirm").addEventListener("click", (event) => this.keep(event));
    $("strength").append(...Object.entries(STRENGTHS).map(([strength, title]) => {
      const button = make("button", { type: "button", "data-strength": strength, "aria-pressed": "false" }, make("kbd", { "data-key": strength }, sign(keyOf(strength))), make("b", {}, title));
      button.addEventListener("click", (event) => this.weigh(strength, event));
      return button;
    }));
  }

  // Shows the answers to a clip, or to none. `chosen` is an earlier answer of the reviewer.
  show(item, chosen = null) {
    this.item = item;
    this.chosen = chosen && { answer: chosen.answer, reason: chosen.reason, strength: chosen.strength ?? null };
    this.tags = {};
    this.busy = false;
    this.seen = true;
    this.opensAt = Infinity;
    const choices = item?.answers ?? [];
    const lesser = (choice) => UNSEEN.includes(choice.answer);
    const made = JSON.stringify(choices);
    if (made !== this.made) { // otherwise the buttons stay, and keep the focus
      $("answers").replaceChildren(...choices.filter((choice) => !lesser(choice)).map((choice) => this.button(choice, HINTS[choice.answer])));
      $("lesser").replaceChildren(...choices.filter(lesser).map((choice) => this.button(choice)));
      this.made = made;
    }
    this.paint();
  }

  // The clip has become visible; `seen` is false if it cannot be played.
  visible(seen = true) {
    if (this.opensAt !== Infinity || !this.item) return;
    this.seen = seen;
    if (this.chosen && !this.offers(this.chosen.answer)) this.chosen = null;
    this.opensIn(Number($("confirm").dataset.lookMs));
  }

  // A blind answer is saved, and the automatic label has become visible.
  reveal() {
    this.busy = false;
    this.opensIn(Number($("confirm").dataset.revealMs));
  }

  opensIn(wait) {
    this.opensAt = performance.now() + wait;
    setTimeout(() => this.paint(), wait + 1);
  }

  button(choice, hint) {
    const action = actionFor(choice);
    const head = make("span", { class: "head" }, make("b", {}, choice.name), make("em", { class: "tag" }));
    const button = make("button", { type: "button", class: `answer ${choice.answer}`, "data-answer": choice.answer },
      make("kbd", { "data-key": action }, sign(keyOf(action))), make("span", {}, head, hint ? make("small", {}, hint) : null));
    button.addEventListener("click", (event) => this.press(action, event));
    return button;
  }

  // When an event happened counts, not when the page got round to it.
  open(event) { return Boolean(this.item) && !this.busy && (event?.timeStamp ?? performance.now()) >= this.opensAt; }

  offers(answer) { return this.seen || UNSEEN.includes(answer); }

  async press(action, event) {
    const item = this.item;
    const choice = item?.answers.find((one) => actionFor(one) === action);
    if (!choice || !this.open(event)) return;
    if (!this.offers(choice.answer)) { toast("A clip that cannot be played has no label: reject it, or answer Unsure."); return; }
    const reason = choice.answer === "reject" ? await askReason(item.reasons) : null;
    if (choice.answer === "reject" && !reason) return;
    if (this.item !== item || this.busy) return; // answered in another tab
    // Another anomaly has another strength.
    const strength = [this.chosen, item.given].find((said) => said?.answer === choice.answer)?.strength ?? null;
    this.chosen = { answer: choice.answer, reason, strength };
    this.paint();
    this.dispatchEvent(new Event("chosen"));
  }

  // Whether the chosen answer can have a strength: an anomaly of a validation candidate.
  get weighs() { return Boolean(this.item?.candidate) && ANOMALIES.includes(this.chosen?.answer); }

  // Sets the strength of the chosen anomaly; the same one again takes it back.
  weigh(strength, event) {
    if (!this.open(event)) return;
    if (!this.weighs) { if (this.item.candidate) toast("Choose an anomaly first, then how strong it is."); return; }
    this.chosen = { ...this.chosen, strength: this.chosen.strength === strength ? null : strength };
    this.paint();
  }

  // Clears the choice and returns whether there was one.
  clear() {
    const had = Boolean(this.chosen) && !this.busy;
    if (had) { this.chosen = null; this.paint(); this.dispatchEvent(new Event("chosen")); }
    return had;
  }

  keep(event) {
    if (!this.open(event)) return;
    if (!this.chosen) { toast("Choose an answer first."); return; }
    this.dispatchEvent(new CustomEvent("keep", { detail: { ...this.chosen, since: event?.timeStamp ?? performance.now() } }));
  }

  // Sets the tags of answers, such as "automatic".
  tag(tags) { this.tags = tags; this.paint(); }

  name(answer) { return this.item?.answers.find((choice) => choice.answer === answer)?.name ?? answer; }

  paint() {
    const open = this.open();
    document.body.dataset.open = open;
    for (const button of document.querySelectorAll(".side .answer")) {
      const { answer } = button.dataset;
      const chosen = answer === this.chosen?.answer;
      button.setAttribute("aria-disabled", String(!open || !this.offers(answer)));
      button.setAttribute("aria-pressed", String(chosen));
      button.classList.toggle("chosen", chosen);
      button.querySelector(".tag").textContent = (this.tags[answer] ?? []).join(" · ");
      button.classList.toggle("suggested", (this.tags[answer] ?? []).includes("automatic"));
    }
    $("strength").hidden = !this.item?.candidate;
    for (const button of $("strength").querySelectorAll("button")) {
      button.setAttribute("aria-disabled", String(!open || !this.weighs));
      button.setAttribute("aria-pressed", String(this.weighs && this.chosen.strength === button.dataset.strength));
    }
    const confirm = $("confirm");
    confirm.hidden = !this.item;
    confirm.disabled = !this.item || !this.chosen || this.busy;
    $("confirm-text").textContent = this.opensAt === Infinity ? "Loading…" : this.chosen ? this.word(this.chosen, this.name(this.chosen.answer)) : "Choose an answer";
  }
}

// Asks for the reason of a rejection; resolves to null if the reviewer cancels. It resolves during the key event, so that
// the next key acts on the updated page.
function askReason(reasons) {
  return new Promise((resolve) => {
    const dialog = $("reasons");
    const end = (reason) => {
      dialog.removeEventListener("keydown", press);
      dialog.removeEventListener("close", leave);
      dialog.close();
      resolve(reason);
    };
    const leave = () => dialog.open || end(null); // the dialog may be open again when an earlier "close" event arrives
    const press = (event) => {
      if (!dialog.open) return; // a closed dialog keeps the focus until its "close" event; the key is for the page
      if (event.repeat) { event.preventDefault(); return; } // ignore a key that is held down
      if (event.key === "Escape") { event.preventDefault(); end(null); return; }
      const reason = reasons[Number(placed(event)) - 1];
      if (reason) { event.preventDefault(); event.stopPropagation(); end(reason); }
    };
    $("reason-list").replaceChildren(...reasons.map((reason, i) => {
      const button = make("button", { type: "button" }, make("kbd", {}, String(i + 1)), reason);
      button.addEventListener("click", () => end(reason));
      return button;
    }));
    dialog.addEventListener("keydown", press);
    dialog.addEventListener("close", leave);
    dialog.showModal();
    $("reasons-title").focus(); // not the first reason, which Enter would choose
  });
}
