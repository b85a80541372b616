// The exports of a guest that runs by itself, flat, under names that transform.mjs replaces by the contract's.

import { instance } from "../server";
import { lowerResult } from "./common";

export { cabi_realloc, start, stop, timerFired, pageReceived } from "./common";

export function execute(): usize {
  return lowerResult(instance.execute());
}
