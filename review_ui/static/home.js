import { get, query } from "./api.js";
import { listen } from "./keys.js";
import { Outbox } from "./outbox.js";
import { $, TITLES, count, make, setUp, showHelp, signIn, toast } from "./ui.js";

const form = $("filters");
const wanted = () => Object.fromEntries(new FormData(form));

async function load() {
  try {
    const offer = await get(`/api/queues?${query(wanted())}`);
    for (const [name, values] of [["generator", offer.generators], ["label", offer.labels], ["split", offer.splits]]) {
      const select = form.elements[name];
      if (select.options.length === 1) select.append(...values.map((value) => make("option", { value }, name === "label" ? TITLES[value] : value)));
    }
    form.elements.generator.closest("label").hidden = !offer.generators.length; // the settings hide where clips come from
    $("queues").replaceChildren(...offer.queues.map(entry));
  } catch (problem) {
    if (problem.status === 401) signIn();
    toast(problem.message, { bad: true });
  }
}

function entry(queue) {
  const done = queue.total - queue.left;
  const inside = [
    make("span", { class: "title" }, queue.title),
    make("span", { class: "muted about" }, queue.about),
    make("progress", { max: Math.max(queue.total, 1), value: done, "aria-label": `${done} of ${queue.total} done` }),
    make("span", { class: "left" }, queue.left ? make("b", {}, count(queue.left)) : "Nothing left", queue.left ? " left" : ""),
    make("span", { class: "chip quiet" }, queue.blind ? "blind first" : "label shown"),
  ];
  const href = `/review?${query({ queue: queue.name, ...wanted() })}`;
  return make("li", {}, queue.left ? make("a", { href, class: "queue" }, ...inside) : make("div", { class: "queue none" }, ...inside));
}

form.addEventListener("change", load);
addEventListener("pageshow", load);
setUp();
listen({ help: showHelp });
new Outbox(document.body.dataset.name).flush(); // decisions that an earlier visit could not send
