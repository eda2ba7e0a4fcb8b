// Progress, quality of automatic labels, and agreement of reviewers. Fetched again every ten seconds.
import { get } from "./api.js";
import { counts, shares } from "./charts.js";
import { downloads } from "./downloads.js";
import { listen } from "./keys.js";
import { $, TITLES, count, make, percent, setUp, showHelp, toast } from "./ui.js";

const LABELS = ["spatial", "appearance", "motion", "real"];
let generator = "";

// `rows` are the figures of the box, to download.
function box(span, title, text, rows, ...inside) {
  const section = make("section", { class: `box span${span}` }, make("h2", {}, title), text ? make("p", {}, text) : null, ...inside);
  section.prepend(downloads(title, rows, section));
  return section;
}
const decimal = (value, digits = 2) => (value == null ? "–" : value.toFixed(digits).replace(/^-(?=[0.]*$)/, "").replace("-", "−"));

// A share with the number that it is a share of, and its 95 % interval below.
const interval = (low, high, text = percent) => (low == null ? "" : `${text(low)} to ${text(high)}`);
const estimate = ({ share, n, from, to }) => make("td", { class: "n" },
  ...(n ? [`${percent(share)} of ${count(n)}`, make("small", {}, interval(from, to))] : ["–"]));
// `left` is the number of columns with text.
const header = (columns, left = 1) => make("thead", {}, make("tr", {}, ...columns.map((text, i) => make("th", { class: i < left ? "" : "n", scope: "col" }, text))));

async function load() {
  let stats;
  try { stats = await get("/api/statistics"); } catch (problem) { toast(problem.message, { bad: true }); return; }
  figures(stats);
  progress(stats);
  quality(stats);
  people(stats);
}

const whole = (number) => (number == null ? "–" : count(Math.round(number)));

// Without figures it takes the room of those to come, so that the tabs below never move away from a pointer.
function figures({ done, total, overlap = 1, per_hour: pace, hours_left: hours, disputed, rejected }) {
  const list = [
    [whole(done), `clips done, ${overlap} ${overlap > 1 ? "reviewers" : "reviewer"} per clip`],
    [percent(total ? done / total : null, 1), `of ${whole(total)} clips`],
    [whole(pace), "clips per hour in total"],
    [hours == null ? "–" : hours < 1 ? `${Math.ceil(hours * 60)} min` : `${whole(hours)} h`, "remaining at this pace"],
    [whole(disputed), "disputed clips"],
    [whole(rejected), "rejected clips"],
  ];
  $("figures").replaceChildren(...list.map(([value, text]) => make("div", { class: "figure" }, make("b", {}, value), make("span", {}, text))));
}

function progress(stats) {
  const names = [...new Set(stats.progress.map((row) => row.generator))];
  const columns = LABELS.flatMap((label) => ["val", "train", "test", null].map((split) => [label, split]))
    .filter(([label, split]) => stats.progress.some((row) => row.label === label && row.split === split));
  const cell = (rows) => {
    const total = rows.reduce((sum, row) => sum + row.total, 0), done = rows.reduce((sum, row) => sum + row.done, 0);
    if (!total) return make("td", {});
    return make("td", {}, make("div", { class: "cell" }, make("span", {}, `${count(done)} / ${count(total)}`), make("span", { class: "muted" }, percent(done / total)),
      make("progress", { max: total, value: done, "aria-label": `${done} of ${total}` })));
  };
  const head = make("tr", {}, make("th", { scope: "col" }, "Generator"), make("th", { scope: "col" }, "All"),
    ...columns.map(([label, split]) => make("th", { scope: "col" }, `${TITLES[label]}${split ? ` · ${split}` : ""}`)));
  const body = names.map((name) => {
    const rows = stats.progress.filter((row) => row.generator === name);
    return make("tr", {}, make("th", { scope: "row" }, name), cell(rows), ...columns.map(([label, split]) => cell(rows.filter((row) => row.label === label && row.split === split))));
  });
  $("progress").replaceChildren(make("div", { class: "scroll" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body))));
}

function quality(stats) {
  const range = (row) => (row.low === row.high ? `${row.low}` : `${row.low}–${row.high}`);
  const margins = shares(stats.margins.map((row) => ({
    label: range(row), under: row.clips ? `n ${row.clips}` : "",
    value: row.upheld, from: row.from, to: row.to, note: `${row.clips} of ${row.ranked} clips reviewed`,
  })), { name: "Confirmed automatic labels by margin" });
  const stable = shares(stats.stability.map((row) => ({
    label: range(row), under: `n ${count(row.clips)}`, value: row.stay, from: row.from, to: row.to, note: `${row.clips} clips`,
  })), { name: "Labels that stay when clips are drawn again, by margin" });
  const names = Object.keys(stats.confusion);
  if (!names.includes(generator)) generator = "";
  const select = make("select", { "aria-label": "Generator" }, ...names.map((name) => make("option", { value: name, selected: name === generator }, name || "all generators")));
  select.addEventListener("change", () => { generator = select.value; matrix.replaceWith(matrix = confusion(stats)); });
  let matrix = confusion(stats);
  const pull = stats.pull;
  const line = (name, title) => [make("span", {}, title), make("progress", { max: 1, value: pull[name].same ?? 0, "aria-label": title }),
    make("span", {}, pull[name].same == null ? "no answers yet" : `${percent(pull[name].same)} of ${count(pull[name].clips)}, ${interval(pull[name].from, pull[name].to)}`)];
  const { gap } = pull;
  const points = (value) => decimal(value * 100, 1);
  const times = counts(stats.seconds.edges.map((edge, i, edges) => ({ label: i + 1 < edges.length ? `${edge}–${edges[i + 1]}` : `${edge}+`, count: stats.seconds.counts[i] })), { name: "Number of clips by seconds per clip" });
  const first = box(6, "Automatic label against final label", "Rows: automatic labels. Columns: final labels.", matrices(stats), matrix);
  if (names.length) first.prepend(select);
  $("quality").replaceChildren(
    first,
    box(6, "Confirmed by margin", "Share of automatic labels that reviewers confirmed, by margin in ranks; lines are 95 % intervals.", stats.margins, margins),
    box(6, "Label stability", "Share of labels that stay when the clips of every generator are drawn again with replacement, by margin in ranks; in 95 % of the draws it is within the lines.", stats.stability,
      stats.stability.length ? stable : make("p", { class: "muted" }, "There is no generator whose clips are all ranked together.")),
    box(6, "Influence of the suggestion", "How often the first answer equals the automatic label, with 95 % intervals.", [{ answers: "blind", ...pull.blind }, { answers: "shown", ...pull.shown }],
      make("div", { class: "pull" }, ...line("blind", "Blind"), ...line("shown", "Label shown")),
      gap.points == null ? null : make("p", {}, `Showing the label first changes this by ${points(gap.points)} percentage points (95 %: ${interval(gap.from, gap.to, points)}).`)),
    box(6, "Seconds per clip", stats.seconds.median == null ? "" : `Median ${decimal(stats.seconds.median, 1)} s over ${count(stats.seconds.n)} answers, interquartile range ${stats.seconds.quartiles.map((s) => decimal(s, 1)).join(" to ")} s.`,
      stats.seconds.edges.map((edge, i, edges) => ({ from: edge, to: edges[i + 1] ?? null, answers: stats.seconds.counts[i] })), times),
    box(12, "Strength of validation candidates", "How many of the anomalies in the top 20 % of their class reviewers call strong, with 95 % intervals. make split LABELS=final STRONG_ONLY=1 keeps only these in val.", stats.strengths.labels, strengths(stats)),
    box(12, "Generators", "Automatic labels, and the share of reviewed clips whose label reviewers confirmed or that they rejected, with 95 % intervals.", stats.generators, generators(stats)),
  );
}

// The confusion matrices as rows, of every generator and of all.
const matrices = (stats) => Object.entries(stats.confusion).flatMap(([name, rows]) => rows.map((row, i) => ({
  generator: name || "all", automatic: LABELS[i], ...Object.fromEntries(row.map((number, j) => [LABELS[j] ?? "rejected", number])),
})));

function generators(stats) {
  const shown = LABELS.filter((label) => stats.generators.some((row) => row.labels[label]));
  return make("table", {}, header(["Generator", "Clips", ...shown.map((label) => TITLES[label]), "Confirmed", "Rejected", "Disputed"]),
    make("tbody", {}, ...stats.generators.map((row) => make("tr", {}, make("th", { scope: "row" }, row.generator),
      ...[row.clips, ...shown.map((label) => row.labels[label])].map((number) => make("td", { class: "n" }, count(number))),
      estimate(row.upheld), estimate(row.rejected), make("td", { class: "n" }, count(row.disputed))))));
}

function strengths({ strengths: { labels, agreement } }) {
  const rows = labels.map((row) => make("tr", {}, make("th", { scope: "row" }, TITLES[row.label]), ...[row.answers, row.none].map((number) => make("td", { class: "n" }, count(number))), estimate(row.strong)));
  const pairs = agreement.n ? `Reviewers who gave the same label agree on its strength in ${percent(agreement.share)} of ${count(agreement.n)} pairs (95 %: ${interval(agreement.from, agreement.to)}).` : "No two reviewers have judged the same anomaly yet.";
  return make("div", {}, make("table", {}, header(["Anomaly", "Answers", "Not judged", "Strong"]), make("tbody", {}, ...rows)), make("p", { class: "muted" }, pairs));
}

// How far the marks of reviewers overlap; null if nobody has marked anything.
function overlaps({ marks }) {
  if (!marks.marked && !marks.settled) return null;
  const given = `${count(marks.marked)} ${marks.marked === 1 ? "answer" : "answers"} of reviewers and ${count(marks.settled)} of adjudicators ${marks.marked + marks.settled === 1 ? "has" : "have"} marks.`;
  const row = (name, title) => {
    const { n, mean, from, to, good } = marks[name];
    return make("tr", {}, make("th", { scope: "row" }, title), make("td", { class: "n" }, count(n)),
      make("td", { class: "n" }, ...(n ? [decimal(mean), make("small", {}, interval(from, to, decimal))] : ["–"])), estimate(good));
  };
  return box(12, "When and where", `Overlap (intersection over union) of the marks of reviewers who gave a clip the same label, on clips with two marks or more, with 95 % intervals. ${given}`,
    ["span", "box"].map((name) => ({ of: name, ...marks[name] })),
    make("table", {}, header(["", "Clips", "Mean overlap", "At least 0.5"]), make("tbody", {}, row("span", "Time"), row("box", "Place"))));
}

function confusion(stats) {
  const rows = stats.confusion[generator];
  if (!rows) return make("p", { class: "muted" }, "No clip has a reviewed label yet.");
  const columns = [...LABELS.map((label) => TITLES[label]), "Rejected"];
  return make("table", { class: "matrix" },
    make("thead", {}, make("tr", {}, make("td", {}), ...columns.map((title) => make("th", { scope: "col" }, title)))),
    make("tbody", {}, ...rows.map((row, i) => {
      const sum = row.reduce((total, number) => total + number, 0);
      return make("tr", {}, make("th", { scope: "row" }, TITLES[LABELS[i]], make("small", {}, `n ${count(sum)}`)), ...row.map((number, j) => {
        const tint = make("i");
        tint.style.opacity = sum ? (number / sum) * 0.45 : 0;
        return make("td", { class: i === j ? "diagonal" : "" }, tint, make("span", {}, count(number), number ? make("small", {}, percent(number / sum)) : null));
      }));
    })));
}

function people(stats) {
  const kinds = [["blind", "Blind first answers", "Given before the suggestion was shown."], ["standing", "Final answers", "Given after the suggestion was shown."]];
  const boxes = kinds.map(([name, title, text]) => {
    const a = stats.agreement[name];
    const figure = (value, name, low, high, text = decimal) => make("div", {}, make("div", { class: "big" }, text(value)), make("div", { class: "muted" }, name),
      make("div", { class: "muted" }, low == null ? "" : `95 %: ${interval(low, high, text)}`));
    return box(6, title, `${text} ${count(a.clips)} ${a.clips === 1 ? "clip" : "clips"} with at least two answers.`, [a], make("div", { class: "trio" },
      figure(a.percent, "of pairs agree, mean over clips", a.percent_low, a.percent_high, percent),
      figure(a.alpha, "Krippendorff's α", a.alpha_low, a.alpha_high),
      figure(a.ac1, "Gwet's AC1", a.ac1_low, a.ac1_high)));
  });
  const columns = ["Reviewer", "Clips", "Per hour", "Seconds", "Unsure", "Rejected", "Changed", "With final", "With self"];
  const rows = stats.reviewers.map((row) => make("tr", {}, make("th", { scope: "row" }, row.name),
    ...[count(row.clips), whole(row.per_hour), decimal(row.seconds, 1)].map((text) => make("td", { class: "n" }, text)),
    ...["unsure", "rejected", "changed", "with_final", "with_self"].map((name) => estimate(row[name]))));
  const pairs = stats.pairs.map((pair) => make("tr", {}, make("td", {}, `${pair.a} and ${pair.b}`), estimate({ share: pair.percent, n: pair.clips, from: pair.from, to: pair.to })));
  $("people").replaceChildren(...boxes,
    box(8, "Reviewers", "Changed: blind answers that were changed after the suggestion was shown. With final, with self: agreement with the final label and with the reviewer's own earlier answer. Small figures are 95 % intervals.", stats.reviewers,
      make("table", { class: "people" }, header(columns), make("tbody", {}, ...rows))),
    box(4, "Pairs of reviewers", "Share of clips on which both gave the same answer.", stats.pairs, make("table", {}, header(["Pair", "Agree"]), make("tbody", {}, ...pairs))),
    ...[overlaps(stats)].filter(Boolean),
    box(12, "Days", "The work of every reviewer on every day (UTC). Agreement: share of the clips answered by others too on which the answer is that of most others, with its 95 % interval.", stats.days, days(stats)));
}

const DAYS = 60; // as many rows are shown; the CSV has all

function days(stats) {
  const rows = stats.days.slice(0, DAYS).map((row) => make("tr", {}, make("th", { scope: "row" }, row.day), make("td", {}, row.reviewer),
    ...[count(row.answers), count(row.clips), whole(row.per_hour), count(row.rejected), count(row.unsure)].map((text) => make("td", { class: "n" }, text)),
    estimate(row.agreement)));
  return make("table", { class: "people" }, header(["Day", "Reviewer", "Answers", "Clips", "Per hour", "Rejected", "Unsure", "Agreement"], 2), make("tbody", {}, ...rows));
}

const tabs = [...document.querySelectorAll("[role=tab]")];
function select(tab, focus = false) {
  for (const other of tabs) {
    other.setAttribute("aria-selected", String(other === tab));
    other.tabIndex = other === tab ? 0 : -1;
    $(other.getAttribute("aria-controls")).hidden = other !== tab;
  }
  if (focus) tab.focus();
}
for (const [i, tab] of tabs.entries()) {
  tab.addEventListener("click", () => select(tab));
  tab.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by) { event.preventDefault(); select(tabs[(i + by + tabs.length) % tabs.length], true); }
  });
}
setUp();
listen({ help: showHelp });
figures({});
load();
setInterval(() => document.hidden || load(), 10000);
