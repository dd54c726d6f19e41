// The room: two browsers and a TCP member.
import { equal, gone, sees } from "./stage.mjs";

export async function join(page, name) {
  await page.fill("#name", name);
  await page.keyboard.press("Enter");
  await sees(page, "#state.on", "connected");
  await sees(page, "#members .you", name);
}

export async function say(page, text) {
  await page.fill("#text", text);
  await page.keyboard.press("Enter");
}

export default async function chat(stage) {
  const ann = await stage.page("/chat", 0);
  const bea = await stage.page("/chat", 1);

  await stage.check("two browsers are in one room", async () => {
    await join(ann, "Ann");
    await join(bea, "Bea");
    await sees(ann, "#members li", "Bea");
    await sees(bea, "#members li", "Ann");
    await sees(ann, "#log .event", "Bea is here");
    await sees(bea, "#text:focus");
  });

  await stage.check("and talk to each other", async () => {
    await say(ann, "hello Bea");
    await sees(bea, "#log .said", "hello Bea");
    await say(bea, "hello Ann");
    await sees(ann, "#log .said", "hello Ann");
    await sees(ann, "#log .mine", "hello Bea");
  });

  const tom = await stage.member();
  await stage.check("with a member over plain TCP, both ways", async () => {
    tom.say("Tom", "good evening");
    for (const page of [ann, bea]) {
      const line = page.locator("#log .said", { hasText: "good evening" });
      await line.locator(".who b", { hasText: "Tom" }).waitFor();
      await line.locator(".via", { hasText: "tcp" }).waitFor();
    }
    await say(ann, "welcome Tom");
    await tom.hears("Ann: welcome Tom");
  });

  await stage.check("what is said is text, and is nobody else's line", async () => {
    const evil = "<img src=x onerror=alert(1)><b>Bea</b>";
    await say(ann, evil);
    await sees(bea, "#log .said p", evil);
    equal(await bea.locator("#log p *").count(), 0);
    tom.say("Ann", "I am Ann, believe me");
    const forged = bea.locator("#log .said", { hasText: "believe me" });
    await forged.locator(".via").waitFor({ state: "visible" });
    await forged.locator(".who").waitFor({ state: "visible" });
  });

  await stage.check("a name that is taken gets a number", async () => {
    const third = await stage.page("/chat", 1);
    await third.fill("#name", "Ann");
    await third.keyboard.press("Enter");
    await sees(third, "#state.on", "connected");
    const you = await third.textContent("#you");
    if (you === "Ann" || !you.startsWith("Ann")) throw new Error(`it is '${you}'`);
    await sees(third, "#log .said", "hello Ann");
    await sees(ann, "#members li", you);
    await third.locator("#leave").click();
    await sees(third, "#join");
    await gone(ann, "#members li", you);
    await third.close();
  });

  await stage.check("the title counts what came while nobody looked", async () => {
    const look = (hidden) => ann.evaluate((hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
    await look(true);
    await say(bea, "are you there?");
    await ann.waitForFunction(() => document.title.startsWith("(1) "));
    await look(false);
    await ann.waitForFunction(() => !document.title.startsWith("("));
  });

  await stage.check("who reads further up is not pulled down", async () => {
    for (let i = 0; i < 40; i++) {
      await say(bea, `line ${i}`);
      await sees(bea, "#log .mine p", `line ${i}`);
    }
    await sees(ann, "#log p", "line 39");
    await ann.evaluate(() => { document.getElementById("log").scrollTop = 0; });
    await say(bea, "news");
    await sees(ann, "#below");
    equal(await ann.evaluate(() => document.getElementById("log").scrollTop), 0);
    await ann.locator("#below").click();
    await gone(ann, "#below");
  });

  await stage.check("a reload stays in the room, with what was said", async () => {
    await bea.reload();
    await sees(bea, "#state.on", "connected");
    await sees(bea, "#log .said", "news");
  });

  await stage.check("who leaves is gone for all", async () => {
    tom.leave();
    await bea.close();
    await gone(ann, "#members li", "Bea");
    await gone(ann, "#members .via");
  });
  await ann.close();
}
