// One publish, seen by SSE, by WebSocket and by polling.
import { equal, sees } from "./stage.mjs";

export async function publish(page, data) {
  await page.fill("#data", data);
  await page.locator("#publish button").click();
}

export const connected = async (page) => {
  for (const pane of ["#sse", "#ws"]) await sees(page, `${pane} .state.on`, "connected");
};

export default async function push(stage) {
  const page = await stage.page("/push");
  const other = await stage.page("/push", 1);

  await stage.check("a push arrives live by SSE and by WebSocket", async () => {
    await connected(page);
    await connected(other);
    await publish(other, '{"n": 1, "text": "<b>bold</b>"}');
    await sees(other, "#published", "published to news");
    for (const pane of ["#sse", "#ws"]) {
      await sees(page, `${pane} .feed pre`, '"text":"<b>bold</b>"');
      equal(await page.locator(`${pane} .feed pre *`).count(), 0);
    }
  });

  await stage.check("text that is no JSON arrives as it is, with the same id in both", async () => {
    await publish(page, "plain\ntwo lines");
    for (const pane of ["#sse", "#ws"]) await sees(page, `${pane} .feed pre`, "plain\ntwo lines");
    const ids = await page.evaluate(() => ["sse", "ws"].map((pane) =>
      document.querySelector(`#${pane} .feed li`).dataset.id));
    equal(ids[0], ids[1]);
    equal(await page.textContent("#sse [data-fact=last]"), ids[0]);
    equal(await page.textContent("#sse [data-fact=lost]"), "0");
  });

  await stage.check("a poll has both, and nothing twice", async () => {
    const fetch = page.locator("#poll button");
    await fetch.click();
    await sees(page, "#poll .state", "2 new in news");
    await sees(page, "#poll .feed pre", "plain");
    await fetch.click();
    await sees(page, "#poll .state", "nothing new");
    equal(await page.textContent("#poll [data-fact=received]"), "2");
  });

  await stage.check("a poll that waits has the next one as it comes", async () => {
    await page.selectOption("#wait", "20");
    await page.locator("#poll button").click();
    await sees(page, "#poll .state", "waiting");
    await publish(other, "for whoever waits");
    await sees(page, "#poll .feed pre", "for whoever waits");
    await page.selectOption("#wait", "0");
  });

  await stage.check("who stops and starts again gets what was missed", async () => {
    for (const pane of ["#sse", "#ws"]) await page.locator(`${pane} .switch`).click();
    await sees(page, "#sse .state", "stopped");
    await publish(other, "while you were away");
    await sees(other, "#sse .feed pre", "while you were away");
    for (const pane of ["#sse", "#ws"]) await page.locator(`${pane} .switch`).click();
    for (const pane of ["#sse", "#ws"]) await sees(page, `${pane} .feed pre`, "while you were away");
  });

  await stage.check("other topics, several at once, and only those", async () => {
    await page.fill("#topics", "sport weather");
    await page.locator("#follow button").click();
    await connected(page);
    await publish(page, "not for these");
    await page.fill("#topic", "weather");
    await publish(page, "rain");
    for (const pane of ["#sse", "#ws"]) {
      await sees(page, `${pane} .feed li`, "rain");
      await sees(page, `${pane} .feed li`, "weather");
      equal(await page.textContent(`${pane} [data-fact=received]`), "1");
    }
  });

  await stage.check("what is refused is said", async () => {
    await stage.allow(/status of 413/, async () => {
      await publish(page, "x".repeat(70000));
      await sees(page, "#refused", "Not published");
    });
    equal(await page.textContent("#published"), "");
  });
  await page.close();
  await other.close();
}
