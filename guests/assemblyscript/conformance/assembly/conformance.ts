// The conformance guest: does what a line tells it (tests/conformance/PROTOCOL.md). Knows no test.

import {
  Address, CloseReason, Fetch, FetchResult, Input, Level, Protocol, Request, StatefulFactory, Transport, WaitError,
  after, callLater, config, getPage, log, now, randomBytes, request, serve, sleep, writeInt32, writeNetstring,
} from "wisted-assemblyscript/assembly";
export * from "wisted-assemblyscript/assembly/exports/stateful-protocol";

enum Mode { Lines, Raw, Netstring, Int32, Over }

const LEVELS: string[] = ["trace", "debug", "info", "warn", "error"];
const PIECE_OF_FLOOD = new Uint8Array(64 * 1024).fill(120);
const NUMBER_MAX: i64 = 1 << 31;
const BAD: i64 = -1;

/** What a successor takes over. */
let kept = "";

class ConformanceFactory extends StatefulFactory {
  saveState(): Uint8Array {
    return bytesOf(kept);
  }

  restoreState(state: Uint8Array): string | null {
    const text = String.UTF8.decodeUnsafe(state.dataStart, state.length);
    if (text == "spoilt") return "the state is spoilt";
    kept = text;
    return null;
  }

  buildProtocol(_peer: Address): Protocol {
    return new Conformance();
  }

  stopFactory(): void {
    log.info("stopped");
  }
}

class Conformance extends Protocol {
  private input: Input = new Input();
  private mode: Mode = Mode.Lines;
  private rawLeft: i64 = 0;
  private isFlooding: bool = false;

  dataReceived(transport: Transport, data: Uint8Array): void {
    this.input.push(data);
    while (this.step(transport)) {}
    if (this.input.fault !== null) transport.loseConnection();
  }

  /** Deals with one line, frame or piece; false when there is none. */
  private step(transport: Transport): bool {
    if (this.mode == Mode.Lines) {
      const line = this.input.lineText(16 * 1024, false);
      return line !== null && this.obey(transport, line);
    }
    if (this.mode == Mode.Raw) {
      const piece = this.input.raw(<i32>min(this.rawLeft, <i64>i32.MAX_VALUE));
      transport.write(piece);
      this.rawLeft -= piece.length;
      if (this.rawLeft > 0) return false;
      this.mode = Mode.Lines;
      return true;
    }
    if (this.mode == Mode.Over) return false;
    const frame = this.mode == Mode.Netstring ? this.input.netstring() : this.input.int32();
    if (frame === null) return false;
    if (this.mode == Mode.Netstring) writeNetstring(transport, frame);
    else writeInt32(transport, frame);
    return true;
  }

  /** False when nothing more is to be handled now. */
  private obey(transport: Transport, line: string): bool {
    const space = line.indexOf(" ");
    const command = space < 0 ? line : line.substring(0, space);
    const args = space < 0 ? "" : line.substring(space + 1);
    const cut = args.indexOf(" ");
    const first = cut < 0 ? args : args.substring(0, cut);
    const rest = cut < 0 ? "" : args.substring(cut + 1);
    if (["echo", "many", "pause", "later", "cancel", "sleep", "wait", "flood", "random"].includes(command)) {
      const number = parse(command == "later" ? first : args);
      if (number == BAD) transport.writeText("error no number: " + args + "\n");
      else return this.count(transport, command, number, rest);
    } else if (command == "line") {
      transport.writeText(args + "\n");
    } else if (command == "lose" || command == "abort") {
      this.mode = Mode.Over;
      if (command == "abort") transport.abortConnection();
      else transport.writeText("bye\n");
      transport.loseConnection();
    } else if (command == "keep") {
      kept = args;
      transport.writeText("kept\n");
    } else if (command == "recall") {
      transport.writeText(kept.length == 0 ? "recalled\n" : "recalled " + kept + "\n");
    } else if (command == "shutdown") {
      transport.writeText("half\n");
      transport.shutdownWrite();
    } else if (command == "fetch" || command == "fetch-wait") {
      const pages = args.split(" ").map<Fetch>((url: string): Fetch => getPage(url));
      for (let index = 0; index < pages.length; ++index) {
        if (command == "fetch") pages[index].then<Transport>(arrived, transport);
      }
      for (let index = 0; index < pages.length && command == "fetch-wait"; ++index) {
        const result = pages[index].wait();
        if (result.waitError != WaitError.None) return false;
        arrived(result, transport);
      }
    } else if (command == "post") {
      request(new Request("POST", first).header("x-wisted", "1").text(rest)).then<Transport>(arrived, transport);
    } else if (command == "buffered") {
      transport.writeText("buffered " + transport.bufferedBytes.toString() + "\n");
    } else if (command == "peer" || command == "host") {
      const address = command == "peer" ? transport.peer : transport.host;
      transport.writeText(command + " " + address.host + " " + address.port.toString() + "\n");
    } else if (command == "log") {
      const level = LEVELS.indexOf(first);
      if (level >= 0) log.write(<Level>level, rest);
      transport.writeText(level >= 0 ? "logged\n" : "error no level: " + first + "\n");
    } else if (command == "config") {
      const value = config.get(args);
      transport.writeText(value === null ? "config\n" : "config " + value + "\n");
    } else if (command == "now") {
      transport.writeText("now " + (now() * 1_000_000).toString() + "\n");
    } else if (command == "netstring" || command == "int32") {
      this.mode = command == "int32" ? Mode.Int32 : Mode.Netstring;
    } else if (command == "trap") {
      throw new Error("told to trap");
    } else {
      transport.writeText("error unknown command: " + command + "\n");
    }
    return true;
  }

  /** The commands that take a number. */
  private count(transport: Transport, command: string, number: i64, rest: string): bool {
    const short = <u32>number;
    if (command == "echo") {
      this.rawLeft = number;
      this.mode = Mode.Raw;
    } else if (command == "many") {
      const pieces: Uint8Array[] = [];
      for (let index: u32 = 0; index < short; ++index) pieces.push(bytesOf(index.toString() + "\n"));
      transport.writeMany(pieces);
    } else if (command == "pause") {
      transport.pauseReading();
      callLater<Transport>(short, resume, transport);
    } else if (command == "later") {
      callLater<Named>(short, (named: Named): void => named.transport.writeText("later " + named.name + "\n"), {
        transport, name: rest,
      });
    } else if (command == "cancel") {
      const call = callLater<Transport>(short, resume, transport);
      for (let time = 0; time < 2; ++time) transport.writeText("cancelled " + call.cancel().toString() + "\n");
    } else if (command == "sleep" || command == "wait") {
      const error = command == "sleep" ? sleep(short) : after(short).wait();
      if (error != WaitError.None) return false;
      transport.writeText(command == "sleep" ? "slept\n" : "waited\n");
    } else if (command == "flood") {
      for (let left = number; left > 0; left -= PIECE_OF_FLOOD.length) {
        transport.write(left < PIECE_OF_FLOOD.length ? PIECE_OF_FLOOD.subarray(0, <i32>left) : PIECE_OF_FLOOD);
      }
      this.isFlooding = true;
    } else {
      const bytes = randomBytes(short);
      let text = "";
      for (let index = 0; index < bytes.length; ++index) text += bytes[index].toString(16).padStart(2, "0");
      transport.writeText(text + "\n");
    }
    return true;
  }

  readClosed(transport: Transport): void {
    transport.writeText("read-closed\n");
    transport.loseConnection();
  }

  drained(transport: Transport): void {
    if (this.isFlooding) transport.writeText("drained\n");
    this.isFlooding = false;
  }

  connectionLost(_transport: Transport, reason: CloseReason): void {
    log.info("lost " + reason.name);
  }
}

class Named {
  transport: Transport;
  name: string;
}

function parse(text: string): i64 {
  let number: i64 = text.length > 0 && text.length <= 10 ? 0 : BAD;
  for (let index = 0; index < text.length && number >= 0; ++index) {
    const digit = text.charCodeAt(index) - 48;
    number = digit >= 0 && digit <= 9 ? number * 10 + digit : BAD;
  }
  return number <= NUMBER_MAX ? number : BAD;
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(text));
}

function resume(transport: Transport): void {
  transport.resumeReading();
  transport.writeText("resumed\n");
}

function arrived(result: FetchResult, transport: Transport): void {
  const page = result.response;
  const failure = result.failure;
  if (page !== null) transport.writeText("page " + page.status.toString() + " " + page.body.length.toString() + "\n");
  else if (failure !== null) transport.writeText("page error " + failure.name + "\n");
}

serve(new ConformanceFactory());
