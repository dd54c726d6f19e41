// How the pages look: pictures in light, dark and on a phone; axe finds nothing; nothing overflows;
// and, last, that no page had anything to complain about in all the tests.
import { join, say } from "./chat.mjs";
import { connected, publish } from "./push.mjs";
import { equal, sees } from "./stage.mjs";

/** Brings a page into the state in which there is the most of it. */
const FILL = {
  "/": async (page) => sees(page, "#state.on", "live"),
  "/notes": async (page) => {
    await page.locator("#list a").nth(1).click();
    await sees(page, "#editor");
  },
  "/chat": async (page) => {
    await join(page, "Ann");
    await say(page, "It turns, and nobody waits.");
    await sees(page, "#log .mine", "nobody waits");
  },
  "/_loop": async (page) => {
    await sees(page, "#state.on", "live");
    await sees(page, "#rows tr.mine");
    await page.locator("summary").click();
    await page.locator("#rows tr.mine button.name").first().click();
    await sees(page, "#story li");
    await page.locator("#pause").click();
    await page.keyboard.press("ArrowLeft");
    await sees(page, "#turn .when");
  },
  "/push": async (page) => {
    await connected(page);
    await publish(page, '{"hello": "world"}');
    await sees(page, "#sse .feed pre", "world");
    await page.locator("#poll button").click();
    await sees(page, "#poll .feed pre");
  },
};

const wide = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

export default async function look(stage) {
  for (const [path, fill] of Object.entries(FILL)) {
    const name = path === "/" ? "home" : path.replace(/\W|_/g, "");
    const page = await stage.page(path);
    if (path === "/chat") {
      await stage.check("axe finds nothing at the room's door", () => stage.axe(page));
    }
    await stage.check(`${name} is as it should be`, () => fill(page));
    for (const scheme of ["light", "dark"]) {
      await stage.check(`${name}, ${scheme}: axe finds nothing`, async () => {
        await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
        await stage.picture(page, `${name}-${scheme}`);
        await stage.axe(page);
      });
    }
    await stage.check(`${name} fits on a phone`, async () => {
      await page.emulateMedia({ colorScheme: "light" });
      for (const width of [390, 320]) {
        await page.setViewportSize({ width, height: 844 });
        equal(Math.max(0, await wide(page)), 0);
        if (width === 390) await stage.picture(page, `${name}-phone`);
      }
      await stage.axe(page);
    });
    await page.close();
  }

  await stage.check("no page broke its policy, asked another origin, or complained", async () => {
    equal([...stage.visited].sort(), ["/", "/_loop", "/chat", "/notes", "/push"]);
    equal(stage.complaints, []);
  });
}
