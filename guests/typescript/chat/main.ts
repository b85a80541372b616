// A chat room: what one peer says, all the others hear. Needs isolation `service`, so that they share a room.

import { type Data, LineReceiver, StatefulFactory, decode } from "wisted";

/** Nobody may have the room remember more than this. */
const LINE_MAX_BYTES = 1023;

/** Who is there, by number. */
type Room = Map<number, Speaker>;

export default class Chat extends StatefulFactory {
  readonly #room: Room = new Map();
  #numbersGiven = 0;

  override buildProtocol(): Speaker {
    return new Speaker(++this.#numbersGiven, this.#room);
  }

  /** A new build goes on counting, so that no number is given twice while old connections are still there. */
  override saveState(): string {
    return String(this.#numbersGiven);
  }

  override restoreState(state: Uint8Array) {
    const given = decode(state);
    if (!/^\d+$/.test(given)) throw new Error("the state is not the number of those who came");
    this.#numbersGiven = Number(given);
  }
}

class Speaker extends LineReceiver<Uint8Array> {
  override encoding = null;
  override maxLength = LINE_MAX_BYTES;
  readonly #number: number;
  readonly #room: Room;

  constructor(number: number, room: Room) {
    super();
    this.#number = number;
    this.#room = room;
  }

  override connectionMade() {
    this.sendLine(`* you are ${this.#number}, with ${this.#room.size} others here`);
    this.#room.set(this.#number, this);
    this.#tellOthers([`* ${this.#number} joined`]);
  }

  override lineReceived(line: Uint8Array) {
    // Control characters would let one peer write over another's screen.
    const printable = line.filter((byte) => byte >= 0x20 && byte !== 0x7f);
    this.#tellOthers([`${this.#number}: `, printable]);
  }

  override lineLengthExceeded() {
    this.sendLine(`* a line may have ${LINE_MAX_BYTES + 1} bytes`);
    this.transport.loseConnection();
  }

  override connectionLost() {
    this.#room.delete(this.#number);
    this.#tellOthers([`* ${this.#number} left`]);
  }

  #tellOthers(pieces: Data[]) {
    for (const member of this.#room.values()) {
      if (member !== this) {
        member.transport.writeMany([...pieces, "\n"]);
      }
    }
  }
}
