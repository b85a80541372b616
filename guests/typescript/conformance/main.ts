// Does on command whatever the SDK can do, whatever the commands are. It must not know what is tested.

import { type Data, type Deferred, LineReceiver, StatefulFactory, WaitError, decode, log } from "wisted";
import type { CloseReason, FetchError, NetstringBuffer, Response } from "wisted";
import { BadArgument, COMMANDS, cut } from "./commands.js";

/** What cuts frames out of bytes, whichever they are. */
type Frames = Pick<NetstringBuffer, "push" | "next">;

export class Conformance extends LineReceiver<Uint8Array> {
  declare factory: ConformanceFactory;
  override encoding = null;
  /** So many bytes are to be echoed before the next line. */
  rawBytes = 0;
  /** What cuts and makes frames, once the peer has asked for them. */
  #framing: { frames: Frames; make(frame: Uint8Array): Iterable<Data> } | undefined;
  awaitsDrained = false;

  override lineReceived(line: Uint8Array) {
    const [command, rest] = cut(decode(line));
    const perform = COMMANDS.get(command);
    if (perform === undefined) {
      this.sendLine(`error unknown command: ${command}`);
      return;
    }
    try {
      perform(this, rest);
    } catch (error) {
      if (error instanceof BadArgument) this.sendLine(`error ${error.message}`);
      // A wait ends early when the connection is lost, and then there is nobody to tell.
      else if (!(error instanceof WaitError)) throw error;
    }
  }

  override rawDataReceived(data: Uint8Array) {
    if (this.#framing !== undefined) {
      this.#answerFrames(data);
      return;
    }
    const echoed = data.subarray(0, this.rawBytes);
    this.rawBytes -= echoed.length;
    this.transport.write(echoed);
    if (this.rawBytes === 0) this.setLineMode(data.subarray(echoed.length));
  }

  override readClosed() {
    this.sendLine("read-closed");
    this.transport.loseConnection();
  }

  override drained() {
    if (this.awaitsDrained) this.sendLine("drained");
    this.awaitsDrained = false;
  }

  override connectionLost(reason: CloseReason) {
    log.info(`lost ${reason.kind}`);
  }

  startFraming(frames: Frames, make: (frame: Uint8Array) => Iterable<Data>) {
    this.#framing = { frames, make };
    this.setRawMode();
  }

  #answerFrames(data: Uint8Array) {
    const { frames, make } = this.#framing!;
    frames.push(data);
    try {
      for (let frame = frames.next(); frame !== undefined; frame = frames.next()) this.transport.writeMany(make(frame));
    } catch {
      this.transport.loseConnection();
    }
  }

  /** Tells of a page when it is there. */
  tell(page: Deferred<Response>): Deferred<void> {
    return page.then(
      ({ status, body }) => this.sendLine(`page ${status} ${body.length}`),
      (error: FetchError) => this.sendLine(`page error ${error.kind}`),
    );
  }
}

export default class ConformanceFactory extends StatefulFactory {
  override protocol = Conformance;
  /** What a successor takes over. */
  kept = "";

  override stopFactory() {
    log.info("stopped");
  }

  override saveState(): string {
    return this.kept;
  }

  override restoreState(state: Uint8Array) {
    const text = decode(state);
    if (text === "spoilt") throw new Error("the state is spoilt");
    this.kept = text;
  }
}
