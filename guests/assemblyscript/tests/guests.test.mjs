// The tutorial's programs on a fake host; run.sh builds them first.

import assert from "node:assert/strict";
import test from "node:test";
import { Guest } from "../../../guest-sdk/assemblyscript/testing/index.mjs";

const start = (name, ...more) => Guest.start(`${process.env.GUESTS}/${name}.core.wasm`, ...more);
const messages = (guest) => guest.log.map(({ message }) => message);

test("echo sends back what it receives, and closes when the peer does", async () => {
  const guest = await start("echo");
  const [one, two] = [guest.connect(), guest.connect()];
  one.sendBytewise("hello");
  two.send([0, 255]);
  assert.equal(one.take(), "hello");
  assert.deepEqual([...two.received], [0, 255]);
  one.close();
  assert.ok(one.isDisconnected);
});

test("in the chat everyone hears everyone line by line, and who has left hears nothing", async () => {
  const guest = await start("chat");
  const [one, two] = [guest.connect(), guest.connect()];
  assert.equal(one.take(), "* you are 1, with 0 others here\n* 2 joined\n");
  assert.equal(two.take(), "* you are 2, with 1 others here\n");
  one.sendBytewise("hello\r\nhal");
  two.send("a\nb\x1b[2J\n");
  one.send("f\n");
  assert.equal(one.take(), "2: a\n2: b[2J\n");
  assert.equal(two.take(), "1: hello\n1: half\n");
  one.close();
  two.send("anybody?\n");
  assert.equal(two.take(), "* 1 left\n");
  assert.equal(one.take(), "");
});

test("a line of the chat is bounded", async () => {
  const guest = await start("chat");
  const peer = guest.connect();
  peer.send("x".repeat(1024));
  assert.ok(!peer.isDisconnected);
  peer.send("\n");
  assert.ok(peer.isDisconnected);
  assert.match(peer.take(), /\* a line may have 1024 bytes\n$/);
});

test("a new build of the chat goes on counting", async () => {
  const [old, next] = [await start("chat"), await start("chat")];
  old.connect();
  old.connect();
  assert.match(next.restoreState(Buffer.from("odd")), /^the state is not/);
  assert.equal(next.restoreState(old.saveState()), null);
  assert.equal(next.connect().take(), "* you are 3, with 0 others here\n");
});

const URLS = { url1: "http://one/", url2: "http://two/" };

test("pages come after the handler in order of arrival, or are waited for in the order asked for", async () => {
  const guest = await start("pages", URLS);
  guest.respond("http://one/", "x".repeat(1000), { delay: 300 });
  guest.respond("http://two/", "two", { delay: 100 });
  const peer = guest.connect();
  peer.sendBytewise("go\n");
  assert.equal(peer.take(), "done\nhttp://two/ 3\nhttp://one/ 1000\n");
  peer.sendBytewise("wait\necho hello\n");
  assert.equal(peer.take(), "http://one/ 1000\nhttp://two/ 3\ndone\necho hello\n");
  assert.equal(guest.now, 4300);
});

test("a peer that closes gets its pages and their errors; a lost connection ends the naps", async () => {
  const guest = await start("pages", URLS);
  guest.fail("http://one/", "timeout");
  guest.respond("http://two/", "2", { delay: 9000 });
  const peer = guest.connect();
  peer.send("\n");
  peer.close();
  assert.equal(peer.take(), "done\nhttp://one/ error: the request timed out\nhttp://two/ 1\n");
  assert.ok(peer.isDisconnected);
  guest.breakWaits("connection-lost");
  const other = guest.connect();
  other.send("\n");
  assert.doesNotMatch(other.take(), /done/);
});

test("kingslayer tells its story, and names a handler without execute", async () => {
  const told = await start("kingslayer");
  assert.equal(told.execute(), null);
  assert.deepEqual(messages(told).map((message) => message.split(":")[0]), ["oath", "doubt", "deed"]);
  const forgotten = await start("kingslayer", { forget: "true" });
  assert.equal(forgotten.execute(), "the handler `forgetful` does nothing: you must override execute");
});
