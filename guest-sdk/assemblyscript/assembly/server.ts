// The classes that a guest derives from, and one instance's protocols by connection: calls the user's handlers, knows
// nothing of where calls come from.

import { Address, Transport } from "./transport";
import { CloseReason } from "./reason";
import { Config } from "./config";

/** What happens on one connection: Twisted's `IProtocol`. Override what you need. */
export abstract class Protocol {
  /** The peer has connected. Called once, before everything else: the place for a greeting. */
  connectionMade(_transport: Transport): void {}

  /** Bytes arrived: in order, never empty, cut wherever the network cut them. `data` is yours. */
  abstract dataReceived(transport: Transport, data: Uint8Array): void;

  /** The peer will send no more (TCP FIN); writing still works. The default closes once everything written is sent. */
  readClosed(transport: Transport): void {
    transport.loseConnection();
  }

  /** The peer had been slow and has caught up: the time to write more, for protocols that produce much. */
  drained(_transport: Transport): void {}

  /** The connection is gone. Called once, after everything else about it; the transport does nothing any more. */
  connectionLost(_transport: Transport, _reason: CloseReason): void {}
}

/** Builds the protocols of a service and owns what they share: Twisted's `ServerFactory`. Each instance has one: with
 * isolation `connection` every connection, with isolation `service` all of them together. */
export abstract class Factory {
  /** The instance begins. Called once, before everything else. A text refuses the connection, or with isolation
   * `service` the service, and is logged. */
  startFactory(_config: Config): string | null {
    return null;
  }

  /** A peer has connected: makes its protocol, whose `connectionMade` is called next. */
  abstract buildProtocol(peer: Address): Protocol;

  /** The instance ends in an orderly way. Called once, after everything else; not after a trap. */
  stopFactory(): void {}
}

/** A factory that hands its state to the one that takes its place, when there is a new build or its instance has served
 * enough. It is for isolation `service`, and its guest exports what is in `assembly/exports/stateful-protocol`. */
export abstract class StatefulFactory extends Factory {
  /** What the next one is to know, at most 16 MiB. Called once that one has started; this one goes on serving its open
   * connections, but what changes from then on is not handed over. Say in it which version it is: another build will
   * read it. */
  abstract saveState(): Uint8Array;

  /** What the one before has saved; perhaps empty. Called after `startFactory` and before the first connection; not
   * where there is no old instance. With a text, which is logged, the old one stays in its place. */
  abstract restoreState(state: Uint8Array): string | null;
}

/** What runs by itself, without sockets. */
export abstract class Program {
  /** The instance begins; called before `execute`. A text ends the program, as one of `execute` does. */
  start(_config: Config): string | null {
    return null;
  }

  /** Called once. The host goes on until this has returned and nothing is pending, and then exits: with 0, or with 1
   * and the text. */
  abstract execute(): string | null;

  /** The program ends in an orderly way; called after everything else. */
  stop(): void {}
}

/** Makes a guest of a protocol that is its own factory: a new one for each connection. Call it once, at the top
 * level. */
export function serveProtocol<P extends Protocol>(): void {
  factory = new Own<P>();
}

/** Makes a guest of a factory. Call it once, at the top level. */
export function serve(what: Factory): void {
  factory = what;
}

/** Makes a guest of a program. Call it once, at the top level. */
export function runProgram(what: Program): void {
  program = what;
}

class Own<P extends Protocol> extends Factory {
  buildProtocol(_peer: Address): Protocol {
    return instantiate<P>();
  }
}

let factory: Factory | null = null;
let program: Program | null = null;
const protocols = new Map<u32, Served>();

/** A connection: its protocol and its transport. */
class Served {
  constructor(readonly protocol: Protocol, readonly transport: Transport) {}
}

/** What the exports call; for this package. */
export namespace instance {
  export function start(config: Config): string | null {
    if (factory !== null) return factory!.startFactory(config);
    if (program !== null) return program!.start(config);
    return "the guest calls none of serveProtocol, serve and runProgram";
  }

  export function stop(): void {
    if (factory !== null) factory!.stopFactory();
    if (program !== null) program!.stop();
  }

  export function execute(): string | null {
    return program!.execute();
  }

  export function saveState(): Uint8Array {
    return stateful().saveState();
  }

  export function restoreState(state: Uint8Array): string | null {
    return stateful().restoreState(state);
  }

  function stateful(): StatefulFactory {
    const made = factory;
    assert(made instanceof StatefulFactory, "a guest with the exports of stateful-protocol serves a StatefulFactory");
    return made as StatefulFactory;
  }

  export function connectionMade(id: u32): void {
    const transport = new Transport(id);
    const served = new Served(factory!.buildProtocol(transport.peer), transport);
    protocols.set(id, served);
    served.protocol.connectionMade(transport);
  }

  export function dataReceived(id: u32, data: Uint8Array): void {
    const served = protocols.get(id);
    served.protocol.dataReceived(served.transport, data);
  }

  export function readClosed(id: u32): void {
    const served = protocols.get(id);
    served.protocol.readClosed(served.transport);
  }

  export function drained(id: u32): void {
    const served = protocols.get(id);
    served.protocol.drained(served.transport);
  }

  export function connectionLost(id: u32, reason: CloseReason): void {
    const served = protocols.get(id);
    protocols.delete(id);
    served.protocol.connectionLost(served.transport, reason);
  }
}
