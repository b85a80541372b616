// The protocol on a fake connection: natively, one byte at a time.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Server } from "wisted/testing";
import Echo from "../src/main.js";

test("it sends back what it receives, wherever it is cut", () => {
  const peer = new Server(Echo).connect();
  peer.sendBytewise("hello");
  assert.equal(peer.takeText(), "hello");
  peer.close();
  assert.ok(peer.isDisconnected);
});
