// A connection as its protocol sees it. Knows nothing of protocols.

import { host } from "./host.js";
import { toBytes } from "./text.js";

export class Address {
  constructor(host, port) {
    this.host = host;
    this.port = port;
  }

  toString() {
    return this.host.includes(":") ? `[${this.host}]:${this.port}` : `${this.host}:${this.port}`;
  }
}

export class Transport {
  #id;
  #isDisconnecting = false;

  constructor(id) {
    this.#id = id;
  }

  get id() {
    return this.#id;
  }

  write(data) {
    host.write(this.#id, data instanceof Uint8Array ? data : toBytes(data));
  }

  writeMany(pieces) {
    host.writeMany(this.#id, Array.from(pieces, toBytes));
  }

  writeSequence(pieces) {
    this.writeMany(pieces);
  }

  loseConnection() {
    this.#isDisconnecting = true;
    host.loseConnection(this.#id);
  }

  abortConnection() {
    this.#isDisconnecting = true;
    host.abortConnection(this.#id);
  }

  shutdownWrite() {
    host.shutdownWrite(this.#id);
  }

  pauseReading() {
    host.pauseReading(this.#id);
  }

  resumeReading() {
    host.resumeReading(this.#id);
  }

  get isDisconnecting() {
    return this.#isDisconnecting;
  }

  get peer() {
    return address(host.peer(this.#id));
  }

  get host() {
    return address(host.host(this.#id));
  }

  get bufferedBytes() {
    return host.bufferedBytes(this.#id);
  }
}

function address({ host, port }) {
  return new Address(host, port);
}
