// The types and the documentation of "wisted/testing": fakes for unit tests that run natively, without wasm.

import type { CloseReason, Data, Factory, FetchError, Handled, Protocol, Transport, WaitError } from "./index.js";

export { CloseReason } from "./index.js";

/** Sets what `config` answers. `new Server` does it too. */
export function configure(values: Record<string, string>): void;

/** The records logged since the last call. */
export function takeLog(): { level: "trace" | "debug" | "info" | "warn" | "error"; message: string }[];

/**
 * A factory, or a protocol's class, with fake peers, as with isolation `service`: one handler runs at a time, and what
 * becomes due meanwhile is delivered when it has returned. A new one forgets the timers and pages of the one before, so
 * make the {@link Clock} and the {@link Pages} first.
 *
 * @example
 * const peer = new Server(Echo).connect();
 * peer.sendBytewise("hello");
 * assert.equal(peer.takeText(), "hello");
 */
export class Server {
  /** Starts an instance with these configuration values. @throws what `startFactory` throws. */
  constructor(app: Factory | (new () => Factory) | (new () => Protocol), config?: Record<string, string>);
  /** What the instance leaves to the one that takes its place. The guest has to be a `StatefulFactory`. */
  saveState(): Uint8Array;
  /**
   * Hands over what another instance has saved, as the host does before the first connection. What an async
   * `restoreState` returns is to be awaited. @throws what that throws: the other instance would stay in its place.
   */
  restoreState(state: Data): Handled;
  /** Connects a peer, and runs `connectionMade`. */
  connect(): Peer;
  /** Puts the clock forward as {@link Clock.advance} does, and then ends the connections that callbacks closed. */
  advance(clock: Clock, duration: number): void;
  /**
   * Lets async handlers go on after what they `await`: natively it is the engine that runs them, and only once the test
   * itself awaits. Then delivers what waits.
   */
  settle(): Promise<void>;
  /** Ends the instance in an orderly way: every connection is lost as when the host is stopping, then `stopFactory`. */
  stop(): void;
}

/** A fake peer, connected to a {@link Server}: the other end of a transport. */
export class Peer {
  private constructor();
  /** The guest's side of this connection, to see what was done to it. */
  readonly connection: StringTransport;
  /** What the guest's handlers are given. */
  readonly transport: Transport;
  /** Sends bytes that arrive in one piece. While the guest has paused reading they are kept for it. */
  send(data: Data): void;
  /** Sends bytes that arrive one at a time: a protocol must not depend on where the network cuts. */
  sendBytewise(data: Data): void;
  /** Half close: this peer will send no more, and runs `readClosed`. */
  close(): void;
  /** Resets the connection: runs `connectionLost` with the reason `lost`. */
  reset(): void;
  /** What has been received and not taken yet; it stays. */
  readonly received: Uint8Array;
  /** The same as text. */
  readonly text: string;
  /** What has been received and not taken yet. Until it is taken it counts as `bufferedBytes`. */
  takeReceived(): Uint8Array;
  /** The same as text. */
  takeText(): string;
  /** As `takeReceived`, and then runs `drained`: a slow peer has caught up. */
  drain(): Uint8Array;
  /** Whether `connectionLost` has been called. */
  readonly isDisconnected: boolean;
}

/**
 * A connection that keeps what is written to it: Twisted's `StringTransport`, for calling a protocol's handlers by
 * hand.
 */
export class StringTransport {
  /** What to set a protocol's `transport` to. */
  readonly transport: Transport;
  /** What was written and not taken yet. */
  readonly written: Uint8Array;
  /** The same as text. */
  readonly text: string;
  /** What was written and not taken yet; from now on it is no longer among `bufferedBytes`. */
  takeWritten(): Uint8Array;
  /** The same as text. */
  takeText(): string;
  /** Whether `loseConnection` was called. */
  readonly isLosing: boolean;
  /** Whether `abortConnection` was called. */
  readonly isAborted: boolean;
  /** Whether `shutdownWrite` was called. */
  readonly isWriteShutDown: boolean;
  /** Whether reading is paused. */
  readonly isReadingPaused: boolean;
}

/**
 * The time: Twisted's `task.Clock`. It stands still until it is put forward; waiting and sleeping put it forward at
 * once.
 */
export class Clock {
  /** Puts the clock forward by milliseconds and delivers what becomes due, timers and pages, in order of time. */
  advance(duration: number): void;
  /** From now on every wait and sleep ends at once with `error`, as when the handler's connection is lost. */
  breakWaits(error: WaitError): void;
}

/** The web: says what each URL gives. Anything else cannot be connected to. */
export class Pages {
  /** `url` gives this body, after `delay` milliseconds, or with 0 after the running handler. */
  respond(
    url: string,
    body: Data,
    how?: { status?: number; headers?: { name: string; value: string }[]; delay?: number },
  ): void;
  /** `url` gives this error. */
  fail(url: string, error: FetchError, how?: { delay?: number }): void;
  /** The requests that were made. */
  readonly requests: {
    method: string;
    url: string;
    headers: { name: string; value: string }[];
    body: Uint8Array;
    timeout: number;
  }[];
}
