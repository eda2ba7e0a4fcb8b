// What can be checked of any page: names of controls, contrast of text, no id used twice; on large screens nothing but the grid scrolls,
// on small ones nothing scrolls sideways, and no control is covered by another or too small for a finger.
() => {
  const faults = [];
  const seen = (e) => e.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && e.getClientRects().length;
  for (const e of document.querySelectorAll("button, a[href], input, select, [role=slider], video.on, img, canvas, progress")) {
    if (!seen(e)) continue;
    const labels = [...(e.labels ?? [])].map((l) => l.textContent).join("");
    const name = e.getAttribute("aria-label") ?? e.getAttribute("alt") ?? (labels + e.textContent);
    if (!name.trim() && !(e.tagName === "IMG" && e.getAttribute("alt") === "")) faults.push(`no name: ${e.outerHTML.slice(0, 80)}`);
  }
  const parse = (c) => { const [r, g, b, a = 1] = c.match(/[\d.]+/g).map(Number); return [r, g, b, a]; };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const ground = (e) => {
    const layers = [];
    for (let n = e; n; n = n.parentElement) layers.push(parse(getComputedStyle(n).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const light = (c) => c.slice(0, 3).map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !seen(e) || e.closest(":disabled, .toast, svg, option, .skip")) continue;
    const back = ground(e), style = getComputedStyle(e), [a, b] = [light(over(parse(style.color), back)), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faults.push(`contrast ${ratio.toFixed(2)}: ${e.textContent.trim().slice(0, 40)}`);
  }
  const root = document.documentElement, small = innerWidth <= 960, long = document.body.dataset.page === "browse";
  if (root.scrollWidth > innerWidth + 1 || innerWidth > screen.width || (!small && !long && root.scrollHeight > innerHeight + 1)) faults.push("the page scrolls");
  const dialog = document.querySelector("dialog[open]"), at = scrollY;
  for (const e of (dialog ?? document).querySelectorAll("button, a[href], input, select")) {
    if (!seen(e) || e.closest(".skip") || e.matches(".table a, p a, span a")) continue;
    e.scrollIntoView({ block: "center", inline: "center" });
    const box = e.getBoundingClientRect();
    const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    if (!(e === top || e.contains(top))) faults.push(`covered: ${e.outerHTML.slice(0, 80)} by ${top?.outerHTML.slice(0, 80)}`);
    const least = matchMedia("(pointer: coarse)").matches ? 38 : 24;
    if (Math.min(box.width, box.height) < least - 0.5) faults.push(`too small, ${box.width.toFixed()} × ${box.height.toFixed()}: ${e.outerHTML.slice(0, 80)}`);
  }
  scrollTo(0, at);
  const side = document.querySelector(".side");
  if (!small && side && side.scrollHeight > side.clientHeight + 1) faults.push("the side scrolls");
  if (side && side.scrollWidth > side.clientWidth + 1) faults.push("the side is cut off");
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  if (new Set(ids).size < ids.length) faults.push("an id is used twice");
  return faults;
}
