// The package's own tests, run by tests/run.sh, which builds the guests first.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { Guest } from "../testing/index.mjs";

const OBEDIENT = process.env.OBEDIENT;
const messages = (guest) => guest.log.map(({ message }) => message);

const framing = await WebAssembly.instantiate(await readFile(process.env.FRAMING), {
  env: {
    abort: (_message, _file, line) => {
      throw new Error(`line ${line} of framing.ts`);
    },
  },
});
for (const [name, run] of Object.entries(framing.instance.exports)) {
  if (typeof run === "function") test(name.replaceAll("_", " "), () => run());
}

test("handlers are called in the host's order", async () => {
  const guest = await Guest.start(OBEDIENT);
  const peer = guest.connect();
  peer.send("x1");
  assert.equal(peer.received.toString(), "hi <x1>!");
  assert.equal(peer.drain(), "hi <x1>!");
  peer.send("q");
  assert.ok(peer.isDisconnected);
  assert.equal(peer.take(), "<q>");
  peer.send("ignored");
  peer.close();
  guest.connect();
  guest.stop();
  assert.deepEqual(messages(guest), [
    "data x1", "drained 0", "data q", "done: the connection was closed", "stopping: the host is stopping", "stopped",
  ]);
});

test("abort drops what is unsent, half close goes on receiving", async () => {
  const guest = await Guest.start(OBEDIENT);
  const [aborted, half] = [guest.connect(), guest.connect()];
  aborted.send("a");
  assert.ok(aborted.isDisconnected && aborted.isAborted);
  assert.equal(aborted.take(), "");
  half.send("h");
  half.send("more");
  assert.equal(half.take(), "hi <h>");
  half.close();
  assert.ok(half.isDisconnected);
});

test("paused data arrives in one piece after resuming", async () => {
  const guest = await Guest.start(OBEDIENT);
  const peer = guest.connect();
  peer.sendBytewise("pxy");
  assert.deepEqual(messages(guest), ["data p"]);
  guest.advance(1000);
  assert.deepEqual(messages(guest), ["data p", "data xy"]);
  peer.reset();
  peer.reset();
  assert.equal(messages(guest).at(-1), "lost: the connection was lost: reset by the fake peer");
});

test("timers, waits and randomness", async () => {
  const guest = await Guest.start(OBEDIENT);
  const peer = guest.connect();
  for (const letter of "crs") peer.send(letter);
  assert.equal(peer.take(), "hi <c>true,true,false,false!<r>3!<s>00!");
  assert.equal(guest.now, 10);
  guest.breakWaits("connection-lost");
  for (const letter of "sw") peer.send(letter);
  assert.equal(peer.take(), "<s>11!<w>gave up 1!");
});

test("a page is called back, waited for, or both, and failures tell", async () => {
  const guest = await Guest.start(OBEDIENT);
  guest.respond("http://one/", "hello", { delay: 1000, headers: [["Server", "fake"]] });
  guest.fail("http://two/", "too-large", { detail: 7 });
  const peer = guest.connect();
  peer.take();
  peer.send("g");
  assert.equal(peer.take(), "<g>!");
  guest.advance(1000);
  assert.equal(peer.take(), "200 hello fake");
  for (const letter of "wbo") peer.send(letter);
  const page = "200 hello fake!";
  assert.equal(peer.take(), `<w>${page}<b>${page}<o>too-large: the page is longer than 7 bytes!`);
  assert.deepEqual(guest.requests.at(-1), {
    method: "POST", url: "http://two/", headers: [["a", "b"]], body: Buffer.from("x"), timeout: 0,
  });
});

test("an error at the start is told, and a failed assertion is logged before it traps", async () => {
  await assert.rejects(Guest.start(OBEDIENT, { fail: "no", other: "1" }), /^Error: no$/);
  const guest = await Guest.start(OBEDIENT);
  const peer = guest.connect();
  assert.throws(() => peer.send("x"), WebAssembly.RuntimeError);
  assert.match(messages(guest).at(-1), /^abort: told to fail \(.*obedient\.ts:\d+:\d+\)$/);
});

test("state is handed over", async () => {
  const [old, next] = [await Guest.start(OBEDIENT), await Guest.start(OBEDIENT)];
  assert.equal(old.restoreState(Buffer.from("what was there")), null);
  assert.equal(next.restoreState(old.saveState()), null);
  assert.equal(next.restoreState(Buffer.from("x")), "the state is too short");
  assert.equal(next.saveState().toString(), "what was there");
  assert.equal(next.restoreState(Buffer.alloc(0)), null);
  assert.equal(next.saveState().length, 0);
});

test("memory stays where it is over many connections", async () => {
  const guest = await Guest.start(OBEDIENT);
  const size = async (count) => {
    for (let time = 0; time < count; ++time) {
      const peer = guest.connect();
      peer.send(Buffer.alloc(2000, "z"));
      peer.send("q");
      guest.log.length = 0;
    }
    return guest.memoryBytes;
  };
  const before = await size(200);
  assert.equal(await size(3000), before);
});
