// The tutorial's asynchronous pages: each line starts two fetches and then sleeps in its handler, delaying nobody else.

import { type Config, type Deferred, Factory, LineReceiver, decode, getPage, sleep } from "wisted";

/** A longer line ends its connection. */
const LINE_MAX_BYTES = 255;
const DEFAULT_URLS = { url1: "http://www.example.com/", url2: "http://www.example.org/" };

export default class PagesFactory extends Factory {
  #urls: string[] = [];

  override startFactory(config: Config) {
    this.#urls = Object.entries(DEFAULT_URLS).map(([key, url]) => config.get(key) ?? url);
  }

  override buildProtocol() {
    return new Pages(this.#urls);
  }
}

class Pages extends LineReceiver {
  override maxLength = LINE_MAX_BYTES;
  /** Kept only so that a peer that has closed its side gets its pages before we close ours. */
  #underWay: Deferred<void>[] = [];
  readonly #urls: string[];

  constructor(urls: string[]) {
    super();
    this.#urls = urls;
  }

  override lineReceived(line: string) {
    if (line.startsWith("echo ")) {
      // For whoever wants to see that a sleeping neighbour delays nobody.
      this.sendLine(line);
      return;
    }
    try {
      this.#fetchAndSleep(line.startsWith("wait"));
    } catch (error) {
      console.log(`${clockTime()} ${(error as Error).message}`);
    }
  }

  override readClosed() {
    for (const page of this.#underWay) {
      try {
        page.wait();
      } catch {
        // Its own callback has told of any error.
      }
    }
    this.transport.loseConnection();
  }

  #fetchAndSleep(waits: boolean) {
    const pages = this.#urls.map((url) => this.#showPage(url));
    if (waits) {
      // The sequential style: go on when the pages are there.
      pages.forEach((page) => page.wait());
    } else {
      // The callback style: they run after this handler has returned, in order of arrival.
      this.#underWay = [...this.#underWay.filter((page) => !page.isReady), ...pages];
    }
    for (let nap = 1; nap <= 2; nap++) {
      console.log(`${clockTime()} sleeping, ${nap} of 2`);
      sleep(1000);
    }
    console.log(`${clockTime()} awake`);
    this.sendLine("done");
  }

  /** Fetches a page and, when it is there, prints it and tells the peer. */
  #showPage(url: string): Deferred<void> {
    return getPage(url).then(
      ({ body }) => {
        const start = JSON.stringify(decode(body.subarray(0, 100)));
        console.log(`${clockTime()} ${url}: ${body.length} bytes: ${start}`);
        this.sendLine(`${url} ${body.length}`);
      },
      (error) => {
        console.log(`${clockTime()} ${url}: ${error.message}`);
        this.sendLine(`${url} error: ${error.message}`);
      },
    );
  }
}

/** The time of day, UTC. */
function clockTime(): string {
  return new Date().toISOString().slice(11, 19);
}
