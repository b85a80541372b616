// Sends back what it receives. It knows no host: the test runs it on a fake one.

import { Protocol } from "wisted";

export default class Echo extends Protocol {
  dataReceived(data) {
    this.transport.write(data);
  }
}
