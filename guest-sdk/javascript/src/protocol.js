// The classes that a server or a program extends. They know nothing of who calls them.

export class Protocol {
  /** Set before `connectionMade` is called. */
  transport;
  factory;

  connectionMade() {}

  dataReceived(_data) {
    throw new Error(`${this.constructor.name} does nothing with what it receives: you must override dataReceived`);
  }

  readClosed() {
    this.transport.loseConnection();
  }

  drained() {}

  connectionLost(_reason) {}
}

export class Factory {
  /** The Protocol subclass of which `buildProtocol` makes one for each connection. */
  protocol;

  startFactory(_config) {}

  buildProtocol(_peer) {
    if (this.protocol === undefined) {
      throw new Error(`${this.constructor.name} builds nothing: override buildProtocol, or set protocol`);
    }
    const protocol = new this.protocol();
    protocol.factory = this;
    return protocol;
  }

  stopFactory() {}
}

export class StatefulFactory extends Factory {
  saveState() {
    throw new Error(`${this.constructor.name} saves nothing: you must override saveState`);
  }

  restoreState(_state) {
    throw new Error(`${this.constructor.name} restores nothing: you must override restoreState`);
  }
}

export class Program {
  start(_config) {}

  execute() {
    throw new Error(`${this.constructor.name} does nothing: you must override execute`);
  }

  stop() {}
}
