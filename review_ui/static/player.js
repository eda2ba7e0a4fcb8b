// The clips of a hand as video elements, one on top, the others loaded and waiting: the next clip starts at once.

export const SPEEDS = [0.25, 0.5, 1, 2, 4];

export class Player extends EventTarget {
  constructor(screen) {
    super();
    this.screen = screen;
    this.videos = new Map();
    this.speed = 1;
    this.times = [];
    this.visible = false; // whether a frame of the current clip has been on the screen
    const tick = () => { this.watch(); this.dispatchEvent(new Event("tick")); requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
  }

  get video() { return this.videos.get(this.current); }

  // Keeps videos of these clips and no others.
  load(ids) {
    for (const [id, video] of this.videos) {
      if (ids.includes(id)) continue;
      video.removeAttribute("src");
      video.load(); // lets go of the connection
      video.remove();
      this.videos.delete(id);
    }
    for (const id of ids) if (!this.videos.has(id)) this.videos.set(id, this.open(id));
  }

  open(id) {
    const video = document.createElement("video");
    Object.assign(video, { muted: true, loop: true, playsInline: true, preload: "auto", src: `/media/${id}.mp4` });
    video.disablePictureInPicture = true;
    video.setAttribute("aria-label", "The clip");
    video.addEventListener("error", () => video.hasAttribute("src") && this.dispatchEvent(new CustomEvent("broken", { detail: id })));
    for (const name of ["play", "pause", "durationchange"]) video.addEventListener(name, () => id === this.current && this.dispatchEvent(new Event("state")));
    this.screen.prepend(video);
    return video;
  }

  show(id, since = performance.now()) {
    this.video?.pause();
    for (const [other, video] of this.videos) video.classList.toggle("on", other === id);
    this.current = id;
    this.times = [];
    this.visible = false;
    this.readySince = null;
    const video = this.video;
    if (!video) return;
    if (video.currentTime > 0) video.currentTime = 0;
    video.playbackRate = this.speed;
    // For measuring: from the key that asked for the clip to its first frame on the screen.
    video.requestVideoFrameCallback?.(() => {
      this.screen.dataset.swap = `${id} ${(performance.now() - since).toFixed(1)}`;
      if (id === this.current) this.see();
    });
    this.play();
  }

  see() {
    if (this.visible) return;
    this.visible = true;
    this.dispatchEvent(new Event("visible"));
  }

  // Not every browser calls back for every frame: one that is decoded and on top is on the screen soon.
  watch() {
    if (this.visible || !(this.video?.readyState >= 2)) return;
    this.readySince ??= performance.now();
    if (performance.now() - this.readySince > ("requestVideoFrameCallback" in HTMLVideoElement.prototype ? 500 : 50)) this.see();
  }

  // Loads the current clip again, after the server was away.
  retry() { if (this.video?.error) { this.video.load(); this.play(); } }

  play() { this.video?.play().catch(() => { /* it may be unplayable, or replaced while it started */ }); }

  toggle() { if (this.video?.paused) this.play(); else this.video?.pause(); }

  setSpeed(speed) {
    this.speed = speed;
    if (this.video) this.video.playbackRate = speed;
    this.dispatchEvent(new Event("state"));
  }

  faster(steps) { this.setSpeed(SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, SPEEDS.indexOf(this.speed) + steps))]); }

  get duration() {
    const known = this.video?.duration;
    return Number.isFinite(known) && known > 0 ? known : (this.times.at(-1) ?? 0);
  }

  // The frame on the screen: the last that has begun. Half a millisecond is less than any frame and more than rounding.
  get frame() {
    const now = (this.video?.currentTime ?? 0) + 0.0005;
    let low = 0, high = this.times.length - 1;
    while (low < high) { const middle = (low + high + 1) >> 1; if (this.times[middle] <= now) low = middle; else high = middle - 1; }
    return Math.max(low, 0);
  }

  // Into the middle of the frame, where no rounding can miss it.
  seekFrame(frame) {
    const begin = this.times[frame];
    const end = this.times[frame + 1] ?? Math.max(this.duration, begin + 0.001);
    this.video.currentTime = (begin + end) / 2;
  }

  step(by) {
    if (!this.video) return;
    this.video.pause();
    if (this.times.length === 0) { this.video.currentTime = Math.max(0, this.video.currentTime + by / 25); return; }
    const count = this.times.length;
    this.seekFrame((this.frame + by + count) % count);
  }

  seek(seconds) {
    if (!this.video) return;
    this.video.currentTime = Math.min(Math.max(0, seconds), Math.max(0, this.duration - 0.001));
  }
}
