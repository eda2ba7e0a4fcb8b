// Downloads of a box of the dashboard: its figures as CSV, and its chart or table as PNG in the colours of the page.
import { make, toast } from "./ui.js";

const SCALE = 2, PAD = 24, LINE = 20;
const STYLES = ["fill", "stroke", "stroke-width", "font-size", "font-family", "font-weight"];
const FORMULA = /^[=+\-@\t\r\n＋－＝＠]/; // texts that a spreadsheet would take for a formula

// The buttons of a box; one without a chart or a table has no PNG. `rows` are objects, whose nested objects become columns such as `upheld.n`.
export function downloads(title, rows, box) {
  const name = title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  const button = (kind, work) => {
    const made = make("button", { type: "button", "aria-label": `${title} as ${kind}`, title: `Download as ${kind}` }, kind);
    made.addEventListener("click", async () => {
      try { save(await work(), `${name}.${kind.toLowerCase()}`); } catch { toast(`The ${kind} could not be made.`, { bad: true }); }
    });
    return made;
  };
  return make("span", { class: "downloads" }, box.querySelector("svg.chart, table") ? button("PNG", () => png(title, box)) : null, button("CSV", async () => new Blob([csv(rows)], { type: "text/csv" })));
}

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function flat(row, prefix = "") {
  return Object.entries(row).flatMap(([key, value]) => value !== null && typeof value === "object" ? flat(value, `${prefix}${key}.`) : [[prefix + key, value]]);
}

export function csv(rows) {
  const entries = rows.map((row) => Object.fromEntries(flat(row)));
  const columns = [...new Set(entries.flatMap(Object.keys))];
  const cell = (value) => {
    const text = typeof value === "string" && FORMULA.test(value) ? `'${value}` : String(value ?? "");
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...entries.map((entry) => columns.map((column) => entry[column]))].map((line) => `${line.map(cell).join(",")}\n`).join("");
}

async function png(title, box) {
  const page = getComputedStyle(box), chart = box.querySelector("svg.chart");
  const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
  const font = (size, weight = 400) => `${weight} ${size}px ${page.fontFamily}`;
  const open = (width, height) => {
    canvas.width = (width + 2 * PAD) * SCALE;
    canvas.height = (height + 3 * PAD) * SCALE;
    pen.scale(SCALE, SCALE);
    pen.fillStyle = page.backgroundColor;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.fillStyle = page.color;
    pen.font = font(16, 650);
    pen.fillText(title, PAD, PAD + 8);
  };
  if (chart) {
    const [, , width, height] = chart.getAttribute("viewBox").split(" ").map(Number);
    const image = await picture(chart, width, height);
    open(width, height);
    pen.drawImage(image, PAD, 2 * PAD, width, height);
  } else {
    const lines = [...box.querySelectorAll("tr")].map((row) => [...row.cells].map((cell) => cell.innerText.trim().split("\n").filter(Boolean)));
    pen.font = font(14);
    const columns = Math.max(...lines.map((line) => line.length));
    const widths = Array.from({ length: columns }, (_, i) => 24 + Math.max(...lines.map((line) => Math.max(0, ...(line[i] ?? []).map((text) => pen.measureText(text).width)))));
    const heights = lines.map((line) => 8 + LINE * Math.max(1, ...line.map((cell) => cell.length)));
    open(widths.reduce((sum, width) => sum + width, 0), heights.reduce((sum, height) => sum + height, 0));
    let y = 2 * PAD;
    for (const [i, line] of lines.entries()) {
      let x = PAD;
      for (const [j, cell] of line.entries()) {
        pen.font = font(14, i && j ? 400 : 600);
        for (const [k, text] of cell.entries()) pen.fillText(text, j ? x + widths[j] - 12 - pen.measureText(text).width : x, y + 16 + k * LINE);
        x += widths[j];
      }
      y += heights[i];
    }
  }
  return new Promise((done, fail) => canvas.toBlob((blob) => (blob ? done(blob) : fail(new Error("no image"))), "image/png"));
}

// An image of a chart, whose styles come from the page and are written into the copy.
async function picture(chart, width, height) {
  const copy = chart.cloneNode(true);
  const copies = [copy, ...copy.querySelectorAll("*")];
  for (const [i, element] of [chart, ...chart.querySelectorAll("*")].entries()) {
    const style = getComputedStyle(element);
    for (const name of STYLES) copies[i].setAttribute(name, style.getPropertyValue(name));
  }
  copy.setAttribute("width", width * SCALE);
  copy.setAttribute("height", height * SCALE);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
  await image.decode();
  return image;
}
