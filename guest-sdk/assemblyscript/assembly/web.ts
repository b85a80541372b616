// Web pages: requests, responses, and how to be called back or wait for them. Knows nothing of how pages are fetched.

import * as abi from "./abi";
import * as pending from "./pending";
import { WaitError, waitFor } from "./time";

/** Fetches `url` with GET and returns at once: Twisted's `getPage`. The operator must have granted the host. Traps when
 * more is pending than the service's `pending-max`. */
export function getPage(url: string): Fetch {
  const bytes = String.UTF8.encode(url);
  return new Fetch(abi.getPage(changetype<usize>(bytes), bytes.byteLength));
}

/** Sends any request and returns at once; like `getPage` in everything else. */
export function request(what: Request): Fetch {
  const method = String.UTF8.encode(what.method);
  const url = String.UTF8.encode(what.url);
  const texts = new Array<ArrayBuffer>();
  const list = heap.alloc((<usize>what.headers.length) << 4);
  for (let index = 0; index < what.headers.length; ++index) {
    const place = list + ((<usize>index) << 4);
    const name = String.UTF8.encode(what.headers[index].name);
    const value = String.UTF8.encode(what.headers[index].value);
    store<usize>(place, changetype<usize>(name));
    store<usize>(place, name.byteLength, 4);
    store<usize>(place, changetype<usize>(value), 8);
    store<usize>(place, value.byteLength, 12);
    // Kept from the collector until the host has read them.
    texts.push(name);
    texts.push(value);
  }
  const id = abi.sendRequest(
    changetype<usize>(method), method.byteLength, changetype<usize>(url), url.byteLength, list, what.headers.length,
    what.body.dataStart, what.body.byteLength, what.timeoutMs,
  );
  heap.free(list);
  return new Fetch(id);
}

/** A request to be sent with `request`. */
export class Request {
  headers: Header[] = [];
  body: Uint8Array = new Uint8Array(0);
  /** How long the whole request may take, redirects included, in milliseconds. 0: the service's limit, which is also
   * the most that can be had. */
  timeoutMs: u32 = 0;

  /** `method` is upper case by convention; `url` absolute, `http` or `https`. */
  constructor(public method: string, public url: string) {}

  /** Adds a header. */
  header(name: string, value: string): Request {
    this.headers.push(new Header(name, value));
    return this;
  }

  /** Sets the body to a text in UTF-8. */
  text(body: string): Request {
    this.body = Uint8Array.wrap(String.UTF8.encode(body));
    return this;
  }
}

/** An HTTP header. */
export class Header {
  constructor(public readonly name: string, public readonly value: string) {}
}

/** A response of any status: a 404 is a page, not an error. */
export class Response {
  /** `body` has at most the service's `page-max-bytes`; `url` is where the page came from, after redirects. */
  constructor(
    public readonly status: u16, public readonly headers: Header[], public readonly body: Uint8Array,
    public readonly url: string,
  ) {}

  /** The value of the first header of this name, whatever its case. */
  header(name: string): string | null {
    for (let index = 0; index < this.headers.length; ++index) {
      if (this.headers[index].name.toLowerCase() == name.toLowerCase()) return this.headers[index].value;
    }
    return null;
  }

  /** The body as text, from UTF-8. */
  get text(): string {
    return String.UTF8.decodeUnsafe(this.body.dataStart, this.body.byteLength);
  }
}

/** The contract's cases of `fetch-error`, in its order. */
export enum FetchKind {
  /** The operator has not granted this host; the text says what to grant. */
  Denied,
  /** The URL, the method or a header is malformed, or the scheme is not `http` or `https`. */
  InvalidRequest,
  /** The name could not be resolved. */
  Dns,
  /** No connection could be made, or it broke. */
  Connect,
  /** The certificate could not be verified, or the TLS handshake failed. */
  Tls,
  /** The peer does not speak HTTP properly. */
  Protocol,
  /** It took longer than it may. */
  Timeout,
  /** The body is longer than `limit` bytes, the service's `page-max-bytes`. */
  TooLarge,
  /** More redirects than `limit`. */
  TooManyRedirects,
  /** More requests wait than `limit`, the most that this service may have; try later. */
  TooManyRequests,
}

/** Why there is no response. */
export class FetchFailure {
  /** `text` is for people; `limit` is the number of the last three kinds. */
  constructor(public readonly kind: FetchKind, public readonly text: string, public readonly limit: u64) {}

  /** The contract's name for it, such as `invalid-request`. */
  get name(): string {
    return NAMES[this.kind];
  }

  /** A sentence. */
  toString(): string {
    switch (this.kind) {
      case FetchKind.Timeout: return "the request timed out";
      case FetchKind.TooLarge: return "the page is longer than " + this.limit.toString() + " bytes";
      case FetchKind.TooManyRedirects: return "more than " + this.limit.toString() + " redirects";
      case FetchKind.TooManyRequests: return "more than " + this.limit.toString() + " requests are waiting";
      default: return SENTENCES[this.kind] + this.text;
    }
  }
}

const NAMES: StaticArray<string> = [
  "denied", "invalid-request", "dns", "connect", "tls", "protocol", "timeout", "too-large", "too-many-redirects",
  "too-many-requests",
];
const SENTENCES: StaticArray<string> = [
  "denied: ", "invalid request: ", "the name could not be resolved: ", "no connection: ", "TLS: ", "not proper HTTP: ",
];

/** What a fetch ends with: one of the three is there. */
export class FetchResult {
  constructor(
    public readonly response: Response | null, public readonly failure: FetchFailure | null,
    /** The wait for it ended early. */
    public readonly waitError: WaitError,
  ) {}

  /** Takes over a page from its flat form; for this package. */
  static page(
    status: u16, headers: usize, headersCount: usize, body: usize, bodyLength: usize, url: usize, urlLength: usize,
  ): FetchResult {
    const list = new Array<Header>();
    for (let index: usize = 0; index < headersCount; ++index) {
      const place = headers + (index << 4);
      list.push(new Header(abi.takeTextAt(place), abi.takeTextAt(place + 8)));
    }
    abi.free(headers, headersCount);
    const response = new Response(status, list, abi.takeBytes(body, bodyLength), abi.takeText(url, urlLength));
    return new FetchResult(response, null, WaitError.None);
  }

  /** Takes over a failure from its flat form; for this package. */
  static failed(tag: u32, payload: u64, length: usize): FetchResult {
    const text = <i32>tag < FetchKind.Timeout ? abi.takeText(<usize>payload, length) : "";
    return new FetchResult(null, new FetchFailure(tag, text, payload), WaitError.None);
  }
}

/** A page that is not there yet: attach a callback and return from the handler, or wait. It need not be kept. */
export class Fetch {
  constructor(private readonly id: u32) {}

  /** Has `callback(result, state)` called when the page is there, or it is certain that it never will be. To be called
   * once, in the handler that asked for the page.
   *
   *     getPage(url).then<Transport>((result, transport) => { … }, transport);
   */
  then<T>(callback: (result: FetchResult, state: T) => void, state: T): Fetch {
    pending.expect(this.id, new PageCall<T>(callback, state));
    return this;
  }

  /** Suspends the running handler until the page is there, calls the callback, if there is one, and returns the
   * result. */
  wait(): FetchResult {
    const error = waitFor(this.id);
    if (error != WaitError.None) return new FetchResult(null, null, error);
    const result = take(this.id);
    pending.deliver(this.id, result);
    return result;
  }

  /** Gives up: a request under way is aborted, and its callback is not called. Returns whether there was something to
   * give up. */
  cancel(): bool {
    return pending.cancel(this.id);
  }

  /** Whether its callback is still to be called. */
  get isPending(): bool {
    return pending.isExpected(this.id);
  }
}

class PageCall<T> extends pending.Listener {
  constructor(private readonly callback: (result: FetchResult, state: T) => void, private readonly state: T) {
    super();
  }

  tell(page: FetchResult | null): void {
    if (page !== null) this.callback(page, this.state);
  }
}

function take(id: u32): FetchResult {
  const at = abi.RESULT;
  abi.takePage(id, at);
  if (load<u8>(at) == 0) {
    return FetchResult.page(
      load<u16>(at, 8), load<usize>(at, 12), load<usize>(at, 16), load<usize>(at, 20), load<usize>(at, 24),
      load<usize>(at, 28), load<usize>(at, 32),
    );
  }
  const tag = load<u8>(at, 8);
  if (tag == FetchKind.TooLarge) return FetchResult.failed(tag, load<u64>(at, 16), 0);
  return FetchResult.failed(tag, load<u32>(at, 16), load<usize>(at, 20));
}
