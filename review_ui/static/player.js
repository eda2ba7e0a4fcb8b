// The clips of a hand as video elements. One is visible, the others are loaded, so that the next clip starts at once.

export const SPEEDS = [0.25, 0.5, 1, 2, 4];

export class Player extends EventTarget {
  constructor(screen) {
    super();
    this.screen = screen;
    this.videos = new Map();
    this.speed = 1;
    this.times = [];
    this.visible = false; // whether a frame of the current clip has been shown
  }

  get video() { return this.videos.get(this.current); }

  // Loads the videos of these clips and removes all others.
  load(ids) {
    for (const [id, video] of this.videos) {
      if (ids.includes(id)) continue;
      video.removeAttribute("src");
      video.load(); // closes the connection
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
    // While the clip plays, the page follows it in every frame; otherwise nothing is painted again.
    let following = false;
    const follow = () => {
      following = id === this.current && !video.paused;
      if (following) { this.tick(); requestAnimationFrame(follow); }
    };
    video.addEventListener("play", () => following || follow());
    for (const name of ["seeking", "seeked", "timeupdate", "pause", "durationchange"]) video.addEventListener(name, () => id === this.current && this.tick());
    for (const name of ["loadeddata", "canplay"]) video.addEventListener(name, () => id === this.current && !this.visible && this.watch());
    for (const name of ["play", "pause", "durationchange", "waiting", "playing"]) video.addEventListener(name, () => id === this.current && this.dispatchEvent(new Event("state")));
    this.screen.prepend(video);
    return video;
  }

  show(id, since = performance.now()) {
    this.video?.pause();
    for (const [other, video] of this.videos) video.classList.toggle("on", other === id);
    this.current = id;
    this.times = [];
    this.visible = false;
    const video = this.video;
    if (!video) return;
    if (video.currentTime > 0) video.currentTime = 0;
    video.playbackRate = this.speed;
    // For measurements: the time from the key event to the first frame of the next clip.
    video.requestVideoFrameCallback?.(() => {
      this.screen.dataset.swap = `${id} ${(performance.now() - since).toFixed(1)}`;
      if (id === this.current) this.see();
    });
    this.watch();
    this.play();
  }

  tick() { this.dispatchEvent(new Event("tick")); }

  see() {
    if (this.visible) return;
    this.visible = true;
    this.dispatchEvent(new Event("visible"));
  }

  // Whether playing has stopped because the next frames have not arrived yet.
  get stalled() { return Boolean(this.visible && this.video && !this.video.paused && this.video.readyState < 3); }

  // Some browsers do not call back for every frame; a frame that is decoded is visible soon after.
  watch() {
    const see = () => this.video?.readyState >= 2 && this.see();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => requestAnimationFrame(see), "requestVideoFrameCallback" in HTMLVideoElement.prototype ? 500 : 50);
  }

  // Loads the current clip again after the server was unreachable.
  retry() { if (this.video?.error) { this.video.load(); this.play(); } }

  play() { this.video?.play().catch(() => { /* unplayable, or replaced while starting */ }); }

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

  // The visible frame: the last one whose time has come. 0.5 ms covers rounding errors and is shorter than any frame.
  get frame() {
    const now = (this.video?.currentTime ?? 0) + 0.0005;
    let low = 0, high = this.times.length - 1;
    while (low < high) { const middle = (low + high + 1) >> 1; if (this.times[middle] <= now) low = middle; else high = middle - 1; }
    return Math.max(low, 0);
  }

  // Seeks to the middle of the frame, so that rounding does not select a neighbour.
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
