// The answers to a clip, in two steps everywhere: a key or a click chooses one, Enter keeps it. Nothing is taken before
// the clip has been in view for a moment, so that a key meant for the clip before never answers the next one.
import { actionFor, keyOf, sign } from "./keys.js";
import { $, make, toast } from "./ui.js";

const LOOK_MS = 700;
const HINTS = {
  spatial: "shapes or depth break",
  appearance: "looks drift or flicker",
  motion: "impossible or jerky movement",
  none: "nothing is wrong; the clip is left out",
  real: "recorded by a camera",
};

export class Ballot extends EventTarget {
  // `word` gives the text of the keep button for a chosen answer and its name.
  constructor(word) {
    super();
    this.word = word;
    this.item = null;
    this.chosen = null;
    this.tags = {};
    this.busy = false;
    this.opensAt = Infinity;
    $("confirm").addEventListener("click", (event) => this.keep(event));
  }

  // Another clip, or none. `chosen`: an answer that the reviewer gave before.
  show(item, chosen = null) {
    this.item = item;
    this.chosen = chosen && { answer: chosen.answer, reason: chosen.reason };
    this.tags = {};
    this.busy = false;
    this.opensAt = Infinity;
    const choices = item?.answers ?? [];
    const lesser = (choice) => ["reject", "unsure"].includes(choice.answer);
    const made = JSON.stringify(choices);
    if (made !== this.made) { // else they stay, and with them the focus
      $("answers").replaceChildren(...choices.filter((choice) => !lesser(choice)).map((choice) => this.button(choice, HINTS[choice.answer])));
      $("lesser").replaceChildren(...choices.filter(lesser).map((choice) => this.button(choice)));
      this.made = made;
    }
    this.paint();
  }

  // The clip is in view.
  seen() {
    if (this.opensAt !== Infinity || !this.item) return;
    this.opensAt = performance.now() + LOOK_MS;
    setTimeout(() => this.paint(), LOOK_MS + 1);
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

  async press(action, event) {
    const item = this.item;
    const choice = item?.answers.find((each) => actionFor(each) === action);
    if (!choice || !this.open(event)) return;
    const reason = choice.answer === "reject" ? await askReason(item.reasons) : null;
    if (choice.answer === "reject" && !reason) return;
    if (this.item !== item || this.busy) return; // answered in another tab meanwhile
    this.chosen = { answer: choice.answer, reason };
    this.paint();
  }

  // Takes the choice back; false if there is none.
  clear() {
    const had = Boolean(this.chosen) && !this.busy;
    if (had) { this.chosen = null; this.paint(); }
    return had;
  }

  keep(event) {
    if (!this.open(event)) return;
    if (!this.chosen) { toast("Choose an answer first."); return; }
    this.dispatchEvent(new CustomEvent("keep", { detail: { ...this.chosen, since: event?.timeStamp ?? performance.now() } }));
  }

  // Words beside an answer, such as "automatic".
  tag(tags) { this.tags = tags; this.paint(); }

  name(answer) { return this.item?.answers.find((choice) => choice.answer === answer)?.name ?? answer; }

  paint() {
    const open = this.open();
    document.body.dataset.open = open;
    for (const button of document.querySelectorAll(".side .answer")) {
      const { answer } = button.dataset;
      const chosen = answer === this.chosen?.answer;
      button.setAttribute("aria-disabled", String(!open));
      button.setAttribute("aria-pressed", String(chosen));
      button.classList.toggle("chosen", chosen);
      button.querySelector(".tag").textContent = (this.tags[answer] ?? []).join(" · ");
      button.classList.toggle("suggested", (this.tags[answer] ?? []).includes("automatic"));
    }
    const confirm = $("confirm");
    confirm.hidden = !this.item;
    confirm.disabled = !this.item || !this.chosen || this.busy;
    $("confirm-text").textContent = this.opensAt === Infinity ? "Loading…" : this.chosen ? this.word(this.chosen, this.name(this.chosen.answer)) : "Choose an answer";
  }
}

// Asks why a clip is rejected; null if the reviewer goes back. Settled within the key press, so that the next key finds
// the page as it will be.
function askReason(reasons) {
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
      if (event.repeat) { event.preventDefault(); return; } // a key held down chooses nothing
      const reason = reasons[Number(event.key) - 1];
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
    $("reasons-title").focus(); // not the first reason: Enter would give it
  });
}
