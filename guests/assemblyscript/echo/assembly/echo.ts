// Twisted's Echo server: sends back what it receives, and knows nothing else.

import { Protocol, Transport, serveProtocol } from "wisted-assemblyscript/assembly";
export * from "wisted-assemblyscript/assembly/exports/protocol";

class Echo extends Protocol {
  dataReceived(transport: Transport, data: Uint8Array): void {
    transport.write(data);
  }
}

serveProtocol<Echo>();
