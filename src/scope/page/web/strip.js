// The last turns as a strip: upwards the work of each, coloured by connection; downwards its wait.
// Both on a logarithmic scale, as a turn may take a microsecond or a second.
import { colour, el, isDark, time } from "./tell.js";

const GAP = 1;
/** Room for the scale. */
const MARGIN = 44;
const WIDEST = 14;
const FLOOR = 2; // 100 ns, as a power of ten
const TOP = 9; // 1 s

/** A time's share of the scale. */
const share = (ns) => Math.min(1, Math.max(0.03, (Math.log10(Math.max(ns, 1)) - FLOOR) / (TOP - FLOOR)));

export class Strip {
  #box;
  #canvas;
  #probe = el("i", { hidden: "" });
  #shown = [];
  #cursor = -1;
  #pointed = -1;
  #mine = new Set();
  #stall = Infinity;
  #select;

  /** `select(turn)` is called when another turn is pointed at, or none; `pick(turn)` when it is clicked. */
  constructor(box, select, pick) {
    this.#box = box;
    this.#canvas = box.querySelector("canvas");
    this.#select = select;
    box.append(this.#probe);
    box.addEventListener("pointermove", (event) => this.#point(event.offsetX));
    box.addEventListener("pointerleave", () => this.#point(-1));
    box.addEventListener("click", () => { if (this.#shown[this.#pointed]) pick(this.#shown[this.#pointed]); });
    new ResizeObserver(() => this.draw()).observe(box);
  }

  /** Shows turns, with the one at `cursor` marked, if any. */
  show(turns, cursor, { mine, stall }) {
    [this.#shown, this.#cursor, this.#mine, this.#stall] = [turns, cursor, mine, stall ?? Infinity];
    this.draw();
  }

  /** A colour of the style sheet, as a canvas understands it. */
  #named(name) {
    this.#probe.style.color = `var(${name})`;
    return getComputedStyle(this.#probe).color;
  }

  /** How many turns there is room for. */
  get room() { return Math.max(20, Math.floor((this.#canvas.clientWidth - MARGIN) / (WIDEST - 4))); }

  #width() { return Math.min(WIDEST, (this.#canvas.clientWidth - MARGIN) / Math.max(this.#shown.length, 1)); }

  #point(x) {
    const pointed = x < 0 ? -1 : Math.floor((x - this.#left()) / this.#width());
    const turn = this.#shown[pointed];
    this.#pointed = turn ? pointed : -1;
    this.#select(turn ?? null);
    this.draw();
  }

  /** The newest is at the right. */
  #left() { return this.#canvas.clientWidth - this.#width() * this.#shown.length; }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const scale = devicePixelRatio || 1;
    if (this.#canvas.width !== Math.round(width * scale) || this.#canvas.height !== Math.round(height * scale)) {
      this.#canvas.width = Math.round(width * scale);
      this.#canvas.height = Math.round(height * scale);
    }
    const at = this.#canvas.getContext("2d");
    at.setTransform(scale, 0, 0, scale, 0, 0);
    at.clearRect(0, 0, width, height);
    const paint = { at, dark: isDark(), bad: this.#named("--bad"), wait: this.#named("--wait"), line: this.#named("--line"), soft: this.#named("--soft"), edge: this.#named("--edge"), ink: this.#named("--ink") };
    const zero = Math.round(height * 0.68);
    this.#grid(paint, width, zero, height);
    const column = this.#width();
    this.#shown.forEach((turn, i) => {
      const x = this.#left() + i * column;
      if (i === this.#cursor || i === this.#pointed) {
        at.fillStyle = paint.line;
        at.fillRect(x - GAP / 2, 0, column, height);
      }
      if (turn.gap) {
        at.fillStyle = paint.soft;
        for (let y = 2; y < height; y += 5) at.fillRect(x - 1, y, 1, 2);
      }
      this.#turn(paint, turn, x, Math.max(1, column - GAP), zero, height);
      if (i === this.#cursor) {
        at.fillStyle = paint.ink;
        at.fillRect(x, height - 2, Math.max(1, column - GAP), 2);
      }
    });
  }

  #grid({ at, line, soft }, width, zero, height) {
    at.font = "10px system-ui, sans-serif";
    at.textBaseline = "middle";
    at.textAlign = "right";
    for (const [ns, text] of [[1e3, "1 µs"], [1e4, "10"], [1e5, "100"], [1e6, "1 ms"], [1e7, "10"], [1e8, "100"], [1e9, "1 s"]]) {
      const y = Math.max(6, Math.round(zero - share(ns) * (zero - 4)));
      at.fillStyle = line;
      at.fillRect(MARGIN, y, width, 1);
      at.fillStyle = soft;
      at.fillText(text, MARGIN - 6, y);
    }
    at.fillStyle = line;
    at.fillRect(MARGIN, zero, width, 1);
    at.fillStyle = soft;
    at.fillText("waited", MARGIN - 6, Math.min(zero + 14, height - 6));
  }

  #turn(paint, turn, x, width, zero, height) {
    const { at } = paint;
    const waited = turn.at - turn.began;
    at.fillStyle = paint.wait;
    if (waited > 0) at.fillRect(x, zero + 1, width, Math.max(1, share(waited) * (height - zero - 4)));
    const tall = share(turn.busy) * (zero - 4);
    at.fillStyle = paint.edge;
    at.fillRect(x, zero - tall, width, tall);
    let y = zero;
    for (const part of turn.parts) {
      const part_tall = turn.busy > 0 ? part.took / turn.busy * tall : 0;
      y -= part_tall;
      this.#part(paint, part, x, Math.max(zero - tall, y), width, part_tall);
    }
  }

  #part(paint, part, x, y, width, tall) {
    const { at, dark } = paint;
    const isOver = part.over || part.stall || part.took >= this.#stall;
    at.fillStyle = isOver ? paint.bad : this.#mine.has(part.token) ? paint.wait : colour(part.token, dark);
    at.fillRect(x, y, width, Math.max(tall, 0.75));
    if (!this.#mine.has(part.token) || tall < 3) return;
    at.save();
    at.beginPath();
    at.rect(x, y, width, tall);
    at.clip();
    at.strokeStyle = paint.soft;
    at.lineWidth = 1;
    at.beginPath();
    for (let down = y - width; down < y + tall; down += 4) {
      at.moveTo(x, down + width);
      at.lineTo(x + width, down);
    }
    at.stroke();
    at.restore();
  }
}

/** One turn, told: when, how long, and each call at its place in time. */
export function told(turn, { mine, stall, labels, now }) {
  const waited = turn.at - turn.began;
  const events = `${turn.ready} ${turn.ready === 1 ? "event" : "events"}`;
  const limit = turn.until === null ? "without limit" : `at most ${time(turn.until - turn.began)}`;
  const head = el("p", { class: "when" },
    el("b", {}, `${time(turn.busy)} of work`), ` after a wait of ${time(waited)} (${limit}) found ${events}`,
    el("span", { class: "soft" }, ` · ${time(Math.max(0, now - turn.at))} ago`));
  const line = el("div", { class: "line", "aria-hidden": "true" });
  for (const part of turn.parts) {
    const bit = el("span");
    const isOver = part.over || part.stall || part.took >= (stall ?? Infinity);
    bit.style.left = `${Math.min(99.6, (part.began - turn.at) / Math.max(turn.busy, 1) * 100)}%`;
    bit.style.width = `${Math.max(0.4, part.took / Math.max(turn.busy, 1) * 100)}%`;
    bit.style.background = isOver ? "var(--bad)" : mine.has(part.token) ? "var(--wait)" : colour(part.token, isDark());
    line.append(bit);
  }
  const list = el("ul");
  const calls = new Map();
  for (const part of turn.parts) {
    const key = `${part.token} ${part.call}`;
    const call = calls.get(key) ?? { ...part, took: 0, times: 0 };
    call.took += part.took;
    call.times++;
    call.over ||= part.over;
    call.stall ||= part.stall || part.took >= (stall ?? Infinity);
    calls.set(key, call);
  }
  for (const call of [...calls.values()].sort((a, b) => b.took - a.took).slice(0, 8)) {
    const swatch = el("i", { class: "swatch" });
    swatch.style.background = colour(call.token, isDark());
    const more = [call.times > 1 && `${call.times} times`, labels.get(call.token), call.stall && "held the loop", call.over && "budget used up"];
    list.append(el("li", call.stall || call.over ? { class: "over" } : {},
      swatch, el("b", {}, `#${call.token}`), ` ${call.call} ${time(call.took)} `,
      el("span", { class: "soft" }, more.filter(Boolean).join(" · "))));
  }
  const left = turn.more + Math.max(0, calls.size - 8);
  if (left > 0) list.append(el("li", { class: "soft" }, `and ${left} more calls`));
  if (!calls.size) list.append(el("li", { class: "soft" }, "No session was called."));
  return [head, line, list];
}
