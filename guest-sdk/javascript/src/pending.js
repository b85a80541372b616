// The instance's pending things and who is to be told of their outcomes. Knows nothing of pages or of Deferreds.

import { host } from "./host.js";

/** An outcome without a value: a timer has run out. */
export const FIRED = { kind: "fired" };
/** The outcome of what was given up. */
export const CANCELLED = { kind: "cancelled" };

// Bounded by the host, which traps above the service's limit of pending outcomes.
const expected = new Map();

/** Has `callback` called with the outcome of `id`, which the host has just given. */
export function expect(id, callback) {
  expected.set(id, callback);
}

/** To be called when the outcome of `id` is there. Calls its callback, if anybody still expects it. */
export function deliver(id, outcome) {
  const callback = expected.get(id);
  if (callback !== undefined) {
    expected.delete(id);
    callback(outcome);
  }
}

/** Gives `id` up, and tells the host and the callback. Returns whether there was something to give up. */
export function cancel(id) {
  if (!expected.has(id)) {
    return false;
  }
  host.cancel(id);
  deliver(id, CANCELLED);
  return true;
}

/** Whether the outcome of `id` is still to come. */
export function isExpected(id) {
  return expected.has(id);
}

/** Forgets everything, as at the beginning of an instance. */
export function clear() {
  expected.clear();
}
