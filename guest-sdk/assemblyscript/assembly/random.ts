// Randomness from the operating system, fit for keys.

import * as abi from "./abi";

/** `length` random bytes. Traps above 65,536. */
export function randomBytes(length: u32): Uint8Array {
  abi.getRandomBytes(length, abi.RESULT);
  return abi.takeBytes(load<usize>(abi.RESULT), load<usize>(abi.RESULT, 4));
}
