// Time: calls to be made later, sleeping, and the clock. Knows nothing of connections. Durations are in milliseconds.

import * as abi from "./abi";
import * as pending from "./pending";
import { CloseReason } from "./reason";
import { FetchResult } from "./web";

/** Why a wait or a sleep ended early. Return soon then. */
export enum WaitError {
  /** It did not end early. */
  None,
  /** The connection whose handler is running was lost. `connectionLost` comes next and tells why; every further wait in
   * this handler ends so at once. */
  ConnectionLost,
  /** There is nothing to wait for: it was cancelled, or has been delivered. */
  UnknownId,
  /** The host is stopping. */
  Stopping,
}

/** Calls `callback(state)` once `delayMs` are over, after the running handler has returned: Twisted's
 * `reactor.callLater`. Traps when more is pending than the service's `pending-max`.
 *
 *     callLater<Transport>(500, (transport) => transport.resumeReading(), transport);
 */
export function callLater<T>(delayMs: u32, callback: (state: T) => void, state: T): DelayedCall {
  const id = abi.callLater(delayMs);
  pending.expect(id, new Call<T>(callback, state));
  return new DelayedCall(id);
}

/** Something to wait for: Twisted's `task.deferLater`. Without a wait nothing happens when the time is over. */
export function after(delayMs: u32): DelayedCall {
  return new DelayedCall(abi.callLater(delayMs));
}

/** Suspends the running handler. The reactor serves everyone else meanwhile, and what was written so far goes out. */
export function sleep(durationMs: u32): WaitError {
  abi.sleep(durationMs, abi.RESULT);
  return waitResult();
}

/** Milliseconds since an unspecified moment; never goes back. For measuring, not for dates. */
export function now(): u64 {
  return abi.now();
}

/** A call that `callLater` or `after` has promised: Twisted's `IDelayedCall`. It need not be kept. */
export class DelayedCall {
  constructor(private readonly id: u32) {}

  /** Takes the promise back. Returns whether there was still one: false when the time is over or it was cancelled. */
  cancel(): bool {
    return pending.cancel(this.id);
  }

  /** Whether its callback is still to be called. */
  get isPending(): bool {
    return pending.isExpected(this.id);
  }

  /** Suspends the running handler until the time is over, and then makes the call, if there is one to be made. */
  wait(): WaitError {
    const error = waitFor(this.id);
    if (error == WaitError.None) pending.deliver(this.id, null);
    return error;
  }
}

/** Suspends the running handler until `id` has its outcome; for this package. */
export function waitFor(id: u32): WaitError {
  abi.wait(id, abi.RESULT);
  return waitResult();
}

class Call<T> extends pending.Listener {
  constructor(private readonly callback: (state: T) => void, private readonly state: T) {
    super();
  }

  tell(_page: FetchResult | null): void {
    this.callback(this.state);
  }
}

function waitResult(): WaitError {
  if (load<u8>(abi.RESULT) == 0) return WaitError.None;
  const tag = load<u8>(abi.RESULT, 4);
  if (tag == 0) CloseReason.drop(abi.RESULT + 8);
  return <WaitError>(1 + tag);
}
