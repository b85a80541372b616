// Lines and frames, whole and one byte at a time, up to their limits and past them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Int32Buffer, Int32Receiver, LineBuffer, LineReceiver, encode } from "wisted";
import { NetstringBuffer, NetstringReceiver } from "wisted";
import { Server } from "wisted/testing";

class Lines extends LineReceiver {
  maxLength = 10;

  lineReceived(line) {
    if (line === "raw") this.setRawMode();
    else if (line === "quit") this.transport.loseConnection();
    else this.sendLine(`<${line}>`);
  }

  rawDataReceived(data) {
    const end = data.indexOf(0x2e);
    this.transport.write(`[${data.length}]`);
    if (end >= 0) this.setLineMode(data.subarray(end + 1));
  }
}

test("lines, wherever they are cut", () => {
  const text = "one\r\ntwo\n\nö\u{1f600}\n0123456789\n0123456789\r\npart";
  const wanted = "<one>\n<two>\n<>\n<ö😀>\n<0123456789>\n<0123456789>\n";
  const server = new Server(Lines);
  const [one, two] = [server.connect(), server.connect()];
  one.send(text);
  two.sendBytewise(text);
  assert.equal(one.text, wanted);
  assert.equal(two.text, wanted);
});

test("a line that is too long closes, and nothing after a close is received", () => {
  const server = new Server(Lines);
  const [one, two, three] = [server.connect(), server.connect(), server.connect()];
  one.sendBytewise("0123456789");
  assert.ok(!one.isDisconnected);
  one.send("x");
  assert.ok(one.isDisconnected);
  two.send("a\n0123456789x\nb\n");
  assert.ok(two.isDisconnected);
  assert.equal(two.text, "<a>\n");
  three.send("quit\nb\n");
  assert.equal(three.text, "");
});

test("raw mode and back", () => {
  const server = new Server(Lines);
  const [one, two] = [server.connect(), server.connect()];
  one.send("a\nraw\nxyz.b\nc\n");
  assert.equal(one.text, "<a>\n[8]<b>\n<c>\n");
  two.sendBytewise("raw\nx.b\n");
  assert.equal(two.text, "[1][1]<b>\n");
});

test("lines as bytes, and handlers that are forgotten", () => {
  class Bytewise extends LineReceiver {
    encoding = null;

    lineReceived(line) {
      this.sendLine(line);
    }
  }
  const peer = new Server(Bytewise).connect();
  peer.send(Uint8Array.of(0xff, 0, 10));
  assert.deepEqual([...peer.received], [0xff, 0, 10]);
  assert.throws(() => new Server(class extends LineReceiver {}).connect().send("x\n"), /must override lineReceived/);
});

test("netstrings and frames after their length", () => {
  class Netstrings extends NetstringReceiver {
    frameReceived(frame) {
      this.sendFrame(frame);
    }
  }
  class Frames extends Int32Receiver {
    frameReceived(frame) {
      this.sendFrame(frame);
    }
  }
  const long = new Uint8Array(99_999).fill(7);
  for (const [receiver, text] of [[Netstrings, "5:hello,0:,1:x,"], [Frames, "\0\0\0\x05hello\0\0\0\0\0\0\0\x01x"]]) {
    const server = new Server(receiver);
    const [one, two, three] = [server.connect(), server.connect(), server.connect()];
    one.send(text);
    two.sendBytewise(text);
    assert.equal(one.text, text);
    assert.equal(two.text, text);
    three.transport.writeMany([]);
    const protocol = new receiver();
    protocol.transport = three.transport;
    protocol.sendFrame(long);
    three.send(three.takeReceived());
    assert.ok(!three.isDisconnected && three.received.length > 99_999);
  }
  for (const wrong of ["x", ":", "01:", "1x", "5:hello.", "100000:", "99999999999999"]) {
    const peer = new Server(Netstrings).connect();
    peer.sendBytewise(wrong);
    assert.ok(peer.isDisconnected, wrong);
  }
  const peer = new Server(Frames).connect();
  peer.send(Uint8Array.of(0, 1, 0x86, 0xa0));
  assert.ok(peer.isDisconnected);
});

test("buffers keep what they were given apart from what they give", () => {
  for (const [buffer, bytes] of [
    [new LineBuffer(), "one\ntwo\nthree"],
    [new NetstringBuffer(), "3:one,3:two,5:th"],
    [new Int32Buffer(), "\0\0\0\x03one\0\0\0\x03two\0\0"],
  ]) {
    const data = encode(bytes);
    buffer.push(data.subarray(0, 5));
    const frames = [buffer.next()];
    buffer.push(data.subarray(5));
    frames.push(buffer.next(), buffer.next());
    data.fill(0);
    const found = frames.filter((frame) => frame !== undefined).map((frame) => String.fromCharCode(...frame));
    assert.deepEqual(found.slice(0, 2), ["one", "two"]);
    assert.equal(encode(bytes).buffer === buffer.rest().buffer, false);
  }
});

test("many bytes one at a time are not copied again and again", () => {
  const buffer = new NetstringBuffer();
  buffer.push(encode("99999:"));
  const piece = Uint8Array.of(1);
  const start = performance.now();
  for (let count = 0; count < 99_999; count++) {
    buffer.push(piece);
    assert.equal(buffer.next(), undefined);
  }
  buffer.push(encode(","));
  assert.equal(buffer.next().length, 99_999);
  assert.ok(performance.now() - start < 5000);
});
