// The page of one clip: the clip with its traces and evidence, its scores among those of its generator, and decisions.
import { get } from "./api.js";
import { listen } from "./keys.js";
import { marked } from "./marking.js";
import { Stage } from "./stage.js";
import { $, TITLES, count, make, percent, setUp, showHelp, signIn, toast } from "./ui.js";

const id = location.pathname.split("/").at(-1);
const stage = new Stage();
const VERBS = { reviewer: "", adjudicator: "adjudicator" };

function facts(page) {
  const { width, height, fps, num_frames, duration_s, codec, pix_fmt, bit_rate, bytes, status, error, generator, is_real } = page.facts;
  const rows = [
    ["Clip id", page.clip_id], ["Generator", generator], ["Kind", is_real ? "camera footage" : "generated"], ["Split", page.split],
    ["Size", width && `${width} × ${height} pixels`],
    ["Length", duration_s == null ? null : `${duration_s.toFixed(2)} s${num_frames ? `, ${count(num_frames)} frames` : ""}`],
    ["Rate", fps && `${+fps.toFixed(3)} frames per second`], ["Codec", codec && [codec, pix_fmt].filter(Boolean).join(", ")],
    ["Bit rate", bit_rate && `${count(Math.round(bit_rate / 1000))} kbit/s`], ["File", bytes == null ? null : `${(bytes / 1e6).toFixed(2)} MB`],
    ["Status", status === "ok" ? null : status], ["Remark", error],
  ];
  $("facts").replaceChildren(...rows.filter(([, value]) => value).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, String(value))]));
}

// The histogram of a generator's scores, with a line at the clip's.
function among([metric, own]) {
  const width = 320, height = 52, most = Math.max(1, ...own.counts), low = own.edges[0], span = own.edges.at(-1) - low || 1;
  const step = width / own.counts.length, x = Math.min(width - 2, Math.max(2, ((own.score - low) / span) * width));
  const name = `${TITLES[metric]}: score ${own.score.toPrecision(3)}, ${own.rank == null ? "not ranked" : `rank ${own.rank} of ${own.size}`}, ${percent(own.above)} of the generator's clips score higher`;
  const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": name }, make("title", {}, name),
    make("line", { x1: 0, x2: width, y1: height - 1, y2: height - 1, class: "axis" }),
    ...own.counts.map((number, i) => make("rect", { x: i * step + 0.5, width: step - 1, y: height - 1 - (number / most) * (height - 6), height: (number / most) * (height - 6) })),
    make("line", { x1: x, x2: x, y1: 0, y2: height, class: "own" }));
  return make("div", { class: `among ${metric}` }, make("b", { class: metric }, TITLES[metric]),
    make("span", {}, `${own.score.toPrecision(3)} · ${own.rank == null ? "not ranked" : `rank ${count(own.rank)} of ${count(own.size)}`}`), svg);
}

function decision(one) {
  const said = one.answer === "reject" ? `Reject: ${one.reason}` : TITLES[one.answer];
  const how = [VERBS[one.role], one.strength, marked(one), one.blind ? "blind" : null, one.final ? null : "first answer", one.undone ? "undone" : null, new Date(one.created_at).toLocaleString()];
  return make("li", { class: one.undone ? "undone" : "" }, make("span", {}, one.reviewer), make("b", { class: one.answer }, said),
    make("span", { class: "muted" }, how.filter(Boolean).join(" · ")), one.note ? make("span", { class: "muted" }, one.note) : null);
}

function settled({ label, votes, disputed, adjudicated }) {
  const by = adjudicated ? "by an adjudicator" : `${count(votes)} ${votes === 1 ? "vote" : "votes"}`;
  const verdict = label ? make("b", { class: label }, TITLES[label]) : make("b", {}, disputed ? "disputed" : "open");
  $("final").replaceChildren("Reviewed: ", verdict, make("span", { class: "muted" }, ` · ${by}${disputed && label ? " · disputed" : ""}`));
}

async function load() {
  try {
    const page = await get(`/api/browse/${id}`);
    const item = await get(`/api/clips/${id}`);
    const name = page.name ?? page.clip_id;
    document.title = `${name} · hfv review`;
    $("name").textContent = name;
    $("where").textContent = page.facts.source ?? "Clip";
    $("veiled").hidden = !page.hidden;
    $("veiled").textContent = page.hidden ?? "";
    facts(page);
    $("final").hidden = !page.final;
    if (page.final) settled(page.final);
    $("among").hidden = !page.distributions;
    $("among").replaceChildren(...(page.distributions ? [make("h2", {}, "Among the clips of its generator"), ...Object.entries(page.distributions).map(among)] : []));
    $("said").hidden = !page.decisions;
    $("decisions").replaceChildren(...(page.decisions?.length ? page.decisions.map(decision) : [make("li", {}, "Nobody has answered this clip yet.")]));
    stage.prepare([item]);
    await stage.show(item, item.shown);
    document.body.dataset.phase = "clip";
  } catch (problem) {
    if (problem.status === 401) signIn();
    toast(problem.message, { bad: true });
  }
}

setUp();
listen({ ...stage.keys, help: showHelp });
load();
