// Log records. The host adds the names of the service and the guest and the connection whose handler is running.

import * as abi from "./abi";

/** How much a record matters; the contract's `level`. */
export enum Level { Trace, Debug, Info, Warn, Error }

export namespace log {
  /** Writes one record. A message longer than 8 KiB is cut. */
  export function write(level: Level, message: string): void {
    const bytes = String.UTF8.encode(message);
    abi.log(level, changetype<usize>(bytes), bytes.byteLength);
  }

  /** Every step. */
  export function trace(message: string): void { write(Level.Trace, message); }

  /** What helps when looking for a fault. */
  export function debug(message: string): void { write(Level.Debug, message); }

  /** What an operator wants to know. */
  export function info(message: string): void { write(Level.Info, message); }

  /** Something is wrong and work goes on. */
  export function warn(message: string): void { write(Level.Warn, message); }

  /** Something has failed. */
  export function error(message: string): void { write(Level.Error, message); }
}
