// Distributions as bars, one for each power of two.
import { count, el, put, svg, time } from "./tell.js";

const KINDS = [
  ["busy", "Work of a turn", "from the end of one wait to the next"],
  ["lag", "Lag", "of who comes at any moment"],
  ["late", "Lateness", "of timers, when they were looked at"],
  ["ready", "Events of a turn", "how many each wait found"],
];

/** The value that a share of all is below. */
function below(counts, part, bound) {
  const all = counts.reduce((sum, n) => sum + n, 0);
  let seen = 0;
  for (let i = 0; i < counts.length; i++) {
    seen += counts[i];
    if (all && seen >= all * part) return bound(i);
  }
  return null;
}

class Bars {
  #bars = [];
  #told;
  #marks;
  #kind;

  constructor(kind, title, what) {
    this.#kind = kind;
    this.#told = el("p", { class: "told" });
    this.picture = svg("svg", { viewBox: "0 0 120 40", preserveAspectRatio: "none", "aria-hidden": "true" });
    this.#marks = el("p", { class: "marks", "aria-hidden": "true" });
    this.node = el("figure", { class: "card bars" },
      el("figcaption", {}, el("b", {}, title), el("span", { class: "soft" }, what)), this.picture, this.#marks, this.#told);
  }

  show(counts, limit) {
    // Times below 256 ns and above 17 s say little: they are put to their neighbours.
    const [from, to] = this.#kind === "ready" ? [0, counts.length] : [8, 35];
    const shown = counts.slice(from, to);
    shown[0] += counts.slice(0, from).reduce((sum, n) => sum + n, 0);
    shown[shown.length - 1] += counts.slice(to).reduce((sum, n) => sum + n, 0);
    const step = 120 / shown.length;
    const most = Math.max(...shown, 1);
    while (this.#bars.length < shown.length) {
      const bar = svg("rect", { x: (this.#bars.length * step + 0.3).toFixed(2), width: (step - 0.6).toFixed(2) });
      this.#bars.push(bar);
      this.picture.append(bar);
    }
    shown.forEach((n, i) => {
      // The square root lets the rare ones be seen beside the many.
      const tall = n ? Math.max(1, Math.sqrt(n / most) * 39) : 0;
      this.#bars[i].setAttribute("y", (40 - tall).toFixed(2));
      this.#bars[i].setAttribute("height", tall.toFixed(2));
      this.#bars[i].classList.toggle("over", this.#kind !== "ready" && limit !== null && 2 ** (i + from) > limit);
    });
    const all = counts.reduce((sum, n) => sum + n, 0);
    const bound = this.#kind === "ready" ? (i) => String(i ? 2 ** i - 1 : 0) : (i) => (i ? time(2 ** i) : "0");
    const ends = this.#kind === "ready" ? ["0", "15", "16 k"] : ["256 ns", "1 ms", "17 s"];
    if (!this.#marks.firstChild) this.#marks.append(...ends.map((text) => el("span", {}, text)));
    put(this.#told, all
      ? `half ≤ ${below(counts, 0.5, bound)} · 99 % ≤ ${below(counts, 0.99, bound)} · most ${below(counts, 1, bound)} · ${count(all)}`
      : "none yet");
  }
}

export class Spreads {
  #all;
  #past = [];
  whole = false;

  constructor(box) {
    this.#all = KINDS.map(([kind, title, what]) => [kind, new Bars(kind, title, what)]);
    box.append(...this.#all.map(([, bars]) => bars.node));
  }

  /** Shows the last ten seconds, or all since the start. */
  show({ now, spreads, limits }) {
    if (this.#past.length && this.#past.at(-1).now > now) this.#past = [];
    this.#past.push({ now, spreads });
    while (this.#past.length > 2 && now - this.#past[1].now > 10e9) this.#past.shift();
    const first = this.#past[0].spreads;
    for (const [kind, bars] of this.#all) {
      const isFirst = this.#past.length < 2 || this.whole;
      const counts = isFirst ? [...spreads[kind]] : spreads[kind].map((n, i) => Math.max(0, n - first[kind][i]));
      bars.show(counts, limits?.stall ?? null);
    }
  }
}
