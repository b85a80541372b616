// The canonical ABI by hand: the contract's imports, and how its values lie in memory. Knows nothing of what they are
// for; wit/reactor.wit says it.

// @ts-ignore: decorator
@external("wisted:reactor/transport@0.1.0", "write")
export declare function write(connection: u32, data: usize, length: usize): void;
// @ts-ignore: decorator
@external("wisted:reactor/transport@0.1.0", "write-many")
export declare function writeMany(connection: u32, pieces: usize, count: usize): void;
// @ts-ignore: decorator
@external("wisted:reactor/transport@0.1.0", "lose-connection")
export declare function loseConnection(connection: u32): void;
// @ts-ignore: decorator
@external("wisted:reactor/transport@0.1.0", "abort-connection")
export declare function abortConnection(connection: u32): void;
// @ts-ignore: decorator
@external("wisted:reactor/transport@0.1.0", "shutdown-write")
export declare function shutdownWrite(connection: u32): void;
// @ts-ignore: decorator
@external("wisted:reactor/transport@0.1.0", "pause-reading")
export declare function pauseReading(connection: u32): void;
// @ts-ignore: decorator
@external("wisted:reactor/transport@0.1.0", "resume-reading")
export declare function resumeReading(connection: u32): void;
// @ts-ignore: decorator
@external("wisted:reactor/transport@0.1.0", "peer")
export declare function peer(connection: u32, result: usize): void;
// @ts-ignore: decorator
@external("wisted:reactor/transport@0.1.0", "host")
export declare function host(connection: u32, result: usize): void;
// @ts-ignore: decorator
@external("wisted:reactor/transport@0.1.0", "buffered-bytes")
export declare function bufferedBytes(connection: u32): u64;
// @ts-ignore: decorator
@external("wisted:reactor/timers@0.1.0", "call-later")
export declare function callLater(delayMs: u32): u32;
// @ts-ignore: decorator
@external("wisted:reactor/timers@0.1.0", "sleep")
export declare function sleep(durationMs: u32, result: usize): void;
// @ts-ignore: decorator
@external("wisted:reactor/timers@0.1.0", "now")
export declare function now(): u64;
// @ts-ignore: decorator
@external("wisted:reactor/pending@0.1.0", "wait")
export declare function wait(id: u32, result: usize): void;
// @ts-ignore: decorator
@external("wisted:reactor/pending@0.1.0", "cancel")
export declare function cancel(id: u32): u32;
// @ts-ignore: decorator
@external("wisted:reactor/web@0.1.0", "get-page")
export declare function getPage(url: usize, length: usize): u32;
// @ts-ignore: decorator
@external("wisted:reactor/web@0.1.0", "send-request")
export declare function sendRequest(
  method: usize, methodLength: usize, url: usize, urlLength: usize, headers: usize, headersCount: usize,
  body: usize, bodyLength: usize, timeoutMs: u32,
): u32;
// @ts-ignore: decorator
@external("wisted:reactor/web@0.1.0", "take-page")
export declare function takePage(id: u32, result: usize): void;
// @ts-ignore: decorator
@external("wisted:reactor/logging@0.1.0", "log")
export declare function log(level: u32, message: usize, length: usize): void;
// @ts-ignore: decorator
@external("wisted:reactor/random@0.1.0", "get-random-bytes")
export declare function getRandomBytes(length: u32, result: usize): void;
// @ts-ignore: decorator
@external("wisted:reactor/config@0.1.0", "get")
export declare function configGet(key: usize, length: usize, result: usize): void;
// @ts-ignore: decorator
@external("wisted:reactor/config@0.1.0", "get-all")
export declare function configAll(result: usize): void;

/** Where imports put results that are no single number. One is enough: the host runs one handler at a time, and a
 * result is read before anything else is called. The largest is `result<response, fetch-error>`. */
export const RESULT: usize = memory.data(40, 8);

/** Set while the host asks for memory, when it may not be called. */
// @ts-ignore: decorator
@lazy let hostIsLowering = false;

/** Whether the host is asking for memory just now. */
export function isHostLowering(): bool {
  return hostIsLowering;
}

/** How the host gets memory for what it hands over: outside of the collector's, and freed by the functions below. */
export function cabi_realloc(old: usize, oldSize: usize, alignment: usize, size: usize): usize {
  if (size == 0) return alignment;
  hostIsLowering = true;
  const block = oldSize == 0 ? heap.alloc(size) : heap.realloc(old, size);
  hostIsLowering = false;
  return block;
}

/** Takes over bytes that the host has handed over. */
export function takeBytes(at: usize, length: usize): Uint8Array {
  const bytes = new Uint8Array(<i32>length);
  memory.copy(bytes.dataStart, at, length);
  free(at, length);
  return bytes;
}

/** Takes over a text that the host has handed over. */
export function takeText(at: usize, length: usize): string {
  const text = String.UTF8.decodeUnsafe(at, length);
  free(at, length);
  return text;
}

/** The text whose address and length are at `place`. */
export function takeTextAt(place: usize): string {
  return takeText(load<usize>(place), load<usize>(place, 4));
}

/** Frees what the host has handed over. */
export function free(at: usize, length: usize): void {
  // What is empty was not allocated.
  if (length > 0) heap.free(at);
}
