// Kingslayer (弑君者), a small event framework: handlers are registered as events and run in that order.

import { Config, Program, log, runProgram } from "wisted-assemblyscript/assembly";
export * from "wisted-assemblyscript/assembly/exports/program";

/** What happens at one event. */
class Handler {
  constructor(readonly name: string) {}

  /** Returns what went wrong. Every handler has its own; one that forgets it is told so. */
  execute(): string | null {
    return "the handler `" + this.name + "` does nothing: you must override execute";
  }
}

/** The handlers, in the order in which they were registered. */
class Events {
  private handlers: Handler[] = [];

  register(handler: Handler): void {
    this.handlers.push(handler);
  }

  /** Executes each handler in turn. The first error ends the run. */
  run(): string | null {
    for (let index = 0; index < this.handlers.length; ++index) {
      const error = this.handlers[index].execute();
      if (error !== null) return error;
    }
    return null;
  }
}

/** A handler that says its line. */
class Say extends Handler {
  constructor(name: string, readonly line: string) {
    super(name);
  }

  execute(): string | null {
    log.info(this.name + ": " + this.line);
    return null;
  }
}

/** A handler that does not override `execute`. */
class Forgetful extends Handler {}

class Kingslayer extends Program {
  private events: Events = new Events();

  start(config: Config): string | null {
    this.events.register(new Say("oath", "the guard swears to keep the king"));
    this.events.register(new Say("doubt", "the king calls for fire"));
    this.events.register(new Say("deed", "the guard draws his sword"));
    if (config.get("forget", "false") == "true") this.events.register(new Forgetful("forgetful"));
    return null;
  }

  execute(): string | null {
    return this.events.run();
  }
}

runProgram(new Kingslayer());
