// The queue of callbacks that run when the running handler has returned. Knows nothing of what they do.
//
// It is our own because the engine's never runs in a guest: nobody turns it there once a call has returned.

const jobs = [];
const afterwards = [];
// Outside a guest nobody drains for us, so the engine is asked to.
let schedule = (drain) => globalThis.queueMicrotask(drain);

/** Has `job` called when the running code has returned to its host. */
export function enqueue(job) {
  jobs.push(job);
  if (jobs.length === 1) {
    schedule(drain);
  }
}

/**
 * Runs everything that is queued, also what that queues. What a job throws comes out of here; the rest stays queued.
 * To be called when a handler has returned, or waits.
 */
export function drain() {
  if (jobs.length === 0) {
    return;
  }
  let done = 0;
  try {
    while (done < jobs.length) {
      jobs[done++]();
    }
  } finally {
    jobs.splice(0, done);
  }
  for (const call of afterwards) {
    call();
  }
}

/** Has `call` called each time that the queue has run dry. */
export function whenDry(call) {
  afterwards.push(call);
}

/** Leaves draining to whoever calls the handlers. */
export function drainOnlyByHand() {
  schedule = () => {};
}
