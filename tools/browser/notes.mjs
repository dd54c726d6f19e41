// Notes by hand: create, read, change, delete; two writers at once; many notes.
import { equal, gone, sees } from "./stage.mjs";

const REFUSED = /status of (404|412)/;

async function write(page, title, body) {
  await page.locator("#new").click();
  await page.fill("#title", title);
  await page.fill("#body", body);
  await page.locator("#save").click();
  await sees(page, "#status", "Saved as version 1");
}

export default async function notes(stage) {
  const page = await stage.page("/notes");
  const open = (page, title) => page.locator("#list a", { hasText: title }).first().click();

  await stage.check("a note is written, and is markup nowhere", async () => {
    await write(page, "First <b>note</b>", "with <img src=x onerror=alert(1)> text");
    await sees(page, "#list a[aria-current=true] strong", "First <b>note</b>");
    equal(await page.locator("#list img, #list b").count(), 0);
  });

  await stage.check("it is there after a reload, under its own address", async () => {
    await page.reload();
    await sees(page, "#editor");
    equal(await page.inputValue("#title"), "First <b>note</b>");
    equal(await page.inputValue("#body"), "with <img src=x onerror=alert(1)> text");
  });

  await stage.check("it is changed, by Ctrl+S too", async () => {
    await page.fill("#body", "changed");
    await page.keyboard.press("Control+s");
    await sees(page, "#status", "Saved as version 2");
    await sees(page, "#list a span", "changed");
  });

  await stage.check("what is not saved is not left by mistake", async () => {
    await page.fill("#body", "changed, not saved");
    await page.locator("#new").click();
    await sees(page, "#unsaved[open]");
    await page.locator("#unsaved button[value=stay]").click();
    equal(await page.inputValue("#body"), "changed, not saved");
    await page.locator("#new").click();
    await page.locator("#unsaved button[value=leave]").click();
    await page.waitForFunction(() => document.getElementById("title").value === "");
    await open(page, "First");
    await page.waitForFunction(() => document.getElementById("body").value === "changed");
  });

  const other = await stage.page("/notes", 1);
  await stage.check("who was slower is told, and sees both texts", async () => {
    await open(other, "First");
    await sees(other, "#editor");
    await page.fill("#body", "mine");
    await page.locator("#save").press("Enter");
    await sees(page, "#status", "Saved as version 3");
    await sees(page, "#save:focus");
    await other.fill("#body", "theirs");
    await stage.allow(REFUSED, async () => {
      await other.locator("#save").click();
      await sees(other, "#conflict[open]");
    });
    await sees(other, "#their-body", "mine");
    await sees(other, "#your-body", "theirs");
    await stage.picture(other, "notes-conflict");
    await stage.axe(other);
  });

  await stage.check("and may take the other's, or overwrite it knowingly", async () => {
    await other.locator("button[value=reload]").click();
    await other.waitForFunction(() => document.getElementById("body").value === "mine");
    await other.fill("#body", "the other's again");
    await other.locator("#save").click();
    await sees(other, "#status", "Saved as version 4");
    await page.fill("#body", "stubborn");
    await stage.allow(REFUSED, async () => {
      await page.locator("#save").click();
      await page.locator("button[value=overwrite]").click();
      await sees(page, "#status", "Saved as version 5");
    });
    await other.reload();
    await other.waitForFunction(() => document.getElementById("body").value === "stubborn");
  });

  await stage.check("who edits what was deleted keeps the text", async () => {
    await write(page, "Short-lived", "here and gone");
    await other.goto(page.url());
    await other.reload();
    await sees(other, "#editor");
    await page.locator("#delete").click();
    await sees(page, ".toast", "is deleted");
    await other.fill("#body", "not gone");
    await stage.allow(REFUSED, async () => {
      await other.locator("#save").click();
      await sees(other, "#refused", "was deleted meanwhile");
    });
    await other.locator("#save").click();
    await sees(other, "#status", "Saved as version 1");
    equal(await other.inputValue("#body"), "not gone");
  });
  await other.close();

  await stage.check("a deleted note comes back by Undo", async () => {
    await write(page, "Precious", "do not lose");
    await page.locator("#delete").click();
    await gone(page, "#list a", "Precious");
    await page.locator(".toast button", { hasText: "Undo" }).click();
    await sees(page, "#list a strong", "Precious");
    await page.waitForFunction(() => document.getElementById("body").value === "do not lose");
    await page.locator("#delete").press("Enter");
    await gone(page, "#list a", "Precious");
    await sees(page, "#new:focus");
  });

  await stage.check("many notes come in pages, and a search finds one", async () => {
    await page.evaluate(async () => {
      for (let i = 1; i <= 45; i++) {
        const body = JSON.stringify({ title: `Page ${i}.`, body: `text of ${i}` });
        await fetch("/api/notes", { method: "POST", headers: { "Content-Type": "application/json" }, body });
      }
    });
    await stage.go(page, "/notes");
    await page.waitForFunction(() => document.querySelectorAll("#list li").length === 20);
    await page.locator("#more").click();
    await page.waitForFunction(() => document.querySelectorAll("#list li").length === 40);
    await page.fill("#search", "page 44.");
    await page.waitForFunction(() => document.querySelectorAll("#list li").length === 1);
    await sees(page, "#list strong", "Page 44.");
    await page.fill("#search", "");
    await page.waitForFunction(() => document.querySelectorAll("#list li").length === 20);
  });
  await page.close();
}
