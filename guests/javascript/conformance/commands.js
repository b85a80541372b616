// The commands of tests/conformance/PROTOCOL.md, each with what it does. It must not know how bytes become lines.

import { Int32Buffer, NetstringBuffer, after, callLater, config, getPage, int32Frame, log, netstring } from "wisted";
import { now, randomBytes, request, sleep } from "wisted";

const FLOOD_PIECE = new Uint8Array(65_536).fill(0x78);

export const COMMANDS = {
  echo(peer, length) {
    peer.rawBytes = number(length);
    if (peer.rawBytes > 0) peer.setRawMode();
  },
  line: (peer, text) => peer.sendLine(text),
  many: (peer, count) => peer.transport.writeMany(Array.from({ length: number(count) }, (_, index) => `${index}\n`)),
  lose(peer) {
    peer.sendLine("bye");
    peer.transport.loseConnection();
  },
  abort: (peer) => peer.transport.abortConnection(),
  shutdown(peer) {
    peer.sendLine("half");
    peer.transport.shutdownWrite();
  },
  pause(peer, delay) {
    callLater(number(delay), () => {
      peer.transport.resumeReading();
      peer.sendLine("resumed");
    });
    peer.transport.pauseReading();
  },
  later(peer, text) {
    const [delay, name] = cut(text);
    callLater(number(delay), () => peer.sendLine(`later ${name}`));
  },
  cancel(peer, delay) {
    const call = callLater(number(delay), () => log.info("a cancelled call was made"));
    for (let time = 0; time < 2; time++) peer.sendLine(`cancelled ${call.cancel()}`);
  },
  sleep(peer, duration) {
    sleep(number(duration));
    peer.sendLine("slept");
  },
  wait(peer, delay) {
    after(number(delay)).wait();
    peer.sendLine("waited");
  },
  fetch: (peer, urls) => words(urls).forEach((url) => peer.tell(getPage(url))),
  "fetch-wait"(peer, urls) {
    const pages = words(urls).map((url) => peer.tell(getPage(url)));
    pages.forEach((page) => page.wait());
  },
  post(peer, text) {
    const [url, body] = cut(text);
    peer.tell(request({ url, method: "POST", headers: { "x-wisted": "1" }, body }));
  },
  flood(peer, length) {
    for (let left = number(length); left > 0; left -= FLOOD_PIECE.length) {
      peer.transport.write(FLOOD_PIECE.subarray(0, left));
    }
    peer.awaitsDrained = true;
  },
  buffered: (peer) => peer.sendLine(`buffered ${peer.transport.bufferedBytes}`),
  peer: ({ transport }) => transport.write(`peer ${transport.peer.host} ${transport.peer.port}\n`),
  host: ({ transport }) => transport.write(`host ${transport.host.host} ${transport.host.port}\n`),
  log(peer, text) {
    const [level, message] = cut(text);
    if (!Object.hasOwn(log, level)) throw new BadArgument(`not a level: ${level}`);
    log[level]("%s", message);
    peer.sendLine("logged");
  },
  random: (peer, length) => peer.sendLine(Array.from(randomBytes(number(length)), hex).join("")),
  config: (peer, key) => peer.sendLine(["config", config.get(key)].filter((word) => word !== undefined).join(" ")),
  now: (peer) => peer.sendLine(`now ${now() * 1_000_000}`),
  netstring: (peer) => peer.startFraming(new NetstringBuffer(), netstring),
  int32: (peer) => peer.startFraming(new Int32Buffer(), int32Frame),
  keep(peer, text) {
    peer.factory.kept = text;
    peer.sendLine("kept");
  },
  recall(peer) {
    const { kept } = peer.factory;
    peer.sendLine(kept === "" ? "recalled" : `recalled ${kept}`);
  },
  trap() {
    throw new Error("a trap was asked for");
  },
};

export class BadArgument extends Error {}

const hex = (byte) => byte.toString(16).padStart(2, "0");
const words = (text) => text.split(" ").filter((word) => word !== "");

/** The first word, and what comes after the space behind it. */
export function cut(text) {
  const end = text.indexOf(" ");
  return end < 0 ? [text, ""] : [text.slice(0, end), text.slice(end + 1)];
}

/** Up to 2^31. */
function number(text) {
  if (!/^\d+$/.test(text) || Number(text) > 2 ** 31) throw new BadArgument(`not a number up to 2147483648: ${text}`);
  return Number(text);
}
