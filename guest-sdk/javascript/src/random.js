// Randomness from the host. Knows nothing of what it is for.

import { host } from "./host.js";

const RANDOM_MAX_BYTES = 65_536;

export function randomBytes(length) {
  if (!Number.isInteger(length) || length < 0 || length > RANDOM_MAX_BYTES) {
    throw new RangeError(`randomBytes gives 0 to ${RANDOM_MAX_BYTES} bytes at once, not ${length}`);
  }
  return host.randomBytes(length);
}
