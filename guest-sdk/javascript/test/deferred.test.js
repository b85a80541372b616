// Deferreds: as promises, waited for, cancelled. Knows the fakes only.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CancelledError, CloseReason, Deferred, FetchError, WaitError, after, getPage, now, request } from "wisted";
import { Clock, Pages, takeLog } from "wisted/testing";

const URL = "http://one.test/";

function world() {
  takeLog();
  return { clock: new Clock(), pages: new Pages() };
}

test("callbacks run when the page arrives though nobody kept the Deferred", () => {
  const { clock, pages } = world();
  pages.respond(URL, "hello", { delay: 1000 });
  const seen = [];
  getPage(URL)
    .then((page) => page.text())
    .then((text) => seen.push(text));
  clock.advance(999);
  assert.deepEqual(seen, []);
  clock.advance(1);
  assert.deepEqual(seen, ["hello"]);
});

test("a wait returns what the callbacks made, and a second one the same", () => {
  const { pages } = world();
  pages.respond(URL, "hello", { delay: 1000 });
  const length = getPage(URL).then((page) => page.body.length);
  assert.equal(length.wait(), 5);
  assert.equal(length.wait(), 5);
  assert.ok(length.isReady);
  assert.equal(now(), 1000);
});

test("a wait follows what a callback returns, and all of several", () => {
  const { pages } = world();
  pages.respond(URL, "http://two.test/", { delay: 100 });
  pages.respond("http://two.test/", "end", { delay: 100 });
  const end = getPage(URL)
    .then((page) => getPage(page.text()))
    .then((page) => page.text());
  assert.deepEqual(Deferred.all([end, after(50).then(() => 1), 2]).wait(), ["end", 1, 2]);
  assert.equal(now(), 200);
});

test("errors skip to catch and may be mended", () => {
  const { pages } = world();
  pages.fail(URL, new FetchError("timeout"));
  const mended = getPage(URL)
    .then(() => assert.fail("there is no page"))
    .catch((error) => error.kind);
  assert.equal(mended.wait(), "timeout");
  assert.throws(() => getPage("http://unknown.test/").wait(), { name: "FetchError", kind: "connect" });
  assert.deepEqual(takeLog(), []);
});

test("an error that nobody handles is logged, and a cancelled one is not", () => {
  const { clock, pages } = world();
  pages.fail(URL, new FetchError("timeout"));
  getPage(URL).then(() => {});
  clock.advance(0);
  const [record, ...more] = takeLog();
  assert.equal(record.level, "warn");
  assert.match(record.message, /handled by nobody: FetchError: the request timed out/);
  assert.deepEqual(more, []);
  assert.ok(getPage(URL).cancel());
  clock.advance(0);
  assert.deepEqual(takeLog(), []);
});

test("cancelling rejects once", () => {
  const { clock } = world();
  const seen = [];
  const waiting = after(1000).then(undefined, (error) => seen.push(error));
  assert.equal(waiting.cancel(), true);
  assert.equal(waiting.cancel(), false);
  clock.advance(1000);
  assert.equal(seen.length, 1);
  assert.ok(seen[0] instanceof CancelledError);
});

test("a lost connection ends the wait, and the request can be looked at", () => {
  const { clock, pages } = world();
  pages.respond(URL, "hello", { delay: 1000 });
  clock.breakWaits(new WaitError("connection-lost", new CloseReason("done")));
  const page = request({ url: URL, method: "POST", headers: { a: "b" }, body: "x", timeout: 0.1 });
  assert.throws(() => page.wait(), { name: "WaitError", message: "gave up waiting: the connection was closed" });
  const [sent] = pages.requests;
  assert.deepEqual({ ...sent, body: [...sent.body] }, {
    method: "POST",
    url: URL,
    headers: [{ name: "a", value: "b" }],
    body: [120],
    timeout: 1,
  });
});

test("what nothing can settle is not waited for", () => {
  world();
  assert.throws(() => new Deferred(() => {}).wait(), { kind: "unknown-id" });
});

test("it can be awaited, and awaits others", async () => {
  const { clock, pages } = world();
  pages.respond(URL, "hello", { delay: 10 });
  const page = getPage(URL);
  clock.advance(10);
  assert.equal((await page).text(), "hello");
  assert.equal(await Deferred.resolve(Promise.resolve(3)), 3);
  await assert.rejects(Deferred.resolve(Promise.reject(new Error("no"))), /no/);
});

test("as promises do", async () => {
  world();
  const order = [];
  const { promise, resolve } = Deferred.withResolvers();
  promise.then(() => order.push("first"));
  promise.finally(() => order.push("second"));
  resolve(1);
  order.push("before");
  assert.equal(await promise, 1);
  assert.deepEqual(order, ["before", "first", "second"]);
  assert.deepEqual(await Deferred.allSettled([1, Deferred.reject(2)]), [
    { status: "fulfilled", value: 1 },
    { status: "rejected", reason: 2 },
  ]);
  assert.equal(await Deferred.race([new Deferred(() => {}), 5]), 5);
  assert.equal(await Deferred.any([Deferred.reject(1), 6]), 6);
  await assert.rejects(Deferred.any([Deferred.reject(1)]), AggregateError);
  assert.deepEqual(await Deferred.all([]), []);
  assert.equal(await Deferred.try(() => 7), 7);
  await assert.rejects(new Deferred(() => { throw new Error("at once"); }), /at once/);
  const self = Deferred.withResolvers();
  self.resolve(self.promise);
  await assert.rejects(self.promise, TypeError);
  await assert.rejects(Deferred.resolve(1).finally(() => { throw new Error("finally"); }), /finally/);
});
