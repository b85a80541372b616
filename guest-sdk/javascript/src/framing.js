// Lines, netstrings and length-prefixed frames, cut out of bytes that come in any pieces. Knows no connections.

import { FramingError } from "./errors.js";

export const LINE_MAX_BYTES = 16_384;
export const FRAME_MAX_BYTES = 99_999;

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const COMMA = 0x2c;
const ZERO = 0x30;
const CAPACITY_MIN_BYTES = 256;

/** Bytes that came and are not used up yet. Grows by doubling, so that single bytes cost no more than large pieces. */
class Bytes {
  #buffer = new Uint8Array();
  #start = 0;
  #end = 0;

  get length() {
    return this.#end - this.#start;
  }

  push(data) {
    if (this.#start === this.#end) {
      // What comes in one piece is not copied.
      this.#buffer = data;
      this.#start = 0;
      this.#end = data.length;
      return;
    }
    this.#reserve(data.length);
    this.#buffer.set(data, this.#end);
    this.#end += data.length;
  }

  at(index) {
    return this.#buffer[this.#start + index];
  }

  indexOf(byte, from) {
    const found = this.#buffer.indexOf(byte, this.#start + from);
    return found < 0 || found >= this.#end ? -1 : found - this.#start;
  }

  /** The next `length` bytes as a copy that the caller may keep. */
  take(length) {
    const bytes = this.#buffer.slice(this.#start, this.#start + length);
    this.#start += length;
    return bytes;
  }

  skip(length) {
    this.#start += length;
  }

  #reserve(length) {
    const used = this.length;
    // A buffer that came as one piece is not ours to write into.
    const capacity = Math.max(CAPACITY_MIN_BYTES, this.#isOwn() ? this.#buffer.length : 0);
    if (this.#isOwn() && this.#end + length <= capacity) {
      return;
    }
    const grown = new Uint8Array(used + length <= capacity / 2 ? capacity : 2 * Math.max(capacity, used + length));
    grown.set(this.#buffer.subarray(this.#start, this.#end));
    own.add(grown);
    this.#buffer = grown;
    this.#start = 0;
    this.#end = used;
  }

  #isOwn() {
    return own.has(this.#buffer);
  }
}

const own = new WeakSet();

export class LineBuffer {
  #bytes = new Bytes();
  #seen = 0;
  #lineMaxBytes;

  constructor(lineMaxBytes = LINE_MAX_BYTES) {
    this.#lineMaxBytes = lineMaxBytes;
  }

  push(data) {
    this.#bytes.push(data);
  }

  next() {
    const end = this.#bytes.indexOf(LF, this.#seen);
    const came = end < 0 ? this.#bytes.length : end;
    if ((this.#bytes.at(came - 1) === CR ? came - 1 : came) > this.#lineMaxBytes) {
      throw new FramingError(`a line is longer than ${this.#lineMaxBytes} bytes`);
    }
    if (end < 0) {
      this.#seen = came;
      return undefined;
    }
    this.#seen = 0;
    const line = this.#bytes.take(end);
    this.#bytes.skip(1);
    return line.at(-1) === CR ? line.subarray(0, -1) : line;
  }

  rest() {
    this.#seen = 0;
    return this.#bytes.take(this.#bytes.length);
  }
}

export class NetstringBuffer {
  #bytes = new Bytes();
  #frameMaxBytes;

  constructor(frameMaxBytes = FRAME_MAX_BYTES) {
    this.#frameMaxBytes = frameMaxBytes;
  }

  push(data) {
    this.#bytes.push(data);
  }

  next() {
    const head = this.#head();
    if (head === undefined || this.#bytes.length < head.digits + 1 + head.length + 1) {
      return undefined;
    }
    if (this.#bytes.at(head.digits + 1 + head.length) !== COMMA) {
      throw new FramingError("a netstring does not end with a comma");
    }
    this.#bytes.skip(head.digits + 1);
    const frame = this.#bytes.take(head.length);
    this.#bytes.skip(1);
    return frame;
  }

  rest() {
    return this.#bytes.take(this.#bytes.length);
  }

  #head() {
    let length = 0;
    for (let digits = 0; digits < this.#bytes.length; digits++) {
      const byte = this.#bytes.at(digits);
      if (byte === COLON && digits > 0) {
        return { digits, length };
      }
      if (byte < ZERO || byte > ZERO + 9 || (digits === 1 && length === 0)) {
        throw new FramingError("a netstring does not begin with its length");
      }
      length = length * 10 + byte - ZERO;
      if (length > this.#frameMaxBytes) {
        throw new FramingError(`a netstring is longer than ${this.#frameMaxBytes} bytes`);
      }
    }
    return undefined;
  }
}

export class Int32Buffer {
  #bytes = new Bytes();
  #frameMaxBytes;

  constructor(frameMaxBytes = FRAME_MAX_BYTES) {
    this.#frameMaxBytes = frameMaxBytes;
  }

  push(data) {
    this.#bytes.push(data);
  }

  next() {
    if (this.#bytes.length < 4) {
      return undefined;
    }
    let length = 0;
    for (let at = 0; at < 4; at++) {
      length = length * 256 + this.#bytes.at(at);
    }
    if (length > this.#frameMaxBytes) {
      throw new FramingError(`a frame is longer than ${this.#frameMaxBytes} bytes`);
    }
    if (this.#bytes.length < 4 + length) {
      return undefined;
    }
    this.#bytes.skip(4);
    return this.#bytes.take(length);
  }

  rest() {
    return this.#bytes.take(this.#bytes.length);
  }
}

/** The frame with its length before it, in decimal and in pieces for `writeMany`. */
export function netstring(bytes) {
  return [`${bytes.length}:`, bytes, ","];
}

/** The frame with its length before it, as four bytes, the highest first; in pieces for `writeMany`. */
export function int32Frame(bytes) {
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, bytes.length);
  return [head, bytes];
}
