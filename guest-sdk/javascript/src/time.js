// Time: calls to be made later, sleeping, and the clock. Knows nothing of connections.

import { Deferred } from "./deferred.js";
import { host } from "./host.js";
import * as pending from "./pending.js";

const MILLISECONDS_MAX = 0xffff_ffff;

export class DelayedCall {
  #id;

  constructor(id) {
    this.#id = id;
  }

  cancel() {
    return pending.cancel(this.#id);
  }

  get isActive() {
    return pending.isExpected(this.#id);
  }
}

export function callLater(delay, callback, ...args) {
  if (typeof callback !== "function") {
    throw new TypeError("callLater takes milliseconds and a function");
  }
  const id = host.callLater(milliseconds(delay));
  pending.expect(id, (outcome) => {
    if (outcome === pending.FIRED) {
      callback(...args);
    }
  });
  return new DelayedCall(id);
}

export function after(delay) {
  const id = host.callLater(milliseconds(delay));
  return Deferred.ofPending(id, () => pending.FIRED, nothing);
}

export function sleep(duration) {
  host.sleep(milliseconds(duration));
}

export function now() {
  return host.now();
}

/** Rounded up, so that nothing happens too early. The longest is 49 days. */
export function milliseconds(duration) {
  const whole = Math.ceil(Number(duration));
  if (Number.isNaN(whole)) {
    throw new TypeError(`not a number of milliseconds: ${String(duration)}`);
  }
  return Math.min(Math.max(whole, 0), MILLISECONDS_MAX);
}

function nothing() {}
