// The home page: what listens where, the live counters, the theme.
import { equal, gone, sees } from "./stage.mjs";

export default async function home(stage) {
  const page = await stage.page("/");

  await stage.check("home names the rows and how to try them", async () => {
    for (const row of ["http", "tcp-echo", "tcp-chat"]) await sees(page, "tbody th", row);
    await sees(page, ".try code", `curl ${stage.web}/`);
  });

  await stage.check("home shows the counters live, with how they went", async () => {
    await sees(page, "#state.on", "live");
    const turns = page.locator("[data-metric=turns_total]");
    const before = await turns.textContent();
    await page.waitForFunction((before) =>
      document.querySelector("[data-metric=turns_total]").textContent !== before, before);
    await page.locator("[data-metric=turns_total] polyline").waitFor({ state: "attached" });
  });

  await stage.check("home leads to every other page and back", async () => {
    for (const name of ["Notes", "Chat", "Push"]) {
      await page.locator(".doors a", { hasText: name }).click();
      await sees(page, "h1", name);
      await sees(page, "nav a[aria-current=page]", name);
      await page.locator(".brand").click();
      await sees(page, ".doors");
    }
  });

  await stage.check("a theme is chosen, remembered, and the same in every tab", async () => {
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.emulateMedia({ colorScheme: "dark" });
    const dark = await ground();
    await page.locator("#theme", { hasText: "system" }).click();
    await sees(page, "#theme", "light");
    const light = await ground();
    if (light === dark) throw new Error(`both are ${dark}`);
    await page.reload();
    await sees(page, "#theme", "light");
    equal(await ground(), light);
    const other = await stage.page("/notes");
    await sees(other, "#theme", "light");
    await page.locator("#theme").click();
    await sees(other, "#theme", "dark");
    await other.close();
    await page.locator("#theme").click();
    await sees(page, "#theme", "system");
  });

  await stage.check("the keyboard reaches the content at once", async () => {
    await page.reload();
    await page.keyboard.press("Tab");
    await sees(page, ".skip:focus");
    await page.keyboard.press("Enter");
    await sees(page, "main:focus, main:focus-within");
    await gone(page, ".skip:focus");
  });
  await page.close();
}
