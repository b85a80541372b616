// A guest's memory as the canonical ABI lays values out in it. Knows nothing of what they mean.

export class Memory {
  #exports;

  constructor(exports) {
    this.#exports = exports;
  }

  // Made anew each time: the memory may have grown.
  get #view() {
    return new DataView(this.#exports.memory.buffer);
  }

  byte(at) {
    return this.#view.getUint8(at);
  }

  setByte(at, value) {
    this.#view.setUint8(at, value);
  }

  setHalf(at, value) {
    this.#view.setUint16(at, value, true);
  }

  setWord(at, value) {
    this.#view.setUint32(at, value, true);
  }

  /** A copy of the bytes there. */
  read(at, length) {
    return Buffer.from(new Uint8Array(this.#exports.memory.buffer, at >>> 0, length >>> 0));
  }

  readText(at, length) {
    return this.read(at, length).toString();
  }

  /** What an address and a length at a place say. */
  bytesAt(place) {
    return this.read(this.#view.getUint32(place, true), this.#view.getUint32(place + 4, true));
  }

  textAt(place) {
    return this.bytesAt(place).toString();
  }

  readPairs(list, count) {
    const places = Array.from({ length: count }, (_, index) => list + 16 * index);
    return places.map((place) => [this.textAt(place), this.textAt(place + 8)]);
  }

  /** Puts bytes where the guest wants them; returns their address and length. */
  bytes(data) {
    const at = this.#exports.cabi_realloc(0, 0, 1, data.length);
    new Uint8Array(this.#exports.memory.buffer, at >>> 0, data.length).set(data);
    return [at, data.length];
  }

  text(text) {
    return this.bytes(Buffer.from(text));
  }

  /** Puts a list of pairs of texts; returns its address and length. */
  pairs(pairs) {
    const list = this.#exports.cabi_realloc(0, 0, 4, 16 * pairs.length);
    pairs.forEach(([name, value], index) => {
      this.setText(list + 16 * index, name);
      this.setText(list + 16 * index + 8, value);
    });
    return [list, pairs.length];
  }

  setBytes(place, data) {
    const [at, length] = this.bytes(data);
    this.setWord(place, at);
    this.setWord(place + 4, length);
  }

  setText(place, text) {
    this.setBytes(place, Buffer.from(text));
  }
}
