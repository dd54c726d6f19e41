// What stands out: calls that held the loop, and what the detectors found. Each is told once and then
// kept up to date, so that a screen reader hears of it once.
import { clock, count, el, put, time } from "./tell.js";

const MOST = 24;

const CAUSE = {
  computing: "It was computing: that is work for another thread.",
  parked: "The thread was parked: asleep, waiting for a disk or a lock, or not given a CPU.",
};

export class Findings {
  #list;
  #calm;
  #follow;
  #items = new Map();
  #seen = -1;

  constructor(box, follow) {
    this.#list = box.querySelector("ul");
    this.#calm = box.querySelector(".calm");
    this.#follow = follow;
  }

  /** Everything begins anew: it is another loop. */
  forget() {
    this.#items.clear();
    this.#list.replaceChildren();
    this.#seen = -1;
  }

  show({ stalls, findings }) {
    for (const stall of stalls) if (stall.began > this.#seen) this.#stalled(stall);
    this.#seen = Math.max(this.#seen, ...stalls.map((stall) => stall.began));
    for (const found of findings ?? []) {
      // The same call is among the stalls, with more to say of it.
      if (found.kind === "blocked-handler" && stalls.length) continue;
      const often = found.times > 1 ? `Seen ${count(found.times)} times.` : "";
      this.#item(`${found.kind} ${found.token}`, found.kind, found.token, found.at, () => found.text, often);
    }
    this.#calm.hidden = this.#items.size > 0;
  }

  #stalled(stall) {
    const what = stall.label === "…" ? "A call" : stall.label;
    const cause = stall.computing * 2 >= stall.took ? "computing" : "parked";
    this.#item(`stall ${what} ${stall.call}`, "stall", stall.token, stall.began, (item) => {
      item.longest = Math.max(item.longest ?? 0, stall.took);
      const often = item.times > 1 ? `${count(item.times)} times, for up to ${time(item.longest)}, the last time` : "for";
      return `${what} held the loop ${often} ${time(stall.took)}.`;
    }, `${CAUSE[cause]} Called for ${stall.call}; ${time(stall.computing)} of CPU.`);
  }

  #item(key, kind, token, at, say, more) {
    const item = this.#items.get(key) ?? this.#make(key, kind);
    if (item.at === at) return;
    [item.at, item.times] = [at, (item.times ?? 0) + 1];
    put(item.text, say(item));
    put(item.more, more);
    put(item.when, clock(at));
    item.token = token;
    item.who.hidden = token === null;
    if (token !== null) put(item.who, `#${token}`);
  }

  #make(key, kind) {
    const item = { text: el("strong"), more: el("span", { class: "soft" }), when: el("span", { class: "soft when" }) };
    item.who = el("button", { type: "button", class: "name", title: "Follow this connection" });
    item.who.addEventListener("click", () => this.#follow(item.token));
    item.node = el("li", {}, el("span", { class: "kind" }, kind.replaceAll("-", " ")), el("p", {}, item.text, " ", item.more), item.who, item.when);
    this.#items.set(key, item);
    this.#list.prepend(item.node);
    if (this.#items.size > MOST) {
      const [oldest, { node }] = this.#items.entries().next().value;
      node.remove();
      this.#items.delete(oldest);
    }
    return item;
  }
}
