// The list of one's own answers. A click opens the clip on the review page, where it can be answered again.
import { get, query } from "./api.js";
import { listen } from "./keys.js";
import { Outbox } from "./outbox.js";
import { load as loadStrip } from "./strips.js";
import { $, TITLES, count, make, setUp, showHelp, signIn, toast } from "./ui.js";

const PAGE = 50;
let listed = 0;

function entry(one) {
  const said = one.answer === "reject" ? `Reject: ${one.reason}` : TITLES[one.answer];
  const details = [one.source, new Date(one.created_at).toLocaleString(), one.settled ? "settled by an adjudicator" : null];
  const strip = make("img", { "data-clip": one.clip_id, alt: "" });
  loadStrip(strip);
  strip.addEventListener("error", () => { strip.hidden = true; }); // a clip that cannot be decoded has none
  return make("li", {}, make("a", { href: `/review?${query({ revisit: one.clip_id })}`, class: `mine ${one.answer}` },
    make("b", {}, said), make("span", { class: "muted" }, details.filter(Boolean).join(" · ")),
    make("span", { class: "prompt" }, [one.prompt, one.note && `Note: ${one.note}`].filter(Boolean).join(" — ")), strip));
}

async function load() {
  try {
    const { answers, total } = await get(`/api/answers?${query({ skip: listed, count: PAGE })}`);
    listed += answers.length;
    $("list").append(...answers.map(entry));
    $("none").hidden = total > 0;
    $("more").hidden = listed >= total;
    $("more").textContent = `Show more (${count(Math.max(0, total - listed))} left)`;
  } catch (problem) {
    if (problem.status === 401) signIn();
    toast(problem.message, { bad: true });
  }
}

$("more").addEventListener("click", load);
addEventListener("pageshow", (event) => event.persisted && location.reload());
setUp();
listen({ help: showHelp });
new Outbox(document.body.dataset.name).flush().then(load); // what is still to be sent belongs into the list
