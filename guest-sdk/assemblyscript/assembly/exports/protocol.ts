// The exports of a guest that serves connections, flat, under names that transform.mjs replaces by the contract's.

import { takeBytes } from "../abi";
import { CloseReason } from "../reason";
import { instance } from "../server";

export * from "./common";

export function connectionMade(id: u32): void {
  instance.connectionMade(id);
}

export function dataReceived(id: u32, data: usize, length: usize): void {
  instance.dataReceived(id, takeBytes(data, length));
}

export function connectionLost(id: u32, tag: u32, text: usize, length: usize): void {
  instance.connectionLost(id, CloseReason.take(tag, text, length));
}

export function readClosed(id: u32): void {
  instance.readClosed(id);
}

export function drained(id: u32): void {
  instance.drained(id);
}
