// The page: takes samples from the stream, keeps the turns it has seen, and hands both on to what
// draws them. Nothing is asked for while it is paused, or while nobody looks.
import { Spreads } from "./bars.js";
import { Findings } from "./findings.js";
import { reading, Rows } from "./rows.js";
import { Story } from "./story.js";
import { Strip, told } from "./strip.js";
import { $, bytes, count, el, mark, put, time } from "./tell.js";

const EVERY = 250;
/** Turns that can be stepped through. */
const KEPT = 2000;

const page = {
  paused: false,
  source: null,
  sample: null,
  /** The one of about a second ago, for what happens in a second. */
  past: [],
  turns: [],
  /** Which turn is looked at while paused. */
  cursor: -1,
  followed: null,
  mine: new Set(),
  labels: new Map(),
};

const strip = new Strip($("strip"), (turn) => tellTurn(turn ?? stepped()), (turn) => {
  pause(true);
  page.cursor = visible().findIndex(({ at }) => at === turn.at);
  drawTurns();
});
const spreads = new Spreads($("spreads"));
const story = new Story();
const rows = new Rows($("rows"), (token) => follow(token === page.followed ? null : token));
$("reading").append(reading());
const findings = new Findings($("findings"), follow);

// ---- the stream

function state(kind, words) {
  const node = $("state");
  node.classList.toggle("on", kind === "on");
  node.classList.toggle("off", kind === "off");
  put(node, words);
}

function listen() {
  page.source?.close();
  page.source = null;
  if (page.paused || document.hidden) return;
  const asked = new URLSearchParams({ every: EVERY, connections: $("most").value });
  if ($("filter").value.trim()) asked.set("filter", $("filter").value.trim());
  if (page.followed !== null) asked.set("follow", page.followed);
  const source = new EventSource(`/_loop/events?${asked}`);
  page.source = source;
  source.addEventListener("message", ({ data }) => { if (source === page.source) take(JSON.parse(data)); });
  source.addEventListener("error", () => { if (source === page.source) lost(source); });
}

async function lost(source) {
  state("off", "no answer, trying again");
  // A stream that was cut off is taken up again by the browser; one that was refused is not.
  if (source.readyState !== EventSource.CLOSED) return;
  page.source = null;
  const reply = await fetch("/_loop/sample?connections=0&turns=0").catch(() => null);
  const said = reply && !reply.ok ? await reply.json().catch(() => null) : null;
  if (said?.detail) state("off", said.detail);
  setTimeout(() => { if (!page.source) listen(); }, 3000);
}

function take(sample) {
  // A loop that is younger than it was is another one.
  if (page.sample && sample.now < page.sample.now) {
    [page.turns, page.past] = [[], []];
    page.mine.clear();
    page.labels.clear();
    findings.forget();
  }
  page.sample = sample;
  page.past.push(sample);
  while (page.past.length > 2 && sample.now - page.past[1].now > 1e9) page.past.shift();
  for (const { token, me, label } of sample.connections) {
    if (me) page.mine.add(token);
    if (label) page.labels.set(token, label);
  }
  for (const seen of [page.mine, page.labels]) {
    for (const key of seen.keys()) if (seen.size > 2000) seen.delete(key); else break;
  }
  capture(sample.turns);
  if (sample.on) state("on", "live"); else state("off", "the loop does not record what it does");
  paint();
}

/** Keeps what is new. The last turn was not over when it was told. */
function capture(turns) {
  const last = page.turns.at(-1)?.at ?? -1;
  const fresh = turns.filter((turn) => turn.at >= last);
  if (fresh[0]?.at === last) page.turns.pop();
  else if (fresh.length && page.turns.length) fresh[0].gap = true;
  page.turns.push(...fresh);
  page.turns.splice(0, Math.max(0, page.turns.length - KEPT));
}

// ---- drawing

let due = false;
function paint() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => { due = false; draw(); });
}

function draw() {
  const { sample } = page;
  if (!sample) return;
  tiles();
  drawTurns();
  spreads.show(sample);
  findings.show(sample);
  story.show(sample);
  drawRows();
  put($("kept"), `${count(sample.total)} facts, ${count(sample.total - sample.lost)} kept`);
}

/** The turns that are shown: without those that are only about observers, if these are left out. */
function visible() {
  if (!$("exclude").checked) return page.turns;
  const others = (parts) => parts.filter(({ token }) => !page.mine.has(token));
  return page.turns
    .filter(({ parts }) => !parts.length || others(parts).length)
    .map((turn) => ({ ...turn, parts: others(turn.parts) }));
}

function around() {
  return { mine: page.mine, stall: page.sample.limits?.stall ?? null, labels: page.labels, now: page.sample.now };
}

const stepped = () => (page.paused ? visible()[page.cursor] ?? null : null);

function drawTurns() {
  const all = visible();
  const room = strip.room;
  page.cursor = Math.min(page.cursor, all.length - 1);
  const cursor = page.paused ? page.cursor : all.length - 1;
  const end = Math.min(all.length, Math.max(cursor + Math.floor(room / 2), room));
  const start = Math.max(0, end - room);
  strip.show(all.slice(start, end), page.paused ? cursor - start : -1, around());
  const box = $("strip");
  mark(box, "aria-valuemax", Math.max(0, all.length - 1));
  mark(box, "aria-valuenow", Math.max(0, cursor));
  mark(box, "aria-valuetext", page.paused && all[cursor] ? `${cursor + 1} of ${all.length}: ${time(all[cursor].busy)} of work, ${all[cursor].ready} events` : "live");
  put($("at"), page.paused ? `turn ${cursor + 1} of ${all.length}` : "");
  $("back").disabled = all.length === 0 || page.paused && cursor <= 0;
  $("forth").disabled = !page.paused || cursor >= all.length - 1;
  if (page.paused && all[cursor]) tellTurn(all[cursor]);
}

function tellTurn(turn) {
  if (turn) $("turn").replaceChildren(...told(turn, around()));
}

function drawRows() {
  const { connections, shown, open, limits, now } = page.sample;
  const chosen = $("exclude").checked ? connections.filter(({ me }) => !me) : connections;
  const number = rows.show(chosen, $("order").value, { limits, now, followed: page.followed });
  $("none").hidden = number > 0;
  const hidden = shown - number;
  const kind = $("filter").value.trim() ? "match, of" : "of";
  put($("shown"), `${count(number)} ${kind} ${count(open)} shown${hidden ? `, ${hidden} left out` : ""}${shown < open ? ": a sample" : ""}`);
}

function tiles() {
  const { sample, past } = page;
  const seconds = (sample.now - past[0].now) / 1e9;
  const each = (of) => (seconds > 0 ? Math.max(0, (of(sample.counters) - of(past[0].counters)) / seconds) : 0);
  const sum = (list) => list.reduce((all, n) => all + n, 0);
  const next = Math.min(...sample.connections.map(({ due }) => due ?? Infinity));
  const { used, limit, paused } = sample.descriptors;
  const rate = (of, as = count) => [`${as(each(of))} /s`, as(of(sample.counters))];
  const all = {
    uptime: [time(sample.uptime), ""],
    turns: rate((c) => c.turns),
    events: rate((c) => c.events),
    live: [count(sample.live), `${count(sample.counters.accepted)} accepted`],
    replies: rate((c) => sum(c.responses)),
    in: rate((c) => c.read_bytes + c.datagram_bytes_in, bytes),
    out: rate((c) => c.written_bytes + c.datagram_bytes_out, bytes),
    timers: [next < Infinity ? `in ${time(Math.max(0, next - sample.now))}` : "none due", `${count(sample.counters.timers_fired)} fired`],
    descriptors: [limit ? `${count(used)} of ${count(limit)}` : count(used), paused ? "accepting paused" : ""],
  };
  for (const node of document.querySelectorAll("[data-tile]")) {
    const [main, small] = all[node.dataset.tile];
    if (!node.querySelector("small")) node.replaceChildren("", el("small"));
    put(node, main);
    put(node.querySelector("small"), small);
    if (node.dataset.tile === "descriptors") node.classList.toggle("bad", paused);
  }
}

// ---- controls

function pause(paused) {
  if (paused === page.paused) return;
  page.paused = paused;
  page.cursor = visible().length - 1;
  put($("pause"), paused ? "Go on" : "Pause");
  if (paused) state("", "paused");
  listen();
  paint();
}

function step(by) {
  if (!page.paused) pause(true);
  page.cursor = Math.min(visible().length - 1, Math.max(0, page.cursor + by));
  drawTurns();
}

function follow(token) {
  page.followed = token;
  story.begin(token);
  history.replaceState(null, "", token === null ? location.pathname : `#${token}`);
  if (page.paused && token !== null) pause(false); else listen();
  paint();
}

const STEPS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const { target, key } = event;
  const isStrip = target === $("strip");
  if (!isStrip && target.closest("input, select, textarea, [tabindex]:not(main)")) return;
  if (key === " " && !target.closest("button, a")) pause(!page.paused);
  else if (key in STEPS && (isStrip || key.startsWith("ArrowLeft") || key.startsWith("ArrowRight"))) step(STEPS[key]);
  else return;
  event.preventDefault();
});

$("pause").addEventListener("click", () => pause(!page.paused));
$("back").addEventListener("click", () => step(-1));
$("forth").addEventListener("click", () => step(1));
$("leave").addEventListener("click", () => { follow(null); $("main").focus(); });
$("exclude").addEventListener("change", paint);
$("order").addEventListener("change", paint);
$("most").addEventListener("change", listen);
$("span").addEventListener("click", () => {
  spreads.whole = !spreads.whole;
  mark($("span"), "aria-pressed", String(spreads.whole));
  paint();
});

let typing;
$("filter").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(listen, 250);
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden !== !page.source) listen();
});

// The theme: the system's, or one of the two, remembered for all pages of this origin.
const THEMES = ["system", "light", "dark"];
const worn = () => document.documentElement.dataset.theme || "system";

function dress(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  $("theme").replaceChildren(el("span", { class: "unseen" }, "Colour theme: "), theme);
  paint();
}

$("theme").hidden = false;
$("theme").addEventListener("click", () => {
  const theme = THEMES[(THEMES.indexOf(worn()) + 1) % THEMES.length];
  dress(theme);
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // Then it is forgotten.
  }
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
dress(worn());

const asked = decodeURIComponent(location.hash.slice(1));
if (/^\d+\.\d+$/.test(asked)) follow(asked); else listen();
