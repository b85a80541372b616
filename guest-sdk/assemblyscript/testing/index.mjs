// Fakes for unit tests of guests, run by `node --test`: a guest's core module on a fake host, with a fake clock and a
// fake web, without sockets and without sleeping. Knows the canonical ABI and no guest.

import { readFile } from "node:fs/promises";
import { Memory } from "./memory.mjs";

const LEVELS = ["trace", "debug", "info", "warn", "error"];
const REASONS = ["done", "lost", "aborted", "peer-not-reading", "stopping"];
const FAILURES = [
  "denied", "invalid-request", "dns", "connect", "tls", "protocol", "timeout", "too-large", "too-many-redirects",
  "too-many-requests",
];
const WAIT_ERRORS = ["connection-lost", "unknown-id", "stopping"];
/** More outcomes than this in one step are taken for an endless loop. */
const OUTCOMES_MAX = 100_000;

/** One instance of a guest, as with isolation `service`. As with the real host one handler runs at a time; what becomes
 * due meanwhile is delivered when it has returned. The clock stands still until it is put forward; waiting and sleeping
 * put it forward at once. */
export class Guest {
  /** Milliseconds since the beginning. */
  now = 0;
  /** What was logged: `{ level, message }`. */
  log = [];
  /** The requests that were made: `{ method, url, headers, body, timeout }`. */
  requests = [];
  #ids = 0;
  #pending = new Map();
  #arrived = new Map();
  #pages = new Map();
  #connections = new Map();
  #config = [];
  #brokenWaits = null;
  #exports;
  #memory;

  /** Starts the guest in a file, such as `build/echo.core.wasm`, with configuration values. Throws what it refuses to
   * start with. `setUp(guest)` is called before it starts. */
  static async start(file, config = {}, setUp = () => {}) {
    const guest = new Guest();
    guest.#config = Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1));
    const module = await WebAssembly.compile(await readFile(file));
    const instance = await WebAssembly.instantiate(module, guest.#imports());
    guest.#exports = instance.exports;
    guest.#memory = new Memory(instance.exports);
    setUp(guest);
    const values = guest.#memory.pairs(guest.#config);
    const error = guest.#result(guest.#call("lifecycle-handler", "start", ...values));
    if (error !== null) throw new Error(error);
    return guest;
  }

  /** How large the guest's memory is. */
  get memoryBytes() {
    return this.#exports.memory.buffer.byteLength;
  }

  /** Connects a peer, and runs `connectionMade`. */
  connect() {
    const peer = new Peer(this, ++this.#ids);
    this.#connections.set(peer.id, peer);
    this.#call("connection-handler", "connection-made", peer.id);
    this.settle();
    return peer;
  }

  /** Runs a program's `execute`, and returns the error's text or null. */
  execute() {
    const error = this.#result(this.#call("program", "execute"));
    this.settle();
    return error;
  }

  /** What the instance leaves to the one that takes its place. */
  saveState() {
    return this.#memory.bytesAt(this.#call("state-handler", "save-state"));
  }

  /** Hands over what another instance has saved, as the host does before the first connection. Returns the error's text
   * or null. */
  restoreState(state) {
    return this.#result(this.#call("state-handler", "restore-state", ...this.#memory.bytes(state)));
  }

  /** Ends the instance in an orderly way: every connection is lost as when the host is stopping, then `stopFactory`. */
  stop() {
    for (const peer of this.#connections.values()) this.lose(peer, "stopping");
    this.#call("lifecycle-handler", "stop");
  }

  /** `url` gives this body with status 200 after some time. */
  respond(url, body, { delay = 0, status = 200, headers = [] } = {}) {
    this.#pages.set(url, { delay, response: { status, headers, body: Buffer.from(body), url } });
  }

  /** `url` gives this failure of the contract's `fetch-error`; `detail` is its text or its number. What no test has
   * laid down cannot be connected to. */
  fail(url, kind, { delay = 0, detail = "" } = {}) {
    this.#pages.set(url, { delay, failure: { kind, detail } });
  }

  /** From now on every wait and sleep ends at once with `connection-lost` or `stopping`. */
  breakWaits(error) {
    this.#brokenWaits = error;
  }

  /** Puts the clock forward and delivers what becomes due, timers and pages, in order of time. */
  advance(milliseconds) {
    const until = this.now + milliseconds;
    this.#deliverDue(until);
    this.now = Math.max(this.now, until);
    this.settle();
  }

  /** Runs a handler of one connection; for `Peer`. */
  handle(handlers, name, ...values) {
    this.#call(handlers, name, ...values);
    this.settle();
  }

  /** Has a connection end; for `Peer`. */
  lose(peer, kind, text = "") {
    if (peer.isDisconnected) return;
    peer.isDisconnected = true;
    const [at, length] = kind === "lost" || kind === "peer-not-reading" ? this.#memory.text(text) : [0, 0];
    this.#call("connection-handler", "connection-lost", peer.id, REASONS.indexOf(kind), at, length);
  }

  /** After a handler: delivers what waits, until nothing does; for `Peer`. */
  settle() {
    this.#deliverDue(this.now);
    while (this.#step()) this.#deliverDue(this.now);
  }

  #step() {
    for (const peer of this.#connections.values()) {
      if (peer.isDisconnected) continue;
      if (peer.isAborted) this.lose(peer, "aborted");
      else if (peer.isLosing) this.lose(peer, "done");
      else if (!peer.isReadingPaused && peer.inbox.length > 0) {
        const [at, length] = this.#memory.bytes(peer.inbox);
        peer.inbox = Buffer.alloc(0);
        this.#call("connection-handler", "data-received", peer.id, at, length);
      } else continue;
      return true;
    }
    return false;
  }

  #deliverDue(until) {
    for (let count = 0; count < OUTCOMES_MAX; ++count) {
      const due = [...this.#pending].filter(([, { at }]) => at <= until);
      if (due.length === 0) return;
      const [id, { at, page }] = due.reduce((first, other) => (other[1].at < first[1].at ? other : first));
      this.#pending.delete(id);
      this.now = Math.max(this.now, at);
      if (page === undefined) this.#call("timer-handler", "timer-fired", id);
      else this.#call("page-handler", "page-received", id, ...this.#flatPage(page));
    }
    throw new Error("endless outcomes: does a callback ask for itself again without a delay?");
  }

  #call(handlers, name, ...values) {
    return this.#exports[`wisted:reactor/${handlers}@0.1.0#${name}`](...values);
  }

  #result(at) {
    return this.#memory.byte(at) === 0 ? null : this.#memory.textAt(at + 4);
  }

  #expect(delay, page) {
    const id = ++this.#ids;
    this.#pending.set(id, { at: this.now + delay, page });
    return id;
  }

  #request(request) {
    this.requests.push(request);
    const page = this.#pages.get(request.url) ?? {
      delay: 0, failure: { kind: "connect", detail: "the test has no such page" },
    };
    return this.#expect(page.delay, page);
  }

  /** What `page-received` is given for a `result<response, fetch-error>`. */
  #flatPage({ response, failure }) {
    const memory = this.#memory;
    if (response) {
      const [headers, count] = memory.pairs(response.headers);
      return [0, response.status, BigInt(headers), count, ...memory.bytes(response.body), ...memory.text(response.url)];
    }
    const tag = FAILURES.indexOf(failure.kind);
    const [payload, length] = tag < 6 ? memory.text(failure.detail) : [Number(failure.detail), 0];
    return [1, tag, BigInt(payload), length, 0, 0, 0, 0];
  }

  /** A `result<response, fetch-error>` in memory. */
  #storePage(at, page) {
    const [isError, tag, payload, length, ...rest] = this.#flatPage(page);
    const memory = this.#memory;
    memory.setByte(at, isError);
    if (isError === 0) {
      memory.setHalf(at + 8, tag);
      [Number(payload), length, ...rest].forEach((word, index) => memory.setWord(at + 12 + 4 * index, word));
    } else {
      memory.setByte(at + 8, tag);
      memory.setWord(at + 16, Number(payload));
      memory.setWord(at + 20, length);
    }
  }

  #storeWait(at, error) {
    const memory = this.#memory;
    memory.setByte(at, error === null ? 0 : 1);
    if (error === null) return;
    memory.setByte(at + 4, WAIT_ERRORS.indexOf(error));
    memory.setByte(at + 8, REASONS.indexOf("done"));
  }

  #imports() {
    const memory = () => this.#memory;
    const peerOf = (id) => this.#connections.get(id);
    const open = (id, then) => peerOf(id).isDisconnected || then(peerOf(id));
    const address = (at, port) => {
      memory().setText(at, "127.0.0.1");
      memory().setHalf(at + 8, port);
    };
    const functions = {
      transport: {
        write: (id, at, length) => open(id, (peer) => peer.write(memory().read(at, length))),
        "write-many": (id, list, count) => {
          for (let index = 0; index < count; ++index) {
            open(id, (peer) => peer.write(memory().bytesAt(list + 8 * index)));
          }
        },
        "lose-connection": (id) => open(id, (peer) => (peer.isLosing = true)),
        "abort-connection": (id) => open(id, (peer) => peer.abort()),
        "shutdown-write": (id) => open(id, (peer) => (peer.isWriteShutDown = true)),
        "pause-reading": (id) => open(id, (peer) => (peer.isReadingPaused = true)),
        "resume-reading": (id) => open(id, (peer) => (peer.isReadingPaused = false)),
        // Every connection has its own port, so that tests can tell them apart.
        peer: (id, at) => address(at, 40_000 + (id % 20_000)),
        host: (_id, at) => address(at, 8000),
        "buffered-bytes": (id) => BigInt(peerOf(id).isDisconnected ? 0 : peerOf(id).received.length),
      },
      timers: {
        "call-later": (delay) => this.#expect(delay >>> 0),
        sleep: (duration, at) => {
          this.#storeWait(at, this.#brokenWaits);
          if (this.#brokenWaits === null) this.now += duration >>> 0;
        },
        now: () => BigInt(this.now),
      },
      pending: {
        wait: (id, at) => {
          const pending = this.#pending.get(id);
          const error = this.#brokenWaits ?? (pending ? null : "unknown-id");
          this.#storeWait(at, error);
          if (error !== null) return;
          this.#pending.delete(id);
          this.now = Math.max(this.now, pending.at);
          if (pending.page) this.#arrived.set(id, pending.page);
        },
        cancel: (id) => Number(this.#pending.delete(id)),
      },
      web: {
        "get-page": (at, length) => this.#request({ method: "GET", url: memory().readText(at, length), headers: [] }),
        "send-request": (method, methodLength, url, urlLength, headers, count, body, bodyLength, timeout) =>
          this.#request({
            method: memory().readText(method, methodLength),
            url: memory().readText(url, urlLength),
            headers: memory().readPairs(headers, count),
            body: memory().read(body, bodyLength),
            timeout,
          }),
        "take-page": (id, at) => {
          this.#storePage(at, this.#arrived.get(id));
          this.#arrived.delete(id);
        },
      },
      logging: {
        log: (level, at, length) => {
          this.log.push({ level: LEVELS[level], message: memory().readText(at, length) });
        },
      },
      random: {
        // The same bytes in every run: what a test wants.
        "get-random-bytes": (length, at) => {
          memory().setBytes(at, Buffer.from(Array.from({ length }, (_, index) => (index * 167 + 13) & 255)));
        },
      },
      config: {
        get: (key, length, at) => {
          const entry = this.#config.find(([name]) => name === memory().readText(key, length));
          memory().setByte(at, entry ? 1 : 0);
          if (entry) memory().setText(at + 4, entry[1]);
        },
        "get-all": (at) => {
          const [list, count] = memory().pairs(this.#config);
          memory().setWord(at, list);
          memory().setWord(at + 4, count);
        },
      },
    };
    const entries = Object.entries(functions).map(([name, of]) => [`wisted:reactor/${name}@0.1.0`, of]);
    return Object.fromEntries(entries);
  }
}

/** A fake peer, the other end of a connection. */
class Peer {
  /** What was received and not taken. */
  received = Buffer.alloc(0);
  /** What was done to the guest's side. */
  isLosing = false;
  isAborted = false;
  isWriteShutDown = false;
  isReadingPaused = false;
  /** Whether `connectionLost` has been called. */
  isDisconnected = false;
  /** Sent while reading was paused. */
  inbox = Buffer.alloc(0);

  constructor(guest, id) {
    this.guest = guest;
    this.id = id;
  }

  /** Sends bytes or a text that arrive in one piece. While the guest has paused reading they are kept for it. */
  send(data) {
    this.inbox = Buffer.concat([this.inbox, Buffer.from(data)]);
    this.guest.settle();
  }

  /** Sends bytes that arrive one at a time: a protocol must not depend on where the network cuts. */
  sendBytewise(data) {
    for (const byte of Buffer.from(data)) this.send([byte]);
  }

  /** Half close: this peer will send no more, and runs `readClosed`. */
  close() {
    if (!this.isDisconnected) this.guest.handle("half-close-handler", "read-closed", this.id);
  }

  /** Resets the connection: runs `connectionLost`. */
  reset() {
    this.guest.lose(this, "lost", "reset by the fake peer");
    this.guest.settle();
  }

  /** What was received since the last call, as text. */
  take() {
    const text = this.received.toString();
    this.received = Buffer.alloc(0);
    return text;
  }

  /** As `take`, and then runs `drained`: a slow peer has caught up. */
  drain() {
    const text = this.take();
    if (!this.isDisconnected) this.guest.handle("flow-handler", "drained", this.id);
    return text;
  }

  /** For the fake host. */
  write(data) {
    if (this.isLosing || this.isAborted || this.isWriteShutDown) return;
    this.received = Buffer.concat([this.received, data]);
  }

  /** For the fake host. */
  abort() {
    this.isAborted = true;
    this.received = Buffer.alloc(0);
  }
}
