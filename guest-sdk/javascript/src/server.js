// One instance's factory and its protocols by connection: calls the user's handlers. Knows nothing of where calls come
// from: the bindings drive it in a guest, `wisted/testing` natively.

import { closeReason } from "./errors.js";
import { Factory, Program, Protocol, StatefulFactory } from "./protocol.js";
import { toBytes } from "./text.js";
import { Transport } from "./transport.js";

/** Runs what `made` makes. Each method returns what the user's handler returned. */
export class Server {
  #make;
  #factory;
  #protocols = new Map();

  /** `make` makes the factory; it is called when the instance begins. */
  constructor(make) {
    this.#make = make;
  }

  start(config) {
    this.#factory = this.#make();
    return this.#factory.startFactory(config);
  }

  stop() {
    return this.#factory.stopFactory();
  }

  /** As bytes. Like the next one, only for a StatefulFactory. */
  saveState() {
    return toBytes(this.#factory.saveState());
  }

  restoreState(state) {
    return this.#factory.restoreState(state);
  }

  connectionMade(connection, transport = new Transport(connection)) {
    const protocol = this.#factory.buildProtocol(transport.peer);
    if (!(protocol instanceof Protocol)) {
      throw new TypeError(`buildProtocol has to return a Protocol, not ${String(protocol)}`);
    }
    protocol.transport = transport;
    protocol.factory ??= this.#factory;
    this.#protocols.set(connection, protocol);
    return protocol.connectionMade();
  }

  dataReceived(connection, data) {
    return this.#protocols.get(connection)?.dataReceived(data);
  }

  readClosed(connection) {
    return this.#protocols.get(connection)?.readClosed();
  }

  drained(connection) {
    return this.#protocols.get(connection)?.drained();
  }

  connectionLost(connection, reason) {
    const protocol = this.#protocols.get(connection);
    this.#protocols.delete(connection);
    return protocol?.connectionLost(closeReason(reason));
  }
}

/** How to make the factory, or the program, of what a guest exports; and the contract's world that it needs. */
export function resolveApp(app) {
  if (app instanceof Program || extendsClass(app, Program)) {
    return { world: "standalone", make: maker(app) };
  }
  if (extendsClass(app, Protocol)) {
    return {
      world: "protocol",
      make() {
        const factory = new Factory();
        factory.protocol = app;
        return factory;
      },
    };
  }
  if (app instanceof Factory || extendsClass(app, Factory)) {
    const isStateful = app instanceof StatefulFactory || extendsClass(app, StatefulFactory);
    return { world: isStateful ? "stateful-protocol" : "protocol", make: maker(app) };
  }
  throw new TypeError(
    "the guest's main module has to `export default` a class that extends Protocol, Factory or Program of wisted",
  );
}

function extendsClass(app, base) {
  return typeof app === "function" && (app === base || app.prototype instanceof base);
}

function maker(app) {
  return typeof app === "function" ? () => new app() : () => app;
}
