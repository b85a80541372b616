// The guest's module on a fake host; `npm test` builds it first.

import assert from "node:assert/strict";
import test from "node:test";
import { Guest } from "wisted-assemblyscript/testing";

test("it sends back what it receives, wherever it is cut", async () => {
  const guest = await Guest.start("build/guest.core.wasm");
  const peer = guest.connect();
  peer.sendBytewise("hello");
  assert.equal(peer.take(), "hello");
});
