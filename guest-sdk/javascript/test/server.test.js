// Handlers on fake connections: their order, what a transport does, and what is refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Factory, Program, Protocol, StatefulFactory, after, callLater, config, decode, log } from "wisted";
import { randomBytes } from "wisted";
import { Clock, Server, StringTransport, configure, takeLog } from "wisted/testing";

let events = [];

/** Notes every handler. `q` closes, `a` aborts, `p` pauses for a second, `h` shuts down writing. */
class Noting extends Protocol {
  connectionMade() {
    events.push("made");
    this.transport.write("hi ");
  }

  dataReceived(data) {
    const text = String.fromCharCode(...data);
    events.push(`data ${text}`);
    this.transport.writeMany(["<", data, ">"]);
    if (text === "q") this.transport.loseConnection();
    if (text === "a") this.transport.abortConnection();
    if (text === "h") this.transport.shutdownWrite();
    if (text === "p") {
      this.transport.pauseReading();
      callLater(1000, () => this.transport.resumeReading());
    }
    this.transport.write("!");
  }

  drained() {
    events.push(`drained ${this.transport.bufferedBytes}`);
  }

  connectionLost(reason) {
    this.transport.write("nobody reads this");
    events.push(`lost: ${reason}`);
  }
}

class NotingFactory extends Factory {
  built = 0;

  startFactory(values) {
    assert.deepEqual(config.all(), values);
    assert.equal(config.get("fail"), values.get("fail"));
    if (values.has("fail")) throw new Error(values.get("fail"));
  }

  buildProtocol(peer) {
    this.built++;
    assert.match(String(peer), /^127\.0\.0\.1:4/);
    return new Noting();
  }

  stopFactory() {
    events.push(`stop after ${this.built}`);
  }
}

function start() {
  events = [];
  return new Server(NotingFactory);
}

test("handlers are called in the host's order", () => {
  const server = start();
  const peer = server.connect();
  peer.send("x");
  assert.equal(peer.transport.bufferedBytes, 7);
  assert.equal(String.fromCharCode(...peer.drain()), "hi <x>!");
  peer.send("q");
  assert.ok(peer.isDisconnected && peer.transport.isDisconnecting);
  assert.equal(peer.takeText(), "<q>");
  peer.send("ignored");
  peer.close();
  server.stop();
  const lost = "lost: the connection was closed";
  assert.deepEqual(events, ["made", "data x", "drained 0", "data q", lost, "stop after 1"]);
});

test("an abort drops what is unsent, and a half close goes on receiving", () => {
  const server = start();
  const [one, two] = [server.connect(), server.connect()];
  one.send("a");
  assert.ok(one.isDisconnected && one.connection.isAborted);
  assert.equal(one.text, "");
  two.send("h");
  two.send("more");
  assert.equal(two.text, "hi <h>");
  two.close();
  assert.ok(two.isDisconnected);
});

test("paused data arrives in one piece after resuming", () => {
  const clock = new Clock();
  const server = start();
  const peer = server.connect();
  peer.sendBytewise("pxy");
  assert.deepEqual(events, ["made", "data p"]);
  server.advance(clock, 1000);
  assert.deepEqual(events, ["made", "data p", "data xy"]);
});

test("a reset and a stop tell why", () => {
  const server = start();
  const [one] = [server.connect(), server.connect()];
  one.reset();
  one.reset();
  server.stop();
  const lost = "lost: the connection was lost: reset by the fake peer";
  assert.deepEqual(events, ["made", "made", lost, "lost: the host is stopping", "stop after 2"]);
});

test("an error at the start is told, and what is no guest is refused", () => {
  assert.throws(() => new Server(NotingFactory, { fail: "no" }), /^Error: no$/);
  assert.throws(() => new Server(undefined), /has to `export default`/);
  assert.throws(() => new Server(class extends Program {}), /serves nobody/);
  assert.throws(() => new Server(Factory).connect(), /builds nothing/);
  assert.throws(() => new Server(class extends Protocol {}).connect().send("x"), /must override dataReceived/);
  class Wrong extends Factory {
    buildProtocol() {
      return {};
    }
  }
  assert.throws(() => new Server(Wrong).connect(), /has to return a Protocol/);
});

test("a protocol's class is its own factory, and handlers may be called by hand", () => {
  class Echo extends Protocol {
    dataReceived(data) {
      this.transport.write(data);
    }
  }
  assert.ok(new Server(Echo).connect().transport instanceof Object);
  const protocol = new Echo();
  const connection = new StringTransport();
  protocol.transport = connection.transport;
  protocol.dataReceived(Uint8Array.of(0, 255));
  assert.deepEqual([...connection.takeWritten()], [0, 255]);
  assert.throws(() => connection.transport.write(5), TypeError);
  assert.throws(() => connection.transport.write({}), /neither text nor bytes/);
});

test("async handlers go on after what they await", async () => {
  class Later extends Protocol {
    async dataReceived(data) {
      await after(100);
      this.transport.write(data);
    }
  }
  const clock = new Clock();
  const server = new Server(Later);
  const peer = server.connect();
  peer.send("one");
  server.advance(clock, 100);
  await server.settle();
  assert.equal(peer.takeText(), "one");
});

test("records, configuration and randomness", () => {
  takeLog();
  log.warn("%s is %d", "x", 5, { a: [1] });
  assert.deepEqual(takeLog(), [{ level: "warn", message: "x is 5 { a: [1] }" }]);
  configure({ b: "2", a: "1" });
  assert.deepEqual([...config.all().keys()], ["a", "b"]);
  assert.equal(config.get("c"), undefined);
  assert.equal(randomBytes(16).length, 16);
  assert.throws(() => randomBytes(65_537), RangeError);
});

class Counting extends StatefulFactory {
  count = 0;

  saveState() {
    return String(this.count);
  }

  restoreState(state) {
    if (state.length === 0) throw new Error("nothing is no number");
    this.count = Number(decode(state));
  }
}

test("state is handed over as it is when it is asked for", () => {
  const factory = new Counting();
  const old = new Server(factory);
  factory.count = 5;
  const state = old.saveState();
  factory.count = 6;
  const next = new Server(Counting);
  assert.throws(() => next.restoreState(""), /nothing is no number/);
  next.restoreState(state);
  assert.deepEqual(next.saveState(), state);
  assert.throws(() => new Server(class Forgetful extends StatefulFactory {}).saveState(), /Forgetful saves nothing/);
});

test("an async restoreState can be awaited", async () => {
  class Slow extends Counting {
    async restoreState(state) {
      await after(0);
      super.restoreState(state);
    }
  }
  const [clock, server] = [new Clock(), new Server(Slow)];
  const taken = server.restoreState("7");
  server.advance(clock, 0);
  await server.settle();
  server.advance(clock, 0);
  await taken;
  assert.equal(decode(server.saveState()), "7");
});
