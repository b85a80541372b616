// Text to UTF-8 and back, for engines without TextEncoder, and what counts as bytes. Knows nothing of who sends them.

const ASCII = /^[\x00-\x7f]*$/;
// More arguments at once might not fit on the engine's stack.
const CHUNK_BYTES = 8192;

/** The text as UTF-8. Halves of surrogate pairs become U+FFFD. */
export function encode(text) {
  const binary = ASCII.test(text) ? text : unescape(encodeURIComponent(text.toWellFormed()));
  // In an interpreter a loop over the characters takes ten times as long as these two built-in functions.
  if (binary.length > 32 && Uint8Array.fromBase64 !== undefined) {
    return Uint8Array.fromBase64(btoa(binary));
  }
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) {
    bytes[at] = binary.charCodeAt(at);
  }
  return bytes;
}

/** The bytes as text. What is not UTF-8 becomes U+FFFD. */
export function decode(bytes) {
  let binary = "";
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    binary += String.fromCharCode.apply(null, bytes.subarray(at, at + CHUNK_BYTES));
  }
  if (ASCII.test(binary)) {
    return binary;
  }
  try {
    return decodeURIComponent(escape(binary));
  } catch {
    return decodeBroken(bytes);
  }
}

/** What was given to be sent, as bytes: text as UTF-8, bytes as they are. */
export function toBytes(data) {
  if (data instanceof Uint8Array) {
    return data;
  }
  if (typeof data === "string") {
    return encode(data);
  }
  if (ArrayBuffer.isView(data)) {
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  if (data instanceof ArrayBuffer) {
    return new Uint8Array(data);
  }
  throw new TypeError(`neither text nor bytes (a string, or a Uint8Array or its like) but ${typeName(data)}`);
}

/** Text that the contract's strings can carry. */
export function wellFormed(text) {
  return String(text).toWellFormed();
}

function typeName(value) {
  return value === null || typeof value !== "object" ? String(value) : `a ${value.constructor?.name ?? "object"}`;
}

/** The slow way: each maximal wrong piece becomes one U+FFFD, as the WHATWG's decoder does. */
function decodeBroken(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at);
    if (length > 0) {
      text += String.fromCodePoint(codePoint(bytes, at, length));
      at += length;
    } else {
      text += "\ufffd";
      at += wrongLength(bytes, at);
    }
  }
  return text;
}

function codePoint(bytes, at, length) {
  let point = length === 1 ? bytes[at] : bytes[at] & (0x7f >> length);
  for (let next = 1; next < length; next++) {
    point = (point << 6) | (bytes[at + next] & 0x3f);
  }
  return point;
}

/** How long the sound sequence at `at` is; 0 if it is not sound. */
function sequenceLength(bytes, at) {
  const wanted = wantedLength(bytes[at]);
  return wanted > 0 && soundBytes(bytes, at, wanted) === wanted ? wanted : 0;
}

function wrongLength(bytes, at) {
  const wanted = wantedLength(bytes[at]);
  return wanted === 0 ? 1 : soundBytes(bytes, at, wanted);
}

function wantedLength(first) {
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/** How many of the `wanted` bytes at `at` may stand in one sequence. */
function soundBytes(bytes, at, wanted) {
  const first = bytes[at];
  for (let next = 1; next < wanted; next++) {
    const byte = bytes[at + next];
    const low = next > 1 ? 0x80 : first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
    const high = next > 1 ? 0xbf : first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
    if (byte === undefined || byte < low || byte > high) {
      return next;
    }
  }
  return wanted;
}
