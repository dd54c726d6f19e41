// The manual: every page is reached and fits, every link leads somewhere, and the languages belong together.
import { equal, sees } from "./stage.mjs";

const ROOTS = ["/manual", "/manual/lessons", "/manual/zh", "/manual/zh/lessons"];
/** Those that have the most different things on them. */
const LOOKED_AT = { contents: "/manual", turn: "/manual/turn", glossary: "/manual/glossary",
  lessons: "/manual/lessons", lesson: "/manual/lessons/stale_token", "zh-turn": "/manual/zh/turn",
  "zh-glossary": "/manual/zh/glossary", "zh-lesson": "/manual/zh/lessons/stale_token" };

const wide = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
const path = (page) => new URL(page.url()).pathname;

/** From a page of contents to the last page, by the links that say "next". */
async function walk(stage, page, root) {
  const passed = [];
  await page.goto(stage.web + root);
  for (;;) {
    passed.push(path(page));
    const next = page.locator(".turns a[rel=next]");
    if ((await next.count()) === 0) return passed;
    await next.click();
    await page.waitForURL((url) => url.pathname !== passed.at(-1));
  }
}

/** What a page links, and the anchors that it has. */
const told = (page) => page.evaluate(() => ({
  links: [...document.querySelectorAll("a[href]")].map((a) => a.getAttribute("href")),
  ids: [...document.querySelectorAll("[id]")].map((node) => node.id),
}));

export default async function book(stage) {
  const page = await stage.page("/");
  const pages = new Map();

  await stage.check("home leads to the manual", async () => {
    await page.locator(".doors a", { hasText: "Manual" }).click();
    await sees(page, "h1", "The manual");
    equal(await page.locator("html").getAttribute("lang"), "en");
  });

  await stage.check("whoever says 'next' comes through all of it, in both languages", async () => {
    const walks = [];
    for (const root of ROOTS) walks.push(await walk(stage, page, root));
    const [chapters, lessons, ...chinese] = walks;
    equal(chapters.length, 16);
    if (lessons.length < 2) throw new Error("no lessons");
    const translated = (path) => path.replace("/manual", "/manual/zh");
    equal(chinese, [chapters.map(translated), lessons.map(translated)]);
    for (const at of walks.flat()) pages.set(at, null);
  });

  await stage.check("no page is wider than a phone", async () => {
    for (const width of [320, 390]) {
      await page.setViewportSize({ width, height: 844 });
      for (const at of pages.keys()) {
        await page.goto(stage.web + at);
        if ((await wide(page)) > 0) throw new Error(`${at} is ${await wide(page)} too wide at ${width}`);
        pages.set(at, await told(page));
      }
    }
    await page.setViewportSize({ width: 1120, height: 860 });
  });

  await stage.check("every link leads to a page, and every fragment to a place on it", async () => {
    for (const [at, { links }] of pages) {
      for (const link of links.filter((link) => /^[/#]/.test(link))) {
        const [to, fragment] = link.split("#");
        if (to.startsWith("/manual") && !pages.has(to)) throw new Error(`${at} links ${link}`);
        const { ids } = pages.get(to || at) ?? { ids: [] };
        if (fragment && !ids.includes(decodeURIComponent(fragment))) throw new Error(`${at} links ${link}`);
      }
    }
    equal((await page.request.get(`${stage.web}/manual/nothing`)).status(), 404);
  });

  await stage.check("a page knows itself in the other language, and back", async () => {
    await page.goto(`${stage.web}/manual/turn`);
    await page.locator(".language", { hasText: "中文" }).click();
    await sees(page, "h1", "循环的一轮");
    equal([path(page), await page.locator("html").getAttribute("lang")], ["/manual/zh/turn", "zh-Hans"]);
    await page.locator(".language", { hasText: "English" }).click();
    await sees(page, "h1", "A turn of the loop");
  });

  await stage.check("the keyboard reaches the text, a wide example and the next page", async () => {
    await page.keyboard.press("Tab");
    await sees(page, ".skip:focus");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    for (let press = 0; press < 40 && !(await page.locator("pre:focus").count()); press++) {
      await page.keyboard.press("Tab");
    }
    await sees(page, "pre:focus");
    await page.locator(".turns a[rel=next]").focus();
    await page.keyboard.press("Enter");
    await sees(page, "h1", "A connection as a state machine");
  });

  await stage.check("the theme is the site's, and its button speaks the page's language", async () => {
    await page.goto(`${stage.web}/manual/zh`);
    await page.locator("#theme", { hasText: "跟随系统" }).click();
    await page.goto(`${stage.web}/`);
    await sees(page, "#theme", "light");
    await page.locator("#theme").click();
    await page.locator("#theme").click();
    await sees(page, "#theme", "system");
  });

  await stage.check("a lesson's question keeps its answer to itself until it is asked", async () => {
    await page.goto(`${stage.web}${LOOKED_AT.lesson}`);
    const answer = page.locator("details > p").first();
    equal(await answer.isVisible(), false);
    await page.locator("summary").click();
    await answer.waitFor({ state: "visible" });
  });

  for (const [name, at] of Object.entries(LOOKED_AT)) {
    await stage.check(`manual, ${name}: axe finds nothing, light, dark and on a phone`, async () => {
      await page.goto(stage.web + at);
      for (const scheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
        await stage.picture(page, `book-${name}-${scheme}`);
        await stage.axe(page);
      }
      await page.emulateMedia({ colorScheme: "light" });
      await page.setViewportSize({ width: 390, height: 844 });
      await stage.picture(page, `book-${name}-phone`);
      await stage.axe(page);
      await page.setViewportSize({ width: 1120, height: 860 });
    });
  }
  await page.close();
}
