// Connections as rows. A row is made once and then kept up to date in place, so that nothing
// flickers and the focus stays where it is.
import { bytes, colour, count, el, isDark, mark, put, svg, time } from "./tell.js";

const LIFE = ["connecting", "handshake", "open", "paused", "flushing", "lingering"];
const HTTP = ["first-byte", "idle", "head", "body", "reply"];
const WEBSOCKET = ["messages", "closing"];
const STEP = 22;
const at = (i) => 8 + i * STEP;

/** A track of states, drawn once; the present one is lit by a class. */
function track(states, y, name) {
  const group = svg("g", { class: name });
  group.append(svg("path", { d: `M${at(0)} ${y}H${at(states.length - 1)}` }));
  // A connection that is kept alive goes from its reply back to idle.
  if (states === HTTP) group.append(svg("path", { d: `M${at(4)} ${y}C${at(4)} ${y + 13} ${at(1)} ${y + 13} ${at(1)} ${y}` }));
  for (const [i, state] of states.entries()) {
    group.append(svg("circle", { cx: at(i), cy: y, r: 3.2, "data-state": state }, svg("title", {}, state)));
  }
  return group;
}

/** The tracks in large, with the names of their states. */
export function reading() {
  const [wide, left] = [104, 92];
  const picture = svg("svg", { viewBox: "0 0 680 150", role: "img", "aria-label": [LIFE, HTTP, WEBSOCKET].map((states) => states.join(", then ")).join("; ") });
  for (const [y, name, states] of [[26, "connection", LIFE], [76, "HTTP/1.1", HTTP], [138, "WebSocket", WEBSOCKET]]) {
    const x = (i) => left + 20 + i * wide;
    picture.append(svg("text", { x: 0, y: y + 4, class: "who" }, name), svg("path", { d: `M${x(0)} ${y}H${x(states.length - 1)}`, class: "machine-line" }));
    if (states === HTTP) picture.append(svg("path", { d: `M${x(4)} ${y}C${x(4)} ${y + 32} ${x(1)} ${y + 32} ${x(1)} ${y}`, class: "machine-line" }));
    for (const [i, state] of states.entries()) {
      picture.append(svg("circle", { cx: x(i), cy: y, r: 6 }), svg("text", { x: x(i), y: y - 12 }, state));
    }
  }
  return picture;
}

/** Bits of readiness, as interest and events carry them. */
const BITS = [[1, "R", "reading"], [2, "W", "writing"]];
const LEVEL = 0x40;
const named = (bits) => BITS.filter(([bit]) => bits & bit).map(([, , word]) => word).join(" and ") || "nothing";

class Machine {
  #tracks = { life: track(LIFE, 7, "life"), http: track(HTTP, 20, "http"), websocket: track(WEBSOCKET, 20, "websocket") };
  #word = el("span");
  #bits = BITS.map(([, letter]) => el("b", {}, letter));
  #interest = el("span", { class: "interest", "aria-hidden": "true" }, ...this.#bits);
  #picture = svg("svg", { viewBox: "0 0 126 33", class: "machine", "aria-hidden": "true" }, ...Object.values(this.#tracks));

  constructor(cell) { cell.append(this.#picture, this.#word, this.#interest); }

  show({ kind, life, stage, paused, full, queued, interest, bits }) {
    const isStream = !["listener", "datagram", "unknown"].includes(kind) || life !== "unknown";
    mark(this.#picture, "hidden", !isStream);
    for (const [name, states] of [["http", HTTP], ["websocket", WEBSOCKET]]) {
      this.#tracks[name].classList.toggle("off", !states.includes(stage));
    }
    for (const node of this.#picture.querySelectorAll("circle")) {
      node.classList.toggle("lit", [life, stage].includes(node.dataset.state));
    }
    const words = isStream ? [life, stage].filter((word) => word !== "unknown") : [kind !== "listener" ? "open" : paused ? "accepting paused" : "accepting"];
    if (full) words.push("full");
    if (queued) words.push("queued");
    put(this.#word, words.join(" · ") || "begins");
    this.#word.classList.toggle("bad", paused || full);
    mark(this.#interest, "hidden", interest === 0);
    BITS.forEach(([bit], i) => {
      this.#bits[i].classList.toggle("lit", (interest & bit) !== 0);
      this.#bits[i].classList.toggle("said", (bits & bit) !== 0);
    });
    const how = interest & LEVEL ? ", for as long as it is (level)" : "";
    mark(this.#interest, "title", `The system tells when it is ready for ${named(interest)}${how}; its last event said ${named(bits)}.`);
  }
}

class Backlog {
  #bar = el("span", { class: "fill" });
  #marks = [el("i"), el("i")];
  #box = el("span", { class: "backlog", "aria-hidden": "true" }, this.#bar, ...this.#marks);
  #word = el("span");

  constructor(cell) { cell.append(this.#box, this.#word); }

  show(unsent, full, limits) {
    const cap = limits?.backlog_cap ?? 4 << 20;
    // The square root: the marks are at a sixteenth and less of the cap.
    const place = (n) => `${(Math.min(1, Math.sqrt(n / cap)) * 100).toFixed(1)}%`;
    this.#bar.style.width = place(unsent);
    this.#bar.classList.toggle("full", full);
    mark(this.#box, "hidden", !limits);
    if (limits) [limits.low_water, limits.high_water].forEach((n, i) => { this.#marks[i].style.left = place(n); });
    put(this.#word, unsent ? bytes(unsent) : "–");
    this.#box.title = limits ? `low ${bytes(limits.low_water)}, high ${bytes(limits.high_water)}, cap ${bytes(cap)}` : "";
  }
}

class Row {
  busy = 0;
  #before = null;
  #cells = {};
  #swatch = el("i", { class: "swatch" });
  #name;
  #who = el("span", { class: "soft" });
  #machine;
  #backlog;

  constructor({ token }, follow) {
    this.#name = el("button", { type: "button", class: "name", "aria-pressed": "false", title: "Follow this connection" }, `#${token}`);
    this.#name.addEventListener("click", () => follow(token));
    this.node = el("tr");
    for (const [key, label] of [["state", "state"], ["label", "asked for"], ["unsent", "unsent"], ["moved", "in / out"], ["requests", "requests"], ["times", "busy / longest"], ["idle", "idle"], ["due", "deadline"]]) {
      this.#cells[key] = el("td", { "data-label": label, class: key });
    }
    this.node.append(el("th", { scope: "row" }, this.#swatch, this.#name, this.#who), ...Object.values(this.#cells));
    this.#machine = new Machine(this.#cells.state);
    this.#backlog = new Backlog(this.#cells.unsent);
  }

  show(told, { limits, now, followed, dark }) {
    const cells = this.#cells;
    this.told = told;
    // What it takes of the loop now, and not what it once took.
    if (this.#before !== null) this.busy = this.busy * 0.6 + (told.busy - this.#before);
    this.#before = told.busy;
    this.#swatch.style.background = colour(told.token, dark);
    const others = told.kind === "accepted" || told.kind === "unknown" ? "" : `${told.kind} `;
    const peer = ["accepted", "dialled", "adopted"].includes(told.kind) ? told.peer : "";
    put(this.#who, `${others}${peer}`.trim() || "unknown");
    mark(this.#name, "aria-pressed", followed === told.token);
    mark(this.node, "class", [told.me && "mine", (told.stalls || told.full || told.paused) && "trouble", followed === told.token && "followed"].filter(Boolean).join(" ") || null);
    this.#machine.show(told);
    for (const [key, has] of [["label", told.label], ["unsent", told.unsent || told.calls], ["requests", told.requests], ["times", told.calls], ["due", told.due !== null]]) {
      cells[key].classList.toggle("nothing", !has);
    }
    put(cells.label, told.label || "–");
    cells.label.title = told.me ? `${told.label}: an observer` : told.label;
    this.#backlog.show(told.unsent, told.full, told.kind === "listener" ? null : limits);
    put(cells.moved, told.kind === "listener" ? `${count(told.reads)} accepted` : `${bytes(told.in)} / ${bytes(told.out)}`);
    put(cells.requests, told.requests ? count(told.requests) : "–");
    put(cells.times, told.calls ? `${time(told.busy)} / ${time(told.longest)}` : "–");
    cells.times.classList.toggle("bad", limits !== null && told.longest >= limits.stall);
    put(cells.idle, time(told.idle));
    put(cells.due, told.due === null ? "–" : told.due > now ? `in ${time(told.due - now)}` : "due");
  }
}

const ORDER = {
  name: (a, b) => parseInt(a.told.token, 10) - parseInt(b.told.token, 10),
  busy: (a, b) => b.busy - a.busy,
  longest: (a, b) => b.told.longest - a.told.longest,
  unsent: (a, b) => b.told.unsent - a.told.unsent,
  idle: (a, b) => a.told.idle - b.told.idle,
};

export class Rows {
  #body;
  #all = new Map();
  #follow;

  constructor(table, follow) {
    this.#body = table.tBodies[0];
    this.#follow = follow;
  }

  /** Shows these, in this order, and no others. Answers how many there are. */
  show(connections, order, around) {
    const kept = new Set();
    const dark = isDark();
    for (const told of connections) {
      kept.add(told.token);
      if (!this.#all.has(told.token)) this.#all.set(told.token, new Row(told, this.#follow));
      this.#all.get(told.token).show(told, { ...around, dark });
    }
    for (const [token, row] of this.#all) {
      if (kept.has(token)) continue;
      row.node.remove();
      this.#all.delete(token);
    }
    this.#arrange([...this.#all.values()].sort((a, b) => ORDER[order](a, b) || ORDER.name(a, b)));
    return kept.size;
  }

  #arrange(rows) {
    const focused = document.activeElement;
    let next = this.#body.firstChild;
    for (const { node } of rows) {
      if (node === next) next = next.nextSibling;
      else this.#body.insertBefore(node, next);
    }
    if (focused !== document.activeElement && this.#body.contains(focused)) focused.focus({ preventScroll: true });
  }
}
