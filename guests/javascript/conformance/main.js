// Does on command whatever the SDK can do, whatever the commands are. It must not know what is tested.

import { LineReceiver, StatefulFactory, WaitError, decode, log } from "wisted";
import { BadArgument, COMMANDS, cut } from "./commands.js";

class Conformance extends LineReceiver {
  encoding = null;
  /** So many bytes are to be echoed before the next line. */
  rawBytes = 0;
  /** What cuts and makes frames, once the peer has asked for them. */
  framing;
  awaitsDrained = false;

  lineReceived(line) {
    const [command, rest] = cut(decode(line));
    if (!Object.hasOwn(COMMANDS, command)) {
      this.sendLine(`error unknown command: ${command}`);
      return;
    }
    try {
      COMMANDS[command](this, rest);
    } catch (error) {
      if (error instanceof BadArgument) this.sendLine(`error ${error.message}`);
      // A wait ends early when the connection is lost, and then there is nobody to tell.
      else if (!(error instanceof WaitError)) throw error;
    }
  }

  rawDataReceived(data) {
    if (this.framing !== undefined) {
      this.answerFrames(data);
      return;
    }
    const echoed = data.subarray(0, this.rawBytes);
    this.rawBytes -= echoed.length;
    this.transport.write(echoed);
    if (this.rawBytes === 0) this.setLineMode(data.subarray(echoed.length));
  }

  readClosed() {
    this.sendLine("read-closed");
    this.transport.loseConnection();
  }

  drained() {
    if (this.awaitsDrained) this.sendLine("drained");
    this.awaitsDrained = false;
  }

  connectionLost(reason) {
    log.info(`lost ${reason.kind}`);
  }

  startFraming(buffer, make) {
    this.framing = { buffer, make };
    this.setRawMode();
  }

  answerFrames(data) {
    const { buffer, make } = this.framing;
    buffer.push(data);
    try {
      for (let frame = buffer.next(); frame !== undefined; frame = buffer.next()) this.transport.writeMany(make(frame));
    } catch {
      this.transport.loseConnection();
    }
  }

  /** Tells of a page when it is there. */
  tell(page) {
    return page.then(
      ({ status, body }) => this.sendLine(`page ${status} ${body.length}`),
      (error) => this.sendLine(`page error ${error.kind}`),
    );
  }
}

export default class ConformanceFactory extends StatefulFactory {
  protocol = Conformance;
  /** What a successor takes over. */
  kept = "";
  stopFactory = () => log.info("stopped");

  saveState() {
    return this.kept;
  }

  restoreState(state) {
    const text = decode(state);
    if (text === "spoilt") throw new Error("the state is spoilt");
    this.kept = text;
  }
}
