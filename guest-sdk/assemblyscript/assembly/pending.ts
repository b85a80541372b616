// The instance's pending things and who is to be told of their outcomes; knows nothing of pages but that they come.

import * as abi from "./abi";
import { FetchResult } from "./web";

/** Who is to be told. */
export abstract class Listener {
  /** `page` is null for a timer. */
  abstract tell(page: FetchResult | null): void;
}

/** Bounded by the host, which traps above the service's `pending-max`. A listener is always taken out before it is
 * told: it is user code and comes back to this table. */
const listeners = new Map<u32, Listener>();

/** Has `listener` told of the outcome of `id`. */
export function expect(id: u32, listener: Listener): void {
  listeners.set(id, listener);
}

/** The outcome of `id` is there: tells whoever still expects it. */
export function deliver(id: u32, page: FetchResult | null): void {
  if (!listeners.has(id)) return;
  const listener = listeners.get(id);
  listeners.delete(id);
  listener.tell(page);
}

/** Gives `id` up. Returns whether there was something to give up. */
export function cancel(id: u32): bool {
  listeners.delete(id);
  return abi.cancel(id) != 0;
}

/** Whether a callback for `id` is still to be called. */
export function isExpected(id: u32): bool {
  return listeners.has(id);
}
