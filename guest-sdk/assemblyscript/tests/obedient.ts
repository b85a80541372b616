// A guest for the package's own tests: does as it is told, letter by letter, and logs what happens.

import {
  Address, CloseReason, Config, FetchResult, Protocol, Request, StatefulFactory, Transport, after, callLater, config, getPage, log,
  randomBytes, request, serve, sleep,
} from "../assembly";
export * from "../assembly/exports/stateful-protocol";

class Obedients extends StatefulFactory {
  private state: Uint8Array = new Uint8Array(0);

  startFactory(values: Config): string | null {
    assert(config.all().keys.length == values.keys.length);
    const fail = config.get("fail");
    assert(values.get("fail", "none") == (fail === null ? "none" : fail));
    return fail;
  }

  buildProtocol(peer: Address): Protocol {
    assert(peer.toString().startsWith("127.0.0.1:4"));
    return new Obedient();
  }

  saveState(): Uint8Array {
    return this.state;
  }

  restoreState(state: Uint8Array): string | null {
    if (state.length == 1) return "the state is too short";
    this.state = state;
    return null;
  }

  stopFactory(): void {
    log.info("stopped");
  }
}

class Obedient extends Protocol {
  connectionMade(transport: Transport): void {
    transport.writeText("hi ");
  }

  dataReceived(transport: Transport, data: Uint8Array): void {
    const text = String.UTF8.decodeUnsafe(data.dataStart, data.length);
    log.debug("data " + text);
    transport.writeMany([open, data, close]);
    if (text == "q") transport.loseConnection();
    if (text == "a") transport.abortConnection();
    if (text == "h") transport.shutdownWrite();
    if (text == "r") transport.writeText(randomBytes(3).length.toString());
    if (text == "s") transport.writeText((<i32>sleep(5)).toString() + (<i32>after(5).wait()).toString());
    if (text == "c") {
      const call = callLater<Transport>(5, (other: Transport): void => other.loseConnection(), transport);
      transport.writeText([call.isPending, call.cancel(), call.cancel(), call.isPending].join());
    }
    if (text == "p") {
      transport.pauseReading();
      callLater<Transport>(1000, (other: Transport): void => other.resumeReading(), transport);
    }
    if (text == "g") getPage("http://one/").then<Transport>(show, transport);
    if (text == "w") show(getPage("http://one/").wait(), transport);
    if (text == "b") getPage("http://one/").then<Transport>(show, transport).wait();
    if (text == "o") show(request(new Request("POST", "http://two/").header("a", "b").text("x")).wait(), transport);
    if (text == "x") assert(false, "told to fail");
    transport.writeText("!");
  }

  drained(transport: Transport): void {
    log.info("drained " + transport.bufferedBytes.toString());
  }

  connectionLost(transport: Transport, reason: CloseReason): void {
    transport.writeText("nobody reads this");
    log.info(reason.name + ": " + reason.toString());
  }
}

function show(result: FetchResult, transport: Transport): void {
  const page = result.response;
  const failure = result.failure;
  if (page !== null) transport.writeText(page.status.toString() + " " + page.text + " " + page.header("SERVER")!);
  else if (failure !== null) transport.writeText(failure.name + ": " + failure.toString());
  else transport.writeText("gave up " + (<i32>result.waitError).toString());
}

const open = Uint8Array.wrap(String.UTF8.encode("<"));
const close = Uint8Array.wrap(String.UTF8.encode(">"));

serve(new Obedients());
