// What guests import from "wisted". It only names what the other files do.

export { config } from "./config.js";
export { Deferred } from "./deferred.js";
export { CancelledError, CloseReason, FetchError, FramingError, WaitError } from "./errors.js";
export { format } from "./format.js";
export {
  FRAME_MAX_BYTES,
  Int32Buffer,
  LINE_MAX_BYTES,
  LineBuffer,
  NetstringBuffer,
  int32Frame,
  netstring,
} from "./framing.js";
export { log } from "./log.js";
export { Factory, Program, Protocol, StatefulFactory } from "./protocol.js";
export { randomBytes } from "./random.js";
export { Int32Receiver, LineReceiver, NetstringReceiver } from "./receivers.js";
export { decode, encode } from "./text.js";
export { DelayedCall, after, callLater, now, sleep } from "./time.js";
export { Address, Transport } from "./transport.js";
export { Response, getPage, request } from "./web.js";
