// The room. What members write is only ever text (`el` and `textContent`), so nobody can be markup,
// and nobody can be anybody else.
import { $, el, Line, quietly, tell, time } from "./site.js";

/** As many messages as the page keeps. */
const KEPT = 500;
/** As many members as it names. */
const NAMED = 100;
/** After so long without a word the other end is asked, and may think for so long. */
const QUIET = 15000;
const PATIENCE = 8000;

const TITLE = document.title;
const log = $("log");
const lines = $("lines");

let wanted = null;
let you = null;
let members = new Map();
let unread = 0;
/** What is shown already, so that a history told again after a reconnect is not shown twice. */
const seen = new Set();
let before = null;
let drawing = null;

// ---- what is on the page

const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 60;

function append(node, mine) {
  const follow = mine || atEnd();
  lines.append(node);
  while (lines.childElementCount > KEPT) lines.firstElementChild.remove();
  if (follow) log.scrollTop = log.scrollHeight;
  else $("below").hidden = false;
}

const badge = (via) => via === "tcp" ? [el("span", { class: "via", title: "over plain TCP" }, "tcp")] : [];

function said({ name, text, via, time: at }) {
  const mine = via !== "tcp" && name === you;
  const minute = at?.slice(0, 16);
  const more = before?.name === name && before.via === via && before.minute === minute;
  before = { name, via, minute };
  const classes = ["said", ...(mine ? ["mine"] : []), ...(more ? ["more"] : [])].join(" ");
  append(el("li", { class: classes },
    el("div", { class: "who" }, el("b", {}, name), ...badge(via), time(at)),
    el("p", {}, text)), mine);
}

function event(...words) {
  before = null;
  append(el("li", { class: "event" }, ...words));
}

function message(told) {
  const key = `${told.id} ${told.time}`;
  if (seen.has(key)) return false;
  seen.add(key);
  if (seen.size > 2 * KEPT) seen.delete(seen.values().next().value);
  said(told);
  return true;
}

/** Once a frame, however many come at once. */
function people() {
  drawing ??= requestAnimationFrame(draw);
}

function draw() {
  drawing = null;
  const names = [...members].sort(([a], [b]) => (b === you) - (a === you) || a.localeCompare(b));
  $("members").replaceChildren(...names.slice(0, NAMED).map(([name, via]) =>
    el("li", { class: via !== "tcp" && name === you ? "you" : "" }, name, ...badge(via))));
  if (names.length > NAMED) $("members").append(el("li", { class: "soft" }, `and ${names.length - NAMED} more`));
  $("count").textContent = String(members.size);
  $("you").textContent = you ?? "";
}

function count(more) {
  unread = more ? unread + more : 0;
  document.title = unread ? `(${unread}) ${TITLE}` : TITLE;
}

// ---- what the server tells

const told = {
  welcome({ you: name, members: list = [], history = [] }) {
    you = name;
    members = new Map(list.map((member) => [member.name, member.via]));
    line.works();
    // Whoever joined by the keyboard goes on there.
    const enters = $("join").contains(document.activeElement);
    $("join").hidden = true;
    $("room").hidden = false;
    if (enters) $("text").focus();
    refuse("");
    people();
    for (const one of history) message(one);
    log.scrollTop = log.scrollHeight;
  },
  message(one) {
    if (message(one) && document.hidden) count(1);
  },
  joined({ name, via }) {
    members.set(name, via);
    people();
    if (name !== you) event(`${name} is here`, ...(via === "tcp" ? [" ", ...badge(via)] : []));
  },
  left({ name }) {
    members.delete(name);
    people();
    event(`${name} has left`);
  },
  error({ what }) { refuse(what); },
};

function refuse(words) { $("refused").textContent = words; }

// ---- the connection

let silence;

/** Whoever is silent is asked, then given up: a dead network says nothing by itself. */
function heard() {
  clearTimeout(silence);
  silence = setTimeout(() => {
    if (!line.send(JSON.stringify({ type: "ping" }))) return;
    silence = setTimeout(() => line.renew(), PATIENCE);
  }, QUIET);
}

const line = new Line(() => "/ws/chat", {
  open(send) {
    send(JSON.stringify({ type: "join", name: wanted }));
    heard();
  },
  message(text) {
    heard();
    const one = quietly(() => JSON.parse(text));
    if (Object.hasOwn(told, one?.type)) told[one.type](one);
  },
  state(kind, words, ...more) {
    if (kind !== "on") clearTimeout(silence);
    tell($("state"), kind, words, ...more);
    $("say").querySelector("button").disabled = kind !== "on";
  },
});

/** What the browser keeps: the name for the next visit, and that this tab is in the room. */
function remember(name) {
  quietly(() => {
    if (name) localStorage.setItem("name", name);
    sessionStorage.setItem("in", name);
  });
}

function join(name) {
  wanted = name;
  remember(name);
  line.start();
}

$("join").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("name").value.trim();
  if (name) join(name);
});

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value;
  if (!text.trim()) return;
  refuse("");
  // What could not be sent stays in the field.
  if (line.send(JSON.stringify({ type: "say", text }))) $("text").value = "";
  else refuse("Not connected: your message is still here.");
});

$("leave").addEventListener("click", () => {
  line.stop();
  clearTimeout(silence);
  remember("");
  $("room").hidden = true;
  $("join").hidden = false;
  tell($("state"), "", "not joined");
  $("name").focus();
});

log.addEventListener("scroll", () => { if (atEnd()) $("below").hidden = true; });
$("below").addEventListener("click", () => {
  log.scrollTop = log.scrollHeight;
  $("text").focus();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) count(0); });

$("name").value = quietly(() => localStorage.getItem("name")) ?? "";
const inside = quietly(() => sessionStorage.getItem("in"));
if (inside) join(inside);
