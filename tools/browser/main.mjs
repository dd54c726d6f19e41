// Runs the tests of all pages, one after the other, on one server. Called by `run`.
import book from "./book.mjs";
import chat from "./chat.mjs";
import home from "./home.mjs";
import look from "./look.mjs";
import loop from "./loop.mjs";
import notes from "./notes.mjs";
import push from "./push.mjs";
import report from "./report.mjs";
import restart from "./restart.mjs";
import { Stage } from "./stage.mjs";

const stage = new Stage(process.argv[2]);
try {
  await stage.begin();
  for (const tests of [home, notes, chat, push, loop, book, restart, report, look]) await tests(stage);
} catch (error) {
  stage.bad("everything ended early", error);
}
await stage.end();
process.exitCode = stage.summary() ? 0 : 1;
