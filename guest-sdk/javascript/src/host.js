// The seam between the SDK and what answers it: the contract's imports in a guest, fakes in tests. Must not know which.

/**
 * What was logged before there was a host, for instance while a guest's module is loaded, which happens at its build.
 */
const early = [];

/**
 * What the SDK asks of its host, function by function as in the contract. Ids, sizes and milliseconds are numbers,
 * bytes are Uint8Arrays; `sleep` and `wait` throw a WaitError.
 */
export let host = new Proxy(
  { log: (level, message) => early.push([level, message]) },
  {
    get(target, name) {
      if (name in target) {
        return target[name];
      }
      throw new Error(
        `there is no host yet that could be asked for ${String(name)}. In a guest there is one from startFactory or ` +
          "start on, not while its modules are loaded, for that happens when it is built; a test has to import " +
          '"wisted/testing"',
      );
    },
  },
);

/** Has everything answered by `answers` from now on. */
export function install(answers) {
  host = answers;
  for (const [level, message] of early.splice(0)) {
    host.log(level, message);
  }
}
