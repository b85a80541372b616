// Protocols and programs for the Wisted reactor, in AssemblyScript: this file is the map of the package and knows only
// names.
//
// All of an echo server:
//
//     import { Protocol, Transport, serveProtocol } from "wisted-assemblyscript";
//     export * from "wisted-assemblyscript/assembly/exports/protocol";
//
//     class Echo extends Protocol {
//       dataReceived(transport: Transport, data: Uint8Array): void {
//         transport.write(data);
//       }
//     }
//
//     serveProtocol<Echo>();
//
// The host runs one handler of an instance at a time, also while it waits. AssemblyScript has neither closures nor
// exceptions: a callback is a function that is given a state of your choice, and what may fail says so in what it
// returns.

export { Protocol, Factory, StatefulFactory, Program, serveProtocol, serve, runProgram } from "./server";
export { Transport, Address } from "./transport";
export { CloseReason, CloseKind } from "./reason";
export { callLater, after, sleep, now, DelayedCall, WaitError } from "./time";
export { getPage, request, Request, Fetch, FetchResult, FetchFailure, FetchKind, Header, Response } from "./web";
export { Input, writeNetstring, writeInt32, LINE_MAX_BYTES, FRAME_MAX_BYTES } from "./framing";
export { log, Level } from "./log";
export { config, Config } from "./config";
export { randomBytes } from "./random";
