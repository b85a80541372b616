// Fakes for unit tests of guests: native, without wasm, sockets or sleeping. Knows the fake host and no real one.

import { CloseReason } from "./errors.js";
import { FakeConnection, fakeHost, joined, newId, nextDue, world } from "./fake.js";
import { install } from "./host.js";
import { drain } from "./microtasks.js";
import { FIRED, clear, deliver } from "./pending.js";
import { Server as GuestServer, resolveApp } from "./server.js";
import { decode, toBytes } from "./text.js";
import { Transport } from "./transport.js";
import { Response } from "./web.js";

install(fakeHost);

/** More than this many outcomes in one step of a test is taken for an endless loop. */
const OUTCOMES_MAX = 100_000;

export function configure(values) {
  world.config = new Map(Object.entries(values).sort(([one], [two]) => (one < two ? -1 : 1)));
}

export function takeLog() {
  const log = world.log;
  world.log = [];
  return log;
}

export class StringTransport {
  #fake = new FakeConnection();

  constructor() {
    const id = newId();
    world.connections.set(id, this.#fake);
    this.transport = new Transport(id);
  }

  get written() {
    return this.#fake.written;
  }

  get text() {
    return decode(this.#fake.written);
  }

  takeWritten() {
    return this.#fake.takeWritten();
  }

  takeText() {
    return decode(this.#fake.takeWritten());
  }

  get isLosing() {
    return this.#fake.isLosing;
  }

  get isAborted() {
    return this.#fake.isAborted;
  }

  get isWriteShutDown() {
    return this.#fake.isWriteShutDown;
  }

  get isReadingPaused() {
    return this.#fake.isReadingPaused;
  }

  /** The fake itself, for `Server`. */
  static fakeOf(connection) {
    return connection.#fake;
  }
}

export class Clock {
  constructor() {
    forgetPending();
    world.nowMs = 0;
    world.brokenWaits = undefined;
  }

  advance(duration) {
    const untilMs = world.nowMs + duration;
    deliverDue(untilMs);
    world.nowMs = Math.max(world.nowMs, untilMs);
  }

  breakWaits(error) {
    world.brokenWaits = error;
  }
}

export class Pages {
  constructor() {
    world.pages.clear();
    world.requests = [];
  }

  respond(url, body, { status = 200, headers = [], delay = 0 } = {}) {
    const response = new Response({ status, headers, body: toBytes(body), url });
    world.pages.set(url, { delayMs: delay, outcome: { kind: "page", response } });
  }

  fail(url, error, { delay = 0 } = {}) {
    world.pages.set(url, { delayMs: delay, outcome: { kind: "no-page", error } });
  }

  get requests() {
    return [...world.requests];
  }
}

export class Server {
  #server;
  #peers = [];

  constructor(app, config = {}) {
    const { world: needed, make } = resolveApp(app);
    if (needed === "standalone") {
      throw new TypeError("a Program serves nobody: make it and call its start and execute");
    }
    forgetPending();
    configure(config);
    this.#server = new GuestServer(make);
    this.#server.start(new Map(world.config));
    drain();
  }

  saveState() {
    const state = this.#server.saveState();
    drain();
    return state;
  }

  restoreState(state) {
    const returned = this.#server.restoreState(toBytes(state).slice());
    drain();
    return returned;
  }

  connect() {
    const connection = new StringTransport();
    const fake = StringTransport.fakeOf(connection);
    const peer = new Peer(connection, this.#server, fake, () => this.#settle());
    this.#peers.push({ id: connection.transport.id, fake });
    this.#server.connectionMade(connection.transport.id, connection.transport);
    this.#settle();
    return peer;
  }

  advance(clock, duration) {
    clock.advance(duration);
    this.#settle();
  }

  async settle() {
    // Everything that the engine has queued for async functions runs before this does.
    await new Promise((resolve) => setImmediate(resolve));
    this.#settle();
    await new Promise((resolve) => setImmediate(resolve));
  }

  stop() {
    for (const { id, fake } of this.#peers) {
      lose(this.#server, id, fake, { tag: "stopping" });
    }
    this.#server.stop();
  }

  /** After a handler: delivers what waits, until nothing does. */
  #settle() {
    deliverDue(world.nowMs);
    for (let step = this.#step(); step !== undefined; step = this.#step()) {
      step();
      deliverDue(world.nowMs);
    }
  }

  #step() {
    for (const { id, fake } of this.#peers) {
      if (fake.isGone) continue;
      if (fake.isAborted) return () => lose(this.#server, id, fake, { tag: "aborted" });
      if (fake.isLosing) return () => lose(this.#server, id, fake, { tag: "done" });
      if (!fake.isReadingPaused && fake.inbox.length > 0) {
        return () => {
          const data = fake.inbox;
          fake.inbox = new Uint8Array();
          this.#server.dataReceived(id, data);
        };
      }
    }
    return undefined;
  }
}

class Peer {
  #server;
  #fake;
  #settle;

  constructor(connection, server, fake, settle) {
    this.connection = connection;
    this.transport = connection.transport;
    this.#server = server;
    this.#fake = fake;
    this.#settle = settle;
  }

  send(data) {
    const bytes = toBytes(data);
    if (bytes.length > 0) {
      this.#fake.inbox = joined(this.#fake.inbox, bytes);
      this.#settle();
    }
  }

  sendBytewise(data) {
    for (const byte of toBytes(data)) {
      this.send(Uint8Array.of(byte));
    }
  }

  close() {
    if (!this.isDisconnected) {
      this.#server.readClosed(this.transport.id);
      this.#settle();
    }
  }

  reset() {
    lose(this.#server, this.transport.id, this.#fake, { tag: "lost", val: "reset by the fake peer" });
    this.#settle();
  }

  get received() {
    return this.connection.written;
  }

  get text() {
    return this.connection.text;
  }

  takeReceived() {
    return this.connection.takeWritten();
  }

  takeText() {
    return this.connection.takeText();
  }

  drain() {
    const received = this.takeReceived();
    if (!this.isDisconnected) {
      this.#server.drained(this.transport.id);
      this.#settle();
    }
    return received;
  }

  get isDisconnected() {
    return this.#fake.isGone;
  }
}

export { CloseReason, Peer };

function lose(server, id, fake, reason) {
  if (!fake.isGone) {
    fake.isGone = true;
    server.connectionLost(id, reason);
    drain();
  }
}

/** Delivers what is due by `untilMs`, in order of time; what that gives rise to included. */
function deliverDue(untilMs) {
  drain();
  for (let count = 0; count < OUTCOMES_MAX; count++) {
    const due = nextDue(untilMs);
    if (due === undefined) {
      return;
    }
    deliver(due.id, due.outcome ?? FIRED);
    drain();
  }
  throw new Error(`${OUTCOMES_MAX} outcomes in one go: does a callback ask for itself again without a delay?`);
}

function forgetPending() {
  world.pending.clear();
  clear();
}
