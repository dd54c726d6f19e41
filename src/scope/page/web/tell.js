// How things are told: elements, numbers, times, colours. All texts become text, never markup.

export const $ = (id) => document.getElementById(id);

export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

export function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** Writes a text where another one is: what has not changed is not touched, so nothing flickers. */
export function put(node, text) {
  if (node.firstChild?.nodeType === Node.TEXT_NODE) {
    if (node.firstChild.data !== text) node.firstChild.data = text;
  } else {
    node.prepend(text);
  }
}

/** Sets or takes away an attribute, if it is not so already. */
export function mark(node, name, value) {
  if (value === null || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, value);
  }
}

const digits = (n) => (n >= 99.95 ? n.toFixed(0) : n >= 9.995 ? n.toFixed(1) : n.toFixed(2));

/** Nanoseconds with three digits that count. */
export function time(ns) {
  if (ns === null || ns === undefined) return "–";
  for (const [size, unit] of [[1e3, "ns"], [1e6, "µs"], [1e9, "ms"]]) {
    if (ns < size * 0.9995) return unit === "ns" ? `${Math.round(ns)} ns` : `${digits(ns / size * 1e3)} ${unit}`;
  }
  const s = ns / 1e9;
  if (s < 120) return `${digits(s)} s`;
  for (const [size, unit] of [[7200, "min"], [172800, "h"]]) {
    if (s < size) return `${Math.floor(s / (unit === "min" ? 60 : 3600))} ${unit}`;
  }
  return `${Math.floor(s / 86400)} d`;
}

export function count(n) {
  if (n < 10000) return Math.round(n).toLocaleString("en");
  for (const [size, unit] of [[1e6, "k"], [1e9, "M"], [1e12, "G"]]) {
    if (n < size) return `${digits(n / size * 1e3)} ${unit}`;
  }
  return n.toExponential(2);
}

export function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) { n /= 1024; unit++; }
  return `${unit ? digits(n) : Math.round(n)} ${units[unit]}`;
}

/** Seconds since the loop began, as the story and the findings say when. */
export const clock = (ns) => `${(ns / 1e9).toFixed(3)} s`;

/** The hue of a connection: neighbours differ, none is red, which means something else. */
export const hue = (token) => 35 + (parseInt(token, 10) * 137.508 + 130) % 290;

export const isDark = () => getComputedStyle(document.documentElement).getPropertyValue("--dark").trim() === "1";

export const colour = (token, dark) => `hsl(${hue(token).toFixed(0)} ${dark ? "55% 62%" : "52% 45%"})`;
