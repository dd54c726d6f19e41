// One topic, followed three ways: Server-Sent Events, WebSocket, and polling with a cursor.
import { $, Countdown, el, Line, problem, quietly, Retry, tell, time } from "./site.js";

/** As many messages as a pane keeps. */
const KEPT = 200;

let topics = ["news"];

const chosen = () => new URLSearchParams(topics.map((topic) => ["topic", topic]));

/** One of the three: its figures and its messages, the newest first. */
class Pane {
  #figures = { received: 0, lost: 0, connects: 0, last: null };

  constructor(id, last, more = {}) {
    this.node = $(id);
    this.feed = this.node.querySelector(".feed ol");
    for (const [name, label] of Object.entries({ received: "received", lost: "lost", last, ...more })) {
      const value = el("dd", { "data-fact": name }, "–");
      this.node.querySelector(".facts").append(el("div", {}, el("dt", {}, label), value));
    }
  }

  state(kind, words, ...more) { tell(this.node.querySelector(".state"), kind, words, ...more); }

  get last() { return this.#figures.last; }

  set(name, value) {
    this.#figures[name] = value;
    const node = this.node.querySelector(`[data-fact="${name}"]`);
    if (node) node.textContent = value === null ? "–" : String(value);
  }

  add(name, more = 1) { this.set(name, this.#figures[name] + more); }

  show({ id, topic, time: at, data }) {
    this.add("received");
    this.set("last", id);
    const text = typeof data === "string" ? data : JSON.stringify(data);
    this.#put(el("li", { "data-id": id },
      el("div", {}, el("b", {}, `#${id}`), el("span", {}, topic), time(at)), el("pre", {}, text)));
  }

  missed(count) {
    if (!count) return;
    this.add("lost", count);
    this.#put(el("li", { class: "lost" }, `${count} lost: this subscriber was too slow, or away too long`));
  }

  #put(item) {
    this.feed.prepend(item);
    while (this.feed.childElementCount > KEPT) this.feed.lastElementChild.remove();
  }

  reset() {
    for (const name of ["received", "lost", "connects"]) this.set(name, 0);
    this.set("last", null);
    this.feed.replaceChildren();
  }
}

const parsed = (text) => quietly(() => JSON.parse(text));

/** A message, or word of lost ones. */
function take(pane, told) {
  if (told === null || typeof told !== "object") return;
  if ("id" in told) pane.show(told);
  else if ("lost" in told) pane.missed(told.lost);
}

/** An EventSource comes back by itself and says what it saw last, unless it was refused: then we do. */
class Stream {
  #pane = new Pane("sse", "Last-Event-ID", { connects: "connects" });
  #source = null;
  #retry = new Retry(() => this.#connect(), (seconds) =>
    this.#pane.state("off", "trying again", this.#countdown.show(seconds)));
  #countdown = new Countdown(() => this.#retry.now());

  start(anew) {
    this.stop();
    if (anew) this.#pane.reset();
    this.#connect();
  }

  #connect() {
    const ask = chosen();
    if (this.#pane.last !== null) ask.set("lastEventId", this.#pane.last);
    this.#pane.state("", "connecting");
    const source = this.#source = new EventSource(`/events?${ask}`);
    source.addEventListener("open", () => {
      this.#retry.succeeded();
      this.#pane.add("connects");
      this.#pane.state("on", "connected");
    });
    source.addEventListener("message", ({ data }) => take(this.#pane, parsed(data)));
    source.addEventListener("lost", ({ data }) => this.#pane.missed(parsed(data)?.lost ?? 1));
    source.addEventListener("error", () => {
      if (source !== this.#source) return;
      if (source.readyState === EventSource.CLOSED) this.#retry.failed();
      else this.#pane.state("off", "coming back");
    });
  }

  stop() {
    this.#retry.stop();
    this.#source?.close();
    this.#source = null;
    this.#pane.state("", "stopped");
  }
}

class Socket {
  #pane = new Pane("ws", "last id", { connects: "connects" });
  #line = new Line(() => this.#path(), {
    open: () => {
      this.#pane.add("connects");
      this.#line.works();
    },
    message: (text) => take(this.#pane, parsed(text)),
    state: (...how) => this.#pane.state(...how),
  });

  #path() {
    const ask = chosen();
    if (this.#pane.last !== null) ask.set("after", this.#pane.last);
    return `/ws/events?${ask}`;
  }

  start(anew) {
    if (anew) this.#pane.reset();
    this.#line.start();
  }

  stop() {
    this.#line.stop();
    this.#pane.state("", "stopped");
  }
}

// ---- the panes

const streams = [new Stream(), new Socket()];
for (const [at, id] of ["sse", "ws"].entries()) {
  const button = $(id).querySelector(".switch");
  button.addEventListener("click", () => {
    const stops = button.textContent === "Stop";
    button.textContent = stops ? "Start" : "Stop";
    if (stops) streams[at].stop();
    else streams[at].start(false);
  });
}

const poll = new Pane("poll", "next");
let asking = false;
poll.reset();

$("poll").querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (asking) return;
  const ask = new URLSearchParams({ after: $("after").value || "0", limit: 20 });
  if ($("wait").value !== "0") ask.set("wait", $("wait").value);
  asking = true;
  poll.state("", $("wait").value === "0" ? "asking" : "waiting for the next message");
  try {
    const reply = await fetch(`/topics/${encodeURIComponent(topics[0])}?${ask}`, { cache: "no-store" });
    if (!reply.ok) throw new Error(await problem(reply));
    const { messages, next, lost } = await reply.json();
    poll.missed(lost);
    for (const one of messages) poll.show(one);
    poll.set("last", next);
    $("after").value = next;
    poll.state("on", messages.length ? `${messages.length} new in ${topics[0]}` : `nothing new in ${topics[0]}`);
  } catch (error) {
    poll.state("off", error.message);
  }
  asking = false;
});

// ---- the forms

async function publish() {
  const data = $("data").value;
  const isJson = parsed(data) !== null || data.trim() === "null";
  const reply = await fetch(`/topics/${encodeURIComponent($("topic").value.trim())}`, {
    method: "POST",
    headers: { "Content-Type": isJson ? "application/json" : "text/plain; charset=utf-8" },
    body: data,
  });
  if (!reply.ok) throw new Error(await problem(reply));
  const { id, topic, receivers } = await reply.json();
  const whom = receivers === 1 ? "1 receiver" : `${receivers} receivers`;
  $("published").textContent = `#${id} published to ${topic}; ${whom} at once.`;
}

$("publish").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("refused").textContent = "";
  try {
    await publish();
    known();
  } catch (error) {
    $("published").textContent = "";
    $("refused").textContent = `Not published. ${error.message}`;
  }
});
$("data").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("publish").requestSubmit();
});

$("follow").addEventListener("submit", (event) => {
  event.preventDefault();
  const names = [...new Set($("topics").value.split(/[\s,]+/).filter(Boolean))];
  if (!names.length) return;
  topics = names;
  poll.reset();
  $("after").value = "0";
  for (const id of ["sse", "ws"]) $(id).querySelector(".switch").textContent = "Stop";
  for (const stream of streams) stream.start(true);
});

/** Names to choose from: those the server has. */
async function known() {
  const reply = await fetch("/topics", { cache: "no-store" }).catch(() => null);
  if (!reply?.ok) return;
  const { topics: list } = await reply.json();
  $("known").replaceChildren(...list.map(({ name }) => el("option", { value: name })));
}

for (const stream of streams) stream.start(true);
known();
