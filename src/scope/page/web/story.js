// One connection's story, as it happens: its facts in words, and what they add up to.
import { $, bytes, clock, count, el, put, time } from "./tell.js";

const MOST = 400;

export class Story {
  #token = null;
  #list = $("story");
  #ended = false;

  /** Whom it is about; `null` for nobody. */
  begin(token) {
    this.#token = token;
    this.#ended = false;
    this.#list.replaceChildren();
    $("follow").hidden = token === null;
    if (token === null) return;
    put($("follow-title"), `The story of #${token}`);
    put($("summary"), "Looking for it.");
  }

  show({ story, connections, now }) {
    if (this.#token === null || story?.token !== this.#token) return;
    const told = connections.find(({ token }) => token === this.#token);
    if (told) {
      const parts = [`${told.kind} ${told.peer}`, `${bytes(told.in)} in by ${count(told.reads)} reads`, `${bytes(told.out)} out by ${count(told.writes)} writes`,
        `${count(told.requests)} requests`, `${count(told.calls)} calls took ${time(told.busy)}`, `open for ${time(told.age)}`];
      put($("summary"), parts.join(" · "));
    } else if (!this.#ended) {
      this.#ended = true;
      put($("summary"), story.lines.length || this.#list.children.length ? "It has ended." : "There is no such connection, and none of its facts is left.");
    }
    const isAtEnd = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < 40;
    if (story.skipped) this.#list.append(el("li", { class: "soft" }, `… ${count(story.skipped)} facts are left out`));
    for (const { at, fact, text } of story.lines) {
      this.#list.append(el("li", { "data-fact": fact }, el("time", {}, clock(at)), el("b", {}, fact), ` ${text}`));
    }
    while (this.#list.children.length > MOST) this.#list.firstChild.remove();
    if (isAtEnd) this.#list.scrollTop = this.#list.scrollHeight;
  }
}
