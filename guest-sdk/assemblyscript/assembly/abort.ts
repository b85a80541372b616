// What an uncaught error comes to: its message in the host's log, and then the trap, whose backtrace the host adds. It
// allocates nothing, for want of memory may be the cause.

import { isHostLowering, log } from "./abi";

// Lazy, for the compiler comes to this file before all others.
// @ts-ignore: decorator
@lazy const ERROR: u32 = 4;
// @ts-ignore: decorator
@lazy const BUFFER_BYTES: usize = 1024;
// @ts-ignore: decorator
@lazy const buffer: usize = memory.data(1024);
// @ts-ignore: decorator
@lazy let length: usize = 0;

/** To be named to the compiler: `asc --use abort=…/abort/wistedAbort`. asconfig.json of a new project does it. */
export function wistedAbort(message: string | null, file: string | null, line: u32, column: u32): void {
  if (!isHostLowering()) {
    length = 0;
    append("abort: ");
    append(message !== null ? message : "no message");
    append(" (");
    append(file !== null ? file : "?");
    append(":");
    appendNumber(line);
    append(":");
    appendNumber(column);
    append(")");
    log(ERROR, buffer, length);
  }
  unreachable();
}

function append(text: string): void {
  // Three bytes hold any UTF-16 unit.
  const fitting = min(<usize>text.length, (BUFFER_BYTES - length) / 3);
  length += String.UTF8.encodeUnsafe(changetype<usize>(text), <i32>fitting, buffer + length);
}

function appendNumber(value: u32): void {
  if (value >= 10) appendNumber(value / 10);
  if (length < BUFFER_BYTES) store<u8>(buffer + length++, <u8>(48 + (value % 10)));
}
