// Kingslayer (弑君者), a small event framework: handlers are registered as events and run in that order.

import { type Config, Program } from "wisted";

/** What happens at one event. */
export class Handler {
  constructor(readonly name: string) {}

  /** Every handler has its own; one that forgets it is told so. */
  execute(): void {
    throw new Error(`the handler \`${this.name}\` does nothing: you must override execute`);
  }
}

/** The handlers, in the order in which they were registered. */
export class Events {
  readonly #handlers: Handler[] = [];

  register(handler: Handler) {
    this.#handlers.push(handler);
  }

  /** Executes each handler in turn. The first error ends the run. */
  run() {
    this.#handlers.forEach((handler) => handler.execute());
  }
}

/** A handler that says its line. */
class Say extends Handler {
  constructor(name: string, readonly line: string) {
    super(name);
  }

  override execute() {
    console.log(`${this.name}: ${this.line}`);
  }
}

export default class Kingslayer extends Program {
  readonly events = new Events();

  override start(config: Config) {
    this.events.register(new Say("oath", "the guard swears to keep the king"));
    this.events.register(new Say("doubt", "the king calls for fire"));
    this.events.register(new Say("deed", "the guard draws his sword"));
    if (config.get("forget") === "true") {
      this.events.register(new Handler("forgetful"));
    }
  }

  override execute() {
    this.events.run();
  }
}
