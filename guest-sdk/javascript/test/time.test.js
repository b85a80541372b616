// Calls made later, on the fake clock.

import assert from "node:assert/strict";
import { test } from "node:test";
import { callLater, now, sleep } from "wisted";
import { Clock } from "wisted/testing";
import { milliseconds } from "../src/time.js";

test("calls are made in order of their time, with their arguments", () => {
  const clock = new Clock();
  const calls = [];
  for (const delay of [30, 10, 20]) {
    callLater(delay, (name) => calls.push([name, now()]), `after ${delay}`);
  }
  clock.advance(20);
  assert.deepEqual(calls, [["after 10", 10], ["after 20", 20]]);
  clock.advance(10);
  assert.equal(calls.length, 3);
});

test("a cancelled call is not made", () => {
  const clock = new Clock();
  const call = callLater(1000, () => assert.fail("was cancelled"));
  assert.ok(call.isActive);
  assert.equal(call.cancel(), true);
  assert.ok(!call.isActive);
  assert.equal(call.cancel(), false);
  clock.advance(2000);
});

test("a callback may call later again", () => {
  const clock = new Clock();
  let count = 0;
  const tick = (left) => {
    count++;
    if (left > 0) callLater(1000, tick, left - 1);
  };
  tick(3);
  clock.advance(10_000);
  assert.equal(count, 4);
  sleep(5);
  assert.equal(now(), 10_005);
});

test("milliseconds are rounded up and bounded", () => {
  assert.deepEqual([0, 0.001, 7, -1, Infinity].map(milliseconds), [0, 1, 7, 0, 0xffff_ffff]);
  assert.throws(() => milliseconds("soon"), TypeError);
  assert.throws(() => callLater(5), TypeError);
});
