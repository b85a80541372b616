// Framing: cuts a stream into lines, netstrings or int32 frames, and makes such frames. Knows bytes only; what comes of
// them the protocol decides.

import { Transport } from "./transport";

/** The longest line without its end, unless told otherwise. */
export const LINE_MAX_BYTES: i32 = 16 * 1024;
/** The longest payload of a netstring or an int32 frame, unless told otherwise. */
export const FRAME_MAX_BYTES: i32 = 99_999;

/** What has been received and is not yet dealt with. A protocol puts data in and takes lines or frames out; it may
 * change between the kinds at any frame's end:
 *
 *     this.input.push(data);
 *     for (let line = this.input.line(); line !== null; line = this.input.line()) …
 *     if (this.input.fault !== null) transport.loseConnection();
 *
 * Take until there is nothing more before the next `push`: the buffer is bounded by the limits of the taking functions
 * and one `dataReceived`. */
export class Input {
  /** Why the stream cannot be cut any further. Null while it can. */
  fault: string | null = null;
  private buffer: Uint8Array = new Uint8Array(0);
  /** What is not taken yet: from `start` to `end` of the buffer. */
  private start: i32 = 0;
  private end: i32 = 0;
  /** Up to here an incomplete line has been searched for its end. */
  private searched: i32 = 0;

  /** Adds what was received. */
  push(data: Uint8Array): void {
    const rest = this.end - this.start;
    if (this.end + data.length > this.buffer.length) {
      const room = rest + data.length > this.buffer.length ? new Uint8Array((rest + data.length) * 2) : this.buffer;
      memory.copy(room.dataStart, this.buffer.dataStart + this.start, rest);
      this.buffer = room;
      this.searched -= this.start;
      this.start = 0;
      this.end = rest;
    }
    memory.copy(this.buffer.dataStart + this.end, data.dataStart, data.length);
    this.end += data.length;
  }

  /** How much is not taken yet. */
  get bufferedBytes(): i32 {
    return this.end - this.start;
  }

  /** Takes up to `max` bytes as they are; empty when there are none. */
  raw(max: i32): Uint8Array {
    return this.take(min(max, this.end - this.start));
  }

  /** Takes the next line, without its LF and, if so wished, without a CR before it. */
  line(maxBytes: i32 = LINE_MAX_BYTES, stripReturn: bool = true): Uint8Array | null {
    const base = this.buffer.dataStart;
    for (let at = max(this.searched, this.start); at < this.end; ++at) {
      if (load<u8>(base + at) != LF) continue;
      let length = at - this.start;
      if (stripReturn && length > 0 && load<u8>(base + at - 1) == CR) --length;
      if (length > maxBytes) return this.fail("a line is too long");
      const line = this.slice(this.start, length);
      this.forget(at + 1 - this.start);
      return line;
    }
    this.searched = this.end;
    // One more, for the CR before an LF that is still to come.
    return this.end - this.start > maxBytes + 1 ? this.fail("a line is too long") : null;
  }

  /** Takes the next line as text, from UTF-8. */
  lineText(maxBytes: i32 = LINE_MAX_BYTES, stripReturn: bool = true): string | null {
    const line = this.line(maxBytes, stripReturn);
    return line === null ? null : String.UTF8.decodeUnsafe(line.dataStart, line.length);
  }

  /** Takes the next netstring's payload (`5:hello,`). */
  netstring(maxBytes: i32 = FRAME_MAX_BYTES): Uint8Array | null {
    const base = this.buffer.dataStart;
    let length: i64 = 0;
    for (let at = this.start; at < this.end; ++at) {
      const byte = load<u8>(base + at);
      const digits = at - this.start;
      if (byte == COLON && digits > 0) {
        const after = at + 1 + <i32>length;
        if (after >= this.end) return null;
        if (load<u8>(base + after) != COMMA) return this.fail("a netstring does not end with a comma");
        const payload = this.slice(at + 1, <i32>length);
        this.forget(after + 1 - this.start);
        return payload;
      }
      const isLeadingZero = digits == 1 && length == 0;
      if (byte < ZERO || byte > ZERO + 9 || isLeadingZero) return this.fail("this is no netstring");
      length = length * 10 + (byte - ZERO);
      if (length > maxBytes) return this.fail("a netstring is too long");
    }
    return null;
  }

  /** Takes the next int32 frame's payload: four bytes of length, big endian, and so many bytes. */
  int32(maxBytes: i32 = FRAME_MAX_BYTES): Uint8Array | null {
    if (this.end - this.start < 4) return null;
    const length = bswap(load<u32>(this.buffer.dataStart + this.start));
    if (length > <u32>maxBytes) return this.fail("a frame is too long");
    if (this.end - this.start - 4 < <i32>length) return null;
    const payload = this.slice(this.start + 4, length);
    this.forget(4 + length);
    return payload;
  }

  private take(length: i32): Uint8Array {
    const bytes = this.slice(this.start, length);
    this.forget(length);
    return bytes;
  }

  private slice(from: i32, length: i32): Uint8Array {
    const bytes = new Uint8Array(length);
    memory.copy(bytes.dataStart, this.buffer.dataStart + from, length);
    return bytes;
  }

  private forget(length: i32): void {
    this.start += length;
    this.searched = this.start;
    if (this.start < this.end) return;
    this.start = this.end = this.searched = 0;
    // What one burst has needed is not kept for ever.
    if (this.buffer.length > 2 * LINE_MAX_BYTES) this.buffer = new Uint8Array(0);
  }

  private fail(fault: string): Uint8Array | null {
    this.fault = fault;
    return null;
  }
}

/** Writes a netstring. */
export function writeNetstring(transport: Transport, payload: Uint8Array): void {
  const head = Uint8Array.wrap(String.UTF8.encode(payload.length.toString() + ":"));
  transport.writeMany([head, payload, comma]);
}

/** Writes an int32 frame. */
export function writeInt32(transport: Transport, payload: Uint8Array): void {
  const head = new Uint8Array(4);
  store<u32>(head.dataStart, bswap(<u32>payload.length));
  transport.writeMany([head, payload]);
}

const LF: u8 = 10;
const CR: u8 = 13;
const COMMA: u8 = 44;
const ZERO: u8 = 48;
const COLON: u8 = 58;
const comma = Uint8Array.wrap(String.UTF8.encode(","));
