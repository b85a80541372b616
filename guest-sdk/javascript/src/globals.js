// What a JavaScript program takes for granted and the guest's engine lacks, or cannot give: console, timers, promises
// that go on, text coding, randomness that is not the same in each instance. Knows the SDK, not the contract.

import { Deferred } from "./deferred.js";
import { host } from "./host.js";
import { log } from "./log.js";
import { drainOnlyByHand, enqueue } from "./microtasks.js";
import { randomBytes } from "./random.js";
import { decode, encode, toBytes } from "./text.js";
import { callLater, now } from "./time.js";

const RANDOM_PIECE_BYTES = 65_536;

export function installGlobals() {
  drainOnlyByHand();
  define({
    console: makeConsole(),
    Promise: Deferred,
    queueMicrotask: enqueue,
    TextEncoder,
    TextDecoder,
    crypto: { getRandomValues, randomUUID },
    performance: { now: () => now() },
    setTimeout: (callback, delay = 0, ...args) => start(callback, delay, args, false),
    setInterval: (callback, delay = 0, ...args) => start(callback, delay, args, true),
    clearTimeout: clear,
    clearInterval: clear,
  });
  Math.random = random;
}

function define(globals) {
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
  }
}

function makeConsole() {
  const { trace, debug, info, warn, error } = log;
  const assert = (isTrue, ...values) => isTrue || error("assertion failed:", ...values);
  return { log: info, info, debug, trace, warn, error, assert };
}

class TextEncoder {
  get encoding() {
    return "utf-8";
  }

  encode(text = "") {
    return encode(String(text));
  }
}

class TextDecoder {
  constructor(label = "utf-8") {
    if (!/^\s*utf-?8\s*$/i.test(label)) {
      throw new RangeError(`this TextDecoder knows UTF-8 only, not ${label}`);
    }
  }

  get encoding() {
    return "utf-8";
  }

  decode(data = new Uint8Array()) {
    const text = decode(toBytes(data));
    return text.startsWith("\ufeff") ? text.slice(1) : text;
  }
}

const timers = new Map();
let timersStarted = 0;

function start(callback, delay, args, isRepeated) {
  const id = ++timersStarted;
  const arm = () => timers.set(id, callLater(Math.max(Number(delay) || 0, 0), run));
  const run = () => {
    timers.delete(id);
    // Armed before the call, so that the callback can clear it.
    if (isRepeated) arm();
    callback(...args);
  };
  arm();
  return id;
}

function clear(id) {
  timers.get(id)?.cancel();
  timers.delete(id);
}

function getRandomValues(array) {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  for (let at = 0; at < bytes.length; at += RANDOM_PIECE_BYTES) {
    bytes.set(randomBytes(Math.min(RANDOM_PIECE_BYTES, bytes.length - at)), at);
  }
  return array;
}

function randomUUID() {
  const bytes = randomBytes(16);
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = bytes.toHex();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

let pool = new Uint8Array();
let poolUsed = 0;

/** The engine's own is seeded when the guest is built, and would give each instance the same numbers. */
function random() {
  if (poolUsed === pool.length) {
    pool = host.randomBytes(56);
    poolUsed = 0;
  }
  let value = 0;
  for (let at = 0; at < 7; at++) {
    value = value * 256 + (at === 0 ? pool[poolUsed] & 0x1f : pool[poolUsed + at]);
  }
  poolUsed += 7;
  return value / 2 ** 53;
}
