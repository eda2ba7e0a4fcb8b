// Film strips as still images of lists. They are made when they are needed first, which takes a while, and a browser opens
// six connections only: so those in view are asked for, a few at a time, and other requests never wait for them.
const AT_ONCE = 2;
const waiting = [];
let running = 0;

const near = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting && !target.src && !waiting.includes(target)) waiting.push(target);
    else if (!isIntersecting && waiting.includes(target)) waiting.splice(waiting.indexOf(target), 1);
  }
  next();
}, { rootMargin: "200px" });

function next() {
  while (running < AT_ONCE && waiting.length) {
    const image = waiting.shift();
    near.unobserve(image);
    if (!image.isConnected) continue;
    running += 1;
    const end = () => { running -= 1; next(); };
    for (const name of ["load", "error"]) image.addEventListener(name, end, { once: true });
    image.src = `/media/${image.dataset.clip}/strip.webp`;
  }
}

// Loads the strip of the clip `data-clip` of an image once it is in view.
export const load = (image) => near.observe(image);
