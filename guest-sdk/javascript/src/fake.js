// The fake host of tests: what a guest asks for, recorded as plain values. Knows nothing of protocols, nor of who
// looks.

import { FetchError, WaitError } from "./errors.js";

const RANDOM_MAX_BYTES = 65_536;

/** Everything that the fake host knows. */
export const world = {
  nowMs: 0,
  /** Timers, and pages when there is an outcome. */
  pending: new Map(),
  /** Pages that were waited for and are still to be taken. */
  arrived: new Map(),
  pages: new Map(),
  requests: [],
  connections: new Map(),
  brokenWaits: undefined,
  config: new Map(),
  log: [],
  idsGiven: 0,
  random: 1,
};

export function newId() {
  return ++world.idsGiven;
}

/** What was done to one connection. */
export class FakeConnection {
  written = new Uint8Array();
  isLosing = false;
  isAborted = false;
  isWriteShutDown = false;
  isReadingPaused = false;
  /** Whether `connectionLost` was delivered. */
  isGone = false;
  /** What came from the peer and was not delivered yet. */
  inbox = new Uint8Array();

  write(data) {
    if (!this.isLosing && !this.isAborted && !this.isWriteShutDown) {
      this.written = joined(this.written, data);
    }
  }

  takeWritten() {
    const written = this.written;
    this.written = new Uint8Array();
    return written;
  }
}

/** The next outcome that is due by `untilMs`, taken out, with the clock put forward to it. */
export function nextDue(untilMs) {
  let next;
  for (const [id, { dueMs }] of world.pending) {
    // The map is in the order of the ids, so the earlier of two that are due together comes first.
    if (dueMs <= untilMs && (next === undefined || dueMs < next.dueMs)) {
      next = { id, dueMs };
    }
  }
  if (next === undefined) {
    return undefined;
  }
  const { outcome } = world.pending.get(next.id);
  world.pending.delete(next.id);
  world.nowMs = Math.max(world.nowMs, next.dueMs);
  return { id: next.id, outcome };
}

export function joined(first, second) {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** The imports of a guest, answered by the fake. */
export const fakeHost = {
  write: (id, data) => open(id)?.write(data),
  writeMany: (id, pieces) => pieces.forEach((piece) => open(id)?.write(piece)),
  loseConnection: (id) => set(id, "isLosing", true),
  abortConnection(id) {
    set(id, "isAborted", true);
    open(id)?.takeWritten();
  },
  shutdownWrite: (id) => set(id, "isWriteShutDown", true),
  pauseReading: (id) => set(id, "isReadingPaused", true),
  resumeReading: (id) => set(id, "isReadingPaused", false),
  // Every connection has its own port, so that tests can tell them apart.
  peer: (id) => ({ host: "127.0.0.1", port: 40_000 + (id % 20_000) }),
  host: () => ({ host: "127.0.0.1", port: 8000 }),
  bufferedBytes: (id) => open(id)?.written.length ?? 0,
  callLater: (delayMs) => promise(delayMs, undefined),
  sleep(durationMs) {
    breakWait();
    world.nowMs += durationMs;
  },
  now: () => world.nowMs,
  wait(id) {
    breakWait();
    const awaited = world.pending.get(id);
    if (awaited === undefined) {
      throw new WaitError("unknown-id");
    }
    world.pending.delete(id);
    world.nowMs = Math.max(world.nowMs, awaited.dueMs);
    world.arrived.set(id, awaited.outcome);
  },
  cancel: (id) => world.pending.delete(id),
  getPage: (url) => fakeHost.sendRequest({ method: "GET", url, headers: [], body: new Uint8Array(), timeout: 0 }),
  sendRequest(request) {
    world.requests.push(request);
    const page = world.pages.get(request.url);
    if (page === undefined) {
      const error = new FetchError("connect", `no fake page for ${request.url}`);
      return promise(0, { kind: "no-page", error });
    }
    return promise(page.delayMs, page.outcome);
  },
  takePage(id) {
    const outcome = world.arrived.get(id);
    world.arrived.delete(id);
    return outcome;
  },
  log: (level, message) => world.log.push({ level, message }),
  randomBytes(length) {
    if (length > RANDOM_MAX_BYTES) {
      throw new RangeError("the host gives at most 65,536 random bytes at once");
    }
    // The same bytes in every run: what a test wants.
    return Uint8Array.from({ length }, () => {
      world.random = (Math.imul(world.random, 1_103_515_245) + 12_345) >>> 0;
      return world.random >>> 24;
    });
  },
  configGet: (key) => world.config.get(key),
  configAll: () => [...world.config],
};

function open(id) {
  const connection = world.connections.get(id);
  if (connection === undefined) {
    throw new Error(`connection ${id} was never made in this test`);
  }
  return connection.isGone ? undefined : connection;
}

function set(id, name, value) {
  const connection = open(id);
  if (connection !== undefined) {
    connection[name] = value;
  }
}

function promise(delayMs, outcome) {
  const id = newId();
  world.pending.set(id, { dueMs: world.nowMs + delayMs, outcome });
  return id;
}

function breakWait() {
  if (world.brokenWaits !== undefined) {
    throw world.brokenWaits;
  }
}
