// Reads /metrics once a second and shows what changed; adds a copy button to every try-it line.
"use strict";

const state = document.getElementById("state");
const tiles = [...document.querySelectorAll("[data-metric]")];
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

function time(s) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"]];
  for (const [size, name] of parts) {
    if (s >= size) return Math.floor(s / size) + " " + name;
  }
  return Math.floor(s) + " s";
}

function shown(n, as) {
  if (as === "bytes") return bytes(n);
  if (as === "time") return time(n);
  return Math.round(n).toLocaleString("en");
}

function show(now) {
  const elapsed = last ? now.get("uptime_seconds") - last.get("uptime_seconds") : 0;
  for (const tile of tiles) {
    const { metric, as } = tile.dataset;
    const value = now.get(metric) || 0;
    const small = document.createElement("small");
    if (metric.endsWith("_total") && elapsed > 0) {
      const rate = (value - (last.get(metric) || 0)) / elapsed;
      small.textContent = shown(rate, as) + " /s";
    }
    tile.replaceChildren(shown(value, as), small);
  }
  last = now;
}

async function refresh() {
  if (document.hidden) return;
  try {
    const reply = await fetch("/metrics", { cache: "no-store" });
    const now = parse(await reply.text());
    show(now);
    state.className = "on";
    state.textContent = now.get("draining") ? "draining" : "live";
  } catch {
    last = null;
    state.className = "off";
    state.textContent = "no answer";
  }
}

for (const cell of document.querySelectorAll(".try")) {
  if (!navigator.clipboard) break;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(cell.querySelector("code").textContent);
    button.textContent = "copied";
    setTimeout(() => { button.textContent = "copy"; }, 1200);
  });
  cell.append(button);
}

refresh();
setInterval(refresh, 1000);
