// Protocols that receive lines or frames instead of bytes. They know nothing of how frames are cut.

import { Deferred } from "./deferred.js";
import { FramingError } from "./errors.js";
import {
  FRAME_MAX_BYTES,
  Int32Buffer,
  LINE_MAX_BYTES,
  LineBuffer,
  NetstringBuffer,
  int32Frame,
  netstring,
} from "./framing.js";
import { Protocol } from "./protocol.js";
import { decode, toBytes } from "./text.js";

export class LineReceiver extends Protocol {
  delimiter = "\n";
  encoding = "utf-8";
  maxLength = LINE_MAX_BYTES;
  #buffer;
  #isRaw = false;
  #isBusy = false;

  lineReceived(_line) {
    throw new Error(`${this.constructor.name} does nothing with lines: you must override lineReceived`);
  }

  rawDataReceived(_data) {
    throw new Error(`${this.constructor.name} does nothing with raw data: you must override rawDataReceived`);
  }

  lineLengthExceeded(_error) {
    this.transport.loseConnection();
  }

  sendLine(line) {
    this.transport.writeMany([line, this.delimiter]);
  }

  setRawMode() {
    this.#isRaw = true;
  }

  setLineMode(rest) {
    this.#isRaw = false;
    if (rest !== undefined && rest.length > 0) {
      this.dataReceived(rest);
    }
  }

  dataReceived(data) {
    this.#buffer ??= new LineBuffer(this.maxLength);
    this.#buffer.push(data);
    // `setLineMode` comes back here out of a handler; the loop below that called it goes on with the rest.
    if (this.#isBusy) {
      return undefined;
    }
    this.#isBusy = true;
    try {
      return this.#deliver();
    } catch (error) {
      if (!(error instanceof FramingError)) throw error;
      this.#buffer = undefined;
      return this.lineLengthExceeded(error);
    } finally {
      this.#isBusy = false;
    }
  }

  #deliver() {
    const returned = [];
    while (!this.transport.isDisconnecting) {
      if (this.#isRaw) {
        const rest = this.#buffer.rest();
        if (rest.length === 0) break;
        returned.push(this.rawDataReceived(rest));
      } else {
        const line = this.#buffer.next();
        if (line === undefined) break;
        returned.push(this.lineReceived(this.encoding === null ? line : decode(line)));
      }
    }
    return together(returned);
  }
}

class FrameReceiver extends Protocol {
  maxLength = FRAME_MAX_BYTES;
  #frames;

  frameReceived(_frame) {
    throw new Error(`${this.constructor.name} does nothing with frames: you must override frameReceived`);
  }

  framingFailed(_error) {
    this.transport.loseConnection();
  }

  dataReceived(data) {
    this.#frames ??= this._buffer();
    this.#frames.push(data);
    const returned = [];
    while (!this.transport.isDisconnecting) {
      let frame;
      try {
        frame = this.#frames.next();
      } catch (error) {
        returned.push(this.framingFailed(error));
        break;
      }
      if (frame === undefined) break;
      returned.push(this.frameReceived(frame));
    }
    return together(returned);
  }
}

export class NetstringReceiver extends FrameReceiver {
  _buffer() {
    return new NetstringBuffer(this.maxLength);
  }

  sendFrame(frame) {
    this.transport.writeMany(netstring(toBytes(frame)));
  }
}

export class Int32Receiver extends FrameReceiver {
  _buffer() {
    return new Int32Buffer(this.maxLength);
  }

  sendFrame(frame) {
    this.transport.writeMany(int32Frame(toBytes(frame)));
  }
}

/** What several handlers returned as one: so the error of one that is async comes out as that of any async handler. */
function together(returned) {
  const promises = returned.filter((value) => typeof value?.then === "function");
  return promises.length === 0 ? undefined : Deferred.all(promises);
}
