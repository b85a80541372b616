// The SDK on a real host: answers it with the contract's imports, and makes the contract's exports of a guest's class.
// Only in a component is there anything to import; knows nothing of what the guest does.

import configuration from "wisted:reactor/config@0.1.0";
import logging from "wisted:reactor/logging@0.1.0";
import pendings from "wisted:reactor/pending@0.1.0";
import random from "wisted:reactor/random@0.1.0";
import timers from "wisted:reactor/timers@0.1.0";
import transport from "wisted:reactor/transport@0.1.0";
import web from "wisted:reactor/web@0.1.0";

import { Deferred } from "./deferred.js";
import { FetchError, WaitError, waitError } from "./errors.js";
import { describe, showStacksWith } from "./format.js";
import { installGlobals } from "./globals.js";
import { install } from "./host.js";
import { drain } from "./microtasks.js";
import { FIRED, deliver } from "./pending.js";
import { Server, resolveApp } from "./server.js";
import { sourcePlaces } from "./stacks.js";
import { wellFormed } from "./text.js";

const contract = {
  write: transport.write,
  writeMany: transport.writeMany,
  loseConnection: transport.loseConnection,
  abortConnection: transport.abortConnection,
  shutdownWrite: transport.shutdownWrite,
  pauseReading: transport.pauseReading,
  resumeReading: transport.resumeReading,
  peer: transport.peer,
  host: transport.host,
  bufferedBytes: transport.bufferedBytes,
  // The bindings take an u32 as what fits 32 bits with a sign: hence `| 0`.
  callLater: (delay) => timers.callLater(delay | 0),
  sleep: (duration) => waiting(() => timers.sleep(duration | 0)),
  now: timers.now,
  wait: (id) => waiting(() => pendings.wait(id)),
  cancel: pendings.cancel,
  getPage: web.getPage,
  sendRequest: (request) => web.sendRequest({ ...request, timeout: request.timeout | 0 }),
  takePage(id) {
    try {
      return { kind: "page", response: web.takePage(id) };
    } catch (error) {
      return noPage(payload(error));
    }
  },
  log: logging.log,
  randomBytes: random.getRandomBytes,
  configGet: configuration.get,
  configAll: configuration.getAll,
};
installGlobals();

/**
 * The contract's exports for what a guest's main module exports as default. Those of the world that it was built for
 * become the component's.
 */
export function handlers(app, lines, world) {
  if (lines !== undefined) {
    showStacksWith(sourcePlaces(lines));
  }
  const { world: needed, make } = resolveApp(app);
  if (world !== undefined && world !== needed) {
    // The build tries again with that one.
    throw new Error(`wisted: the world is ${needed}`);
  }
  const outcomes = {
    timerHandler: { timerFired: guard((id) => deliver(id, FIRED)) },
    pageHandler: {
      pageReceived: guard((id, page) =>
        deliver(id, page.tag === "ok" ? { kind: "page", response: page.val } : noPage(page.val)),
      ),
    },
  };
  return { ...outcomes, ...(needed === "standalone" ? programHandlers(make) : servers(make)) };
}

function servers(make) {
  const server = new Server(make);
  return {
    connectionHandler: {
      connectionMade: guard((connection) => server.connectionMade(connection)),
      dataReceived: guard((connection, data) => server.dataReceived(connection, data)),
      connectionLost: guard((connection, reason) => server.connectionLost(connection, reason)),
    },
    halfCloseHandler: { readClosed: guard((connection) => server.readClosed(connection)) },
    flowHandler: { drained: guard((connection) => server.drained(connection)) },
    lifecycleHandler: {
      start: refusable((config) => begin(() => server.start(new Map(config)))),
      stop: guard(() => server.stop()),
    },
    stateHandler: {
      saveState() {
        let state;
        guard(() => {
          state = server.saveState();
        })();
        return state;
      },
      restoreState: refusable((state) => server.restoreState(state)),
    },
  };
}

function programHandlers(make) {
  let program;
  return {
    program: { execute: refusable(() => program.execute()) },
    lifecycleHandler: {
      start: refusable((config) =>
        begin(() => {
          program = make();
          return program.start(new Map(config));
        }),
      ),
      stop: guard(() => program.stop()),
    },
  };
}

/** The host calls `start` before everything else. Earlier, while the guest is built, it could not answer. */
function begin(start) {
  install(contract);
  return start();
}

/** An exception that leaves a handler ends the instance; an operator has to find out why. */
function guard(call) {
  return (first, second) => {
    try {
      const returned = call(first, second);
      if (returned !== undefined) {
        watch(returned);
      }
      drain();
      if (failure !== undefined) {
        throw failure.error;
      }
    } catch (error) {
      logging.log("error", wellFormed(`uncaught ${describe(error)}`));
      // Only so that the instance ends.
      throw "an uncaught exception, which was logged";
    }
  };
}

/** For exports that may fail: the error's text becomes their result. */
function refusable(call) {
  return (argument) => {
    try {
      const returned = call(argument);
      drainUntilSettled(returned);
    } catch (error) {
      logging.log("debug", wellFormed(describe(error)));
      throw wellFormed(error instanceof Error ? error.message : String(error));
    }
  };
}

/** What an async function has not done by now it does later, and then its error can only be uncaught. */
function drainUntilSettled(returned) {
  if (typeof returned?.then !== "function") {
    drain();
    return;
  }
  const outcome = Deferred.resolve(returned);
  drain();
  if (outcome.isReady) {
    outcome.wait();
  } else {
    watch(outcome);
  }
}

let failure;

function watch(returned) {
  if (typeof returned.then === "function") {
    Deferred.resolve(returned).then(undefined, (error) => {
      failure ??= { error };
    });
  }
}

function noPage({ tag, val }) {
  return { kind: "no-page", error: new FetchError(tag, val) };
}

function waiting(call) {
  try {
    call();
  } catch (error) {
    throw waitError(payload(error));
  }
}

function payload(error) {
  if (error?.payload === undefined) {
    throw error;
  }
  return error.payload;
}
