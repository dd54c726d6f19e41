// Notes by hand. Every change names the version it was made from (If-Match), so that the server can
// refuse it when somebody else was faster; then the choice is the writer's.
import { $, dated, el, problem, quietly, toast } from "./site.js";

const API = "/api/notes";
const PAGE = 20;
const FAR = 20;
const split = document.querySelector(".split");

/** What the list shows, in the server's order, and where its next page begins. */
let shelf = [];
let next = null;
let query = "";
let newest = 0;

/** The note on the desk as the server last told it; `null` while it is a new one. */
let open = null;
let etag = null;
let busy = false;

const path = (id) => `${API}/${encodeURIComponent(id)}`;
const written = () => ({ title: $("title").value.trim(), body: $("body").value });

function call(method, where, { match, none, note } = {}) {
  const headers = { Accept: "application/json" };
  if (match) headers["If-Match"] = match;
  if (none) headers["If-None-Match"] = none;
  if (note) headers["Content-Type"] = "application/json";
  return fetch(where, { method, headers, body: note && JSON.stringify(note), cache: "no-store" });
}

// ---- the shelf

const fits = ({ title, body }) => `${title}\n${body}`.toLowerCase().includes(query);

/** A page of notes from a cursor on. The service knows no search: one leafs through it, `FAR` at most. */
async function page(after) {
  const notes = [];
  for (let leaf = 0; notes.length < PAGE && leaf < FAR && (after || leaf === 0); leaf++) {
    const ask = new URLSearchParams({ limit: query ? 100 : PAGE });
    if (after) ask.set("after", after);
    const reply = await call("GET", `${API}?${ask}`);
    if (!reply.ok) throw new Error(await problem(reply));
    const told = await reply.json();
    notes.push(...told.notes.filter(fits));
    after = told.next;
  }
  return { notes, next: after };
}

/** The first page, or the next one. What a newer question has overtaken is dropped. */
async function load(more) {
  const mine = ++newest;
  try {
    const told = await page(more ? next : null);
    if (mine !== newest) return;
    const known = new Set(more ? shelf.map((note) => note.id) : []);
    shelf = [...(more ? shelf : []), ...told.notes.filter((note) => !known.has(note.id))];
    next = told.next;
    draw();
  } catch (error) {
    if (mine === newest) $("found").textContent = `The notes cannot be read: ${error.message}`;
  }
}

function draw() {
  $("list").replaceChildren(...shelf.map((note) => {
    const link = el("a", { href: `#${encodeURIComponent(note.id)}` },
      el("strong", {}, note.title), el("span", {}, note.body.trim().slice(0, 160) || "no text"));
    if (note.id === open?.id) link.setAttribute("aria-current", "true");
    return el("li", {}, link);
  }));
  $("more").hidden = !next;
  const count = `${shelf.length}${next ? " or more" : ""} ${shelf.length === 1 && !next ? "note" : "notes"}`;
  $("found").textContent = query ? `${count} with “${query}”` : shelf.length ? count : "No notes yet.";
}

function replace(note) {
  const at = shelf.findIndex(({ id }) => id === note.id);
  if (at >= 0) shelf[at] = note;
  else shelf.push(note);
  draw();
}

// ---- the desk

const changed = () => !$("editor").hidden &&
  (written().title !== (open?.title ?? "") || written().body !== (open?.body ?? ""));

function refuse(words) { $("refused").textContent = words; }

/** Puts a note on the desk; `null` is a new one. `keep` leaves what has been typed. */
function put(note, tag, keep) {
  open = note;
  etag = tag;
  if (!keep) {
    $("title").value = note?.title ?? "";
    $("body").value = note?.body ?? "";
  }
  $("facts").replaceChildren(...(note
    ? [`Version ${note.version} · begun `, dated(note.created), " · changed ", dated(note.updated)] : []));
  $("delete").hidden = !note;
  $("blank").hidden = true;
  $("editor").hidden = false;
  split.classList.add("open");
  refuse("");
  draw();
}

function clear() {
  const leaves = !$("editor").hidden;
  open = etag = null;
  $("editor").hidden = true;
  $("blank").hidden = false;
  split.classList.remove("open");
  if (leaves) $("new").focus();
  draw();
}

async function read(id) {
  const reply = await call("GET", path(id));
  return reply.ok ? { note: await reply.json(), tag: reply.headers.get("ETag") } : { refused: await problem(reply) };
}

async function show(id) {
  const { note, tag, refused } = await read(id).catch((error) => ({ refused: error.message }));
  if (here() !== id) return;
  if (refused) {
    clear();
    toast(`This note cannot be shown. ${refused}`);
    history.replaceState(null, "", location.pathname);
    return;
  }
  put(note, tag);
  $("status").textContent = "";
}

/** Shows a dialog; resolves with the value of the button, or `other` if it was left by Escape. */
function choose(dialog, other) {
  dialog.returnValue = other;
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener("close", () => done(dialog.returnValue || other), { once: true });
  });
}

async function save() {
  if (busy || !$("editor").reportValidity()) return;
  const note = written();
  await occupied(async () => {
    const reply = open
      ? await call("PUT", path(open.id), { match: etag, note })
      : await call("POST", API, { note });
    if (reply.ok) return saved(await reply.json(), reply.headers.get("ETag"), note);
    if (open && (reply.status === 412 || reply.status === 404)) return settle(note);
    refuse(await problem(reply));
  });
}

function saved(note, tag, sent) {
  const added = !open;
  // Whoever went on typing while it was being saved keeps what was typed.
  put(note, tag, written().body !== sent.body || written().title !== sent.title);
  replace(note);
  $("status").textContent = `Saved as version ${note.version}.`;
  if (added) history.replaceState(null, "", `#${encodeURIComponent(note.id)}`);
}

/** The server has another version than the one on the desk. */
async function settle(mine) {
  const { note, tag } = await read(open.id);
  if (!note) {
    open = etag = null;
    history.replaceState(null, "", "#new");
    refuse("This note was deleted meanwhile. Save once more to keep your text as a new note.");
    return load(false);
  }
  $("conflict-text").replaceChildren(`You began with version ${open.version}; version ${note.version} was saved `,
    dated(note.updated), ". Nothing of yours is lost yet.");
  $("their-title").textContent = note.title;
  $("their-body").textContent = note.body;
  $("your-title").textContent = mine.title;
  $("your-body").textContent = mine.body;
  const choice = await choose($("conflict"), "edit");
  if (choice === "edit") return refuse("Not saved: somebody else changed this note.");
  if (choice === "reload") {
    put(note, tag);
    replace(note);
    $("status").textContent = `This is version ${note.version}, theirs.`;
    return;
  }
  // Only over the version that was shown: if there is yet another one, ask again.
  const reply = await call("PUT", path(note.id), { match: tag, note: mine });
  if (reply.ok) return saved(await reply.json(), reply.headers.get("ETag"), mine);
  if (reply.status === 412 || reply.status === 404) return settle(mine);
  refuse(await problem(reply));
}

async function remove() {
  if (busy || !open) return;
  await occupied(async () => {
    const { id, title, body } = open;
    const reply = await call("DELETE", path(id), { match: etag });
    if (reply.status === 412) {
      const { note, tag } = await read(id);
      if (note) {
        put(note, tag, true);
        replace(note);
        return refuse("Not deleted: somebody else changed this note. To delete it all the same, delete again.");
      }
    } else if (!reply.ok && reply.status !== 404) {
      return refuse(await problem(reply));
    }
    shelf = shelf.filter((note) => note.id !== id);
    history.replaceState(null, "", location.pathname);
    clear();
    toast(`“${title.length > 60 ? `${title.slice(0, 60)}…` : title}” is deleted.`, "Undo", () => restore(id, { title, body }));
  });
}

/** Under its old name if the server lets it, else under a new one. */
async function restore(id, note) {
  try {
    let reply = await call("PUT", path(id), { none: "*", note });
    if (!reply.ok) reply = await call("POST", API, { note });
    if (!reply.ok) throw new Error(await problem(reply));
    const back = await reply.json();
    await load(false);
    location.hash = encodeURIComponent(back.id);
  } catch (error) {
    toast(`It could not be brought back. ${error.message}`);
  }
}

/**
 * One request at a time; a server that cannot be reached is said, and nothing typed is lost. No button
 * is disabled meanwhile: it would lose the keyboard's focus.
 */
async function occupied(work) {
  busy = true;
  refuse("");
  $("status").textContent = "";
  try {
    await work();
  } catch {
    refuse("The server does not answer. Your text is still here; try again.");
  }
  busy = false;
}

// ---- where we are: nothing, #new, or #ID

const here = () => quietly(() => decodeURIComponent(location.hash.slice(1))) ?? "";
const name = () => $("editor").hidden ? "" : open?.id ?? "new";

async function go() {
  const to = here();
  if (to === name()) return;
  if (changed() && await choose($("unsaved"), "stay") === "stay") {
    history.replaceState(null, "", `#${encodeURIComponent(name())}`);
    return;
  }
  if (to === "") return clear();
  if (to !== "new") return show(to);
  put(null, null);
  $("status").textContent = "";
  $("title").focus();
}

addEventListener("hashchange", go);
addEventListener("beforeunload", (event) => { if (changed()) event.preventDefault(); });
addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key !== "s" || $("editor").hidden) return;
  event.preventDefault();
  save();
});
$("new").addEventListener("click", () => { location.hash = "new"; });
$("more").addEventListener("click", () => load(true));
$("delete").addEventListener("click", remove);
$("editor").addEventListener("submit", (event) => { event.preventDefault(); save(); });

let typing;
$("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => { query = $("search").value.trim().toLowerCase(); load(false); }, 150);
});

await load(false);
go();
