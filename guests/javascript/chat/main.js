// A chat room: what one peer says, all the others hear. Needs isolation `service`, so that they share a room.

import { LineReceiver, StatefulFactory, decode } from "wisted";

/** Nobody may have the room remember more than this. */
const LINE_MAX_BYTES = 1023;

export default class Chat extends StatefulFactory {
  /** Who is there, by number. */
  room = new Map();
  numbersGiven = 0;

  buildProtocol() {
    return new Speaker(++this.numbersGiven, this.room);
  }

  /** A new build goes on counting, so that no number is given twice while old connections are still there. */
  saveState() {
    return String(this.numbersGiven);
  }

  restoreState(state) {
    const given = decode(state);
    if (!/^\d+$/.test(given)) throw new Error("the state is not the number of those who came");
    this.numbersGiven = Number(given);
  }
}

class Speaker extends LineReceiver {
  encoding = null;
  maxLength = LINE_MAX_BYTES;

  constructor(number, room) {
    super();
    this.number = number;
    this.room = room;
  }

  connectionMade() {
    this.sendLine(`* you are ${this.number}, with ${this.room.size} others here`);
    this.room.set(this.number, this);
    this.tellOthers([`* ${this.number} joined`]);
  }

  lineReceived(line) {
    // Control characters would let one peer write over another's screen.
    const printable = line.filter((byte) => byte >= 0x20 && byte !== 0x7f);
    this.tellOthers([`${this.number}: `, printable]);
  }

  lineLengthExceeded() {
    this.sendLine(`* a line may have ${LINE_MAX_BYTES + 1} bytes`);
    this.transport.loseConnection();
  }

  connectionLost() {
    this.room.delete(this.number);
    this.tellOthers([`* ${this.number} left`]);
  }

  tellOthers(pieces) {
    for (const member of this.room.values()) {
      if (member !== this) {
        member.transport.writeMany([...pieces, "\n"]);
      }
    }
  }
}
