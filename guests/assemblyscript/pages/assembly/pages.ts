// The tutorial's asynchronous pages: each line starts two fetches and then sleeps in its handler, delaying nobody else.

import {
  Address, Config, Factory, Fetch, FetchResult, Input, Protocol, Transport, WaitError, getPage, log, now, serve, sleep,
} from "wisted-assemblyscript/assembly";
export * from "wisted-assemblyscript/assembly/exports/protocol";

/** A longer line ends its connection. */
const LINE_MAX_BYTES = 256;

class PagesFactory extends Factory {
  private urls: string[] = [];

  startFactory(config: Config): string | null {
    this.urls = [config.get("url1", "http://www.example.com/"), config.get("url2", "http://www.example.org/")];
    return null;
  }

  buildProtocol(_peer: Address): Protocol {
    return new Pages(this.urls);
  }
}

class Pages extends Protocol {
  private input: Input = new Input();
  /** Kept only so that a peer that has closed its side gets its pages before we close ours. */
  private underWay: Fetch[] = [];

  constructor(private readonly urls: string[]) {
    super();
  }

  dataReceived(transport: Transport, data: Uint8Array): void {
    this.input.push(data);
    for (let line = this.next(); line !== null; line = this.next()) {
      if (line.startsWith("echo ")) {
        // For whoever wants to see that a sleeping neighbour delays nobody.
        transport.writeText(line + "\n");
        continue;
      }
      if (this.fetchAndSleep(transport, line.startsWith("wait"))) continue;
      return say("gave up: the connection was lost, or the host is stopping");
    }
    if (this.input.fault !== null) transport.loseConnection();
  }

  readClosed(transport: Transport): void {
    this.finish();
    transport.loseConnection();
  }

  /** False when a wait was broken off. */
  private fetchAndSleep(transport: Transport, waits: bool): bool {
    this.underWay = this.underWay.filter((page: Fetch): bool => page.isPending);
    for (let index = 0; index < this.urls.length; ++index) {
      const url = this.urls[index];
      this.underWay.push(getPage(url).then<Asked>(showPage, { url, transport }));
    }
    // The sequential style: go on when the pages are there. The callback style: they run after this handler.
    if (waits && !this.finish()) return false;
    for (let nap = 1; nap <= 2; ++nap) {
      say("sleeping, " + nap.toString() + " of 2");
      if (sleep(1000) != WaitError.None) return false;
    }
    say("awake");
    transport.writeText("done\n");
    return true;
  }

  /** Waits for the pages that are still to come; their callbacks tell of them. False when a wait was broken off. */
  private finish(): bool {
    const pages = this.underWay;
    this.underWay = [];
    for (let index = 0; index < pages.length; ++index) {
      if (pages[index].isPending && pages[index].wait().waitError != WaitError.None) return false;
    }
    return true;
  }

  private next(): string | null {
    return this.input.lineText(LINE_MAX_BYTES - 1, false);
  }
}

/** What a page was asked for, and for whom. */
class Asked {
  url: string;
  transport: Transport;
}

/** A page is there: prints it and tells the peer. */
function showPage(result: FetchResult, asked: Asked): void {
  const page = result.response;
  const failure = result.failure;
  if (page !== null) {
    const length = page.body.length.toString();
    const start = String.UTF8.decodeUnsafe(page.body.dataStart, min(page.body.length, 100));
    say(asked.url + ": " + length + " bytes: \"" + start.replaceAll("\n", "\\n") + "\"");
    asked.transport.writeText(asked.url + " " + length + "\n");
  } else if (failure !== null) {
    say(asked.url + ": " + failure.toString());
    asked.transport.writeText(asked.url + " error: " + failure.toString() + "\n");
  }
}

/** Logs with the time since an unspecified moment: the contract has no time of day, but the host writes it before each
 * record. */
function say(text: string): void {
  const seconds = now() / 1000;
  const time = [seconds / 3600, (seconds / 60) % 60, seconds % 60];
  log.info(time.map<string>((part: u64): string => part.toString().padStart(2, "0")).join(":") + " " + text);
}

serve(new PagesFactory());
