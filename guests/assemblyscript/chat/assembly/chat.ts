// A chat room: what one peer says, all the others hear. Needs isolation `service`, so that they share a room.

import {
  Address, CloseReason, Input, Protocol, StatefulFactory, Transport, serve,
} from "wisted-assemblyscript/assembly";
export * from "wisted-assemblyscript/assembly/exports/stateful-protocol";

/** Nobody may have the room remember more than this. */
const LINE_MAX_BYTES = 1024;

/** Who is there, by number. */
class Room {
  members: Map<u32, Transport> = new Map();

  tellOthers(speaker: u32, pieces: Uint8Array[]): void {
    const numbers = this.members.keys();
    for (let index = 0; index < numbers.length; ++index) {
      if (numbers[index] != speaker) this.members.get(numbers[index]).writeMany(pieces);
    }
  }
}

class Chat extends StatefulFactory {
  private room: Room = new Room();
  private numbersGiven: u32 = 0;

  buildProtocol(_peer: Address): Protocol {
    return new Speaker(++this.numbersGiven, this.room);
  }

  /** A new build goes on counting, so that no number is given twice while old connections are still there. */
  saveState(): Uint8Array {
    return bytesOf(this.numbersGiven.toString());
  }

  restoreState(state: Uint8Array): string | null {
    const given = parseInt(String.UTF8.decodeUnsafe(state.dataStart, state.length));
    if (isNaN(given)) return "the state is not the number of those who came";
    this.numbersGiven = <u32>given;
    return null;
  }
}

class Speaker extends Protocol {
  private input: Input = new Input();

  constructor(private readonly number: u32, private readonly room: Room) {
    super();
  }

  connectionMade(transport: Transport): void {
    const others = this.room.members.size;
    transport.writeText("* you are " + this.number.toString() + ", with " + others.toString() + " others here\n");
    this.room.members.set(this.number, transport);
    this.announce("joined");
  }

  dataReceived(transport: Transport, data: Uint8Array): void {
    this.input.push(data);
    // The limit is for the line with its end, as peers count it.
    for (let line = this.next(); line !== null; line = this.next()) {
      const head = bytesOf(this.number.toString() + ": ");
      this.room.tellOthers(this.number, [head, printable(line), newline]);
    }
    if (this.input.fault === null) return;
    transport.writeText("* a line may have " + LINE_MAX_BYTES.toString() + " bytes\n");
    transport.loseConnection();
  }

  connectionLost(_transport: Transport, _reason: CloseReason): void {
    this.room.members.delete(this.number);
    this.announce("left");
  }

  private next(): Uint8Array | null {
    return this.input.line(LINE_MAX_BYTES - 1, false);
  }

  private announce(what: string): void {
    this.room.tellOthers(this.number, [bytesOf("* " + this.number.toString() + " " + what + "\n")]);
  }
}

/** Control characters would let one peer write over another's screen. */
function printable(line: Uint8Array): Uint8Array {
  let length = 0;
  for (let index = 0; index < line.length; ++index) {
    const byte = line[index];
    if (byte >= 32 && byte != 127) line[length++] = byte;
  }
  return line.subarray(0, length);
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(text));
}

const newline = bytesOf("\n");

serve(new Chat());
