// Twisted's Echo server: sends back what it receives.

import { Protocol } from "wisted";

export default class Echo extends Protocol {
  dataReceived(data) {
    this.transport.write(data);
  }
}
