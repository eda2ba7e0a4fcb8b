// The grid of clips: filters, sorting and search, kept in the address; a clip plays while it is hovered or focused.
import { get, query } from "./api.js";
import { listen } from "./keys.js";
import { load as loadStrip } from "./strips.js";
import { $, TITLES, count, make, setUp, showHelp, signIn, toast } from "./ui.js";

const PAGE = 48;
const TYPING_MS = 200;
const OPINIONS = { disputed: "reviewers differ", changed: "label changed", confirmed: "label confirmed", rejected: "rejected", open: "" };
const form = $("search");
let listed = 0, asked = 0, typing = null, shown = null;

const wanted = () => Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== "" && value !== "id"));

function tile(clip) {
  const strip = make("img", { "data-clip": clip.clip_id, alt: "" });
  if (!clip.failed) loadStrip(strip);
  const word = make("span", { class: "word" }, clip.failed ? "cannot be read" : "");
  const still = make("div", { class: "still" }, word, strip, clip.duration_s == null ? null : make("span", { class: "long" }, `${clip.duration_s.toFixed(1)} s`));
  strip.addEventListener("load", () => strip.classList.add("on"));
  strip.addEventListener("error", () => { word.textContent = "cannot be shown"; });
  const title = clip.failed ? make("b", { class: "failed" }, "Failed") : clip.label ? make("b", { class: clip.label }, TITLES[clip.label]) : make("b", {}, clip.source ?? clip.clip_id);
  const figures = [clip.margin == null ? null : `margin ${count(clip.margin)}`, clip.score == null ? null : clip.score.toPrecision(3)].filter(Boolean).join(" · ");
  const lines = [[clip.label || clip.failed ? clip.source : null, clip.split, OPINIONS[clip.opinion]], [clip.name ?? clip.clip_id]];
  const link = make("a", { class: "tile", href: `/clip/${clip.clip_id}` }, still, make("div", { class: "told" },
    make("span", { class: "first" }, title, make("small", {}, figures)),
    ...lines.map((parts, i) => parts.some(Boolean) ? make("small", { class: i ? "name" : "", title: i ? parts[0] : null }, parts.filter(Boolean).join(" · ")) : null),
    clip.prompt ? make("small", { title: clip.prompt }, clip.prompt) : null));
  if (!clip.failed) for (const [begin, end] of [["pointerenter", "pointerleave"], ["focus", "blur"]]) {
    link.addEventListener(begin, () => play(clip.clip_id, still, word));
    link.addEventListener(end, () => stop(still, word));
  }
  return make("li", {}, link);
}

// The video is loaded now, since a page of clips would be too much; until its first frame the strip's is shown.
function play(id, still, word) {
  if (still.querySelector("video")) return;
  const video = make("video", { src: `/media/${id}.mp4`, loop: true, playsinline: true, "aria-hidden": "true" });
  video.muted = true;
  video.hidden = true;
  word.textContent = "Loading…";
  video.addEventListener("playing", () => { video.hidden = false; });
  video.addEventListener("error", () => { if (video.hasAttribute("src")) word.textContent = "cannot be played"; });
  still.append(video);
  video.play().catch(() => { /* left before it began */ });
}

function stop(still, word) {
  const video = still.querySelector("video");
  if (!video || still.closest("a").matches(":hover, :focus")) return;
  video.removeAttribute("src");
  video.load(); // closes the connection
  video.remove();
  word.textContent = "";
}

function offer(listing) {
  for (const [name, values] of [["generator", listing.generators], ["label", listing.labels], ["split", listing.splits]]) {
    const select = form.elements[name];
    if (select.options.length === 1) select.append(...values.map((value) => make("option", { value }, name === "label" ? TITLES[value] : value)));
  }
  form.elements.generator.closest("label").hidden = !listing.generators.length;
  for (const element of form.querySelectorAll(".sighted")) element.hidden = !listing.sight;
  $("veiled").hidden = listing.sight;
}

async function load({ more = false } = {}) {
  const number = ++asked;
  const values = wanted();
  shown = query(values);
  if (!more) { history.replaceState(null, "", `?${shown}`); }
  try {
    const listing = await get(`/api/browse?${query({ ...values, skip: more ? listed : 0, count: PAGE })}`);
    if (number !== asked) return;
    offer(listing);
    const tiles = listing.clips.map(tile);
    if (more) $("grid").append(...tiles); else $("grid").replaceChildren(...tiles);
    listed = (more ? listed : 0) + tiles.length;
    $("total").textContent = listing.total ? `${count(listing.total)} ${listing.total === 1 ? "clip" : "clips"}` : "No clip is like that.";
    $("more").hidden = listed >= listing.total;
    $("more").textContent = `Show more (${count(Math.max(0, listing.total - listed))} left)`;
    if (more) $("grid").children[listed - tiles.length]?.querySelector("a").focus();
  } catch (problem) {
    if (problem.status === 401) signIn();
    if (number !== asked) return;
    $("total").textContent = "";
    toast(problem.message, { bad: true });
  }
}

// Fills the form from the address. The values of some fields are known only after the first response.
async function begin() {
  const given = new URLSearchParams(location.search);
  const fill = () => { for (const [name, value] of given) if (form.elements[name]) form.elements[name].value = value; };
  fill();
  $("filters").open = !matchMedia("(max-width: 600px)").matches || [...given.keys()].some((name) => name !== "text");
  const known = [...given].every(([name, value]) => form.elements[name]?.value === value);
  if (!known) {
    try { offer(await get("/api/browse?count=1")); } catch { /* the next request says why */ }
    fill();
  }
  await load();
}

form.addEventListener("submit", (event) => { event.preventDefault(); load(); });
// A text field changes when it loses the focus too, perhaps to a tile, which must stay.
form.addEventListener("change", () => { clearTimeout(typing); if (query(wanted()) !== shown) load(); });
form.elements.text.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => load(), TYPING_MS); });
$("more").addEventListener("click", () => load({ more: true }));
setUp();
listen({ help: showHelp });
begin();
