// Bar charts as SVG.
import { make, percent } from "./ui.js";

// bars: [{label, value (0 to 1 or null), from, to, note}]
export function shares(bars, { height = 165, width = 620, name }) {
  const left = 46, bottom = 34, top = 16, step = (width - left) / bars.length;
  const y = (share) => top + (1 - share) * (height - top - bottom);
  const svg = make("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": name });
  for (const share of [0, 0.5, 1]) {
    svg.append(make("line", { x1: left, x2: width, y1: y(share), y2: y(share), class: "grid" }), make("text", { x: left - 6, y: y(share) + 4, "text-anchor": "end" }, percent(share)));
  }
  for (const [i, bar] of bars.entries()) {
    const x = left + i * step, middle = x + step / 2;
    if (bar.value != null) {
      svg.append(make("rect", { x: x + step * 0.16, width: step * 0.68, y: y(bar.value), height: Math.max(0, y(0) - y(bar.value)), rx: 3, class: "bar-mark" }, make("title", {}, bar.note ?? "")));
      if (bar.from != null) svg.append(make("line", { x1: middle, x2: middle, y1: y(bar.from), y2: y(bar.to), class: "whisker" }));
      svg.append(make("text", { x: middle, y: Math.max(11, y(bar.to ?? bar.value) - 4), "text-anchor": "middle", class: "value" }, percent(bar.value)));
    }
    svg.append(make("text", { x: middle, y: height - 18, "text-anchor": "middle" }, bar.label), make("text", { x: middle, y: height - 4, "text-anchor": "middle" }, bar.under ?? ""));
  }
  return svg;
}

// bars: [{label, count}]
export function counts(bars, { height = 118, width = 560, name }) {
  const bottom = 20, top = 16, most = Math.max(1, ...bars.map((bar) => bar.count)), step = width / bars.length;
  const svg = make("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": name });
  for (const [i, bar] of bars.entries()) {
    const tall = (bar.count / most) * (height - top - bottom), x = i * step;
    svg.append(
      make("rect", { x: x + step * 0.1, width: step * 0.8, y: height - bottom - tall, height: tall, rx: 3, class: "bar-mark" }),
      make("text", { x: x + step / 2, y: height - 5, "text-anchor": "middle" }, bar.label),
      make("text", { x: x + step / 2, y: height - bottom - tall - 4, "text-anchor": "middle", class: "value" }, bar.count || ""),
    );
  }
  return svg;
}
