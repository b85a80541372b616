// What can go wrong, as errors with a `kind`, and why a connection ended. Knows no host.

const FETCH = {
  denied: (detail) => `denied: ${detail}`,
  "invalid-request": (detail) => `invalid request: ${detail}`,
  dns: (detail) => `the name could not be resolved: ${detail}`,
  connect: (detail) => `no connection: ${detail}`,
  tls: (detail) => `TLS: ${detail}`,
  protocol: (detail) => `not proper HTTP: ${detail}`,
  timeout: () => "the request timed out",
  "too-large": (detail) => `the page is longer than ${detail} bytes`,
  "too-many-redirects": (detail) => `more than ${detail} redirects`,
  "too-many-requests": (detail) => `more than ${detail} requests are waiting`,
};

const WAIT = {
  "connection-lost": (reason) => `gave up waiting: ${reason}`,
  "unknown-id": () => "there is nothing to wait for",
  stopping: () => "gave up waiting: the host is stopping",
};

const CLOSE = {
  done: () => "the connection was closed",
  lost: (detail) => `the connection was lost: ${detail}`,
  aborted: () => "the connection was aborted",
  "peer-not-reading": (detail) => `the peer did not read: ${detail}`,
  stopping: () => "the host is stopping",
};

export class FetchError extends Error {
  constructor(kind, detail) {
    super(FETCH[kind](detail));
    this.name = "FetchError";
    this.kind = kind;
    this.detail = detail;
  }
}

export class WaitError extends Error {
  constructor(kind, reason) {
    super(WAIT[kind](reason));
    this.name = "WaitError";
    this.kind = kind;
    this.reason = reason;
  }
}

export class CancelledError extends Error {
  constructor() {
    super("cancelled");
    this.name = "CancelledError";
  }
}

export class FramingError extends Error {
  constructor(message) {
    super(message);
    this.name = "FramingError";
  }
}

export class CloseReason {
  constructor(kind, detail) {
    this.kind = kind;
    this.detail = detail;
  }

  toString() {
    return CLOSE[this.kind](this.detail);
  }
}

/** Makes a CloseReason of the contract's variant. */
export function closeReason({ tag, val }) {
  return new CloseReason(tag, val);
}

/** Makes a WaitError of the contract's variant. */
export function waitError({ tag, val }) {
  return new WaitError(tag, tag === "connection-lost" ? closeReason(val) : undefined);
}
