// Sends back what it receives. It knows no host: the test runs it on a fake one.

import { Protocol } from "wisted";

export default class Echo extends Protocol {
  override dataReceived(data: Uint8Array) {
    this.transport.write(data);
  }
}
