// The exports of a guest that serves connections and hands its state on, flat, under names that transform.mjs replaces
// by the contract's.

import { takeBytes } from "../abi";
import { instance } from "../server";
import { lowerResult } from "./common";

export * from "./protocol";

const listArea: usize = memory.data(8, 4);
/** Kept from the collector until the host has read it. */
let saved: Uint8Array = new Uint8Array(0);

export function saveState(): usize {
  saved = instance.saveState();
  store<usize>(listArea, saved.dataStart);
  store<usize>(listArea, saved.length, 4);
  return listArea;
}

export function restoreState(data: usize, length: usize): usize {
  return lowerResult(instance.restoreState(takeBytes(data, length)));
}
