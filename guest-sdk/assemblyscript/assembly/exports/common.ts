// The exports of every guest, flat, under names that transform.mjs replaces by the contract's.

// Imported for the compiler, which is told to call it on errors.
import { wistedAbort } from "../abort";
import { Config } from "../config";
import * as pending from "../pending";
import { instance } from "../server";
import { FetchResult } from "../web";

export { cabi_realloc } from "../abi";

export function start(list: usize, count: usize): usize {
  return lowerResult(instance.start(Config.take(list, count)));
}

export function stop(): void {
  instance.stop();
}

export function timerFired(id: u32): void {
  pending.deliver(id, null);
}

// The contract's `result<response, fetch-error>` flattened: each place has what either has there.
export function pageReceived(
  id: u32, isError: u32, statusOrTag: u32, headersOrPayload: u64, countOrLength: u32, body: usize, bodyLength: usize,
  url: usize, urlLength: usize,
): void {
  const result = isError == 0
    ? FetchResult.page(<u16>statusOrTag, <usize>headersOrPayload, countOrLength, body, bodyLength, url, urlLength)
    : FetchResult.failed(statusOrTag, headersOrPayload, countOrLength);
  pending.deliver(id, result);
}

const resultArea: usize = memory.data(12, 4);
/** Kept from the collector until the host has read it. */
let resultText: ArrayBuffer = new ArrayBuffer(0);

/** A `result<_, string>`; null for none. Exported for this package alone: transform.mjs drops it. */
export function lowerResult(error: string | null): usize {
  store<u8>(resultArea, error === null ? 0 : 1);
  resultText = String.UTF8.encode(error === null ? "" : error);
  store<usize>(resultArea, changetype<usize>(resultText), 4);
  store<usize>(resultArea, resultText.byteLength, 8);
  return resultArea;
}
