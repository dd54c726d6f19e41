// What all pages share: building elements, telling times, toasts, problems, trying again.

export const $ = (id) => document.getElementById(id);

/** What `work` gives, or `null` if it throws: storage may be forbidden, text may be no JSON. */
export function quietly(work) {
  try {
    return work();
  } catch {
    return null;
  }
}

/** An element. Strings become text, never markup: what strangers write can be passed as it is. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

const clock = new Intl.DateTimeFormat([], { timeStyle: "medium", hourCycle: "h23" });
const full = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });

/** A time of day that knows its date. */
export function time(iso, form = clock) {
  const date = new Date(iso);
  if (Number.isNaN(date.valueOf())) return el("time", {}, String(iso ?? ""));
  return el("time", { datetime: iso, title: full.format(date) }, form.format(date));
}

/** The same with the date in sight. */
export const dated = (iso) => time(iso, full);

/** Shows a connection's state: `on`, `off` or neither, and words. Says nothing twice. */
export function tell(node, kind, words, ...more) {
  node.classList.toggle("on", kind === "on");
  node.classList.toggle("off", kind === "off");
  if (node.dataset.words === words) return;
  node.dataset.words = words;
  node.replaceChildren(words, ...more);
}

/** A message that leaves by itself, but not while somebody is at it. */
export function toast(words, action, act) {
  const node = el("div", { class: "toast" }, words);
  let timer;
  const leave = () => { clearTimeout(timer); node.remove(); };
  const wait = () => { clearTimeout(timer); timer = setTimeout(leave, action ? 12000 : 5000); };
  if (action) {
    const button = el("button", { type: "button" }, action);
    button.addEventListener("click", () => { leave(); act(); });
    node.append(button);
  }
  for (const event of ["pointerenter", "focusin"]) node.addEventListener(event, () => clearTimeout(timer));
  for (const event of ["pointerleave", "focusout"]) node.addEventListener(event, wait);
  $("toasts").replaceChildren(node);
  wait();
}

/** What a failed reply says of itself (RFC 9457), in a sentence. */
export async function problem(reply) {
  const told = await reply.json().catch(() => ({}));
  const title = told.title || `${reply.status} ${reply.statusText}`.trim();
  return told.detail && told.detail !== title ? `${title}: ${told.detail}` : title;
}

const FIRST = 500;
const LAST = 30000;

/**
 * When to try again: twice as late each time, up to a limit, and shortened by chance, so that clients
 * whom one failure has sent away do not come back as one.
 */
export class Retry {
  #run;
  #tell;
  #failures = 0;
  #timer = null;
  #at = 0;

  /** Calls `run` to try, and `tell` with the seconds left while it waits. */
  constructor(run, tell) {
    this.#run = run;
    this.#tell = tell;
    addEventListener("online", () => this.now());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.now(); });
  }

  failed() {
    const longest = Math.min(FIRST * 2 ** this.#failures++, LAST);
    this.#at = Date.now() + longest * (0.5 + Math.random() / 2);
    this.#tick();
  }

  #tick() {
    clearTimeout(this.#timer);
    const left = this.#at - Date.now();
    if (left <= 0) return this.#go();
    this.#tell(Math.ceil(left / 1000));
    this.#timer = setTimeout(() => this.#tick(), Math.min(left, 1000));
  }

  #go() {
    this.#timer = null;
    this.#run();
  }

  /** Tries at once if it waits. */
  now() {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#go();
  }

  succeeded() { this.#failures = 0; }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = null;
  }
}

/** How long until the next attempt, for eyes only: spoken, it would never end. And a way to cut it short. */
export class Countdown {
  #seconds = el("span", { "aria-hidden": "true" });
  #node;

  constructor(now) {
    const button = el("button", { type: "button" }, "now");
    button.addEventListener("click", now);
    this.#node = el("span", { class: "countdown" }, this.#seconds, button);
  }

  show(seconds) {
    this.#seconds.textContent = `in ${seconds} s `;
    return this.#node;
  }
}

const CONNECT_WITHIN = 10000;

/** A WebSocket that comes back. `on` has `open(send)`, `message(text)`, `state(kind, words, node)`. */
export class Line {
  #path;
  #on;
  #socket = null;
  #patience = null;
  #retry = new Retry(() => this.#connect(), (seconds) => this.#waits(seconds));
  #countdown = new Countdown(() => this.#retry.now());

  /** `path()` is asked anew at each attempt. */
  constructor(path, on) {
    this.#path = path;
    this.#on = on;
  }

  start() {
    this.stop();
    this.#connect();
  }

  #connect() {
    this.#on.state("", "connecting");
    const mine = new WebSocket(location.origin.replace(/^http/, "ws") + this.#path());
    this.#socket = mine;
    this.#patience = setTimeout(() => this.#lost(mine), CONNECT_WITHIN);
    mine.addEventListener("open", () => {
      if (mine !== this.#socket) return;
      clearTimeout(this.#patience);
      this.#on.open((text) => mine.send(text));
    });
    mine.addEventListener("message", ({ data }) => {
      if (mine === this.#socket) this.#on.message(data);
    });
    mine.addEventListener("close", () => this.#lost(mine));
  }

  /** It works: the next failure is a first one again. */
  works() {
    this.#retry.succeeded();
    this.#on.state("on", "connected");
  }

  /** Whether it could be sent. */
  send(text) {
    const open = this.#socket?.readyState === WebSocket.OPEN;
    if (open) this.#socket.send(text);
    return open;
  }

  /** Gives this connection up and tries another. */
  renew() { if (this.#socket) this.#lost(this.#socket); }

  #lost(mine) {
    if (mine !== this.#socket) return;
    this.#drop();
    this.#retry.failed();
  }

  #waits(seconds) {
    this.#on.state("off", "trying again", this.#countdown.show(seconds));
  }

  #drop() {
    clearTimeout(this.#patience);
    const old = this.#socket;
    this.#socket = null;
    old?.close();
  }

  stop() {
    this.#retry.stop();
    this.#drop();
  }
}

// The theme: the system's, or one of the two, remembered.
const THEMES = ["system", "light", "dark"];
const remembered = () => document.documentElement.dataset.theme || "system";

function dress(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  $("theme").replaceChildren(el("span", { class: "unseen" }, "Colour theme: "), theme);
}

$("theme").hidden = false;
$("theme").addEventListener("click", () => {
  const theme = THEMES[(THEMES.indexOf(remembered()) + 1) % THEMES.length];
  dress(theme);
  quietly(() => localStorage.setItem("theme", theme));
});
addEventListener("storage", ({ key, newValue }) => {
  if (key === "theme") dress(THEMES.includes(newValue) ? newValue : "system");
});
dress(remembered());
