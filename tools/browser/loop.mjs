// The live page: under load, by keyboard, with readers that are slow and observers that are many.
import { equal, gone, sees } from "./stage.mjs";

const text = (page, selector) => page.locator(selector).first().textContent();
const changes = (page, selector, from) => page.waitForFunction(([selector, from]) =>
  document.querySelector(selector)?.textContent !== from, [selector, from]);

/** The turn that is stepped to, as the slider tells it. */
const cursor = async (page) => Number(await page.getAttribute("#strip", "aria-valuenow"));

export default async function loop(stage) {
  const load = stage.load("/json", "--connections", "6", "--rate", "200");
  const page = await stage.page("/_loop");

  await stage.check("the loop is shown live, under load", async () => {
    await sees(page, "#state.on", "live");
    await sees(page, "#rows tbody tr", "GET /json");
    await sees(page, "#rows tbody tr", "listener");
    for (const tile of ["turns", "replies", "in", "uptime"]) {
      await changes(page, `[data-tile=${tile}]`, await text(page, `[data-tile=${tile}]`));
    }
    await page.waitForFunction(() => document.querySelectorAll(".bars rect[height]").length > 60);
    const drawn = await page.evaluate(() => {
      const canvas = document.querySelector("#strip canvas");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return new Set(new Uint32Array(data.buffer)).size;
    });
    if (drawn < 8) throw new Error(`the strip has ${drawn} colours`);
  });

  await stage.check("rows are kept up to date in place: none is made anew, and the focus stays", async () => {
    const row = page.locator("#rows tbody tr", { hasText: "GET /json" }).first();
    await row.locator("button.name").focus();
    await row.evaluate((node) => { node.kept = true; });
    const before = await row.locator("td.requests").textContent();
    await page.waitForFunction((before) => {
      const row = [...document.querySelectorAll("#rows tbody tr")].find((row) => row.kept);
      return row && row.querySelector("td.requests").textContent !== before;
    }, before);
    equal(await page.evaluate(() => document.activeElement.closest("tr")?.kept), true);
  });

  await stage.check("a connection that is followed tells its story in words, by keyboard", async () => {
    const name = page.locator("#rows tbody tr", { hasText: "GET /json" }).first().locator("button.name");
    await name.focus();
    const who = await name.textContent();
    await page.keyboard.press("Enter");
    await sees(page, "#follow-title", who);
    for (const fact of ["read", "request", "wrote"]) await sees(page, `#story [data-fact=${fact}]`);
    await sees(page, "#summary", "requests");
    equal(await page.evaluate(() => location.hash), who);
    await stage.picture(page, "loop-followed");
    await page.locator("#leave").click();
    await gone(page, "#follow");
  });

  await stage.check("the observers are marked, and can be left out", async () => {
    await sees(page, "#rows tr.mine", "/_loop/events");
    await page.locator("#exclude").focus();
    await page.keyboard.press("Space");
    await gone(page, "#rows tr.mine");
    await sees(page, "#shown", "left out");
    await page.keyboard.press("Space");
    await sees(page, "#rows tr.mine");
  });

  await stage.check("a reader that does not read is seen to be full", async () => {
    const slow = await stage.deaf("/bytes/100000000");
    const row = page.locator("#rows tbody tr", { hasText: "GET /bytes/100000000" });
    await row.locator(".backlog .fill").waitFor();
    await page.waitForFunction(() => [...document.querySelectorAll("#rows tbody tr")]
      .some((row) => row.textContent.includes("/bytes/1000") && /[KM]iB/.test(row.querySelector("td.unsent").textContent)));
    await row.locator("td.state", { hasText: "reply" }).waitFor();
    slow.destroy();
    await gone(page, "#rows tbody tr", "GET /bytes/100000000");
  });

  await stage.check("a filter shows what it names, and says when there is nothing", async () => {
    await page.fill("#filter", "listener");
    await gone(page, "#rows tbody tr", "GET /json");
    await sees(page, "#rows tbody tr", "listener");
    await sees(page, "#shown", "match");
    await page.fill("#filter", "no such thing");
    // Only who asks is left: it is shown in any case.
    await page.waitForFunction(() => [...document.querySelectorAll("#rows tbody tr")]
      .every((row) => row.classList.contains("mine")));
    await page.fill("#filter", "");
    await sees(page, "#rows tbody tr", "GET /json");
  });

  await stage.check("it pauses, asks for nothing meanwhile, and steps turn by turn by keyboard", async () => {
    await page.locator("#main").focus();
    await page.keyboard.press("Space");
    await sees(page, "#state", "paused");
    await sees(page, "#pause", "Go on");
    const at = await cursor(page);
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("ArrowLeft");
    equal(await cursor(page), at - 2);
    await sees(page, "#at", `turn ${at - 1} of`);
    await sees(page, "#turn .when", "of work");
    await page.locator("#forth").click();
    equal(await cursor(page), at - 1);
    await page.locator("#strip").focus();
    await page.keyboard.press("PageUp");
    equal(await cursor(page), at - 11);
    await page.keyboard.press("End");
    equal(await cursor(page), at);
    const told = await page.getAttribute("#strip", "aria-valuetext");
    if (!told.includes("of work")) throw new Error(`it says '${told}'`);
    // Whoever is paused costs the loop nothing: the stream is closed.
    const other = await stage.page("/_loop?other");
    await other.waitForFunction(() => document.querySelectorAll("#rows tr.mine").length > 0
      && [...document.querySelectorAll("#rows tr.mine td.label")].filter((cell) => cell.textContent.includes("/events")).length === 1);
    await other.close();
    await stage.picture(page, "loop-paused");
    await page.locator("#main").focus();
    await page.keyboard.press("Space");
    await sees(page, "#state.on", "live");
  });

  await stage.check("nothing is asked for while nobody looks", async () => {
    const look = (hidden) => page.evaluate((hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
    const up = () => text(page, "[data-tile=uptime]");
    await look(true);
    const samples = () => page.evaluate(() => performance.getEntriesByType("resource").filter(({ name }) => name.includes("/events")).length);
    const before = await samples();
    const shown = await up();
    await look(false);
    await changes(page, "[data-tile=uptime]", shown);
    equal((await samples()) >= before, true);
  });

  await load();
  await page.close();

  const lesson = await stage.lesson("blocked_handler");
  const other = await stage.elsewhere(lesson.url);
  await stage.check("a handler that holds its loop is named, by its route and its cause", async () => {
    await sees(other, "#findings .kind", "stall");
    await sees(other, "#findings li", "held the loop");
    await sees(other, "#findings li", "parked");
    await sees(other, "nav a", "Lesson");
    await stage.picture(other, "loop-lesson");
    await stage.axe(other);
  });
  await other.close();
  await lesson.end();
}
