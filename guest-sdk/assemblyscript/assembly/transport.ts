// A connection as its protocol sees it; knows nothing of protocols.

import * as abi from "./abi";

/** A handle on one connection: Twisted's `ITCPTransport`.
 *
 * Keep it as long as you like, for instance so that one connection can write to another. On a connection that is lost
 * every method does nothing. Nothing here blocks, fails or calls a protocol back; what happened is told later, through
 * `connectionLost` at the latest. */
export class Transport {
  /** `id` is the number of the connection within the instance: 1 for the first, and so on. */
  constructor(public readonly id: u32) {}

  /** Queues `data` for the peer, in order; it is copied. What cannot be sent is dropped with the connection. More than
   * the service's `write-buffer-max-bytes` in one handler traps: produce in portions and go on in `drained`. */
  write(data: Uint8Array): void {
    abi.write(this.id, data.dataStart, data.byteLength);
  }

  /** Queues a text in UTF-8. */
  writeText(text: string): void {
    const bytes = String.UTF8.encode(text);
    abi.write(this.id, changetype<usize>(bytes), bytes.byteLength);
  }

  /** Queues several pieces as if each had been written in turn; costs less than many writes. Twisted's
   * `writeSequence`. */
  writeMany(pieces: Uint8Array[]): void {
    const list = heap.alloc((<usize>pieces.length) << 3);
    for (let index = 0; index < pieces.length; ++index) {
      const place = list + ((<usize>index) << 3);
      const piece = pieces[index];
      store<usize>(place, piece.dataStart);
      store<usize>(place, piece.byteLength, 4);
    }
    abi.writeMany(this.id, list, pieces.length);
    heap.free(list);
  }

  /** Closes the connection once everything written so far is sent. No more data is received, later writes are ignored,
   * and `connectionLost` follows. */
  loseConnection(): void {
    abi.loseConnection(this.id);
  }

  /** Closes the connection now and drops what is unsent (TCP RST): for peers that misbehave. */
  abortConnection(): void {
    abi.abortConnection(this.id);
  }

  /** Half close: once everything written so far is sent, tells the peer that no more will come (TCP FIN), and goes on
   * receiving. Later writes are ignored. */
  shutdownWrite(): void {
    abi.shutdownWrite(this.id);
  }

  /** Stops `dataReceived` until `resumeReading`. The peer is slowed down, nothing is lost. */
  pauseReading(): void {
    abi.pauseReading(this.id);
  }

  /** Undoes `pauseReading`. */
  resumeReading(): void {
    abi.resumeReading(this.id);
  }

  /** The address of the peer. */
  get peer(): Address {
    abi.peer(this.id, abi.RESULT);
    return Address.take();
  }

  /** The address on this side that the peer connected to. */
  get host(): Address {
    abi.host(this.id, abi.RESULT);
    return Address.take();
  }

  /** How many bytes were written and are not yet with the operating system. To be asked before writing much: a slow
   * peer's connection is ended when too much waits for it. */
  get bufferedBytes(): u64 {
    return abi.bufferedBytes(this.id);
  }
}

/** One end of a connection. */
export class Address {
  /** `host` is an IP address without brackets or port, `port` the TCP port. */
  constructor(public readonly host: string, public readonly port: u16) {}

  /** `127.0.0.1:8000` or `[::1]:8000`. */
  toString(): string {
    const host = this.host.includes(":") ? "[" + this.host + "]" : this.host;
    return host + ":" + this.port.toString();
  }

  /** What an import has just answered; for this package. */
  static take(): Address {
    const port = load<u16>(abi.RESULT, 8);
    return new Address(abi.takeTextAt(abi.RESULT), port);
  }
}
