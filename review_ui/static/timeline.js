// Film strip, traces and playhead on one time axis below the video. A click seeks.
import { $, TITLES, make } from "./ui.js";

const METRICS = ["spatial", "appearance", "motion"];
const FRAMES = 12;

export class Timeline {
  constructor(player) {
    this.player = player;
    this.bar = $("seekbar");
    this.evidence = null;
    this.shown = false;
    player.addEventListener("tick", () => this.tick());
    player.addEventListener("state", () => { if (player.duration !== this.drawn) this.draw(); });
    let dragging = false;
    const seek = (event) => {
      const box = this.bar.getBoundingClientRect();
      player.seek(((event.clientX - box.left) / box.width) * player.duration);
    };
    this.bar.addEventListener("pointerdown", (event) => { dragging = true; this.bar.setPointerCapture(event.pointerId); player.video?.pause(); seek(event); });
    this.bar.addEventListener("pointermove", (event) => dragging && seek(event));
    this.bar.addEventListener("pointerup", () => { dragging = false; });
    new ResizeObserver(() => this.draw()).observe($("timeline"));
  }

  // Sets the clip. `shown` is whether its traces may be shown.
  set(clip, evidence, shown) {
    if (clip !== this.clip && clip) this.loadFilm(clip);
    if (!clip) this.film = null;
    this.clip = clip;
    this.evidence = evidence;
    this.shown = shown;
    this.draw();
  }

  loadFilm(clip) {
    const film = new Image();
    this.film = null;
    film.addEventListener("load", () => { if (this.clip === clip) { this.film = film; this.drawFilm(); } });
    film.src = `/media/${clip}/strip.webp`;
  }

  draw() {
    this.drawn = this.player.duration;
    $("veil").hidden = this.shown;
    $("lanes").replaceChildren(...METRICS.map((metric) => this.lane(metric)));
    this.drawFilm();
    this.tick();
  }

  lane(metric) {
    const trace = this.shown ? this.evidence?.traces?.[metric] : null;
    const svg = make("svg", { class: "plot", "aria-hidden": "true", preserveAspectRatio: "none" });
    const lane = make("div", { class: `lane ${metric}` }, make("span", { class: "name" }, TITLES[metric]), svg);
    if (!this.shown) return lane;
    if (!trace || trace.values.length === 0) {
      svg.append(make("text", { x: 8, y: 18, class: "none" }, (!this.evidence?.unplayable && trace?.error) || (this.evidence?.traces ? "no trace" : "")));
      return lane;
    }
    const width = $("film").clientWidth, height = 30, duration = this.player.duration || trace.times.at(-1) || 1;
    const top = Math.max(...trace.values.filter((value) => value !== null), 1e-12);
    const x = (time) => (time / duration) * width;
    const y = (value) => height - 3 - (value / top) * (height - 8);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    let path = "", pen = "M";
    for (const [i, value] of trace.values.entries()) {
      if (value === null) { pen = "M"; continue; }
      path += `${pen}${x(trace.times[i]).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = "L";
    }
    svg.append(make("path", { d: path, class: "line" }));
    if (trace.worst !== null) {
      svg.append(make("circle", { cx: x(trace.times[trace.worst]), cy: y(trace.values[trace.worst]), r: 4, class: "worst" }));
      const time = trace.times[trace.worst];
      const jump = make("button", { type: "button", class: "name", title: `Go to the worst moment, at ${time.toFixed(2)} s`, "aria-label": `${TITLES[metric]}: go to the worst moment` }, TITLES[metric]);
      jump.addEventListener("click", () => { this.player.video?.pause(); this.player.seek(time + 0.002); });
      lane.querySelector(".name").replaceWith(jump);
    }
    return lane;
  }

  drawFilm() {
    const canvas = $("film"), ratio = devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width) return;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    if (!this.film) return;
    const pen = canvas.getContext("2d");
    const from = { width: this.film.naturalWidth / FRAMES, height: this.film.naturalHeight };
    const cell = canvas.width / FRAMES;
    // Every frame is cropped to fill its cell, not stretched.
    const scale = Math.max(cell / from.width, canvas.height / from.height);
    const cut = { width: cell / scale, height: canvas.height / scale };
    for (let i = 0; i < FRAMES; i++) {
      pen.drawImage(this.film, i * from.width + (from.width - cut.width) / 2, (from.height - cut.height) / 2, cut.width, cut.height, i * cell, 0, cell - ratio, canvas.height);
    }
  }

  tick() {
    const { player, bar } = this, video = player.video, head = $("playhead");
    const duration = player.duration;
    head.hidden = !video || !duration;
    if (head.hidden) { this.painted = null; return; }
    const film = $("film"), frames = player.times.length;
    // A video that plays moves the playhead once per frame, since every move paints the page again.
    const moment = video.paused ? video.currentTime : frames ? player.frame : Math.floor(video.currentTime * 25);
    const now = [this.clip, duration, frames, video.paused, moment, film.offsetLeft, film.clientWidth].join(" ");
    if (this.painted === now) return;
    this.painted = now;
    const left = film.offsetLeft + (video.currentTime / duration) * film.clientWidth;
    head.style.transform = `translateX(${left.toFixed(1)}px)`;
    const text = `${video.currentTime.toFixed(2)} s${frames ? ` · frame ${player.frame + 1}/${frames}` : ""}`;
    if ($("clock").textContent !== text) $("clock").textContent = text;
    if (bar.dataset.for !== this.clip || video.paused) {
      bar.dataset.for = this.clip;
      bar.setAttribute("aria-valuemax", duration.toFixed(2));
      bar.setAttribute("aria-valuenow", video.currentTime.toFixed(2));
    }
  }
}
