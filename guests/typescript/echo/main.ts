// Twisted's Echo server: sends back what it receives.

import { Protocol } from "wisted";

export default class Echo extends Protocol {
  override dataReceived(data: Uint8Array) {
    this.transport.write(data);
  }
}
