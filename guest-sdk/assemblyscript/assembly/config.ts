// The operator's configuration values (`--config KEY=VALUE`); knows nothing of what they mean.

import * as abi from "./abi";

export namespace config {
  /** The value of `key`, if the operator gave one. To be called from anywhere, at any time: the values don't change
   * while an instance lives. */
  export function get(key: string): string | null {
    const bytes = String.UTF8.encode(key);
    abi.configGet(changetype<usize>(bytes), bytes.byteLength, abi.RESULT);
    return load<u8>(abi.RESULT) == 0 ? null : abi.takeTextAt(abi.RESULT + 4);
  }

  /** All values. */
  export function all(): Config {
    abi.configAll(abi.RESULT);
    return Config.take(load<usize>(abi.RESULT), load<usize>(abi.RESULT, 4));
  }
}

/** The configuration as `startFactory` and `start` are given it. */
export class Config {
  /** In the order of the keys. */
  readonly keys: string[] = [];
  /** In the order of the keys. */
  readonly values: string[] = [];

  /** The value of `key`, or else `otherwise`. */
  get(key: string, otherwise: string): string {
    const place = this.keys.indexOf(key);
    return place < 0 ? otherwise : this.values[place];
  }

  /** Takes over what the host has handed over; for this package. */
  static take(list: usize, count: usize): Config {
    const values = new Config();
    for (let index: usize = 0; index < count; ++index) {
      const place = list + (index << 4);
      values.keys.push(abi.takeTextAt(place));
      values.values.push(abi.takeTextAt(place + 8));
    }
    abi.free(list, count);
    return values;
  }
}
