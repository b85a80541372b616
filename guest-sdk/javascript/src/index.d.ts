// The types and the documentation of what guests import from "wisted".

/// <reference path="./globals.d.ts" />

/** What may be sent: text goes out as UTF-8, bytes as they are. */
export type Data = string | Uint8Array | ArrayBufferView | ArrayBuffer;

/** The operator's configuration values, sorted by key. */
export type Config = ReadonlyMap<string, string>;

/** What a handler may return: nothing, or the promise of an async one. */
export type Handled = void | PromiseLike<unknown>;

// ------------------------------------------------------------------------------------------------------------- servers

/**
 * What happens on one connection: Twisted's `IProtocol`. Extend it, override `dataReceived`, and `export default` the
 * class from the guest's main module, or give it to a {@link Factory}.
 *
 * The host calls one handler at a time. A handler may take long only by waiting ({@link sleep}, {@link Deferred.wait});
 * one that computes for too long is ended together with its connection. A handler may be `async`: what comes after an
 * `await` runs later, and other handlers run in between. An exception that leaves a handler, an async one's too, is
 * logged with its stack and ends the instance: with isolation `connection` this connection, with `service` all of them.
 */
export abstract class Protocol {
  /** The connection. Set before {@link Protocol.connectionMade | connectionMade} is called. */
  transport: Transport;
  /** What built this protocol. */
  factory: Factory;
  /** The peer has connected. Called once, before everything else: the place for a greeting. */
  connectionMade(): Handled;
  /**
   * Bytes arrived: in order, never empty, cut wherever the network cut them. A protocol that looks for lines or frames
   * extends {@link LineReceiver}, {@link NetstringReceiver} or {@link Int32Receiver}.
   */
  dataReceived(data: Uint8Array): Handled;
  /**
   * The peer will send no more (TCP FIN); writing still works. Twisted's `readConnectionLost`. The default closes the
   * connection once everything written is sent.
   */
  readClosed(): Handled;
  /**
   * The peer had been slow and has caught up: the time to write more, for protocols that produce much. Called after the
   * write buffer was above its high watermark and has fallen below its low one.
   */
  drained(): Handled;
  /** The connection is gone. Called once, after everything else about it; the transport does nothing any more. */
  connectionLost(reason: CloseReason): Handled;
}

/**
 * Builds the protocols of a service and keeps what they share: Twisted's `ServerFactory`. `export default` the
 * subclass.
 *
 * Each instance of the guest has one factory. With isolation `connection` (the default) every connection has an
 * instance, and so a factory, of its own; protocols that are to meet each other need isolation `service`.
 */
export class Factory {
  /** The class of the protocols, for the default of {@link Factory.buildProtocol | buildProtocol}. */
  protocol?: new () => Protocol;
  /**
   * The instance begins. Called once, before everything else: the place to read the configuration. An exception refuses
   * the connection, or with isolation `service` the service, and its message is logged.
   */
  startFactory(config: Config): Handled;
  /** A peer has connected: returns its protocol, whose `connectionMade` is called next. */
  buildProtocol(peer: Address): Protocol;
  /** The instance ends in an orderly way. Called once, after everything else; not after an uncaught exception. */
  stopFactory(): Handled;
}

/**
 * A factory that hands its state to the one that takes its place, when there is a new build or its instance has served
 * enough. It is for isolation `service`.
 */
export abstract class StatefulFactory extends Factory {
  /**
   * What the next one is to know, at most 16 MiB. Called once that one has started; this one goes on serving its open
   * connections, but what changes from then on is not handed over. Say in it which version it is: another build will
   * read it.
   */
  abstract saveState(): Data;
  /**
   * What the one before has saved, perhaps nothing. Called after `startFactory` and before the first connection; not
   * where there is no old instance. With an exception, whose message is logged, the old one stays in its place.
   */
  abstract restoreState(state: Uint8Array): Handled;
}

/** What runs by itself, without sockets. `export default` the subclass. */
export abstract class Program {
  /** The instance begins; called before `execute`. An exception ends the program, as one of `execute` does. */
  start(config: Config): Handled;
  /**
   * Called once. The host goes on until this has returned and nothing is pending, and then exits: with 0, or with 1 and
   * the exception's message.
   */
  abstract execute(): Handled;
  /** The program ends in an orderly way; called after everything else. */
  stop(): Handled;
}

/** One end of a connection. As text it is `127.0.0.1:8000` or `[::1]:8000`. */
export class Address {
  constructor(host: string, port: number);
  /** An IP address without brackets or port. */
  readonly host: string;
  /** The TCP port. */
  readonly port: number;
  toString(): string;
}

/**
 * A connection: Twisted's `ITCPTransport`. It may be kept, for instance so that one connection can write to another,
 * and may outlive its connection: on a connection that is lost every method does nothing. Nothing here blocks, fails or
 * calls a protocol back; what happened is told later, through `connectionLost` at the latest.
 */
export class Transport {
  private constructor();
  /** The number of this connection within the instance: 1 for the first, and so on. */
  readonly id: number;
  /**
   * Queues `data` for the peer, in order. What cannot be sent is dropped with the connection. More than the service's
   * write-buffer-max bytes in one handler ends the instance: produce in portions and go on in `drained`.
   * @throws TypeError for what is neither text nor bytes.
   */
  write(data: Data): void;
  /** Queues several pieces as if each had been written in turn; it costs less than many writes. */
  writeMany(pieces: Iterable<Data>): void;
  /** The same as {@link Transport.writeMany | writeMany}, under Twisted's name. */
  writeSequence(pieces: Iterable<Data>): void;
  /**
   * Closes the connection once everything written so far is sent. No more data is received, later writes are ignored,
   * and `connectionLost` follows.
   */
  loseConnection(): void;
  /**
   * Closes the connection now and drops what is unsent (TCP RST): for peers that misbehave. `connectionLost` follows.
   */
  abortConnection(): void;
  /**
   * Half close: once everything written so far is sent, tells the peer that no more will come (TCP FIN), and goes on
   * receiving. Later writes are ignored.
   */
  shutdownWrite(): void;
  /**
   * Stops `dataReceived` until {@link Transport.resumeReading | resumeReading}. The peer is slowed down, nothing is
   * lost.
   */
  pauseReading(): void;
  /** Undoes {@link Transport.pauseReading | pauseReading}. */
  resumeReading(): void;
  /** Whether this side has called `loseConnection` or `abortConnection`. */
  readonly isDisconnecting: boolean;
  /** The address of the peer. */
  readonly peer: Address;
  /** The address on this side that the peer connected to. */
  readonly host: Address;
  /** How many bytes were written and are not yet with the operating system. */
  readonly bufferedBytes: number;
}

/** Why a connection ended. As text it is a sentence for people. */
export class CloseReason {
  constructor(kind: CloseReason["kind"], detail?: string);
  /**
   * `done`: in an orderly way, by either side; Twisted's `ConnectionDone`. `lost`: the operating system reported an
   * error, such as a reset by the peer; `ConnectionLost`. `aborted`: by `abortConnection`. `peer-not-reading`: too much
   * waited for the peer, or for too long. `stopping`: the host is stopping, and the time given to finish is over.
   */
  readonly kind: "done" | "lost" | "aborted" | "peer-not-reading" | "stopping";
  /** For `lost` the operating system's error, for `peer-not-reading` the limit. */
  readonly detail?: string;
  toString(): string;
}

// ---------------------------------------------------------------------------------------------------------------- time

/**
 * Calls `callback` with `args` in `delay` milliseconds, after the running handler has returned. Twisted's
 * `reactor.callLater`. Dropping the handle cancels nothing.
 */
export function callLater<Args extends unknown[]>(
  delay: number,
  callback: (...args: Args) => void,
  ...args: Args
): DelayedCall;

/** A call that {@link callLater} has promised. Twisted's `IDelayedCall`. */
export class DelayedCall {
  private constructor();
  /** Takes the promise back. Returns whether there was still one: false when the call was made or cancelled. */
  cancel(): boolean;
  /** Whether the call is still to be made. */
  readonly isActive: boolean;
}

/** A {@link Deferred} that is fulfilled in `delay` milliseconds. Twisted's `task.deferLater`. */
export function after(delay: number): Deferred<void>;

/**
 * Suspends the running handler for `duration` milliseconds. The reactor serves everyone else meanwhile, and what was
 * written so far goes out. Other events of this instance wait until the handler has returned.
 * @throws WaitError when the handler's connection is lost or the host is stopping: return soon then.
 */
export function sleep(duration: number): void;

/** Milliseconds since an unspecified moment; it never goes back. For measuring, not for dates (`Date` is for those). */
export function now(): number;

/**
 * A value that is not there yet: Twisted's `Deferred`, and a promise in JavaScript's terms. Attach callbacks, or
 * `await` it, and return; or {@link Deferred.wait | wait} for it, which suspends this guest and nobody else.
 *
 * In a guest it is what `Promise` names. Callbacks run when the running handler has returned, or waits. An error that
 * nobody handles is logged as a warning.
 */
export class Deferred<T> implements Promise<T> {
  constructor(executor: (resolve: (value: T | PromiseLike<T>) => void, reject: (error?: unknown) => void) => void);
  /** As a promise's. Twisted's `addCallbacks`. */
  then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((error: any) => B | PromiseLike<B>) | null,
  ): Deferred<A | B>;
  /** As a promise's. Twisted's `addErrback`. */
  catch<B = never>(onRejected?: ((error: any) => B | PromiseLike<B>) | null): Deferred<T | B>;
  /** As a promise's. */
  finally(onSettled?: (() => void) | null): Deferred<T>;
  /**
   * Suspends the running handler until the outcome is there, runs the callbacks attached so far, and returns the value.
   * The reactor serves everyone else meanwhile, and what was written so far goes out.
   *
   * What can be waited for is what {@link getPage}, {@link request} and {@link after} return, what `then` and its like
   * make of it, and {@link Deferred.all | all} of them. The promise of an async function cannot: `await` it.
   * @throws the Deferred's own error, or a {@link WaitError} when the handler's connection is lost, the host is
   * stopping, or there is nothing to wait for.
   */
  wait(): T;
  /**
   * Gives up: a request under way is aborted, and this is rejected with a {@link CancelledError}. Returns whether there
   * was something to give up: false when the outcome is there already.
   */
  cancel(): boolean;
  /** Whether the outcome is there, so that `wait` would not suspend. */
  readonly isReady: boolean;
  readonly [Symbol.toStringTag]: string;

  static resolve(): Deferred<void>;
  static resolve<T>(value: T | PromiseLike<T>): Deferred<Awaited<T>>;
  static reject<T = never>(error?: unknown): Deferred<T>;
  static all<T extends readonly unknown[] | []>(values: T): Deferred<{ -readonly [I in keyof T]: Awaited<T[I]> }>;
  static all<T>(values: Iterable<T | PromiseLike<T>>): Deferred<Awaited<T>[]>;
  static allSettled<T>(values: Iterable<T | PromiseLike<T>>): Deferred<PromiseSettledResult<Awaited<T>>[]>;
  /** `wait` would wait for the first of the values, not for the first that is settled: `await` it. */
  static race<T>(values: Iterable<T | PromiseLike<T>>): Deferred<Awaited<T>>;
  /** `wait` would wait for the first of the values, not for the first that is settled: `await` it. */
  static any<T>(values: Iterable<T | PromiseLike<T>>): Deferred<Awaited<T>>;
  static try<T, Args extends unknown[]>(
    call: (...args: Args) => T | PromiseLike<T>,
    ...args: Args
  ): Deferred<Awaited<T>>;
  static withResolvers<T>(): {
    promise: Deferred<T>;
    resolve: (value: T | PromiseLike<T>) => void;
    reject: (error?: unknown) => void;
  };
}

/** Why a wait or a sleep ended early. */
export class WaitError extends Error {
  constructor(kind: WaitError["kind"], reason?: CloseReason);
  /**
   * `connection-lost`: that of the running handler; return soon, `connectionLost` comes next, and every further wait in
   * this handler ends at once. `unknown-id`: there is nothing to wait for. `stopping`: the host is stopping.
   */
  readonly kind: "connection-lost" | "unknown-id" | "stopping";
  /** For `connection-lost`. */
  readonly reason?: CloseReason;
}

/** {@link Deferred.cancel} was called. Not logged when nobody handles it. */
export class CancelledError extends Error {
  constructor();
}

// ----------------------------------------------------------------------------------------------------------------- web

/**
 * Fetches `url` with GET and returns at once: Twisted's `getPage`. The operator must have granted the host.
 *
 * @example
 * getPage("https://example.org/").then((page) => log.info(`${page.body.length} bytes`));
 * const page = await getPage("https://example.org/");
 * const page = getPage("https://example.org/").wait();
 *
 * The error is a {@link FetchError}. A response of any status is a page and no error.
 */
export function getPage(url: string | { toString(): string }): Deferred<Response>;

/** Sends any request and returns at once; like {@link getPage} in everything else. */
export function request(request: Request): Deferred<Response>;

/** What {@link request} sends. */
export interface Request {
  /** Absolute, `http` or `https`. */
  url: string | { toString(): string };
  /** `GET` if not given. */
  method?: string;
  headers?: Record<string, string> | Iterable<readonly [string, string]>;
  body?: Data;
  /**
   * How long the whole request may take, redirects included, in milliseconds. Without it, and at most, the service's
   * limit.
   */
  timeout?: number;
}

/** A response of any status: a 404 is a page, not an error. */
export class Response {
  constructor(parts: { status: number; headers?: Header[]; body?: Uint8Array; url?: string });
  /** The HTTP status, such as 200. */
  readonly status: number;
  /** The headers as they came. */
  readonly headers: readonly Header[];
  /** At most the service's page-max bytes. */
  readonly body: Uint8Array;
  /** Where the page came from, after redirects. */
  readonly url: string;
  /** Whether the status is in the 200s. */
  readonly ok: boolean;
  /** The first header of this name, whatever its case. */
  header(name: string): string | undefined;
  /** The body as text; what is not UTF-8 is replaced. */
  text(): string;
  /** The body, parsed. @throws SyntaxError when it is no JSON. */
  json(): any;
}

/** An HTTP header. */
export interface Header {
  readonly name: string;
  readonly value: string;
}

/** Why there is no response. */
export class FetchError extends Error {
  constructor(kind: FetchError["kind"], detail?: string | number);
  /**
   * `denied`: the operator has not granted this host. `invalid-request`: the URL, the method or a header is malformed.
   * `dns`: the name could not be resolved. `connect`: no connection, or it broke. `tls`: the certificate or the
   * handshake. `protocol`: the peer does not speak HTTP properly. `timeout`: it took longer than it may. `too-large`:
   * the body is longer than this many bytes. `too-many-redirects`, `too-many-requests`: more than this many.
   */
  readonly kind:
    | "denied"
    | "invalid-request"
    | "dns"
    | "connect"
    | "tls"
    | "protocol"
    | "timeout"
    | "too-large"
    | "too-many-redirects"
    | "too-many-requests";
  /** A text for people, or for the last three the limit. */
  readonly detail?: string | number;
}

// ------------------------------------------------------------------------------------------------------------- framing

/** The longest line of a {@link LineReceiver} that sets none, in bytes. */
export const LINE_MAX_BYTES: 16384;
/** The longest frame of the other receivers that set none, in bytes. */
export const FRAME_MAX_BYTES: 99999;

/**
 * A protocol that receives lines, ended by LF or CR LF: Twisted's `LineReceiver`. With `encoding = null` lines are
 * bytes: `class Bytewise extends LineReceiver<Uint8Array> { encoding = null; … }`.
 */
export abstract class LineReceiver<Line extends string | Uint8Array = string> extends Protocol {
  /** What {@link LineReceiver.sendLine | sendLine} ends lines with: LF if not set. */
  delimiter: string;
  /** `"utf-8"` if not set, or `null` for lines as bytes. */
  encoding: "utf-8" | null;
  /** The longest line in bytes, without its end. Set it before data comes. */
  maxLength: number;
  /** A line, without its end. */
  abstract lineReceived(line: Line): Handled;
  /** Bytes that came in raw mode. */
  rawDataReceived(data: Uint8Array): Handled;
  /** A line is too long. The default closes the connection. What came so far is dropped. */
  lineLengthExceeded(error: FramingError): Handled;
  /** Writes a line and its end. */
  sendLine(line: Data): void;
  /** From here on bytes come to `rawDataReceived`, those first that have come already. */
  setRawMode(): void;
  /** Back to lines; `rest` are bytes that were received raw and belong to lines. */
  setLineMode(rest?: Uint8Array): void;
}

/** A protocol that receives netstrings, such as `5:hello,`. */
export abstract class NetstringReceiver extends Protocol {
  /** The longest frame in bytes. Set it before data comes. */
  maxLength: number;
  abstract frameReceived(frame: Uint8Array): Handled;
  /** A frame is too long or wrong, and nothing after it can be understood. The default closes the connection. */
  framingFailed(error: FramingError): Handled;
  sendFrame(frame: Data): void;
}

/** A protocol that receives frames, each after its length as four bytes, the highest first. */
export abstract class Int32Receiver extends Protocol {
  /** The longest frame in bytes. Set it before data comes. */
  maxLength: number;
  abstract frameReceived(frame: Uint8Array): Handled;
  /** A frame is too long, and nothing after it can be understood. The default closes the connection. */
  framingFailed(error: FramingError): Handled;
  sendFrame(frame: Data): void;
}

/** What the buffers below have in common: push bytes as they come, take frames until there is none. */
interface FrameBuffer {
  push(data: Uint8Array): void;
  /** The next frame, or undefined if it has not come whole. @throws FramingError when it is too long or wrong. */
  next(): Uint8Array | undefined;
  /** Takes the bytes that are left. */
  rest(): Uint8Array;
}

/** Cuts bytes into lines, ended by LF or CR LF. */
export class LineBuffer implements FrameBuffer {
  constructor(lineMaxBytes?: number);
  push(data: Uint8Array): void;
  next(): Uint8Array | undefined;
  rest(): Uint8Array;
}

/** Cuts bytes into the contents of netstrings. */
export class NetstringBuffer implements FrameBuffer {
  constructor(frameMaxBytes?: number);
  push(data: Uint8Array): void;
  next(): Uint8Array | undefined;
  rest(): Uint8Array;
}

/** Cuts bytes into frames that follow their length as four bytes, the highest first. */
export class Int32Buffer implements FrameBuffer {
  constructor(frameMaxBytes?: number);
  push(data: Uint8Array): void;
  next(): Uint8Array | undefined;
  rest(): Uint8Array;
}

/** Bytes as a netstring, in pieces for {@link Transport.writeMany}. */
export function netstring(bytes: Uint8Array): Data[];
/** Bytes after their length as four bytes, in pieces for {@link Transport.writeMany}. */
export function int32Frame(bytes: Uint8Array): Uint8Array[];

/** What came is not framed as it should be. */
export class FramingError extends Error {
  constructor(message: string);
}

// ---------------------------------------------------------------------------------------------------------------- more

/**
 * Log records. They take what `console.log` takes, which in a guest is the same as `log.info`. The host adds the names
 * of the service and the guest and the connection; a message longer than 8 KiB is cut.
 */
export const log: {
  /** Every step. */
  trace(...values: unknown[]): void;
  /** What helps when looking for a fault. */
  debug(...values: unknown[]): void;
  /** What an operator wants to know. */
  info(...values: unknown[]): void;
  /** Something is wrong and work goes on. */
  warn(...values: unknown[]): void;
  /** Something has failed. */
  error(...values: unknown[]): void;
};

/** The operator's configuration values (`--config KEY=VALUE`). They don't change while an instance lives. */
export const config: {
  /** The value of `key`, if the operator gave one. */
  get(key: string): string | undefined;
  /** All values, sorted by key. */
  all(): Config;
};

/** `length` bytes of randomness from the operating system, fit for keys. @throws RangeError above 65,536. */
export function randomBytes(length: number): Uint8Array;

/** Text as UTF-8. Halves of surrogate pairs become U+FFFD. */
export function encode(text: string): Uint8Array;
/** Bytes as text. What is not UTF-8 becomes U+FFFD. */
export function decode(bytes: Uint8Array): string;
/** Values as text, as `console.log` shows them. */
export function format(...values: unknown[]): string;
