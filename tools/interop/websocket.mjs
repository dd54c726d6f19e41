// The client of Node's `ws` against an echo: `node websocket.mjs URL`.

import assert from "node:assert";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import WebSocket from "ws";

const url = process.argv[2];
setTimeout(() => { console.error("no end after a minute"); process.exit(1); }, 60_000).unref();

async function open(options) {
  const peer = new WebSocket(url, options);
  await once(peer, "open");
  return peer;
}

async function echo(peer, data, options = {}) {
  peer.send(data, options);
  const [got, isBinary] = await once(peer, "message");
  assert.equal(isBinary, typeof data !== "string");
  assert.ok(Buffer.from(data).equals(got), `${data.length} bytes came back as ${got.length}`);
}

for (const options of [
  { perMessageDeflate: false },
  { perMessageDeflate: { threshold: 0 } },
  { perMessageDeflate: { threshold: 0, clientNoContextTakeover: true, serverNoContextTakeover: true } },
  { perMessageDeflate: { threshold: 0, clientMaxWindowBits: 10, serverMaxWindowBits: 10 } },
]) {
  const peer = await open(options);
  assert.equal(peer.extensions.includes("permessage-deflate"), Boolean(options.perMessageDeflate));
  for (const text of ["", "x", "Grüße, 世界 😀", "long ".repeat(100_000)]) await echo(peer, text);
  for (const length of [0, 1, 125, 126, 65_535, 65_536, 1_000_003]) {
    await echo(peer, randomBytes(length));
  }
  peer.send("frag", { fin: false });
  peer.send("ment", { fin: false });
  peer.send("s", { fin: true });
  assert.equal(String((await once(peer, "message"))[0]), "fragments");
  peer.ping("there?");
  assert.equal(String((await once(peer, "pong"))[0]), "there?");
  peer.close(4321, "enough");
  assert.equal((await once(peer, "close"))[0], 4321);
}

const peer = await open({ perMessageDeflate: false, maxPayload: 0 });
await echo(peer, randomBytes(16 * 1024 * 1024));
for (let n = 0; n < 16; n++) peer.send(Buffer.alloc(1024 * 1024), { fin: false });
peer.send(Buffer.from("one more"), { fin: true });
assert.equal((await once(peer, "close"))[0], 1009);
console.log("ok");
process.exit(0);
