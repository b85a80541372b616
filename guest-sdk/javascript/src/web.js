// Web pages, both as callbacks and to be waited for. Knows nothing of who fetches them.

import { Deferred } from "./deferred.js";
import { host } from "./host.js";
import { milliseconds } from "./time.js";
import { decode, toBytes, wellFormed } from "./text.js";

export class Response {
  constructor({ status, headers = [], body = new Uint8Array(), url = "" }) {
    this.status = status;
    this.headers = headers;
    this.body = body;
    this.url = url;
  }

  get ok() {
    return this.status >= 200 && this.status < 300;
  }

  header(name) {
    const wanted = name.toLowerCase();
    return this.headers.find((header) => header.name.toLowerCase() === wanted)?.value;
  }

  text() {
    return decode(this.body);
  }

  json() {
    return JSON.parse(this.text());
  }
}

export function getPage(url) {
  return page(host.getPage(wellFormed(url)));
}

export function request({ url, method = "GET", headers = {}, body = "", timeout }) {
  const pairs = typeof headers[Symbol.iterator] === "function" ? Array.from(headers) : Object.entries(headers);
  return page(
    host.sendRequest({
      method: wellFormed(method),
      url: wellFormed(url),
      headers: pairs.map(([name, value]) => ({ name: wellFormed(name), value: wellFormed(value) })),
      body: toBytes(body),
      // 0 means the service's limit in the contract, and that is not what a tiny timeout means.
      timeout: timeout === undefined ? 0 : Math.max(milliseconds(timeout), 1),
    }),
  );
}

function page(id) {
  return Deferred.ofPending(id, (id) => host.takePage(id), (outcome) => {
    if (outcome.kind === "page") {
      return new Response(outcome.response);
    }
    throw outcome.error;
  });
}
