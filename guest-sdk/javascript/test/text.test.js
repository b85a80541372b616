// Text to UTF-8 and back, against the engine's own coders.

import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, encode, format } from "wisted";
import { describe } from "../src/format.js";
import { sourcePlaces } from "../src/stacks.js";

test("text goes there and back, and halves of pairs are replaced", () => {
  const long = ["x".repeat(100_000), "é".repeat(9000)];
  for (const text of ["", "plain", "ü", "€", "😀", "\0\x7f\x80\u07ff\u0800\uffff", ...long]) {
    assert.deepEqual(encode(text), new TextEncoder().encode(text));
    assert.equal(decode(encode(text)), text);
  }
  assert.equal(decode(encode("a\ud800b")), "a\ufffdb");
});

test("wrong bytes are replaced as TextDecoder does", () => {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const bytes = [0x00, 0x41, 0x80, 0xbf, 0xc0, 0xc2, 0xe0, 0xa0, 0xed, 0x9f, 0xa0, 0xf0, 0x90, 0xf4, 0x8f, 0xf5, 0xff];
  let state = 1;
  for (let round = 0; round < 5000; round++) {
    const input = Uint8Array.from({ length: 1 + (round % 7) }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return bytes[(state >>> 16) % bytes.length];
    });
    assert.equal(decode(input), decoder.decode(input), String(input));
  }
});

test("values are shown for people", () => {
  assert.equal(format("a", 1, 2n, null, undefined, true, Symbol("s")), "a 1 2n null undefined true Symbol(s)");
  assert.equal(format("%s|%d|%i|%f|%j|%%|%s", "x", "4", "5.7", "1.5", { a: 1 }), 'x|4|5|1.5|{"a":1}|%|%s');
  assert.equal(format({ a: "x", b: [1, { c: { d: 1 } }] }), '{ a: "x", b: [1, { c: {…} }] }');
  const map = new Map([["k", new Set([1])]]);
  assert.equal(format(map, Uint8Array.of(1, 2)), 'Map {"k" => Set {1}} Uint8Array(2) [1, 2]');
  const circular = {};
  circular.self = circular;
  assert.equal(format(circular, () => {}), "{ self: [circular] } [function (anonymous)]");
  assert.match(format(new Array(200).fill(0)), /, …\]$/);
});

test("an error is shown with its stack and its causes", () => {
  const error = new TypeError("outer", { cause: new Error("inner") });
  error.stack = "    at f (x.js:1)\n";
  assert.match(describe(error), /^TypeError: outer\n    at f \(x\.js:1\)\ncaused by Error: inner\n/);
  assert.equal(describe("text"), "text");
});

test("places in the bundle become places in the sources, and others are left out", () => {
  const places = sourcePlaces({ sources: ["main.js"], lines: [[7, 0, 3], [9, 0, 5]] });
  const frames = [
    "f (/out/wisted-bundle.js:7:12)", "next (native)", "/wisted-bundle.js:9:1", "s (wisted-bundle.js:8:1)",
  ];
  const stack = frames.map((frame) => `    at ${frame}`).join("\n");
  assert.equal(places(stack), "    at f (main.js:3)\n    at <anonymous> (main.js:5)");
  assert.equal(places("    at g (wisted-bundle.js:1:1)"), "    at g (wisted-bundle.js:1:1)");
});
