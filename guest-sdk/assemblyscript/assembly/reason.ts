// Why connections end: the contract's `close-reason`. Knows nothing of protocols.

import { free, takeText } from "./abi";

/** The contract's cases, in its order. */
export enum CloseKind {
  /** Closed in an orderly way, by either side, with everything written handed to the operating system. */
  Done,
  /** The operating system reported an error, such as a reset by the peer. */
  Lost,
  /** This guest called `abortConnection`. */
  Aborted,
  /** Too much waited for the peer, or it waited for too long. The text names the limit. */
  PeerNotReading,
  /** The host is stopping, and the time that connections were given to finish is over. */
  Stopping,
}

/** Why a connection ended. */
export class CloseReason {
  /** `text` is empty for most kinds. */
  constructor(public readonly kind: CloseKind, public readonly text: string) {}

  /** The contract's name for it, such as `peer-not-reading`. */
  get name(): string {
    return NAMES[this.kind];
  }

  /** A sentence. */
  toString(): string {
    return SENTENCES[this.kind] + this.text;
  }

  /** Takes over what the host has handed over; for this package. */
  static take(tag: u32, at: usize, length: usize): CloseReason {
    const hasText = tag == CloseKind.Lost || tag == CloseKind.PeerNotReading;
    return new CloseReason(tag, hasText ? takeText(at, length) : "");
  }

  /** Frees what the host has handed over at this place, unread; for this package. */
  static drop(place: usize): void {
    const tag = load<u8>(place);
    if (tag == CloseKind.Lost || tag == CloseKind.PeerNotReading) free(load<usize>(place, 4), load<usize>(place, 8));
  }
}

const NAMES: StaticArray<string> = ["done", "lost", "aborted", "peer-not-reading", "stopping"];
const SENTENCES: StaticArray<string> = [
  "the connection was closed",
  "the connection was lost: ",
  "the connection was aborted",
  "the peer did not read: ",
  "the host is stopping",
];
