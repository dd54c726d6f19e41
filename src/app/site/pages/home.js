// Reads /metrics once a second, shows what changed, and how it went in the last minute.
import { $, el, tell } from "./site.js";

const KEPT = 60;
const tiles = [...document.querySelectorAll("[data-metric]")].map((node) => ({
  node, metric: node.dataset.metric, as: node.dataset.as, past: [],
}));
let last = null;

function parse(text) {
  const sums = new Map();
  for (const line of text.split("\n")) {
    const found = line.match(/^readyloop_(\w+)(?:\{.*\})? (\S+)$/);
    if (found) sums.set(found[1], (sums.get(found[1]) || 0) + Number(found[2]));
  }
  return sums;
}

function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) { n /= 1024; unit++; }
  return (unit && n < 100 ? n.toFixed(1) : Math.round(n)) + " " + units[unit];
}

function span(s) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"]];
  for (const [size, name] of parts) {
    if (s >= size) return Math.floor(s / size) + " " + name;
  }
  return Math.floor(s) + " s";
}

function shown(n, as) {
  if (as === "bytes") return bytes(n);
  if (as === "time") return span(n);
  return Math.round(n).toLocaleString("en");
}

/** The last minute as a line over a filled ground. */
function sparkline(values) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${KEPT - 1} 20`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const top = Math.max(...values, 1);
  const from = KEPT - values.length;
  const points = values.map((value, i) => `${from + i},${(18.5 - (value / top) * 16).toFixed(1)}`).join(" ");
  for (const [name, at] of [["polygon", `${from},20 ${points} ${KEPT - 1},20`], ["polyline", points]]) {
    const line = document.createElementNS(svg.namespaceURI, name);
    line.setAttribute("points", at);
    svg.append(line);
  }
  return svg;
}

function show(now) {
  const elapsed = last ? now.get("uptime_seconds") - last.get("uptime_seconds") : 0;
  for (const { node, metric, as, past } of tiles) {
    const value = now.get(metric) || 0;
    const small = el("small");
    let sample = value;
    if (metric.endsWith("_total")) {
      sample = elapsed > 0 ? (value - (last.get(metric) || 0)) / elapsed : 0;
      if (elapsed > 0) small.textContent = shown(sample, as) + " /s";
    }
    if (as !== "time" && (last || !metric.endsWith("_total"))) past.push(sample);
    if (past.length > KEPT) past.shift();
    node.replaceChildren(shown(value, as), small, ...(past.length > 1 ? [sparkline(past)] : []));
  }
  last = now;
}

async function refresh() {
  if (document.hidden) return;
  try {
    const reply = await fetch("/metrics", { cache: "no-store" });
    if (!reply.ok) throw new Error(reply.status);
    const now = parse(await reply.text());
    // A loop that is younger than it was has begun anew, and so have its counters.
    if (last && now.get("uptime_seconds") < last.get("uptime_seconds")) last = null;
    show(now);
    tell($("state"), now.get("draining") ? "" : "on", now.get("draining") ? "draining" : "live");
  } catch {
    last = null;
    tell($("state"), "off", "no answer");
  }
}

/** Asks again a second after the last answer, however long that took. */
async function follow() {
  await refresh();
  setTimeout(follow, 1000);
}

for (const cell of document.querySelectorAll(".try")) {
  if (!navigator.clipboard) break;
  const line = cell.querySelector("code").textContent;
  const button = el("button", { type: "button", class: "quiet", "aria-label": `copy ${line}` }, "copy");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(line);
    button.textContent = "copied";
    setTimeout(() => { button.textContent = "copy"; }, 1200);
  });
  cell.append(button);
}

/** The loop may show itself to nobody, or not to everybody. */
async function offer() {
  const reply = await fetch("/_loop/sample?turns=0&connections=0", { method: "HEAD" }).catch(() => null);
  $("watch").hidden = !reply?.ok;
}

offer();
follow();
