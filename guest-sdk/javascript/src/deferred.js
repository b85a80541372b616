// Deferred values: promises that can also be waited for and cancelled. Knows neither what is fetched nor who delivers
// it.

import { CancelledError, WaitError } from "./errors.js";
import { host } from "./host.js";
import { describe } from "./format.js";
import { drain, enqueue, whenDry } from "./microtasks.js";
import * as pending from "./pending.js";

const OPEN = 0;
const FULFILLED = 1;
const REJECTED = 2;

/** Rejected, and seen by nobody yet. */
const unseen = new Set();

export class Deferred {
  #state = OPEN;
  #value;
  #reactions = [];
  #isSeen = false;
  /** The host's id of what this is the outcome of. */
  #source;
  #take;
  /** What this becomes settled by, so that a wait finds what to wait for. */
  #causes = [];

  constructor(executor) {
    const { resolve, reject } = this.#settlers();
    try {
      executor(resolve, reject);
    } catch (error) {
      reject(error);
    }
  }

  /** The Deferred of something that the host has just been asked for; `take` is called when it was waited for. */
  static ofPending(id, take, value) {
    const deferred = new Deferred(nothing);
    deferred.#source = id;
    deferred.#take = take;
    pending.expect(id, (outcome) => {
      if (outcome === pending.CANCELLED) {
        deferred.#settle(REJECTED, new CancelledError());
        return;
      }
      try {
        deferred.#settle(FULFILLED, value(outcome));
      } catch (error) {
        deferred.#settle(REJECTED, error);
      }
    });
    return deferred;
  }

  then(onFulfilled, onRejected) {
    const next = new Deferred(nothing);
    const { resolve, reject } = next.#settlers();
    next.#causes = [this];
    this.#react(
      typeof onFulfilled === "function" ? attempt(onFulfilled, resolve, reject) : resolve,
      typeof onRejected === "function" ? attempt(onRejected, resolve, reject) : reject,
    );
    return next;
  }

  catch(onRejected) {
    return this.then(undefined, onRejected);
  }

  finally(onSettled) {
    return this.then(
      (value) => Deferred.resolve(onSettled()).then(() => value),
      (error) =>
        Deferred.resolve(onSettled()).then(() => {
          throw error;
        }),
    );
  }

  wait() {
    this.#see();
    drain();
    while (this.#state === OPEN) {
      const awaited = this.#openSource();
      if (awaited === undefined) {
        throw new WaitError("unknown-id");
      }
      host.wait(awaited.#source);
      pending.deliver(awaited.#source, awaited.#take(awaited.#source));
      drain();
    }
    if (this.#state === REJECTED) {
      throw this.#value;
    }
    return this.#value;
  }

  cancel() {
    const source = this.#openSource();
    return source !== undefined && pending.cancel(source.#source);
  }

  get isReady() {
    return this.#state !== OPEN;
  }

  get [Symbol.toStringTag]() {
    return "Deferred";
  }

  static resolve(value) {
    return value instanceof Deferred ? value : new Deferred((resolve) => resolve(value));
  }

  static reject(error) {
    return new Deferred((_resolve, reject) => reject(error));
  }

  static withResolvers() {
    const promise = new Deferred(nothing);
    return { promise, ...promise.#settlers() };
  }

  static try(call, ...args) {
    return new Deferred((resolve) => resolve(call(...args)));
  }

  static all(values) {
    return combine(values, (items, resolve, reject) => {
      const results = new Array(items.length);
      let left = items.length;
      if (left === 0) resolve(results);
      items.forEach((item, index) =>
        item.then((value) => {
          results[index] = value;
          if (--left === 0) resolve(results);
        }, reject),
      );
    });
  }

  static allSettled(values) {
    const settled = Array.from(values, (value) =>
      Deferred.resolve(value).then(
        (value) => ({ status: "fulfilled", value }),
        (reason) => ({ status: "rejected", reason }),
      ),
    );
    return Deferred.all(settled);
  }

  static race(values) {
    return combine(values, (items, resolve, reject) => items.forEach((item) => item.then(resolve, reject)));
  }

  static any(values) {
    return combine(values, (items, resolve, reject) => {
      const errors = new Array(items.length);
      let left = items.length;
      const none = () => reject(new AggregateError(errors, "every one of them failed"));
      if (left === 0) none();
      items.forEach((item, index) =>
        item.then(resolve, (error) => {
          errors[index] = error;
          if (--left === 0) none();
        }),
      );
    });
  }

  /** Makes `of` what this becomes settled by. */
  static causedBy(deferred, of) {
    deferred.#causes = of;
    return deferred;
  }

  /** What is still pending and has to come first. */
  #openSource() {
    if (this.#state !== OPEN) {
      return undefined;
    }
    if (this.#source !== undefined && pending.isExpected(this.#source)) {
      return this;
    }
    for (const cause of this.#causes) {
      const source = cause.#openSource();
      if (source !== undefined) {
        return source;
      }
    }
    return undefined;
  }

  /** The two functions that settle this, of which the first call counts. */
  #settlers() {
    let isCalled = false;
    const once = (call) => (value) => {
      if (!isCalled) {
        isCalled = true;
        call(value);
      }
    };
    return {
      resolve: once((value) => this.#resolve(value)),
      reject: once((error) => this.#settle(REJECTED, error)),
    };
  }

  #resolve(value) {
    if (value === this) {
      this.#settle(REJECTED, new TypeError("a Deferred cannot be resolved with itself"));
    } else if (value instanceof Deferred) {
      this.#causes = [value];
      value.#react(
        (result) => this.#settle(FULFILLED, result),
        (error) => this.#settle(REJECTED, error),
      );
    } else if (value !== null && (typeof value === "object" || typeof value === "function")) {
      this.#adopt(value);
    } else {
      this.#settle(FULFILLED, value);
    }
  }

  /** Takes the value of another kind of promise, if it is one. */
  #adopt(value) {
    const { resolve, reject } = this.#settlers();
    try {
      const then = value.then;
      if (typeof then !== "function") {
        this.#settle(FULFILLED, value);
        return;
      }
      enqueue(() => {
        try {
          then.call(value, resolve, reject);
        } catch (error) {
          reject(error);
        }
      });
    } catch (error) {
      reject(error);
    }
  }

  #react(onFulfilled, onRejected) {
    this.#see();
    if (this.#state === OPEN) {
      this.#reactions.push(onFulfilled, onRejected);
    } else {
      const react = this.#state === FULFILLED ? onFulfilled : onRejected;
      enqueue(() => react(this.#value));
    }
  }

  #settle(state, value) {
    if (this.#state !== OPEN) {
      return;
    }
    this.#state = state;
    this.#value = value;
    const reactions = this.#reactions;
    this.#reactions = [];
    this.#causes = [];
    for (let at = state === FULFILLED ? 0 : 1; at < reactions.length; at += 2) {
      enqueue(() => reactions[at](value));
    }
    if (state === REJECTED && !this.#isSeen) {
      unseen.add(this);
      // So that the queue runs dry, and it is told of.
      enqueue(nothing);
    }
  }

  #see() {
    if (!this.#isSeen) {
      this.#isSeen = true;
      unseen.delete(this);
    }
  }

  static {
    whenDry(() => {
      for (const deferred of unseen) {
        if (!(deferred.#value instanceof CancelledError)) {
          host.log("warn", `an error in a Deferred was handled by nobody: ${describe(deferred.#value)}`);
        }
      }
      unseen.clear();
    });
  }
}

function nothing() {}

function attempt(callback, resolve, reject) {
  return (value) => {
    try {
      resolve(callback(value));
    } catch (error) {
      reject(error);
    }
  };
}

function combine(values, start) {
  const items = Array.from(values, (value) => Deferred.resolve(value));
  return Deferred.causedBy(new Deferred((resolve, reject) => start(items, resolve, reject)), items);
}
