// The programs on fakes: natively, one byte at a time, as peers see them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CloseReason, FetchError, WaitError, now } from "wisted";
import { Clock, Pages, Server, takeLog } from "wisted/testing";
import Chat from "../chat/main.js";
import Conformance from "../conformance/main.js";
import Echo from "../echo/main.js";
import Kingslayer, { Events, Handler } from "../kingslayer/main.js";
import PagesFactory from "../pages/main.js";

test("echo: it sends back what it receives wherever it is cut, and closes when the peer does", () => {
  const peer = new Server(Echo).connect();
  peer.sendBytewise("hello");
  peer.send(Uint8Array.of(0, 255));
  assert.deepEqual([...peer.received], [...Buffer.from("hello"), 0, 255]);
  peer.close();
  assert.ok(peer.isDisconnected);
});

test("chat: everyone hears everyone line by line", () => {
  const server = new Server(Chat);
  const [one, two, three] = [server.connect(), server.connect(), server.connect()];
  assert.equal(one.takeText(), "* you are 1, with 0 others here\n* 2 joined\n* 3 joined\n");
  assert.equal(two.takeText(), "* you are 2, with 1 others here\n* 3 joined\n");
  three.takeText();
  one.sendBytewise("hello\r\nhal");
  two.send("a\nb\x1b[2J\n");
  one.send("f\n");
  assert.equal(one.takeText(), "2: a\n2: b[2J\n");
  assert.equal(two.takeText(), "1: hello\n1: half\n");
  assert.equal(three.takeText(), "1: hello\n2: a\n2: b[2J\n1: half\n");
  one.close();
  two.send("anybody?\n");
  assert.equal(three.takeText(), "* 1 left\n2: anybody?\n");
  assert.equal(one.takeText(), "");
  two.send("x".repeat(1024));
  assert.ok(two.isDisconnected);
  assert.equal(three.takeText(), "* 2 left\n");
});

test("chat: a new build goes on counting", () => {
  const [old, next] = [new Server(Chat), new Server(Chat)];
  old.connect();
  old.connect();
  assert.throws(() => next.restoreState("odd"), /the state is not/);
  next.restoreState(old.saveState());
  assert.equal(next.connect().takeText(), "* you are 3, with 0 others here\n");
});

/** The first page takes longer than the second. */
function pages(config = { url1: "http://one/", url2: "http://two/" }) {
  const [clock, web] = [new Clock(), new Pages()];
  web.respond("http://one/", "x".repeat(1000), { delay: 300 });
  web.respond("http://two/", "two", { delay: 100 });
  web.fail("http://late/", new FetchError("timeout"));
  return { clock, peer: new Server(PagesFactory, config).connect() };
}

test("pages: callbacks run after the handler in order of arrival", () => {
  const { peer } = pages();
  peer.sendBytewise("go\n");
  assert.equal(peer.takeText(), "done\nhttp://two/ 3\nhttp://one/ 1000\n");
  assert.equal(now(), 2000);
});

test("pages: waiting has the pages first in the order asked for", () => {
  const { peer } = pages();
  peer.sendBytewise("wait\n");
  assert.equal(peer.takeText(), "http://one/ 1000\nhttp://two/ 3\ndone\n");
  assert.equal(now(), 2300);
});

test("pages: errors are told, a lost connection ends the naps, and an echo is at once", () => {
  const { clock, peer } = pages({ url1: "http://late/", url2: "http://two/" });
  peer.send("echo hello\n");
  assert.equal(peer.takeText(), "echo hello\n");
  assert.equal(now(), 0);
  peer.send("\n");
  assert.equal(peer.takeText(), "done\nhttp://late/ error: the request timed out\nhttp://two/ 3\n");
  clock.breakWaits(new WaitError("connection-lost", new CloseReason("done")));
  peer.send("\n");
  assert.ok(!peer.takeText().includes("done"));
});

test("kingslayer: handlers run in the order of their registration until one fails, and it is named", () => {
  const notes = [];
  const note = (name) => Object.assign(new Handler(name), { execute: () => notes.push(name) });
  const events = new Events();
  events.register(note("b"));
  events.register(note("a"));
  events.run();
  events.register(new Handler("forgetful"));
  events.register(note("c"));
  assert.throws(() => events.run(), { message: "the handler `forgetful` does nothing: you must override execute" });
  assert.deepEqual(notes, ["b", "a", "b", "a"]);
  const program = new Kingslayer();
  program.start(new Map([["forget", "true"]]));
  assert.throws(() => program.execute(), /forgetful/);
});

test("conformance: a few of its commands", () => {
  const clock = new Clock();
  const server = new Server(Conformance, { key: "a value" });
  const peer = server.connect();
  const answers = (text, wanted) => {
    peer.sendBytewise(text);
    assert.equal(peer.takeText(), wanted, text);
  };
  answers("line a b\n", "a b\n");
  answers("echo 3\na\n\nline x\n", "a\n\nx\n");
  answers("many 3\n", "0\n1\n2\n");
  answers("nonsense\n", "error unknown command: nonsense\n");
  answers("sleep soon\n", "error not a number up to 2147483648: soon\n");
  answers("config key\nconfig none\n", "config a value\nconfig\n");
  answers("cancel 5\n", "cancelled true\ncancelled false\n");
  answers("sleep 5\nwait 5\nnow\n", "slept\nwaited\nnow 10000000\n");
  takeLog();
  answers("log warn %d\n", "logged\n");
  assert.deepEqual(takeLog(), [{ level: "warn", message: "%d" }]);
  peer.send("later 5 a name\n");
  server.advance(clock, 5);
  assert.equal(peer.takeText(), "later a name\n");
  answers("recall\nkeep a b\nrecall\n", "recalled\nkept\nrecalled a b\n");
  answers("netstring\n5:hello,0:,", "5:hello,0:,");
  peer.send("x");
  assert.ok(peer.isDisconnected);
});
