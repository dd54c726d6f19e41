// Where the tests play: the server, two browsers, and a watch over everything pages complain about.
// Nothing here sleeps: every wait is for a condition, with a deadline.
import { spawn } from "node:child_process";
import { createWriteStream, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { once } from "node:events";
import { createInterface } from "node:readline";

const { WORK, BROWSER, PICTURES } = process.env;
const installed = createRequire(`${WORK}/package.json`);
const { chromium } = installed("playwright-core");
const axe = readFileSync(installed.resolve("axe-core/axe.min.js"), "utf8");

const PATIENCE = 15000;
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** `work`, or an error after `PATIENCE`. */
async function within(work, what) {
  let timer;
  const late = new Promise((_, refuse) => {
    timer = setTimeout(() => refuse(new Error(`${what}: not within ${PATIENCE} ms`)), PATIENCE);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

export class Stage {
  #program;
  #process = null;
  #at = { http: "127.0.0.1:0", "tcp-chat": "127.0.0.1:0", "tcp-echo": "127.0.0.1:0" };
  #browsers = [];
  #sockets = [];
  /** What pages may complain about just now, because the test is about it. */
  #allowed = [];
  complaints = [];
  passed = 0;
  failed = 0;
  visited = new Set();

  constructor(program) { this.#program = program; }

  get web() { return `http://${this.#at.http}`; }

  async begin() {
    await this.serve();
    for (const name of ["one", "two"]) {
      const browser = await chromium.launchPersistentContext(`${WORK}/browser-${name}`, {
        executablePath: BROWSER, headless: true, args: FLAGS, viewport: { width: 1120, height: 860 },
        locale: "en", timezoneId: "UTC",
      });
      browser.setDefaultTimeout(PATIENCE);
      this.#browsers.push(browser);
    }
  }

  async end() {
    for (const socket of this.#sockets) socket.destroy();
    for (const browser of this.#browsers) await browser.close().catch(() => {});
    await this.stop().catch((error) => this.bad("the server ends", error));
  }

  // ---- the server

  /** Starts it; the second time on the ports of the first. */
  async serve() {
    const places = Object.entries(this.#at).flatMap(([row, at]) => [`--${row}`, at]);
    const child = spawn(this.#program,
      ["serve", "--only", Object.keys(this.#at).join(","), ...places, "--data", `${WORK}/data`],
      { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, XDG_DATA_HOME: `${WORK}/home` } });
    this.#process = child;
    child.stderr.pipe(createWriteStream(`${WORK}/server.log`, { flags: "a" }));
    child.on("error", () => {});
    await within(this.#banner(child), "the server's banner");
  }

  async #banner(child) {
    for await (const line of createInterface(child.stdout)) {
      const [row, at] = line.trim().split(/\s+/);
      if (row in this.#at) this.#at[row] = at;
      if (row === "signals") return;
    }
    throw new Error(`the server ended: ${readFileSync(`${WORK}/server.log`, "utf8").slice(-500)}`);
  }

  async stop(signal = "SIGTERM") {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    try {
      await within(ended, `the server's end after ${signal}`);
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
  }

  /** A member of the chat over plain TCP: it speaks and beats as the protocol wants. */
  async member() {
    const [host, port] = this.#at["tcp-chat"].split(":");
    const socket = connect(Number(port), host);
    this.#sockets.push(socket);
    let heard = "";
    const waiting = new Set();
    socket.setEncoding("utf8");
    socket.on("error", () => {});
    socket.on("data", (text) => {
      heard += text;
      for (const look of waiting) look();
    });
    await within(once(socket, "connect"), "a TCP connection");
    const beat = setInterval(() => socket.write("1"), 1000);
    socket.on("close", () => clearInterval(beat));
    const hears = (words) => within(new Promise((done) => {
      const look = () => { if (heard.includes(words)) { waiting.delete(look); done(); } };
      waiting.add(look);
      look();
    }), `TCP hears '${words}'`);
    return { hears, say: (name, text) => socket.write(`10:00\n\t${name}: ${text}`), leave: () => socket.end() };
  }

  // ---- pages

  /** A page of the first or the second browser, watched. */
  async page(path, browser = 0) {
    const page = await this.#browsers[browser].newPage();
    this.#watch(page);
    await this.go(page, path);
    return page;
  }

  /** A page of another server of ours. */
  async elsewhere(url) {
    const page = await this.#browsers[0].newPage();
    this.#watch(page, new URL(url).host);
    await page.goto(url);
    return page;
  }

  /** A page from the disk, as somebody opens it who was sent it. */
  async file(path) {
    const page = await this.#browsers[0].newPage();
    this.#watch(page);
    await page.goto(`file://${path}`);
    return page;
  }

  /** Runs the program to its end. */
  async run(...args) {
    const child = spawn(this.#program, args, { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.on("data", (data) => (said += data));
    const late = setTimeout(() => child.kill("SIGINT"), 120_000);
    const [code] = await once(child, "exit");
    clearTimeout(late);
    if (code !== 0) throw new Error(`${args[0]} ended with ${code}: ${said.slice(-500)}`);
  }

  /** Has the program ask the server for something until the answer is called. */
  load(path, ...how) {
    const child = spawn(this.#program, ["load", ...how, "--duration", "10min", "--warmup", "0s", this.web + path], { stdio: "ignore" });
    const ended = once(child, "exit");
    return async () => {
      child.kill("SIGINT");
      await within(ended, "the load's end").catch((error) => { child.kill("SIGKILL"); throw error; });
    };
  }

  /** Plays a lesson: where its page is, and how to end it. */
  async lesson(name) {
    const child = spawn(this.#program, ["learn", name], { stdio: ["ignore", "pipe", "ignore"] });
    const ended = once(child, "exit");
    const find = async () => {
      for await (const line of createInterface(child.stdout)) {
        const [, url] = line.match(/(http:\S+_loop)/) ?? [];
        if (url) return url;
      }
      throw new Error("it ended");
    };
    const url = await within(find(), "the lesson's page");
    child.stdout.resume();
    const end = async () => {
      child.kill("SIGINT");
      await within(ended, "the lesson's end").catch((error) => { child.kill("SIGKILL"); throw error; });
    };
    return { url, end };
  }

  /** Asks for something and takes nothing of the answer. */
  async deaf(path) {
    const [host, port] = this.#at.http.split(":");
    const socket = connect(Number(port), host);
    this.#sockets.push(socket);
    socket.on("error", () => {});
    socket.pause();
    await within(once(socket, "connect"), "a TCP connection");
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${this.#at.http}\r\n\r\n`);
    return socket;
  }

  async go(page, path) {
    this.visited.add(path.replace(/[#?].*/, ""));
    await page.goto(this.web + path);
  }

  #watch(page, host = new URL(this.web).host) {
    const complain = (what) => {
      const where = `${new URL(page.url() || "about:blank").pathname}: ${what}`;
      if (!this.#allowed.some((pattern) => pattern.test(what))) this.complaints.push(where);
    };
    // Chromium reports what a policy forbade as an error on the console, too.
    page.on("console", (message) => { if (message.type() === "error") complain(message.text()); });
    page.on("pageerror", (error) => complain(String(error)));
    page.on("request", (request) => {
      if (!/^(https?|wss?):/.test(request.url())) return;
      if (new URL(request.url()).host !== host) complain(`asks ${request.url()}`);
    });
  }

  /** While `work` runs, pages may complain about what matches: they cannot keep a browser from it. */
  async allow(pattern, work) {
    this.#allowed.push(pattern);
    try {
      return await work();
    } finally {
      this.#allowed.splice(this.#allowed.indexOf(pattern), 1);
    }
  }

  /** What axe finds against WCAG 2.2 AA and good practice. */
  async axe(page) {
    await page.evaluate(`${axe}; undefined`);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document));
    const told = violations.flatMap(({ id, nodes }) =>
      nodes.map((node) => `${id}: ${node.target} ${node.failureSummary ?? ""}`));
    equal(told.join("\n"), "");
  }

  picture(page, name) { return page.screenshot({ path: `${PICTURES}/${name}.png`, fullPage: true }); }

  // ---- the account

  async check(name, work) {
    try {
      await work();
      this.passed++;
      console.log(`ok      ${name}`);
    } catch (error) {
      this.bad(name, error);
    }
  }

  bad(name, error) {
    this.failed++;
    console.log(`FAILED  ${name}`);
    const said = String(error.message ?? error).slice(0, 900);
    console.log(said.replace(/^/gm, "        "));
  }

  summary() {
    console.log(`${this.passed} passed, ${this.failed} failed`);
    return this.failed === 0 && this.passed > 0;
  }
}

export function equal(got, wanted) {
  const [a, b] = [got, wanted].map((value) => JSON.stringify(value));
  if (a !== b) throw new Error(`got ${a}, not ${b}`);
}

/** Waits until an element that matches has these words in it. */
export const sees = (page, selector, words) =>
  page.locator(selector, words === undefined ? {} : { hasText: words }).first().waitFor();

/** Waits until no element that matches is visible. */
export const gone = (page, selector, words) =>
  page.waitForFunction(([selector, words]) => ![...document.querySelectorAll(selector)]
    .some((node) => node.checkVisibility() && (!words || node.textContent.includes(words))), [selector, words ?? ""]);
