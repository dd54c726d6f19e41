// The server ends and begins anew: nothing acknowledged is lost, and pages come back by themselves.
import { join, say } from "./chat.mjs";
import { connected, publish } from "./push.mjs";
import { sees } from "./stage.mjs";

const DOWN = /ERR_(CONNECTION|INCOMPLETE|EMPTY|SOCKET)|WebSocket connection to|Failed to fetch/;

export default async function restart(stage) {
  const [ann, bea, push, notes, home] = await Promise.all([
    stage.page("/chat", 0), stage.page("/chat", 1), stage.page("/push"), stage.page("/notes"), stage.page("/"),
  ]);
  // A name of the last test's would join by itself: tabs are new, so it does not.
  await join(ann, "Ann");
  await join(bea, "Bea");
  await connected(push);
  await notes.locator("#list a", { hasText: "First" }).click();
  await sees(notes, "#editor");

  for (const signal of ["SIGTERM", "SIGKILL"]) {
    await stage.allow(DOWN, async () => {
      await stage.check(`${signal}: the server ends, and every page says so`, async () => {
        await stage.stop(signal);
        for (const page of [ann, bea]) await sees(page, "#state.off", "trying again");
        for (const pane of ["#sse", "#ws"]) await sees(push, `${pane} .state.off`);
        await sees(home, "#state.off", "no answer");
        await notes.fill("#body", `kept over ${signal}`);
        await notes.locator("#save").click();
        await sees(notes, "#refused", "does not answer");
      });

      await stage.check(`${signal}: chat and push come back by themselves`, async () => {
        await stage.serve();
        for (const page of [ann, bea]) await sees(page, "#state.on", "connected");
        await sees(ann, "#members li", "Bea");
        await sees(bea, "#members li", "Ann");
        await say(ann, `back after ${signal}`);
        await sees(bea, "#log .said", `back after ${signal}`);
        await connected(push);
        await publish(push, `after ${signal}`);
        for (const pane of ["#sse", "#ws"]) await sees(push, `${pane} .feed pre`, `after ${signal}`);
        await sees(home, "#state.on", "live");
      });
    });

    await stage.check(`${signal}: the notes are there, and so is what was being written`, async () => {
      await notes.locator("#save").click();
      await sees(notes, "#status", "Saved as version");
      await notes.reload();
      await notes.waitForFunction((text) =>
        document.getElementById("body").value === text, `kept over ${signal}`);
      await sees(notes, "#list strong", "First <b>note</b>");
    });
  }
  for (const page of [ann, bea, push, notes, home]) await page.close();
}
